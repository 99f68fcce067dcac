package connectors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"onhand/processor"
)

// The errors of Submit. Full is for the caller to retry later; the others say
// that the caller is mistaken or late.
var (
	ErrFull           = errors.New("queue is full: submit again later")
	ErrQueued         = errors.New("action is queued already")
	ErrClosed         = errors.New("dispatcher is closed")
	ErrUnknownChannel = errors.New("channel is not configured")
	ErrNoAction       = errors.New("decision has no action")
)

// Job permits one attempt to hand an action over.
type Job struct {
	Partition int
	Decision  *processor.Decision // shared, never changed; has an Action
	Attempt   int                 // from 1
	Released  time.Time           // when this attempt was released, wall clock; zero means now
}

// expires returns when the action is of no use; zero means never.
func (j *Job) expires() time.Time {
	if at := j.Decision.Action.ExpiresAt; at != 0 {
		return time.UnixMilli(at)
	}
	return time.Time{}
}

// Report is what came of a job. Each job that was taken yields one, except
// those that Cancel or Drain took out.
type Report struct {
	Channel   string
	Partition int
	Customer  string
	ActionID  string
	Attempt   int  // as in the job
	Attempted bool // an attempt was made; if not, the attempt is not used up

	Delivery processor.Delivery
	Code     string // the provider's, or one of the Code constants
	Detail   string // redacted
	At       time.Time
	RetryAt  time.Time // Retry: ask for release again then; else zero

	EffectiveAt time.Time // as the channel told it
	Reference   string    // likewise

	// HeldUntil is when the channel takes something again, when its provider
	// asked for more than HoldTold; else zero.
	HeldUntil time.Time
}

// HoldTold is from how long on a pause of a channel is told in its reports.
const HoldTold = time.Minute

// Config configures a Dispatcher.
type Config struct {
	// Channels by the name that actions use (Action.Channel). The Dispatcher
	// closes them.
	Channels map[string]ChannelConfig

	// Rest makes the channel of a name that is not among them, when an action
	// uses it first. nil means that there are no others.
	Rest func(name string) ChannelConfig

	// Report receives what came of each job. It is called from several
	// goroutines, must not block for long, and may call Submit, Cancel and
	// Drain but not Close. Required.
	Report func(Report)

	Now    func() time.Time // nil means time.Now
	Logger *slog.Logger     // nil means slog.Default
}

// ChannelConfig sets the limits of one channel. Zero means the default.
type ChannelConfig struct {
	Channel Channel // required

	RatePerSecond float64       // attempts, of all processes together (see Share); 0 means no limit
	Burst         int           // attempts at once after a pause; 0 means RatePerSecond, at least 1
	InFlight      int           // attempts under way, likewise; 0 means 16
	Queue         int           // jobs that wait; 0 means 1024
	Timeout       time.Duration // of one attempt; 0 means 15 s

	// HandOver is from release to provider, at most; 0 means no such promise. It
	// is asked for each job, as what is promised may change. nil means 0.
	HandOver func() time.Duration

	// Patience is how long a job may wait for its turn before it is given back,
	// so that nothing is sent on the ground of an old answer. 0 means 5 s.
	Patience time.Duration

	// Retry is the wait after each failed attempt. nil means DefaultSchedule,
	// empty means that there is only one.
	Retry Schedule
}

func (c ChannelConfig) withDefaults() ChannelConfig {
	if c.Burst <= 0 {
		c.Burst = max(1, int(c.RatePerSecond))
	}
	if c.InFlight <= 0 {
		c.InFlight = 16
	}
	if c.Queue <= 0 {
		c.Queue = 1024
	}
	if c.Timeout <= 0 {
		c.Timeout = 15 * time.Second
	}
	if c.Patience <= 0 {
		c.Patience = 5 * time.Second
	}
	if c.Retry == nil {
		c.Retry = DefaultSchedule
	}
	if c.HandOver == nil {
		c.HandOver = func() time.Duration { return 0 }
	}
	return c
}

// Dispatcher attempts what it is given, once, within the limits of each
// channel, and reports what came of it. Its methods may be called from any
// goroutine. It owns one goroutine per channel and one per attempt.
type Dispatcher struct {
	config Config

	mu     sync.RWMutex
	lanes  map[string]*lane
	part   float64 // of all limits; see Share
	closed bool    // no lane is added any more

	attempts context.Context // of every attempt; ends when Close runs out of time
	callOff  context.CancelFunc
	running  sync.WaitGroup
	stop     chan struct{}
	closing  sync.Once
	closeErr error
}

