package connectortest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/connectors"
	"onhand/processor"
)

// expected is what an attempt comes to with each behaviour, and whether the
// peer has the action then.
var expected = []struct {
	peer     Behaviour
	delivery processor.Delivery
	has      bool
}{
	{Well, processor.Delivered, true},
	{Slow, processor.Delivered, true},
	{Refuses, processor.Failed, false},
	{Busy, processor.Retry, false},
	{BusyFor, processor.Retry, false},
	{Gone, processor.Failed, false},
	{Unreachable, processor.Retry, false},
	{Hangs, processor.Unknown, true},
	{Breaks, processor.Unknown, true},
}

// patience is the limit of one attempt in the suite. It is longer than Slow.
const patience = time.Second

// Run holds a channel to the contract of connectors.Channel.
func Run(t *testing.T, h Harness) {
	for _, e := range expected {
		t.Run("attempt when the peer "+e.peer.String(), func(t *testing.T) {
			channel, peer := h.start(t, e.peer)
			result := h.deliver(t, channel, "act-1", patience)
			require.Equal(t, e.delivery.String(), result.Delivery.String(), "%+v", result)
			require.Equal(t, e.peer == Gone, result.Gone)
			if e.peer == BusyFor {
				require.Equal(t, BusySeconds*time.Second, result.RetryAfter)
			}
			if e.delivery != processor.Delivered {
				require.NotEmpty(t, result.Code, "what is not delivered has a code")
			}
			if e.has {
				require.Equal(t, []string{"act-1"}, peer.Got())
			} else {
				require.Empty(t, peer.Got())
			}
		})
		t.Run("report when the peer "+e.peer.String(), func(t *testing.T) { h.testReport(t, e.peer, e.delivery) })
	}
	t.Run("same action twice", h.testTwice)
	t.Run("repeat after an unknown outcome", h.testRepeat)
	t.Run("context ended before", h.testEndedBefore)
	t.Run("context cancelled during", h.testCancelled)
	t.Run("concurrent", h.testConcurrent)
	t.Run("close waits", h.testCloseWaits)
	t.Run("deliver after close", h.testAfterClose)
	t.Run("name", func(t *testing.T) {
		channel, _ := h.start(t, Well)
		require.NotEmpty(t, channel.Name())
	})
}

// start returns a channel and its peer, which behaves as told.
func (h Harness) start(t *testing.T, b Behaviour) (connectors.Channel, Peer) {
	t.Helper()
	channel, peer := h.New(t)
	t.Cleanup(func() { _ = channel.Close() })
	behave(t, peer, b)
	return channel, peer
}

func behave(t *testing.T, peer Peer, b Behaviour) {
	t.Helper()
	if !peer.Behave(b) {
		t.Skipf("this kind of peer is never like that: %s", b)
	}
}

// deliver makes one attempt and checks what holds for each.
func (h Harness) deliver(t *testing.T, channel connectors.Channel, id string, limit time.Duration) connectors.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	start := time.Now()
	result := channel.Deliver(ctx, Decision(id))
	require.Less(t, time.Since(start), limit+2*time.Second, "Deliver returns soon after its context ends")
	h.clean(t, result.Code+" "+result.Detail)
	require.LessOrEqual(t, len(result.Detail), connectors.MaxDetail)
	return result
}

// clean fails when a text shows a secret.
func (h Harness) clean(t *testing.T, text string) {
	t.Helper()
	for _, secret := range h.Secrets {
		// The text is not printed: a log of tests may be public.
		require.False(t, strings.Contains(text, secret), "a secret is in a result or a log line")
	}
}

