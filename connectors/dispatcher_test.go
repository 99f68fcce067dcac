package connectors

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/processor"
)

// scripted is a channel that answers what the test tells it to.
type scripted struct {
	idempotent bool
	answer     func(ctx context.Context, d *processor.Decision) Result

	mu      sync.Mutex
	started []string // action ids, in order
	at      []time.Time
	closed  int
}

func (s *scripted) Name() string     { return "scripted" }
func (s *scripted) Idempotent() bool { return s.idempotent }
func (s *scripted) Close() error     { s.closed++; return nil }
func (s *scripted) Deliver(ctx context.Context, d *processor.Decision) Result {
	s.mu.Lock()
	s.started = append(s.started, d.Action.ID)
	s.at = append(s.at, time.Now())
	answer := s.answer
	s.mu.Unlock()
	if answer == nil {
		return Result{Delivery: processor.Delivered, Code: "200"}
	}
	return answer(ctx, d)
}

// ids waits until everything has settled and returns what was started.
func (s *scripted) ids() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.started)
}

// times is ids for when.
func (s *scripted) times() []time.Time {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.at)
}

func always(r Result) func(context.Context, *processor.Decision) Result {
	return func(context.Context, *processor.Decision) Result { return r }
}

// slow answers like next after a while of fake time.
func slow(wait time.Duration, r Result) func(context.Context, *processor.Decision) Result {
	return func(ctx context.Context, _ *processor.Decision) Result {
		select {
		case <-time.After(wait):
			return r
		case <-ctx.Done():
			return Result{Delivery: processor.Unknown, Code: CodeTimeout}
		}
	}
}

var (
	delivered = Result{Delivery: processor.Delivered, Code: "200"}
	busy      = Result{Delivery: processor.Retry, Code: "503"}
)

// bench is a dispatcher with one scripted channel, "mail", in fake time.
type bench struct {
	t       *testing.T
	channel *scripted
	*Dispatcher
	mu      sync.Mutex
	reports []Report
}

// play runs a story in fake time.
func play(t *testing.T, c ChannelConfig, channel *scripted, story func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, channel: channel}
		c.Channel = channel
		b.Dispatcher = NewDispatcher(Config{
			Channels: map[string]ChannelConfig{"mail": c},
			Logger:   slog.New(slog.DiscardHandler),
			Report: func(r Report) {
				b.mu.Lock()
				b.reports = append(b.reports, r)
				b.mu.Unlock()
			},
		})
		story(b)
		require.NoError(t, b.Close(context.Background()))
		require.Equal(t, 1, channel.closed, "the channel is closed once")
	})
}

// action returns a job for an action of a customer of its own, of no use after the
// given time from now; 0 means never.
func action(id string, useful time.Duration) Job {
	d := &processor.Decision{ID: "d-" + id, Customer: "customer-" + id, Outcome: processor.Sent,
		Action: &processor.Action{ID: id, Channel: "mail", Kind: "message"}}
	if useful != 0 {
		d.Action.ExpiresAt = time.Now().Add(useful).UnixMilli()
	}
	return Job{Decision: d, Attempt: 1, Released: time.Now()}
}

func (b *bench) submit(jobs ...Job) {
	b.t.Helper()
	for _, j := range jobs {
		require.NoError(b.t, b.Submit(j))
	}
}

// told waits until everything has settled and returns the reports so far as
// "id delivery code".
func (b *bench) told() []string {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []string
	for _, r := range b.reports {
		lines = append(lines, fmt.Sprintf("%s %s %s", r.ActionID, r.Delivery, r.Code))
	}
	return lines
}

func (b *bench) last() Report {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reports[len(b.reports)-1]
}

func TestEarliestDeadlineGoesFirst(t *testing.T) {
	c := ChannelConfig{InFlight: 1, HandOver: atMost(20 * time.Second)}
	play(t, c, &scripted{answer: slow(100*time.Millisecond, delivered)}, func(b *bench) {
		b.submit(action("first", time.Hour))
		synctest.Wait() // under way, the rest waits
		b.submit(action("day", 24*time.Hour), action("never", 0), action("minute", time.Minute), action("second", 10*time.Second))
		time.Sleep(time.Second)
		// An action that never expires is due by the channel's hand-over.
		require.Equal(t, []string{"first", "second", "never", "minute", "day"}, b.channel.ids())
	})
}

