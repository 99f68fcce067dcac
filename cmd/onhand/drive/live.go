package drive

import (
	"context"
	"time"

	"onhand/cmd/onhand/service"
	"onhand/processor/sim/shop"
)

// Live is a simulated shop in front of a service, by the wall clock.
type Live struct {
	Service *service.Service
	Shop    *shop.Shop
	Judge   *Judge
	Key     string        // write key
	Max     bool          // as fast as decisions keep up, not by the shop's rate
	Rest    time.Duration // after the last event, so that windows end
}

// Run sends all events of the shop, lets the windows end, and returns when
// everything has been decided and heard of.
func (l *Live) Run(ctx context.Context) (err error) {
	f, err := Follow(ctx, l.Service.Log, l.Judge.Committed)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := l.send(ctx); err != nil {
		return err
	}
	select {
	case <-time.After(l.Rest):
	case <-ctx.Done():
		return ctx.Err()
	}
	// Timers go on for days; only what is on its way now is waited for.
	idle, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := l.Service.Worker.WaitIdle(idle); err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return f.CatchUp(ctx)
}

// keepUp is how late decisions may be before the shop waits for them: a shop
// that runs away only measures the length of a queue.
const keepUp = 150 * time.Millisecond

// send sends the events when the shop says them.
func (l *Live) send(ctx context.Context) (err error) {
	s := NewSender(ctx, l.Service.URL(), l.Key, l.Judge.Acked)
	defer func() {
		if e := s.Close(); err == nil {
			err = e
		}
	}()
	for ctx.Err() == nil && s.Err() == nil {
		if l.Max && l.Judge.Lag() > keepUp {
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		var e shop.Event
		var more bool
		l.Judge.Locked(func() {
			if l.Max {
				e, more = l.Shop.NextAt(time.Now())
			} else {
				e, more = l.Shop.Next()
			}
		})
		if !more {
			return nil
		}
		if wait := time.Until(e.At); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
		if err := s.Send(ctx, e); err != nil {
			return err
		}
	}
	return ctx.Err()
}