// testReport makes the attempt through a Dispatcher, which decides by
// Idempotent what an unknown outcome means.
func (h Harness) testReport(t *testing.T, b Behaviour, want processor.Delivery) {
	channel, _ := h.start(t, b)
	if want == processor.Unknown && channel.Idempotent() {
		want = processor.Retry
	}
	var log bytes.Buffer
	told := make(chan connectors.Report, 1)
	dispatcher := connectors.NewDispatcher(connectors.Config{
		Channels: map[string]connectors.ChannelConfig{"test": {Channel: channel, Timeout: patience}},
		Report:   func(r connectors.Report) { told <- r },
		Logger:   slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	err := dispatcher.Submit(connectors.Job{Decision: Decision("act-1"), Attempt: 1})
	require.NoError(t, err)
	report := <-told
	require.NoError(t, dispatcher.Close(context.Background()))
	require.Equal(t, want.String(), report.Delivery.String(), "%+v", report)
	require.Equal(t, "act-1", report.ActionID)
	require.True(t, report.Attempted)
	require.Equal(t, want == processor.Retry, !report.RetryAt.IsZero())
	if b == BusyFor {
		require.GreaterOrEqual(t, report.RetryAt.Sub(report.At), BusySeconds*time.Second)
	}
	h.clean(t, log.String()+report.Code+report.Detail)
}

func (h Harness) testTwice(t *testing.T) {
	channel, peer := h.start(t, Well)
	for range 2 {
		require.Equal(t, processor.Delivered, h.deliver(t, channel, "act-1", patience).Delivery)
	}
	if channel.Idempotent() {
		require.Equal(t, []string{"act-1"}, peer.Got(), "an idempotent peer acts once")
	} else {
		require.Equal(t, []string{"act-1", "act-1"}, peer.Got(), "every attempt names the same action")
	}
}

func (h Harness) testRepeat(t *testing.T) {
	channel, peer := h.start(t, Breaks)
	if !channel.Idempotent() {
		t.Skip("the channel is not idempotent: nothing is repeated")
	}
	require.Equal(t, processor.Unknown, h.deliver(t, channel, "act-1", patience).Delivery)
	behave(t, peer, Well)
	require.Equal(t, processor.Delivered, h.deliver(t, channel, "act-1", patience).Delivery)
	require.Equal(t, []string{"act-1"}, peer.Got())
}

func (h Harness) testEndedBefore(t *testing.T) {
	channel, peer := h.start(t, Well)
	result := h.deliver(t, channel, "act-1", 0)
	require.Equal(t, processor.Retry.String(), result.Delivery.String(), "nothing has left: %+v", result)
	require.Empty(t, peer.Got())
}

func (h Harness) testCancelled(t *testing.T) {
	channel, peer := h.start(t, Hangs)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan connectors.Result, 1)
	go func() { result <- channel.Deliver(ctx, Decision("act-1")) }()
	require.Eventually(t, func() bool { return len(peer.Got()) == 1 }, 5*time.Second, time.Millisecond)
	cancel()
	select {
	case r := <-result:
		require.Equal(t, processor.Unknown, r.Delivery)
	case <-time.After(2 * time.Second):
		t.Fatal("Deliver goes on after its context was cancelled")
	}
}

func (h Harness) testConcurrent(t *testing.T) {
	channel, peer := h.start(t, Well)
	const senders, each = 8, 20
	var want []string
	var sending sync.WaitGroup
	for s := range senders {
		for i := range each {
			want = append(want, fmt.Sprintf("act-%d-%d", s, i))
		}
		sending.Go(func() {
			for i := range each {
				result := channel.Deliver(context.Background(), Decision(fmt.Sprintf("act-%d-%d", s, i)))
				if result.Delivery != processor.Delivered {
					t.Errorf("act-%d-%d: %+v", s, i, result)
				}
			}
		})
	}
	sending.Wait()
	got := peer.Got()
	slices.Sort(got)
	slices.Sort(want)
	require.Equal(t, want, got)
}

func (h Harness) testCloseWaits(t *testing.T) {
	channel, peer := h.start(t, Slow)
	result := make(chan connectors.Result, 1)
	go func() { result <- channel.Deliver(context.Background(), Decision("act-1")) }()
	require.Eventually(t, func() bool { return len(peer.Got()) == 1 }, 5*time.Second, time.Millisecond)
	require.NoError(t, channel.Close())
	select {
	case r := <-result:
		require.Equal(t, processor.Delivered, r.Delivery)
	case <-time.After(150 * time.Millisecond): // less than Slow takes, more than a goroutine needs to be told
		t.Fatal("Close has returned before Deliver")
	}
}

func (h Harness) testAfterClose(t *testing.T) {
	channel, peer := h.start(t, Well)
	require.NoError(t, channel.Close())
	result := h.deliver(t, channel, "act-1", patience)
	require.Equal(t, processor.Retry, result.Delivery)
	require.Equal(t, connectors.CodeClosed, result.Code)
	require.Empty(t, peer.Got())
}
