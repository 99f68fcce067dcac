package bench

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"onhand/processor"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const restocksPerSecond = 20

// maxRestocks is how many items the runs of one scene bring back.
func (h *harness) maxRestocks() int {
	return h.Runs * restocksPerSecond * (int(h.Duration/time.Second) + 2)
}

func restockItem(i int) string { return fmt.Sprintf("back-%07d", i) }

// waiter returns a customer who lives in another partition than an item.
func waiter(i int, sku string) string {
	item := processor.PartitionOf(processor.Hash(sku), partitions)
	for try := 0; ; try++ {
		id := fmt.Sprintf("w-%07d-%d", i, try)
		if processor.PartitionOf(processor.Hash(id), partitions) != item {
			return id
		}
	}
}

// noon returns the name of a time zone in which it is about noon, so that
// quiet hours keep nobody waiting.
func noon(now time.Time) string {
	offset := 12 - now.UTC().Hour() // ahead of UTC
	switch {
	case offset == 0:
		return "Etc/GMT"
	case offset > 0:
		return fmt.Sprintf("Etc/GMT-%d", offset)
	}
	return fmt.Sprintf("Etc/GMT+%d", -offset)
}

func (r *rig) waitTraits() []byte {
	return fmt.Appendf(nil, `{"email":"somebody@example.com","timezone":%q}`, noon(r.now()))
}

// restocks prepares items that are sold out, each with a customer waiting.
func (r *rig) restocks(ctx context.Context, n int) error {
	traits := r.waitTraits()
	err := r.put(ctx, 2*n, func(i int) *processor.Event {
		sku := restockItem(i / 2)
		if i%2 == 0 {
			return level(sku, 0, 1, r.ms())
		}
		e := identify(waiter(i/2, sku), r.ms())
		e.Traits = traits
		return e
	})
	if err != nil {
		return err
	}
	err = r.put(ctx, n, func(i int) *processor.Event {
		sku := restockItem(i)
		return request(waiter(i, sku), sku, r.ms())
	})
	if err != nil {
		return err
	}
	return r.worker.WaitIdle(ctx)
}

// restock brings items back under a load. Time runs from the log's
// acknowledgement of the level: offer to the commit record with the decision,
// handoff to the call of the channel.
func (h *harness) restock(ctx context.Context, r *rig, g *Generator, rate, first int) (offer, handoff *hdrhistogram.Histogram, err error) {
	n := restocksPerSecond * (int(h.Duration/time.Second) + 1)
	offers, handoffs := newStopwatch(n), newStopwatch(n)
	until := func(s *stopwatch) *watch {
		return &watch{word: []byte("back-"), seen: func(d *processor.Decision, at time.Time) {
			number, ok := strings.CutPrefix(d.Cause.Value, "back-")
			if i, err := strconv.Atoi(number); ok && err == nil && d.Outcome == processor.Sent && d.Moment == "back_in_stock" {
				s.stop(i-first, at)
			}
		}}
	}
	r.follow.watch.Store(until(offers))
	defer r.follow.watch.Store(nil)
	r.handed.Store(until(handoffs))
	defer r.handed.Store(nil)
	sent := 0
	err = h.play(ctx, r, Schedule{Rate: rate, Next: g.Next, Specials: restocksPerSecond, Special: func(i int, _ time.Time) error {
		if i >= n {
			return nil
		}
		sent++
		return r.pipe.Special(ctx, level(restockItem(first+i), 100, 2, r.ms()), func(err error) {
			if err == nil {
				offers.start(i, time.Now())
				handoffs.start(i, time.Now())
			}
		})
	}}, h.Duration)
	if err != nil {
		return nil, nil, err
	}
	offers.settle(sent)
	if offer, err = offers.histogram(); err != nil {
		return nil, nil, err
	}
	handoffs.settle(sent)
	handoff, err = handoffs.histogram()
	return offer, handoff, err
}

// crowd is how many wait for one item: a hundred thousand, but in tests.
func (h *harness) crowd() int { return min(100_000, 20*h.Customers) }

// tell brings an item back that a hundred thousand customers wait for: with all
// of them in memory, and after a restart with none.
func (h *harness) tell(ctx context.Context) error {
	r, err := h.openRig(ctx, rigConfig{rules: faster()})
	if err != nil {
		return err
	}
	defer r.close()
	traits := r.waitTraits()
	err = r.put(ctx, r.h.crowd(), func(i int) *processor.Event {
		e := identify(fmt.Sprintf("w-%07d", i), r.ms())
		e.Traits = traits
		return e
	})
	if err != nil {
		return err
	}
	var hot, cold []float64
	for run := range h.Runs {
		for _, temperature := range []struct {
			row  string
			runs *[]float64
		}{{"tell_100k_hot", &hot}, {"tell_100k_cold", &cold}} {
			if !h.wants(temperature.row) {
				continue
			}
			sku := fmt.Sprint(temperature.row, "-", run)
			if err := r.queue(ctx, sku); err != nil {
				return err
			}
			if temperature.runs == &cold {
				if err := r.stop(); err != nil {
					return err
				}
				if err := r.start(ctx, 0); err != nil {
					return err
				}
			}
			took, err := r.tellAll(ctx, sku)
			if err != nil {
				return err
			}
			*temperature.runs = append(*temperature.runs, took.Seconds())
			h.say("%s: %.2f s", sku, took.Seconds())
		}
	}
	if len(hot) > 0 {
		h.report("tell_100k_hot", "s", fmt.Sprintf("%d customers, all in memory, nothing else to do", h.crowd()), hot)
	}
	if len(cold) > 0 {
		h.report("tell_100k_cold", "s", fmt.Sprintf("%d customers, none in memory after a restart, files in the page cache", h.crowd()), cold)
	}
	return nil
}

// queue makes the crowd wait for an item.
func (r *rig) queue(ctx context.Context, sku string) error {
	if err := r.put(ctx, 1, func(int) *processor.Event { return level(sku, 0, 1, r.ms()) }); err != nil {
		return err
	}
	err := r.put(ctx, r.h.crowd(), func(i int) *processor.Event { return request(fmt.Sprintf("w-%07d", i), sku, r.ms()) })
	if err != nil {
		return err
	}
	return r.worker.WaitIdle(ctx)
}

// tellAll brings an item back for everybody and returns the time from the
// log's acknowledgement to the last commit record with a decision.
func (r *rig) tellAll(ctx context.Context, sku string) (time.Duration, error) {
	crowd := int64(r.h.crowd())
	var start, told, other atomic.Int64
	done := make(chan time.Time, 1)
	r.follow.watch.Store(&watch{word: []byte(sku), seen: func(d *processor.Decision, at time.Time) {
		switch {
		case d.Cause.Value != sku || d.Moment != "back_in_stock":
		case d.Outcome != processor.Sent:
			other.Add(1)
		case told.Add(1) == crowd:
			done <- at
		}
	}})
	defer r.follow.watch.Store(nil)
	err := r.pipe.Special(ctx, level(sku, 2*crowd, 2, r.ms()), func(error) { start.Store(time.Now().UnixNano()) })
	if err != nil {
		return 0, err
	}
	select {
	case at := <-done:
		return at.Sub(time.Unix(0, start.Load())), nil
	case <-time.After(2 * time.Minute):
		return 0, fmt.Errorf("%w: %d of %d were told, %d were not", errTimeout, told.Load(), crowd, other.Load())
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