func TestRateIsKept(t *testing.T) {
	play(t, ChannelConfig{RatePerSecond: 10, Burst: 2}, &scripted{}, func(b *bench) {
		start := time.Now()
		for i := range 6 {
			b.submit(action(fmt.Sprint(i), 0))
		}
		time.Sleep(time.Second)
		var waits []time.Duration
		for _, at := range b.channel.times() {
			waits = append(waits, at.Sub(start).Round(time.Millisecond))
		}
		const ms = time.Millisecond
		require.Equal(t, []time.Duration{0, 0, 100 * ms, 200 * ms, 300 * ms, 400 * ms}, waits)

		b.Share(0.1) // a burst of one, and a rate of one
		start = time.Now()
		b.submit(action("a", 0), action("b", 0), action("c", 0), action("d", 0))
		time.Sleep(5 * time.Second)
		require.Equal(t, 3*time.Second, b.channel.times()[9].Sub(start).Round(time.Millisecond))
	})
}

func TestInFlightIsBounded(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	channel := &scripted{answer: func(context.Context, *processor.Decision) Result {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(time.Second)
		mu.Lock()
		now--
		mu.Unlock()
		return delivered
	}}
	play(t, ChannelConfig{InFlight: 3}, channel, func(b *bench) {
		for i := range 9 {
			b.submit(action(fmt.Sprint(i), 0))
		}
		time.Sleep(3 * time.Second)
		require.Len(t, b.told(), 9)
		require.Equal(t, 3, most)

		for _, share := range []struct {
			part float64
			most int
		}{{0.7, 2}, {0.01, 1}, {1, 3}} { // what other processes have is theirs
			mu.Lock()
			most = 0
			mu.Unlock()
			b.Share(share.part)
			for i := range 9 {
				b.submit(action(fmt.Sprint(share.part, i), 0))
			}
			time.Sleep(9 * time.Second)
			mu.Lock()
			require.Equal(t, share.most, most)
			mu.Unlock()
		}
	})
}

func TestOneCustomerIsToldOneThingAtATime(t *testing.T) {
	play(t, ChannelConfig{}, &scripted{answer: slow(time.Second, delivered)}, func(b *bench) {
		add, remove, other := action("add", time.Hour), action("remove", time.Minute), action("other", time.Hour)
		remove.Decision.Customer = add.Decision.Customer
		b.submit(add)
		synctest.Wait()
		b.submit(remove, other)
		synctest.Wait()
		require.Equal(t, []string{"add", "other"}, b.channel.ids())
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"add", "other", "remove"}, b.channel.ids())
	})
}

func TestExpiredIsNotAttempted(t *testing.T) {
	play(t, ChannelConfig{InFlight: 1}, &scripted{answer: slow(3*time.Second, delivered)}, func(b *bench) {
		b.submit(action("late", -time.Second), action("first", time.Hour))
		synctest.Wait()
		b.submit(action("short", time.Second))
		time.Sleep(time.Second)
		require.Equal(t, []string{"late failed expired", "short failed expired"}, b.told())
		require.False(t, b.last().Attempted)
		require.Equal(t, []string{"first"}, b.channel.ids())
		require.EqualValues(t, 2, b.Stats()["mail"].Expired)
	})
}

func TestWhatWaitsTooLongIsGivenBack(t *testing.T) {
	c := ChannelConfig{InFlight: 1, Patience: 2 * time.Second}
	play(t, c, &scripted{answer: slow(10*time.Second, delivered)}, func(b *bench) {
		b.submit(action("first", time.Hour), action("second", time.Hour))
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"second retry waited"}, b.told())
		r := b.last()
		require.False(t, r.Attempted)
		require.Equal(t, time.Now(), r.RetryAt)
	})
}