// NewDispatcher starts a dispatcher. Close ends it. It panics when Report or a
// Channel is missing.
func NewDispatcher(c Config) *Dispatcher {
	if c.Report == nil {
		panic("connectors: Config.Report is missing")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	d := &Dispatcher{config: c, lanes: map[string]*lane{}, part: 1, stop: make(chan struct{})}
	d.attempts, d.callOff = context.WithCancel(context.Background())
	for name, channel := range c.Channels {
		d.add(name, channel)
	}
	return d
}

// add makes the lane of a channel and starts it.
func (d *Dispatcher) add(name string, c ChannelConfig) *lane {
	if c.Channel == nil {
		panic("connectors: channel " + name + " has no Channel")
	}
	l := newLane(name, c)
	l.share(d.part, d.config.Now())
	d.lanes[name] = l
	d.running.Go(func() { d.run(l) })
	return l
}

// lane returns the lane of a channel, made by Rest if it is a new one.
func (d *Dispatcher) lane(name string) (*lane, error) {
	d.mu.RLock()
	l := d.lanes[name]
	d.mu.RUnlock()
	switch {
	case l != nil:
		return l, nil
	case d.config.Rest == nil:
		return nil, ErrUnknownChannel
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch l := d.lanes[name]; {
	case l != nil:
		return l, nil
	case d.closed:
		return nil, ErrClosed
	}
	return d.add(name, d.config.Rest(name)), nil
}

// all returns the lanes there are.
func (d *Dispatcher) all() []*lane {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Collect(maps.Values(d.lanes))
}

// Submit queues one attempt on the channel that the action names. It does not
// block. The error is, or wraps, one of ErrFull, ErrQueued, ErrClosed,
// ErrUnknownChannel, ErrNoAction; then nothing will be reported.
func (d *Dispatcher) Submit(j Job) error {
	if j.Decision == nil || j.Decision.Action == nil {
		return ErrNoAction
	}
	action := j.Decision.Action
	if j.Released.IsZero() {
		j.Released = d.config.Now()
	}
	l, err := d.lane(action.Channel)
	if err == nil {
		err = l.submit(j)
	}
	if err != nil {
		return fmt.Errorf("channel %q, action %s: %w", action.Channel, action.ID, err)
	}
	l.signal()
	return nil
}

// Cancel drops a queued action, which will not be reported then. It returns
// false when the action is not queued: never submitted, or under way, or done.
func (d *Dispatcher) Cancel(actionID string) bool {
	for _, l := range d.all() {
		if l.cancel(actionID) {
			return true
		}
	}
	return false
}

// Drain drops the queued jobs of a partition that this process no longer owns,
// without reports, and returns how many. Attempts under way go on and are
// reported.
func (d *Dispatcher) Drain(partition int) int {
	n := 0
	for _, l := range d.all() {
		n += len(l.take(func(j *job) bool { return j.Partition == partition }))
	}
	return n
}

// Withdraw takes out the queued jobs of a partition that is about to move to
// another process and returns them: no attempt was made of any. Attempts under
// way go on and are reported.
func (d *Dispatcher) Withdraw(partition int) (jobs []Job) {
	for _, l := range d.all() {
		for _, j := range l.take(func(j *job) bool { return j.Partition == partition }) {
			jobs = append(jobs, j.Job)
		}
	}
	return jobs
}

// Share says which part of the rates of all channels, and of the attempts under
// way, this process may use, above 0 and at most 1: a provider counts what comes
// from all processes together. Of a burst, and of those under way, each process
// has its part, but at least one attempt.
func (d *Dispatcher) Share(part float64) {
	d.mu.Lock()
	d.part = part
	d.mu.Unlock()
	now := d.config.Now()
	for _, l := range d.all() {
		l.share(part, now)
		l.signal()
	}
}

// Stats returns the counts of each channel.
func (d *Dispatcher) Stats() map[string]Stats {
	stats := map[string]Stats{}
	for _, l := range d.all() {
		stats[l.name] = l.snapshot(d.config.Now())
	}
	return stats
}

// Close takes no more jobs, gives back those that wait (Retry, CodeClosed),
// waits for the attempts under way, and closes the channels. When ctx ends
// first, the attempts are called off and waited for: a channel's Deliver
// returns soon after its context ends. All reports have been made when Close
// returns. Calling it again returns the same error.
func (d *Dispatcher) Close(ctx context.Context) error {
	d.closing.Do(func() {
		d.mu.Lock()
		d.closed = true
		d.mu.Unlock()
		close(d.stop)
		abandon := context.AfterFunc(ctx, d.callOff)
		d.running.Wait()
		abandon()
		d.callOff()
		var errs []error
		for _, l := range d.all() {
			if err := l.Channel.Close(); err != nil {
				errs = append(errs, fmt.Errorf("close channel %q: %w", l.name, err))
			}
		}
		d.closeErr = errors.Join(errs...)
	})
	return d.closeErr
}

// run does what step says until the dispatcher closes.
func (d *Dispatcher) run(l *lane) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := d.config.Now()
		select {
		case <-d.stop:
			for _, r := range l.close(now) {
				d.config.Report(r)
			}
			return
		default:
		}
		start, reports, again := l.step(now)
		for _, r := range reports {
			d.config.Report(r)
		}
		if start != nil {
			d.running.Go(func() { d.attempt(l, start) })
			continue
		}
		wait := time.Hour
		if !again.IsZero() {
			wait = again.Sub(now)
		}
		timer.Reset(wait)
		select {
		case <-l.wake:
		case <-timer.C:
		case <-d.stop:
		}
	}
}

// attempt makes one attempt and reports it.
func (d *Dispatcher) attempt(l *lane, j *job) {
	ctx, cancel := context.WithTimeout(d.attempts, l.Timeout)
	defer cancel()
	result := d.deliver(ctx, l, j)
	if result.Gone {
		d.config.Logger.Error("endpoint is gone: nothing further is sent to it until the service restarts",
			"channel", l.name, "kind", l.Channel.Name(), "code", result.Code)
	}
	d.config.Report(l.finish(j, result, d.config.Now()))
	l.signal()
}

// deliver calls the channel. A panic of its code is an unknown outcome: it
// costs one attempt, not the process.
func (d *Dispatcher) deliver(ctx context.Context, l *lane, j *job) (result Result) {
	defer func() {
		if p := recover(); p != nil {
			d.config.Logger.Error("channel panicked", "channel", l.name, "kind", l.Channel.Name(),
				"action", j.Decision.Action.ID, "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			result = Result{Delivery: processor.Unknown, Code: CodePanic, Detail: "the channel's code panicked, see the log"}
		}
	}()
	return l.Channel.Deliver(ctx, j.Decision)
}
