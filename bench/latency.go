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

// stopwatch takes the times between something sent and something decided. Many
// goroutines may use it.
type stopwatch struct {
	from  []atomic.Int64 // ns since the epoch, 0 = not yet
	took  []atomic.Int64 // ns, 0 = not yet
	count atomic.Int64
}

func newStopwatch(n int) *stopwatch {
	return &stopwatch{from: make([]atomic.Int64, n), took: make([]atomic.Int64, n)}
}

func (s *stopwatch) start(i int, at time.Time) { s.from[i].CompareAndSwap(0, at.UnixNano()) }

func (s *stopwatch) stop(i int, at time.Time) {
	if i < 0 || i >= len(s.from) {
		return
	}
	if from := s.from[i].Load(); from != 0 && s.took[i].CompareAndSwap(0, max(1, at.UnixNano()-from)) {
		s.count.Add(1)
	}
}

// newHistogram returns a histogram of microseconds, up to two minutes.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, longest, 3) }

const longest = int64(2 * time.Minute / time.Microsecond)

// note records how long something took.
func note(h *hdrhistogram.Histogram, took time.Duration) {
	_ = h.RecordValue(min(max(1, took.Microseconds()), longest)) // within its range
}

// histogram holds, in microseconds, what was taken. What was sent and not
// decided is an error: a lost decision must not make a latency look better.
func (s *stopwatch) histogram() (*hdrhistogram.Histogram, error) {
	h := newHistogram()
	missing := 0
	for i := range s.from {
		switch took := s.took[i].Load(); {
		case took > 0:
			note(h, time.Duration(took))
		case s.from[i].Load() != 0:
			missing++
		}
	}
	if missing > 0 {
		return h, fmt.Errorf("bench: %d of %d decisions did not come", missing, missing+int(h.TotalCount()))
	}
	if h.TotalCount() == 0 {
		return h, errTimeout
	}
	return h, nil
}