func TestQueueIsBounded(t *testing.T) {
	play(t, ChannelConfig{InFlight: 1, Queue: 2}, &scripted{answer: slow(time.Second, delivered)}, func(b *bench) {
		b.submit(action("a", 0))
		synctest.Wait()
		b.submit(action("b", 0), action("c", 0))
		require.ErrorIs(t, b.Submit(action("d", 0)), ErrFull)
		require.ErrorIs(t, b.Submit(action("c", 0)), ErrQueued)
		time.Sleep(time.Second)
		synctest.Wait()
		b.submit(action("d", 0))
	})
}

func TestSubmitRefuses(t *testing.T) {
	play(t, ChannelConfig{}, &scripted{}, func(b *bench) {
		require.ErrorIs(t, b.Submit(Job{Decision: &processor.Decision{}}), ErrNoAction)
		j := action("a", 0)
		j.Decision.Action.Channel = "pigeon"
		require.ErrorIs(t, b.Submit(j), ErrUnknownChannel)
		require.NoError(t, b.Close(context.Background()))
		require.ErrorIs(t, b.Submit(action("b", 0)), ErrClosed)
		require.Empty(t, b.told())
	})
}

func TestCancelAndDrain(t *testing.T) {
	play(t, ChannelConfig{InFlight: 1}, &scripted{answer: slow(time.Second, delivered)}, func(b *bench) {
		b.submit(action("a", 0))
		synctest.Wait()
		lost := action("lost", 0)
		lost.Partition = 7
		parked := action("parked", 0)
		parked.Decision.Customer = "customer-a"
		b.submit(action("b", 0), lost, parked, action("c", 0))
		require.False(t, b.Cancel("a"), "under way")
		require.False(t, b.Cancel("nobody"))
		require.True(t, b.Cancel("b"))
		require.True(t, b.Cancel("parked"))
		require.False(t, b.Cancel("b"))
		require.Equal(t, 1, b.Drain(7))
		time.Sleep(3 * time.Second)
		require.Equal(t, []string{"a delivered 200", "c delivered 200"}, b.told())
		require.EqualValues(t, 3, b.Stats()["mail"].Dropped)
	})
}

func TestRetryNamesTheTimeAndIsNotMade(t *testing.T) {
	channel := &scripted{answer: always(busy)}
	play(t, ChannelConfig{Retry: Schedule{10 * time.Second, time.Minute}}, channel, func(b *bench) {
		b.submit(action("a", 0))
		r := b.last()
		require.Equal(t, processor.Retry, r.Delivery)
		require.True(t, r.Attempted)
		require.WithinRange(t, r.RetryAt, time.Now().Add(10*time.Second), time.Now().Add(12*time.Second))

		second := action("a", 0)
		second.Attempt = 2
		b.submit(second)
		r = b.last()
		require.WithinRange(t, r.RetryAt, time.Now().Add(time.Minute), time.Now().Add(72*time.Second))

		third := action("a", 0)
		third.Attempt = 3
		b.submit(third)
		r = b.last()
		require.Equal(t, processor.Failed, r.Delivery)
		require.Equal(t, "503", r.Code)
		require.Contains(t, r.Detail, "no attempt left")
		require.Zero(t, r.RetryAt)

		b.submit(action("short", 9*time.Second))
		require.Equal(t, processor.Failed, b.last().Delivery, "the next attempt would come too late")

		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, channel.ids(), 4)
	})
}

func TestUnknownIsRetriedOnlyWhenIdempotent(t *testing.T) {
	lost := Result{Delivery: processor.Unknown, Code: CodeTimeout}
	play(t, ChannelConfig{}, &scripted{idempotent: true, answer: always(lost)}, func(b *bench) {
		b.submit(action("a", 0))
		require.Equal(t, processor.Retry, b.last().Delivery)
		b.submit(action("b", time.Second))
		require.Equal(t, processor.Unknown, b.last().Delivery, "no time left: the truth")
	})
	play(t, ChannelConfig{}, &scripted{answer: always(lost)}, func(b *bench) {
		b.submit(action("a", 0))
		require.Equal(t, processor.Unknown, b.last().Delivery)
		require.Zero(t, b.last().RetryAt)
	})
}

