package connectors

import (
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Schedule is how long to wait after the first, second, ... failed attempt. An
// action is attempted once more than there are waits.
type Schedule []time.Duration

// DefaultSchedule is the one Standard Webhooks recommends: ten attempts over
// three days. Most actions expire long before.
var DefaultSchedule = Schedule{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// After returns the wait after the given attempt, counted from 1, and false
// when there is to be no other. Up to a fifth is added at random, so that what
// failed together does not come back together.
func (s Schedule) After(attempt int) (time.Duration, bool) {
	i := max(attempt, 1) - 1
	if i >= len(s) {
		return 0, false
	}
	return s[i] + rand.N(s[i]/5+1), true
}

// The breaker's numbers.
const (
	breakerFailures = 5 // failures in a row that open it
	breakerShortest = time.Second
	breakerLongest  = time.Minute
)

// breaker keeps a lane from knocking at a closed door. Failures in a row open
// it; after a pause one attempt probes, and each failed probe doubles the
// pause. It also holds the lane for as long as the provider asked for.
//
//	closed --5 failures--> open --pause--> one probe --answered--> closed
//	                        ^-------------------'--failed
type breaker struct {
	failures int // in a row
	probing  bool
	until    time.Time // nothing is started before
	pause    backoff.ExponentialBackOff
}

func newBreaker() *breaker {
	b := &breaker{pause: backoff.ExponentialBackOff{
		InitialInterval: breakerShortest, MaxInterval: breakerLongest,
		Multiplier: 2, RandomizationFactor: 0.2,
	}}
	b.pause.Reset()
	return b
}

func (b *breaker) open() bool { return b.failures >= breakerFailures }

// ready reports whether an attempt may start at now. When not, it returns the
// time to ask again; zero means after the probe under way has ended.
func (b *breaker) ready(now time.Time) (bool, time.Time) {
	if now.Before(b.until) {
		return false, b.until
	}
	return !b.open() || !b.probing, time.Time{}
}

// start notes that an attempt starts and reports whether it is the probe.
func (b *breaker) start() bool {
	b.probing = b.open()
	return b.probing
}

// answered notes an attempt the provider dealt with, whatever it said.
func (b *breaker) answered() {
	b.failures, b.probing = 0, false
	b.pause.Reset()
}

// failed notes an attempt the provider did not deal with. Of the attempts that
// were under way when the breaker opened only the first sets the pause.
func (b *breaker) failed(now time.Time, probe bool) {
	b.failures++
	if probe || b.failures == breakerFailures {
		b.probing = false
		b.hold(now.Add(b.pause.NextBackOff()))
	}
}

// hold starts nothing before t.
func (b *breaker) hold(t time.Time) {
	if t.After(b.until) {
		b.until = t
	}
}
