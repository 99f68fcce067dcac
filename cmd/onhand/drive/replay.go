package drive

import (
	"context"
	"sync/atomic"
	"time"

	"onhand/cmd/onhand/service"
	"onhand/processor"
	"onhand/processor/sim/shop"
)

// Clock is a clock that is set by hand.
type Clock struct{ ms atomic.Int64 }

// Now returns the time it was set to.
func (c *Clock) Now() time.Time { return time.UnixMilli(c.ms.Load()) }

// Set moves the clock forward; an earlier time changes nothing.
func (c *Clock) Set(t time.Time) {
	if ms := t.UnixMilli(); ms > c.ms.Load() {
		c.ms.Store(ms)
	}
}

// Recording is recorded events in the order of their time.
type Recording interface {
	Next() (shop.Event, bool)
	Err() error
}

// Replay feeds recorded events to a service whose clock is Clock. The clock
// stands still until everything up to it has been decided; then it moves on to
// the next event, or the next timer that is due, whichever comes first.
type Replay struct {
	Service *service.Service
	Clock   *Clock
	Judge   *Judge
	Events  Recording
	Speed   float64       // virtual seconds a second; 0 = as fast as it goes
	Grain   time.Duration // events and timers this close together are one instant
	After   time.Duration // virtual time after the last event
	Refused int           // events that the collector refused

	ahead *shop.Event
	post  *poster
}

// Run feeds all events.
func (r *Replay) Run(ctx context.Context) error {
	f, err := Follow(ctx, r.Service.Log, func(p int, c *processor.CommitRecord, _ time.Time) error {
		return r.Judge.Committed(p, c, time.UnixMilli(c.Now))
	})
	if err != nil {
		return err
	}
	defer f.Close()
	r.post = &poster{client: newClient(), url: r.Service.URL()}
	defer r.post.client.CloseIdleConnections()
	r.peek()
	if r.ahead == nil {
		return r.Events.Err()
	}
	start, began := r.ahead.At, time.Now()
	end := time.Time{}
	for ctx.Err() == nil {
		wake, err := r.Service.Worker.NextWake(ctx)
		if err != nil {
			return err
		}
		to := end
		if r.ahead != nil {
			to = r.ahead.At
			end = to.Add(r.After)
		}
		if at := time.UnixMilli(wake); wake != 0 && at.Before(to) {
			to = at
		} else if r.ahead == nil {
			return r.Events.Err()
		}
		to = to.Add(r.Grain)
		if r.Speed > 0 {
			due := began.Add(time.Duration(float64(to.Sub(start)) / r.Speed))
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := r.instant(ctx, f, to); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// peek reads the next event ahead.
func (r *Replay) peek() {
	r.ahead = nil
	r.Judge.Locked(func() {
		if e, ok := r.Events.Next(); ok {
			r.ahead = &e
		}
	})
}

// deliveryTries bounds how often an instant is looked at again because actions
// have no outcome yet: one that was withdrawn before its turn never gets one.
const deliveryTries = 20

// instant sets the clock, sends what has happened up to then, and waits until
// all of it has been decided, delivered and heard of.
func (r *Replay) instant(ctx context.Context, f *Follower, to time.Time) error {
	r.Clock.Set(to)
	r.Service.Worker.Nudge()
	for r.ahead != nil && !r.ahead.At.After(to) {
		var batch []shop.Event
		for len(batch) < batchCalls && r.ahead != nil && !r.ahead.At.After(to) {
			batch = append(batch, *r.ahead)
			r.peek()
		}
		refused, err := r.post.post(ctx, batch)
		if err != nil {
			return err
		}
		r.Refused += refused
		r.Judge.Acked(batch, r.Clock.Now())
	}
	before := r.Judge.Undelivered()
	for range deliveryTries {
		if err := r.Service.Worker.WaitIdle(ctx); err != nil {
			return err
		}
		if err := f.CatchUp(ctx); err != nil {
			return err
		}
		if r.Judge.Undelivered() <= before {
			break
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
		}
	}
	return nil
}
