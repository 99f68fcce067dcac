package worker

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/connectors"
	"onhand/processor"
)

// gated is a channel whose attempts last until it is opened, and that does not
// honour an action's id.
type gated struct {
	*post
	begun, open chan struct{}
}

func (c *gated) Idempotent() bool { return false }

func (c *gated) Deliver(ctx context.Context, d *processor.Decision) connectors.Result {
	c.begun <- struct{}{}
	<-c.open
	return c.post.Deliver(ctx, d)
}

// What became of an attempt is known to the next owner of a partition, whenever
// the attempt ends: while the loop ends, when the partition has heard of it and
// has not said it in its log yet, and when the loop is gone.
func TestAReportOutlivesTheLoop(t *testing.T) {
	for name, ends := range map[string]func(l *loop, report func()){
		"the loop ends meanwhile": func(l *loop, report func()) {
			report()
			l.fail(ErrFenced)
		},
		"it is heard and not said": func(l *loop, report func()) {
			report()
			l.hear()
			l.fail(ErrFenced)
		},
		"the loop is gone": func(l *loop, report func()) {
			l.fail(ErrFenced)
			go func() {
				<-l.done
				report()
			}()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := openLog(t, startServer(t), 1)
			channel := &gated{newPost(), make(chan struct{}), make(chan struct{})}
			w := startWorker(context.Background(), t, Config{ID: "a", Log: log, DataDir: t.TempDir(),
				Channels: map[string]connectors.ChannelConfig{"email": {Channel: channel}}})
			activate(t, w)
			remind(t, log, "ann", 1)
			<-channel.begun
			w.mu.Lock()
			l := w.loops[0]
			w.mu.Unlock()
			require.True(t, l.post(func() {
				ends(l, func() {
					close(channel.open)
					waitFor(t, "the report", func() bool { return w.underway.Load() == 0 })
				})
			}))
			waitFor(t, "the outcome", func() bool { return len(w.Metrics().Deliveries) > 0 })
			require.Equal(t, map[DeliveryKey]uint64{{"email", processor.Delivered}: 1}, w.Metrics().Deliveries)
			require.Equal(t, 1, channel.count())
		})
	}
}
