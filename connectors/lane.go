package connectors

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"onhand/processor"
)

// lane decides what happens to the jobs of one channel. It is a plain state
// machine that is handed the time; run and attempt, the goroutines around it,
// are in dispatcher.go.
//
//	submit -> queue -> step: expired, waited too long, or started -> finish
type lane struct {
	name string
	ChannelConfig

	mu       sync.Mutex
	queue    *queue
	limiter  *rate.Limiter
	breaker  *breaker
	gone     bool   // the endpoint is no more
	closed   bool   // nothing is taken and nothing starts any more
	arrivals uint64 // jobs ever taken
	stats    Stats
	most     int // attempts under way at once, of this process

	wake chan struct{} // tells run that something changed; capacity 1
}

// Stats is what a channel has done since the start and what it does now.
// Jobs taken = Queued + InFlight + Delivered + Failed + Retried + Unknown +
// Expired + GivenBack + Dropped.
type Stats struct {
	Queued   int
	InFlight int
	AtRisk   int  // queued for longer than 80 % of HandOver
	Paused   bool // the breaker is open, or the provider asked to wait
	Gone     bool // the endpoint is no more; everything for it fails

	Delivered, Failed, Retried, Unknown uint64 // attempts, by outcome

	Expired   uint64 // of no use before their turn came
	GivenBack uint64 // waited too long for their turn
	Dropped   uint64 // cancelled or drained
	Warned    uint64 // of Delivered: after 80 % of HandOver or later
	Late      uint64 // of Warned: after HandOver
}

// warnAt is when a hand-over counts as being at risk.
func warnAt(handOver time.Duration) time.Duration { return handOver * 4 / 5 }

func newLane(name string, c ChannelConfig) *lane {
	c = c.withDefaults()
	return &lane{
		name: name, ChannelConfig: c, most: c.InFlight,
		queue: newQueue(), limiter: rate.NewLimiter(limitOf(c.RatePerSecond), c.Burst), breaker: newBreaker(),
		wake: make(chan struct{}, 1),
	}
}

func limitOf(perSecond float64) rate.Limit {
	if perSecond <= 0 {
		return rate.Inf
	}
	return rate.Limit(perSecond)
}

// share makes a part of the channel's limits this lane's.
func (l *lane) share(part float64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limiter.SetLimitAt(now, limitOf(l.RatePerSecond*part))
	l.limiter.SetBurstAt(now, max(1, int(float64(l.Burst)*part)))
	l.most = max(1, int(float64(l.InFlight)*part))
}

// submit queues a job, or refuses it with one of the errors of Submit.
func (l *lane) submit(j Job) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return ErrClosed
	case l.queue.byAction[j.Decision.Action.ID] != nil:
		return ErrQueued
	case l.queue.len() >= l.Queue:
		return ErrFull
	}
	l.arrivals++
	queued := &job{Job: j, number: l.arrivals, end: j.Released.Add(l.Patience)}
	if expires := j.expires(); !expires.IsZero() {
		queued.deadline = expires
		queued.end = earlier(queued.end, expires)
	} else {
		queued.deadline = j.Released.Add(max(l.HandOver(), l.Patience))
	}
	l.queue.add(queued)
	return nil
}

// step starts at most one job and gives back those that may not wait any
// longer. It returns when to be called again; zero means after the next change.
func (l *lane) step(now time.Time) (start *job, reports []Report, again time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()

	for _, j := range l.overdue(now) {
		reports = append(reports, l.giveBack(j, now))
	}
	if l.queue.len() == 0 {
		return nil, reports, time.Time{}
	}
	again = l.queue.nextEnd()
	if l.stats.InFlight >= l.most {
		return nil, reports, again
	}
	if ok, at := l.breaker.ready(now); !ok {
		return nil, reports, earlier(again, at)
	}
	turn := l.limiter.ReserveN(now, 1)
	if wait := turn.DelayFrom(now); wait > 0 {
		turn.CancelAt(now)
		return nil, reports, earlier(again, now.Add(wait))
	}
	start = l.queue.start()
	if start == nil { // all that waits is for customers who are busy
		turn.CancelAt(now)
		return nil, reports, again
	}
	start.probe = l.breaker.start()
	l.stats.InFlight++
	return start, reports, again
}

// overdue takes out the jobs that may not wait any longer.
func (l *lane) overdue(now time.Time) []*job {
	if l.gone || l.closed {
		return l.queue.takeAll(func(*job) bool { return true })
	}
	var jobs []*job
	for l.queue.len() > 0 && !l.queue.nextEnd().After(now) {
		j := l.queue.byEnd.jobs[0]
		l.queue.remove(j)
		jobs = append(jobs, j)
	}
	return jobs
}

