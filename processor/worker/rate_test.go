package worker

import (
	"context"
	"fmt"
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

// took returns how long it was asked for, from one attempt to the last.
func (p *provider) took(first int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at[len(p.at)-1].Sub(p.at[first])
}

// TestARateIsThatOfAllWorkers: a provider that permits so many attempts a second
// gets no more of two workers, and as many of the one that is left. What is asked
// of the clock is that no fewer seconds pass: a slow machine may take more.
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
	owning := func(w *Worker) int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.owning
	}
	told := 0
	tell := func(name string, n int) {
		var all []processor.Event // at once, so that only the rate holds them back
		for i := range n {
			id := fmt.Sprint(name, i)
			all = append(all, identify(id), added(id, "phone"))
		}
		require.NoError(t, NewIntake(logB).Append(soon(t), all))
		told += n
		waitFor(t, "all to be told", func() bool { return channel.count() == told })
		require.Greater(t, channel.took(told-n), time.Duration(n)*time.Second/rate*3/4, "two workers at the whole rate take half")
	}
	waitFor(t, "both to have their part of the rate", func() bool { return owning(a)+owning(b) == partitions })
	tell("ann", 3*rate)

	closeWorker(t, a)
	live(t, b)
	waitFor(t, "the whole rate", func() bool { return owning(b) == partitions })
	tell("bob", 2*rate)
}
