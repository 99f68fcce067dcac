package connectors

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onhand/processor"
)

// TestLaneHoldsItsLimits runs a lane on random stories in made-up time, without
// goroutines, and checks after every step what must always hold.
func TestLaneHoldsItsLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newLaneModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"submit": m.submit,
			"step":   m.step,
			"finish": m.finish,
			"cancel": m.cancel,
			"drain":  m.drain,
			"":       m.check,
		})
		m.close()
	})
}

type laneModel struct {
	t        *rapid.T
	lane     *lane
	now      time.Time
	waiting  map[string]Job
	underWay []*job
	attempts []time.Time // starts, for the rate
	taken    int
	reported int
	dropped  int
	next     int
}

func newLaneModel(t *rapid.T) *laneModel {
	c := ChannelConfig{
		Channel:       &scripted{idempotent: rapid.Bool().Draw(t, "idempotent")},
		RatePerSecond: rapid.SampledFrom([]float64{0, 1, 20}).Draw(t, "rate"),
		Burst:         rapid.IntRange(1, 3).Draw(t, "burst"),
		InFlight:      rapid.IntRange(1, 4).Draw(t, "in flight"),
		Queue:         rapid.IntRange(1, 8).Draw(t, "queue"),
		HandOver:      atMost(rapid.SampledFrom([]time.Duration{0, time.Second}).Draw(t, "hand over")),
	}
	return &laneModel{t: t, lane: newLane("mail", c), now: time.UnixMilli(1772445600000), waiting: map[string]Job{}}
}

func (m *laneModel) submit(t *rapid.T) {
	m.next++
	d := &processor.Decision{
		Customer: rapid.SampledFrom([]string{"", "ann", "bob", "cid"}).Draw(t, "customer"),
		Action:   &processor.Action{ID: fmt.Sprint("act-", m.next), Channel: "mail"},
	}
	if rapid.Bool().Draw(t, "expires") {
		useful := time.Duration(rapid.IntRange(-1, 8000).Draw(t, "useful")) * time.Millisecond
		d.Action.ExpiresAt = m.now.Add(useful).UnixMilli()
	}
	j := Job{Partition: rapid.IntRange(0, 1).Draw(t, "partition"), Decision: d, Attempt: 1, Released: m.now}
	full := len(m.waiting) >= m.lane.Queue
	err := m.lane.submit(j)
	if full {
		require.ErrorIs(t, err, ErrFull)
		return
	}
	require.NoError(t, err)
	require.ErrorIs(t, m.lane.submit(j), ErrQueued)
	m.taken++
	m.waiting[d.Action.ID] = j
}

func (m *laneModel) step(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "later")) * time.Millisecond)
	start, reports, again := m.lane.step(m.now)
	for _, r := range reports {
		m.leave(r, m.now)
	}
	require.True(t, again.IsZero() || again.After(m.now), "no step asks to be called again at once")
	if start == nil {
		return
	}
	j, ok := m.waiting[start.Decision.Action.ID]
	require.True(t, ok, "only what waits is started")
	delete(m.waiting, start.Decision.Action.ID)
	expires := j.expires()
	require.True(t, expires.IsZero() || m.now.Before(expires), "nothing is started too late")
	require.Less(t, m.now.Sub(j.Released), m.lane.Patience)
	for _, other := range m.underWay {
		require.False(t, other.Decision.Customer != "" && other.Decision.Customer == j.Decision.Customer, "one at a time")
	}
	for _, other := range m.waiting {
		if e := other.expires(); !e.IsZero() && !expires.IsZero() && e.Before(expires) {
			require.True(t, m.busy(other.Decision.Customer), "the earliest deadline goes first")
		}
	}
	m.underWay = append(m.underWay, start)
	m.attempts = append(m.attempts, m.now)
}

func (m *laneModel) busy(customer string) bool {
	for _, j := range m.underWay {
		if customer != "" && j.Decision.Customer == customer {
			return true
		}
	}
	return false
}

// leave notes the report of a job that was not attempted.
func (m *laneModel) leave(r Report, now time.Time) {
	j, ok := m.waiting[r.ActionID]
	require.True(m.t, ok, "reported once")
	delete(m.waiting, r.ActionID)
	m.reported++
	require.False(m.t, r.Attempted)
	if e := j.expires(); !e.IsZero() && !now.Before(e) {
		require.Equal(m.t, CodeExpired, r.Code)
	} else if r.Delivery == processor.Retry {
		require.False(m.t, r.RetryAt.Before(now))
	}
}