// giveBack reports a job that leaves the queue without an attempt.
func (l *lane) giveBack(j *job, now time.Time) Report {
	r := l.report(j, now, Result{Delivery: processor.Failed})
	expires := j.expires()
	switch {
	case !expires.IsZero() && !now.Before(expires):
		l.stats.Expired++
		r.Code, r.Detail = CodeExpired, "its turn did not come before it was of no use"
	case l.gone:
		l.stats.Failed++
		r.Code, r.Detail = CodeGone, "the endpoint answered earlier that it is no more"
	default:
		l.stats.GivenBack++
		r.Delivery, r.Code, r.RetryAt = processor.Retry, CodeWaited, now
		if l.closed {
			r.Code = CodeClosed
		} else if ok, at := l.breaker.ready(now); !ok {
			r.Detail, r.RetryAt = "the channel is paused", later(now, at)
		}
	}
	return r
}

// finish takes in the result of an attempt and returns the report of it.
func (l *lane) finish(j *job, result Result, now time.Time) Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.InFlight--
	l.queue.done(j)
	l.judgeChannel(j, result, now)

	r := l.report(j, now, result)
	r.Attempted = true
	if again := result.Delivery == processor.Retry || (result.Delivery == processor.Unknown && l.Channel.Idempotent()); again {
		l.judgeRetry(&r, j, result, now)
	}
	switch r.Delivery {
	case processor.Delivered:
		l.stats.Delivered++
		if took, most := now.Sub(j.Released), l.HandOver(); most > 0 && took >= warnAt(most) {
			l.stats.Warned++
			if took > most {
				l.stats.Late++
			}
		}
	case processor.Retry:
		l.stats.Retried++
	case processor.Unknown:
		l.stats.Unknown++
	default:
		l.stats.Failed++
	}
	return r
}

// localCodes are those of attempts that ended before the provider was asked.
var localCodes = []string{CodeCancelled, CodeClosed, CodeTooLarge, CodePrivate}

// judgeChannel learns from a result whether the channel is up.
func (l *lane) judgeChannel(j *job, result Result, now time.Time) {
	l.gone = l.gone || result.Gone
	switch {
	case slices.Contains(localCodes, result.Code):
		// Says nothing about the channel; the next attempt probes in its place.
		if j.probe {
			l.breaker.probing = false
		}
	case result.RetryAfter > 0:
		// The provider is there and says when it wants to be asked again.
		l.breaker.answered()
		l.breaker.hold(now.Add(result.RetryAfter))
	case result.Delivery == processor.Retry || result.Delivery == processor.Unknown:
		l.breaker.failed(now, j.probe)
	default:
		l.breaker.answered()
	}
}

// judgeRetry sets when an attempt may be made again, or makes the report final
// when there is no time or no attempt left. An unknown outcome stays unknown
// then.
func (l *lane) judgeRetry(r *Report, j *job, result Result, now time.Time) {
	final := result.Delivery
	if final == processor.Retry {
		final = processor.Failed
	}
	wait, ok := l.Retry.After(j.Attempt)
	at := now.Add(max(wait, result.RetryAfter))
	expires := j.expires()
	switch {
	case !ok:
		r.Delivery, r.Detail = final, join(r.Detail, "no attempt left")
	case !expires.IsZero() && !at.Before(expires):
		r.Delivery, r.Detail = final, join(r.Detail, "no time left for another attempt")
	default:
		r.Delivery, r.RetryAt = processor.Retry, at
	}
}

func (l *lane) report(j *job, now time.Time, result Result) Report {
	d := j.Decision
	var held time.Time
	if l.breaker.until.After(now.Add(HoldTold)) {
		held = l.breaker.until
	}
	return Report{
		HeldUntil: held,
		Channel:   l.name, Partition: j.Partition, Customer: d.Customer, ActionID: d.Action.ID, Attempt: j.Attempt,
		Delivery: result.Delivery, Code: result.Code, Detail: result.Detail, At: now,
		EffectiveAt: result.EffectiveAt, Reference: result.Reference,
	}
}

// close takes nothing more and gives back all that waits.
func (l *lane) close(now time.Time) []Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	var reports []Report
	for _, j := range l.overdue(now) {
		reports = append(reports, l.giveBack(j, now))
	}
	return reports
}

// take takes out the jobs for which the condition holds and reports nothing.
func (l *lane) take(condition func(*job) bool) []*job {
	l.mu.Lock()
	defer l.mu.Unlock()
	jobs := l.queue.takeAll(condition)
	l.stats.Dropped += uint64(len(jobs))
	return jobs
}

func (l *lane) cancel(action string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := l.queue.byAction[action]
	if j == nil {
		return false
	}
	l.queue.remove(j)
	l.stats.Dropped++
	return true
}

// snapshot returns the counts as of now.
func (l *lane) snapshot(now time.Time) Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Queued, s.Gone = l.queue.len(), l.gone
	s.Paused = l.breaker.open() || now.Before(l.breaker.until)
	most := l.HandOver()
	for _, j := range l.queue.byEnd.jobs {
		if most > 0 && now.Sub(j.Released) >= warnAt(most) {
			s.AtRisk++
		}
	}
	return s
}

// signal tells run to step again.
func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// earlier returns the earlier of two times, of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
