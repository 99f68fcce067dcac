package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/processor/worker"

	"golang.org/x/sync/errgroup"
)

// generator is the cost of the load itself: drawing and encoding an event.
func (h *harness) generator(context.Context) error {
	g := NewGenerator(h.population(), Ordinary, h.Seed)
	var buf []byte
	var runs []float64
	n := 200_000
	if !h.Quick {
		n = 2_000_000
	}
	size, used := 0, cpu()
	for range h.Runs {
		start := time.Now()
		for range n {
			e, _ := g.Next(int64(g.n))
			buf = processor.AppendEvent(buf[:0], e)
			size += len(buf)
		}
		runs = append(runs, float64(n)/time.Since(start).Seconds())
	}
	h.report("generator", "events/s", fmt.Sprintf("drawing and encoding alone, on one core; %.2f us CPU and %d bytes an event", float64((cpu()-used).Microseconds())/float64(n*h.Runs), size/n/h.Runs), runs)
	return nil
}

// barePipe is the same records, read and committed with nothing done.
func (h *harness) barePipe(ctx context.Context) error {
	r, err := h.openRig(ctx, rigConfig{bare: true})
	if err != nil {
		return err
	}
	defer r.close()
	g := NewGenerator(h.population(), Ordinary, h.Seed)
	running, cancel := context.WithCancel(ctx)
	tasks, running := errgroup.WithContext(running)
	for part := range partitions {
		tasks.Go(func() error { return consume(running, r.log, part) })
	}
	runs, note, err := h.press(ctx, r, g, min(h.Warmup, 5*time.Second))
	cancel()
	if e := tasks.Wait(); err == nil && ctx.Err() == nil {
		err = e
	}
	if err == nil {
		h.report("bare_pipe", "events/s", note, runs)
	}
	return err
}

// consume reads a partition, decodes what there is and commits its position,
// one commit in flight.
func consume(ctx context.Context, log *jetstream.Log, part int) error {
	r, err := log.Read(part, 1)
	if err != nil {
		return err
	}
	defer r.Stop()
	type answer struct {
		seq uint64
		err error
	}
	answers := make(chan answer, 1)
	var event processor.Event
	var position, confirmed, expect, hash uint64
	var data []byte
	busy := false
	for {
		for {
			m, ok, err := r.TryNext()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			rec, err := processor.ParseRecord(m.Data)
			for err == nil {
				var entry []byte
				if entry, err = rec.Next(); entry == nil {
					break
				}
				err = processor.DecodeEvent(entry[1:], &event)
				hash += uint64(event.Stamp)
			}
			if err != nil {
				return err
			}
			position = m.Seq
		}
		if !busy && position > confirmed {
			c := processor.CommitRecord{Epoch: 1, Position: position, Hash: hash}
			data = c.Append(data[:0])
			if err := log.CommitAsync(part, data, expect, func(seq uint64, err error) { answers <- answer{seq, err} }); err != nil {
				return err
			}
			busy, confirmed = true, position
		}
		select {
		case <-r.Ready():
		case a := <-answers:
			busy = false
			if _, late := errors.AsType[*jetstream.FencedError](a.err); late || jetstream.Unreached(a.err) {
				// Written or not, now or later: the next one stands behind the last.
				confirmed = 0
				a.seq, a.err = lastCommit(ctx, log, part)
			}
			if a.err != nil {
				return ended(ctx, a.err)
			}
			expect = a.seq
		case <-ctx.Done():
			if busy {
				<-answers
			}
			return nil
		}
	}
}

// lastCommit returns the sequence of a partition's last commit record.
func lastCommit(ctx context.Context, log *jetstream.Log, part int) (uint64, error) {
	return patiently(ctx, func() (uint64, error) {
		seq, _, err := log.LastCommit(ctx, part)
		return seq, err
	})
}

// press runs a closed loop and returns the events per second of each run.
func (h *harness) press(ctx context.Context, r *rig, g *Generator, warmup time.Duration) (runs []float64, note string, err error) {
	pressing, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- r.pipe.Press(pressing, r.now, g.Next)
	}()
	if err := pause(ctx, done, warmup); err != nil {
		return nil, "", err
	}
	used, from, begin, records := cpu(), r.pipe.Committed(), time.Now(), r.records()
	for range h.Runs {
		start, n := time.Now(), r.pipe.Committed()
		// A run lasts until something was committed: a disk that stands still
		// for longer than a short run is slow, not infinitely so.
		for once := true; once || r.pipe.Committed() == n; once = false {
			if err := pause(ctx, done, h.Duration); err != nil {
				return nil, "", err
			}
		}
		runs = append(runs, float64(r.pipe.Committed()-n)/time.Since(start).Seconds())
	}
	events := float64(r.pipe.Committed() - from)
	busy := cpu() - used
	records = r.records() - records
	cancel()
	err = <-done
	return runs, fmt.Sprintf("closed loop of %d; %.0f events a record; %.2f us CPU an event, %.2f cores busy; RSS %.0f MiB",
		inPipe, events/max(float64(records), 1), float64(busy.Microseconds())/max(events, 1), busy.Seconds()/time.Since(begin).Seconds(), rss()), err
}

// records returns how many records the packers have put into the log.
func (r *rig) records() (n uint64) {
	for part := range partitions {
		n += r.log.Packer(part).Acked()
	}
	return n
}