func TestAttemptTimesOut(t *testing.T) {
	play(t, ChannelConfig{Timeout: time.Second}, &scripted{answer: slow(time.Hour, delivered)}, func(b *bench) {
		b.submit(action("a", 0))
		time.Sleep(time.Second)
		require.Equal(t, []string{"a unknown timeout"}, b.told())
	})
}

func TestBreakerOpensProbesAndCloses(t *testing.T) {
	channel := &scripted{answer: always(busy)}
	c := ChannelConfig{InFlight: 1, Patience: time.Hour}
	play(t, c, channel, func(b *bench) {
		for i := range 20 {
			b.submit(action(fmt.Sprint(i), 0))
		}
		synctest.Wait()
		require.Len(t, channel.ids(), breakerFailures)
		require.True(t, b.Stats()["mail"].Paused)

		time.Sleep(breakerShortest * 13 / 10) // one probe, which fails
		synctest.Wait()
		require.Len(t, channel.ids(), breakerFailures+1)
		time.Sleep(breakerShortest) // the pause has doubled
		synctest.Wait()
		require.Len(t, channel.ids(), breakerFailures+1)

		channel.mu.Lock()
		channel.answer = nil
		channel.mu.Unlock()
		time.Sleep(3 * breakerShortest)
		synctest.Wait()
		require.Len(t, channel.ids(), 20)
		require.False(t, b.Stats()["mail"].Paused)
	})
}

func TestBreakerIsNotOpenedByRefusals(t *testing.T) {
	refused := Result{Delivery: processor.Failed, Code: "400"}
	play(t, ChannelConfig{InFlight: 1}, &scripted{answer: always(refused)}, func(b *bench) {
		for i := range 20 {
			b.submit(action(fmt.Sprint(i), 0))
		}
		require.Len(t, b.told(), 20)
		require.False(t, b.Stats()["mail"].Paused)
	})
}

func TestRetryAfterHoldsTheChannel(t *testing.T) {
	channel := &scripted{answer: always(Result{Delivery: processor.Retry, Code: "429", RetryAfter: 30 * time.Second})}
	play(t, ChannelConfig{InFlight: 1}, channel, func(b *bench) {
		start := time.Now()
		b.submit(action("a", 0), action("b", 0))
		time.Sleep(5 * time.Second)
		require.Equal(t, []string{"a retry 429", "b retry waited"}, b.told())
		require.Equal(t, start.Add(30*time.Second), b.last().RetryAt, "not before the provider is ready")
		require.Len(t, channel.ids(), 1)
	})
}

func TestChannelThatIsDownDelaysOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, up := &scripted{answer: slow(time.Hour, delivered)}, &scripted{}
		told := make(chan Report, 10)
		d := NewDispatcher(Config{
			Channels: map[string]ChannelConfig{"mail": {Channel: down, InFlight: 1}, "push": {Channel: up}},
			Report:   func(r Report) { told <- r },
		})
		pushed := action("b", 0)
		pushed.Decision.Action.Channel = "push"
		require.NoError(t, d.Submit(action("a", 0)))
		require.NoError(t, d.Submit(pushed))
		require.Equal(t, "push", (<-told).Channel)
		require.NoError(t, d.Close(context.Background()))
	})
}

func TestGoneEndpointIsLeftAlone(t *testing.T) {
	channel := &scripted{answer: always(Result{Delivery: processor.Failed, Code: "410", Gone: true})}
	play(t, ChannelConfig{InFlight: 1}, channel, func(b *bench) {
		b.submit(action("a", 0), action("b", 0))
		synctest.Wait()
		b.submit(action("c", 0))
		require.Equal(t, []string{"a failed 410", "b failed gone", "c failed gone"}, b.told())
		require.Len(t, channel.ids(), 1)
		require.True(t, b.Stats()["mail"].Gone)
	})
}

