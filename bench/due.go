package bench

import (
	"context"
	"fmt"
	"time"

	"onhand/processor"
)

// timers lets the carts of everybody become due at one instant. The clocks are
// two hours behind while the carts are filled, and then right.
func (h *harness) timers(ctx context.Context) error {
	n := 1_000_000
	if h.Quick {
		n = 100_000
	}
	n = min(n, 10*h.Customers)
	runs := make([]float64, 0, h.Runs)
	note := ""
	for range h.Runs {
		rate, n, err := h.timersOnce(ctx, n)
		if err != nil {
			return err
		}
		runs = append(runs, rate)
		note = fmt.Sprintf("%d carts due together, until the last decision is committed", n)
	}
	h.report("timers", "timers/s", note, runs)
	return nil
}

func (h *harness) timersOnce(ctx context.Context, n int) (rate float64, carts int, err error) {
	r, err := h.openRig(ctx, rigConfig{behind: 2 * time.Hour})
	if err != nil {
		return 0, 0, err
	}
	defer r.close()
	err = r.put(ctx, n, func(i int) *processor.Event {
		return added(fmt.Sprintf("t-%07d", i), fmt.Sprintf("c-%07d", i), fmt.Sprintf("SKU-%06d", i%h.Items), r.ms())
	})
	if err == nil {
		err = r.worker.WaitIdle(ctx)
	}
	if err != nil {
		return 0, 0, err
	}
	before := r.decided(ctx)
	start := time.Now()
	r.back.Store(0)
	r.worker.Nudge()
	for r.decided(ctx)-before < float64(n) {
		if time.Since(start) > 2*time.Minute {
			return 0, 0, fmt.Errorf("%w: %.0f of %d timers fired", errTimeout, r.decided(ctx)-before, n)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := r.worker.WaitIdle(ctx); err != nil {
		return 0, 0, err
	}
	return float64(n) / time.Since(start).Seconds(), n, nil
}

// replay kills a worker that has saved nothing, and lets another one read the
// whole log.
func (h *harness) replay(ctx context.Context) error {
	events := 1_000_000
	if h.Quick {
		events = 200_000
	}
	events = min(events, 10*h.Customers)
	r, err := h.openRig(ctx, rigConfig{flushEvery: 24 * time.Hour})
	if err != nil {
		return err
	}
	defer r.close()
	g := NewGenerator(h.population(), Ordinary, h.Seed)
	i := 0
	err = r.pipe.Press(ctx, r.now, func(at int64) (*processor.Event, int) {
		if i == events {
			return nil, 0
		}
		i++
		return g.Next(at)
	})
	if err != nil {
		return err
	}
	if err := r.worker.WaitIdle(ctx); err != nil {
		return err
	}
	for _, s := range r.worker.Status(ctx) {
		if s.Saved > 0 {
			return fmt.Errorf("bench: partition %d was saved at %d of %d; replay fewer events", s.Partition, s.Saved, s.Position)
		}
	}
	var runs []float64
	for range h.Runs {
		r.crash()
		start := time.Now()
		if err := r.start(ctx, 24*time.Hour); err != nil {
			return err
		}
		runs = append(runs, float64(events)/time.Since(start).Seconds())
	}
	h.report("replay", "events/s", fmt.Sprintf("%d events, the start of the worker included", events), runs)
	return nil
}