// pause waits while a sender runs.
func pause(ctx context.Context, done chan error, d time.Duration) error {
	select {
	case err := <-done:
		done <- err
		if err == nil {
			err = errTimeout
		}
		return err
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// endToEnd is the closed loop through the worker.
func (h *harness) endToEnd(ctx context.Context) error {
	r, err := h.openRig(ctx, rigConfig{})
	if err != nil {
		return err
	}
	defer r.close()
	g := NewGenerator(h.population(), Ordinary, h.Seed)
	if err := r.identify(ctx, g); err != nil {
		return err
	}
	h.say("end_to_end: %d customers are known", h.Customers)
	before := r.stores(ctx)
	runs, note, err := h.press(ctx, r, g, h.Warmup)
	if err != nil {
		return err
	}
	h.report("end_to_end", "events/s", fmt.Sprintf("%s; %.3f decisions an event; stores %s, then %s",
		note, r.decided(ctx)/float64(r.pipe.Committed()), before, r.stores(ctx)), runs)
	return nil
}

// decided returns the decisions made since the log began.
func (r *rig) decided(ctx context.Context) float64 {
	var n uint64
	for part := range partitions {
		_ = r.worker.Ask(ctx, part, func(m *processor.Machine) { n += m.Shop().Decided })
	}
	return float64(n)
}

// core is Machine.Apply alone: one partition with everybody in memory, records
// of 100 events and of what became of the actions before.
func (h *harness) core(ctx context.Context) error {
	m, err := processor.NewMachine(processor.Config{Partitions: 1, Memory: worker.EntityMemory(h.Memory)}, nothing{})
	if err != nil {
		return err
	}
	pop := NewPopulation(h.Customers, h.Items, 1)
	g := NewGenerator(pop, Ordinary, h.Seed)
	t := &turns{m: m, now: time.Now().UnixMilli()}
	t.apply(processor.AppendRecordEntry(processor.AppendRecordHeader(nil, t.now),
		processor.AppendControl(nil, &processor.Control{Type: processor.Activate, At: t.now, Text: h.Moments})))
	for i := 0; i < pop.Customers; i += 100 {
		t.records(1, func(n int) *processor.Event {
			e, _ := g.Identify(min(i+n, pop.Customers-1), t.now)
			return e
		})
	}
	var runs []float64
	all := 0
	span := func(d time.Duration) float64 {
		took, events := t.took, 0
		for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; {
			t.records(100, func(int) *processor.Event { e, _ := g.Next(t.now); return e })
			events += 100 * 100
		}
		all += events
		return float64(events) / (t.took - took).Seconds()
	}
	span(h.Warmup)
	decided, before, busy := m.Shop().Decided, all, t.busy
	for range h.Runs {
		runs = append(runs, span(h.Duration))
	}
	events := float64(all - before)
	h.report("core", "events/s", fmt.Sprintf("one partition on one goroutine, %d customers in memory, records of 100; %.2f us CPU and %.3f decisions an event",
		h.Customers, float64((t.busy-busy).Microseconds())/events, float64(m.Shop().Decided-decided)/events), runs)
	return ctx.Err()
}

// turns feeds a machine.
type turns struct {
	m   *processor.Machine
	out processor.Outputs
	did [][]byte // the outcomes of what was asked for, as entries
	buf []byte
	all [][]byte
	seq uint64
	now int64

	took, busy time.Duration // in Apply: by the clock, and of the processor
}

func (t *turns) apply(record []byte) {
	t.seq++
	t.m.Apply(t.seq, t.now, record, &t.out)
	t.m.Evict()
}

// records makes some records of 100 events and applies them. A channel takes
// whatever is decided at once, and says so in the next records.
func (t *turns) records(n int, event func(i int) *processor.Event) {
	for len(t.all) < n {
		t.all = append(t.all, nil)
	}
	for k := range n {
		rec := processor.AppendRecordHeader(t.all[k][:0], t.now)
		for _, outcome := range t.did[k*len(t.did)/n : (k+1)*len(t.did)/n] {
			rec = processor.AppendRecordEntry(rec, outcome)
		}
		for i := range 100 {
			t.buf = processor.AppendEvent(append(t.buf[:0], byte(processor.EventEntry)), event(i))
			rec = processor.AppendRecordEntry(rec, t.buf)
		}
		t.all[k] = rec
	}
	start, used := time.Now(), cpu()
	for _, rec := range t.all[:n] {
		t.now++
		t.apply(rec)
	}
	t.took += time.Since(start)
	t.busy += cpu() - used
	t.answer()
}

// answer notes that each action asked for was delivered.
func (t *turns) answer() {
	t.did = t.did[:0]
	for buf := t.out.Buf; len(buf) > 0; {
		o, rest, err := processor.NextOutput(buf)
		if err != nil {
			panic(err)
		}
		buf = rest
		if o.Type != processor.DecisionOutput {
			continue
		}
		d, err := processor.ParseDecision(o.Body)
		if err != nil {
			panic(err)
		}
		if d.Action != nil {
			t.did = append(t.did, processor.AppendOutcome(nil, d.Customer, d.Action.ID, 1, processor.Delivered, "200"))
		}
	}
	t.out.Reset()
}

// nothing is a store with nothing in it.
type nothing struct{}

func (nothing) Mark() ([]byte, error)                                       { return nil, nil }
func (nothing) Get(uint8, uint64, []byte) ([]byte, bool, error)             { return nil, false, nil }
func (nothing) Timers(func(due int64, kind uint8, hash uint64) error) error { return nil }
func (nothing) Seen(uint64, uint32) (bool, error)                           { return false, nil }
func (nothing) Scan(uint8, func(uint64, []byte) error) error                { return nil }