// settle waits until all that was started has stopped, for a minute.
func (s *stopwatch) settle(sent int) {
	for end := time.Now().Add(time.Minute); int(s.count.Load()) < sent && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// latencies collects the quantiles of several runs.
type latencies struct {
	p50, p99 []float64
	worst    float64
	samples  int64
}

func (l *latencies) add(h *hdrhistogram.Histogram) {
	l.p50 = append(l.p50, float64(h.ValueAtQuantile(50))/1000)
	l.p99 = append(l.p99, float64(h.ValueAtQuantile(99))/1000)
	l.worst = max(l.worst, float64(h.Max())/1000)
	l.samples += h.TotalCount()
}

func (h *harness) reportLatency(name string, l latencies, note string) {
	if l.samples == 0 {
		return
	}
	note = fmt.Sprintf("%s; %d samples, worst %.1f ms", note, l.samples, l.worst)
	if h.wants(name + "_p50") {
		h.report(name+"_p50", "ms", note, l.p50)
	}
	if h.wants(name + "_p99") {
		h.report(name+"_p99", "ms", note, l.p99)
	}
}

// A probe is a customer who permits ads and puts an item into the cart once:
// retarget_ads then decides in the step of the event, in nine cases of ten for
// sent and else for the control group.
const (
	probeItem      = "PROBE"
	probePerSecond = 200
)

func probeCustomer(i int) string { return fmt.Sprintf("probe-%07d", i) }

// probes makes known the customers of so many probes, and the item in all
// partitions.
func (r *rig) probes(ctx context.Context, n int) error {
	if err := r.put(ctx, 1, func(int) *processor.Event { return level(probeItem, 1_000_000, 1, r.ms()) }); err != nil {
		return err
	}
	traits := []byte(`{"email":"somebody@example.com","timezone":"Europe/Paris","consent":{"ads":{"ads":true}}}`)
	err := r.put(ctx, n, func(i int) *processor.Event {
		e := identify(probeCustomer(i), r.ms())
		e.Traits = traits
		return e
	})
	if err != nil {
		return err
	}
	// The first to want the item in a partition makes it learn the facts.
	err = r.put(ctx, 400, func(i int) *processor.Event {
		customer := fmt.Sprint("first-", i)
		return added("first-"+customer, customer, probeItem, r.ms())
	})
	if err != nil {
		return err
	}
	return r.worker.WaitIdle(ctx)
}

// eventToDecision runs an open loop with probes in it for a while. first is the
// number of the first probe nobody has used.
func (h *harness) eventToDecision(ctx context.Context, r *rig, g *Generator, rate, first int) (*hdrhistogram.Histogram, error) {
	n := probePerSecond * (int(h.Duration/time.Second) + 1)
	s := newStopwatch(n)
	r.follow.watch.Store(&watch{word: []byte("probe-"), seen: func(d *processor.Decision, at time.Time) {
		number, ok := strings.CutPrefix(d.Customer, "probe-")
		if i, err := strconv.Atoi(number); ok && err == nil && d.Moment == "retarget_ads" {
			s.stop(i-first, at)
		}
	}})
	defer r.follow.watch.Store(nil)
	sent := 0
	err := h.play(ctx, r, Schedule{Rate: rate, Next: g.Next, Specials: probePerSecond, Special: func(i int, due time.Time) error {
		if i >= n {
			return nil
		}
		sent++
		s.start(i, due)
		return r.pipe.Special(ctx, added(fmt.Sprintf("a-%07d", first+i), probeCustomer(first+i), probeItem, r.ms()), nil)
	}}, h.Duration)
	if err != nil {
		return nil, err
	}
	s.settle(sent)
	return s.histogram()
}

// play runs an open loop for a while.
func (h *harness) play(ctx context.Context, r *rig, s Schedule, d time.Duration) error {
	playing, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	err := r.pipe.Play(playing, s)
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// maxProbes is how many probes the runs of one scene use.
func (h *harness) maxProbes() int {
	return h.Runs * probePerSecond * (int(h.Duration/time.Second) + 2)
}

// idle measures latencies at a thousand events a second.
func (h *harness) idle(ctx context.Context) error {
	r, err := h.openRig(ctx, rigConfig{rules: faster()})
	if err != nil {
		return err
	}
	defer r.close()
	g := NewGenerator(NewPopulation(min(h.Customers, 20_000), h.Items, partitions), Ordinary, h.Seed)
	if err := r.identify(ctx, g); err != nil {
		return err
	}
	if err := r.probes(ctx, h.maxProbes()); err != nil {
		return err
	}
	if err := r.restocks(ctx, h.maxRestocks()); err != nil {
		return err
	}
	// The first steps of everything are slow.
	if err := h.play(ctx, r, Schedule{Rate: 1000, Next: g.Next}, min(h.Warmup, 2*time.Second)); err != nil {
		return err
	}
	return h.latencyRows(ctx, r, g, 1000, "idle", "three moments with settle: 0s; 1,000 events/s")
}

// latencyRows measures both latencies on a rig that is prepared.
func (h *harness) latencyRows(ctx context.Context, r *rig, g *Generator, rate int, load, note string) error {
	var decision, offer, handoff latencies
	for run := range h.Runs {
		if h.wantsLatency("event_to_decision_" + load) {
			x, err := h.eventToDecision(ctx, r, g, rate, run*h.maxProbes()/h.Runs)
			if err != nil {
				return err
			}
			decision.add(x)
		}
		if h.wantsLatency("restock_to_offer_"+load) || h.wantsLatency("restock_to_handoff_"+load) {
			x, y, err := h.restock(ctx, r, g, rate, run*h.maxRestocks()/h.Runs)
			if err != nil {
				return err
			}
			offer.add(x)
			handoff.add(y)
		}
	}
	h.reportLatency("event_to_decision_"+load, decision, note)
	h.reportLatency("restock_to_offer_"+load, offer, note)
	h.reportLatency("restock_to_handoff_"+load, handoff, note)
	return nil
}

func (h *harness) wantsLatency(name string) bool { return h.wants(name+"_p50") || h.wants(name+"_p99") }

// loaded measures latencies, memory and a restart at the target rate.
func (h *harness) loaded(ctx context.Context) error {
	r, err := h.openRig(ctx, rigConfig{rules: faster()})
	if err != nil {
		return err
	}
	defer r.close()
	g := NewGenerator(h.population(), Ordinary, h.Seed)
	if err := r.identify(ctx, g); err != nil {
		return err
	}
	if err := r.probes(ctx, h.maxProbes()); err != nil {
		return err
	}
	if err := r.restocks(ctx, h.maxRestocks()); err != nil {
		return err
	}
	before := r.stores(ctx)
	h.say("loaded: %d customers are known; stores %s", h.Customers, before)
	if err := h.play(ctx, r, Schedule{Rate: h.Rate, Next: g.Next}, h.Warmup); err != nil {
		return err
	}
	used, from, begin := cpu(), r.pipe.Committed(), time.Now()
	note := fmt.Sprintf("three moments with settle: 0s; %s events/s", grouped(int64(h.Rate)))
	if err := h.latencyRows(ctx, r, g, h.Rate, "loaded", note); err != nil {
		return err
	}
	if h.wants("rss") {
		var runs []float64
		for range h.Runs {
			if err := h.play(ctx, r, Schedule{Rate: h.Rate, Next: g.Next}, h.Duration); err != nil {
				return err
			}
			runs = append(runs, rss())
		}
		events, took, busy := float64(r.pipe.Committed()-from), time.Since(begin).Seconds(), (cpu() - used).Seconds()
		h.report("rss", "MiB", fmt.Sprintf("%.0f events/s over %.0f s, %.2f us CPU an event, %.2f cores busy, refused %d times; limit %d MiB, load included; stores %s, then %s",
			events/took, took, 1e6*busy/events, busy/took, r.pipe.refused.Load(), h.Memory>>20, before, r.stores(ctx)), runs)
	}
	if h.wants("restart") {
		return h.restart(ctx, r, g)
	}
	return nil
}

// restart kills the worker under load and starts one on what it left.
func (h *harness) restart(ctx context.Context, r *rig, g *Generator) error {
	var runs []float64
	for range h.Runs {
		if err := h.play(ctx, r, Schedule{Rate: h.Rate, Next: g.Next}, h.Duration); err != nil {
			return err
		}
		r.crash()
		start := time.Now()
		if err := r.start(ctx, 0); err != nil {
			return err
		}
		runs = append(runs, time.Since(start).Seconds())
	}
	h.report("restart", "s", fmt.Sprintf("killed after %s at %s events/s, until all %d partitions are live", h.Duration, grouped(int64(h.Rate)), partitions), runs)
	return nil
}