func (m *laneModel) finish(t *rapid.T) {
	if len(m.underWay) == 0 {
		t.Skip("nothing is under way")
	}
	i := rapid.IntRange(0, len(m.underWay)-1).Draw(t, "which")
	j := m.underWay[i]
	m.underWay = append(m.underWay[:i:i], m.underWay[i+1:]...)
	result := rapid.SampledFrom([]Result{
		delivered, busy, {Delivery: processor.Failed, Code: "400"}, {Delivery: processor.Unknown, Code: CodeTimeout},
		{Delivery: processor.Retry, Code: "429", RetryAfter: 3 * time.Minute}, {Delivery: processor.Retry, Code: CodeCancelled},
	}).Draw(t, "result")
	r := m.lane.finish(j, result, m.now)
	m.reported++
	require.True(t, r.Attempted)
	require.Equal(t, r.Delivery == processor.Retry, !r.RetryAt.IsZero())
	if r.Delivery == processor.Retry {
		require.GreaterOrEqual(t, r.RetryAt.Sub(m.now), result.RetryAfter)
		expires := j.expires()
		require.True(t, expires.IsZero() || r.RetryAt.Before(expires))
	}
}

func (m *laneModel) cancel(t *rapid.T) {
	id := fmt.Sprint("act-", rapid.IntRange(0, m.next).Draw(t, "which"))
	_, waits := m.waiting[id]
	require.Equal(t, waits, m.lane.cancel(id))
	if waits {
		delete(m.waiting, id)
		m.dropped++
	}
}

func (m *laneModel) drain(*rapid.T) {
	m.dropped += len(m.lane.take(func(j *job) bool { return j.Partition == 1 }))
	for id, j := range m.waiting {
		if j.Partition == 1 {
			delete(m.waiting, id)
		}
	}
}

func (m *laneModel) check(t *rapid.T) {
	s := m.lane.snapshot(m.now)
	require.Equal(t, len(m.waiting), s.Queued)
	require.Equal(t, len(m.underWay), s.InFlight)
	require.LessOrEqual(t, s.InFlight, m.lane.InFlight)
	outcomes := s.Delivered + s.Failed + s.Retried + s.Unknown + s.Expired + s.GivenBack
	require.EqualValues(t, m.reported, outcomes)
	require.EqualValues(t, m.dropped, s.Dropped)
	require.Equal(t, m.taken, s.Queued+s.InFlight+m.reported+m.dropped, "the counts balance")
	if rate := m.lane.RatePerSecond; rate > 0 && len(m.attempts) > 0 {
		allowed := float64(m.lane.Burst) + rate*m.now.Sub(m.attempts[0]).Seconds()
		require.LessOrEqual(t, float64(len(m.attempts)), allowed+0.001)
	}
}

// close gives back all that waits, parked or not.
func (m *laneModel) close() {
	for _, r := range m.lane.close(m.now) {
		m.leave(r, m.now)
	}
	require.Empty(m.t, m.waiting)
	m.check(m.t)
	for _, j := range m.underWay {
		m.lane.finish(j, delivered, m.now)
	}
	require.Empty(m.t, m.lane.queue.busy, "no customer is remembered")
	require.Empty(m.t, m.lane.queue.byAction)
}

// Looking in vain costs nothing of the rate.
func TestRateIsNotSpentOnBusyCustomers(t *testing.T) {
	l, now := newLane("mail", ChannelConfig{Channel: &scripted{}, RatePerSecond: 1}), time.Unix(1772445600, 0)
	for i, customer := range []string{"ann", "ann", "bob"} {
		if i == 2 {
			now = now.Add(time.Second)
			start, _, _ := l.step(now)
			require.Nil(t, start, "ann is busy")
		}
		d := &processor.Decision{Customer: customer, Action: &processor.Action{ID: fmt.Sprint(i)}}
		require.NoError(t, l.submit(Job{Decision: d, Attempt: 1, Released: now}))
		if i != 1 {
			start, _, _ := l.step(now)
			require.NotNil(t, start)
			require.Equal(t, customer, start.Decision.Customer)
		}
	}
}

func TestBreakerForgetsItsPauses(t *testing.T) {
	b, now := newBreaker(), time.Unix(1772445600, 0)
	pause := func() time.Duration { // of the breaker opening, after three failed probes
		for !b.open() {
			b.failed(now, false)
		}
		first := b.until.Sub(now)
		for range 3 {
			now = b.until
			b.failed(now, b.start())
		}
		require.Greater(t, b.until.Sub(now), 5*first, "it doubles")
		now = b.until
		return first
	}
	require.LessOrEqual(t, pause(), breakerShortest*6/5+1)
	for range 20 {
		now = b.until
		b.failed(now, b.start())
		require.LessOrEqual(t, b.until.Sub(now), breakerLongest*6/5+1)
	}
	now = b.until
	b.answered()
	require.LessOrEqual(t, pause(), breakerShortest*6/5+1)
}

// A probe that fails before the provider was asked does not keep others from
// probing.
func TestProbeThatWasCalledOff(t *testing.T) {
	b, now := newBreaker(), time.Unix(0, 0)
	for range breakerFailures {
		b.start()
		b.failed(now, false)
	}
	ok, at := b.ready(now)
	require.False(t, ok)
	require.True(t, b.start())
	ok, never := b.ready(at)
	require.False(t, ok)
	require.Zero(t, never, "one probe at a time")
	b.probing = false
	ok, _ = b.ready(at)
	require.True(t, ok)
}
