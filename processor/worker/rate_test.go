package worker

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/connectors"
	"onhand/processor"
)

// provider is a channel that knows when it was asked.
type provider struct {
	*post
	mu sync.Mutex
	at []time.Time
}

func (p *provider) Deliver(ctx context.Context, d *processor.Decision) connectors.Result {
	p.mu.Lock()
	p.at = append(p.at, time.Now())
	p.mu.Unlock()
	return p.post.Deliver(ctx, d)
}

// most returns how often it was asked within a span, at most.
func (p *provider) most(span time.Duration) (most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := 0
	for to := range p.at {
		for p.at[to].Sub(p.at[from]) > span {
			from++
		}
		most = max(most, to-from+1)
	}
	return most
}

// TestARateIsThatOfAllWorkers: a provider that permits so many attempts a second
// gets no more of two workers, and as many of the one that is left.
func TestARateIsThatOfAllWorkers(t *testing.T) {
	t.Parallel()
	const rate, partitions = 40, 4
	server := startServer(t)
	logA, logB := openLog(t, server, partitions), openLog(t, server, partitions)
	channel := &provider{post: newPost()}
	channels := func() map[string]connectors.ChannelConfig {
		return map[string]connectors.ChannelConfig{"email": {Channel: channel, RatePerSecond: rate, Burst: 1, Patience: time.Minute}}
	}
	a := startWorker(context.Background(), t, Config{ID: "a", Log: logA, DataDir: t.TempDir(), Channels: channels()})
	b := startWorker(context.Background(), t, Config{ID: "b", Log: logB, DataDir: t.TempDir(), Channels: channels()})
	activate(t, b)
	shared(t, a, b)
	time.Sleep(a.member.Lease() / 2) // both have looked at what they own
	remind(t, logB, "ann", 3*rate)
	waitFor(t, "all to be told", func() bool { return channel.count() == 3*rate })
	require.LessOrEqual(t, channel.most(time.Second), rate+rate/10+2)

	closeWorker(t, a)
	live(t, b)
	time.Sleep(b.member.Lease() / 2)
	remind(t, logB, "bob", 2*rate)
	begin := time.Now()
	waitFor(t, "all to be told", func() bool { return channel.count() == 5*rate })
	require.Less(t, time.Since(begin), 6*time.Second, "it has the whole rate now")
	require.LessOrEqual(t, channel.most(time.Second), rate+rate/10+2)
}