func TestPanicCostsOneAttempt(t *testing.T) {
	channel := &scripted{answer: func(_ context.Context, d *processor.Decision) Result {
		if d.Action.ID == "bad" {
			panic("a secret")
		}
		return delivered
	}}
	play(t, ChannelConfig{InFlight: 1}, channel, func(b *bench) {
		var log bytes.Buffer
		b.config.Logger = slog.New(slog.NewTextHandler(&log, nil))
		b.submit(action("bad", 0), action("good", 0))
		require.Equal(t, []string{"bad unknown panic", "good delivered 200"}, b.told())
		require.Contains(t, log.String(), "panicked")
		require.NotContains(t, log.String(), "a secret")
	})
}

func TestServiceLevelIsWatched(t *testing.T) {
	c := ChannelConfig{InFlight: 1, HandOver: atMost(time.Second)}
	play(t, c, &scripted{answer: slow(900*time.Millisecond, delivered)}, func(b *bench) {
		b.submit(action("warned", 0), action("late", 0))
		time.Sleep(850 * time.Millisecond)
		require.Equal(t, 1, b.Stats()["mail"].AtRisk, "seen before it is late")
		time.Sleep(time.Second)
		s := b.Stats()["mail"]
		require.EqualValues(t, 2, s.Warned)
		require.EqualValues(t, 1, s.Late)
	})
}

func TestCloseGivesBackAndWaits(t *testing.T) {
	play(t, ChannelConfig{InFlight: 1}, &scripted{answer: slow(3*time.Second, delivered)}, func(b *bench) {
		b.submit(action("a", 0))
		synctest.Wait()
		b.submit(action("b", 0))
		start := time.Now()
		require.NoError(t, b.Close(context.Background()))
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Equal(t, []string{"b retry closed", "a delivered 200"}, b.told())
	})
}

func TestCloseCallsOffWhenOutOfTime(t *testing.T) {
	play(t, ChannelConfig{Timeout: time.Hour}, &scripted{answer: slow(time.Hour, delivered)}, func(b *bench) {
		b.submit(action("a", 0))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		start := time.Now()
		require.NoError(t, b.Close(ctx))
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Equal(t, []string{"a unknown timeout"}, b.told())
	})
}

func TestReportMaySubmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		channel := &scripted{}
		var d *Dispatcher
		d = NewDispatcher(Config{
			Channels: map[string]ChannelConfig{"mail": {Channel: channel}},
			Report: func(r Report) {
				if r.ActionID == "a" {
					_ = d.Submit(action("b", 0))
				}
			},
		})
		require.NoError(t, d.Submit(action("a", 0)))
		synctest.Wait()
		require.Equal(t, []string{"a", "b"}, channel.ids())
		require.NoError(t, d.Close(context.Background()))
	})
}

func TestWiringFaultsPanic(t *testing.T) {
	require.Panics(t, func() { NewDispatcher(Config{}) })
	require.Panics(t, func() {
		NewDispatcher(Config{Report: func(Report) {}, Channels: map[string]ChannelConfig{"mail": {}}})
	})
}

// atMost promises a hand-over.
func atMost(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

func TestAChannelThatIsNotConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made []string
		rest := &scripted{}
		d := NewDispatcher(Config{
			Report: func(Report) {}, Logger: slog.New(slog.DiscardHandler),
			Rest: func(name string) ChannelConfig {
				made = append(made, name)
				return ChannelConfig{Channel: rest, RatePerSecond: 4, Burst: 4}
			},
		})
		d.Share(0.5)
		for i := range 3 {
			j := action(fmt.Sprint("a", i), 0)
			j.Decision.Action.Channel = "pigeon"
			require.NoError(t, d.Submit(j))
		}
		synctest.Wait()
		require.Len(t, rest.ids(), 2, "its limits are this process's part of them, like those of the others")
		time.Sleep(time.Second)
		require.Equal(t, []string{"pigeon"}, made, "it is made once")
		require.EqualValues(t, 3, d.Stats()["pigeon"].Delivered)
		require.NoError(t, d.Close(context.Background()))
		require.Equal(t, 1, rest.closed)
		j := action("late", 0)
		j.Decision.Action.Channel = "crow"
		require.ErrorIs(t, d.Submit(j), ErrClosed)
	})
}
