package whole

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"onhand/processor"
)

// world is a deployment in memory in which nothing fails.
type world struct {
	machines []*processor.Machine
	seq      []uint64
	now      int64
	travel   [][][]byte // by sender and receiver: what is on its way
	out      processor.Outputs
	known    []*processor.Event
	told     []Told
	faults   []string

	corrected []string // ids of decisions
	drifts    []drift
	flagged   map[string]bool // rewards of which too much was used
}

// nothing is a store that is empty, for a machine that never forgets.
type nothing struct{}

func (nothing) Mark() ([]byte, error)                                       { return nil, nil }
func (nothing) Get(_ uint8, _ uint64, dst []byte) ([]byte, bool, error)     { return dst, false, nil }
func (nothing) Timers(func(due int64, kind uint8, hash uint64) error) error { return nil }
func (nothing) Seen(uint64, uint32) (bool, error)                           { return false, nil }
func (nothing) Scan(uint8, func(hash uint64, value []byte) error) error     { return nil }

// play lets all events happen and time pass until the end, and returns the world:
// with what was decided and what went wrong on the way.
func play(rules []byte, events []processor.Event, end int64, partitions int, plant Plant) *world {
	w := &world{now: begin, seq: make([]uint64, partitions), travel: make([][][]byte, partitions*partitions), flagged: map[string]bool{}}
	for p := range partitions {
		m, err := processor.NewMachine(processor.Config{Partition: p, Partitions: partitions, Memory: 1 << 40}, nothing{})
		if err != nil {
			w.faults = []string{err.Error()}
			return w
		}
		w.machines = append(w.machines, m)
	}
	w.apply(0, processor.AppendControl(nil, &processor.Control{Type: processor.Activate, At: w.now, Text: rules}))
	w.quiet()
	tiered := bytes.Contains(rules, []byte("queue: tiers"))
	for i := range events {
		e := &events[i]
		w.until(e.At)
		w.known = append(w.known, e)
		if plant.Hides(e) {
			continue
		}
		kind, id := e.Target()
		p := 0
		if kind != processor.ShopKind {
			p = processor.PartitionOf(processor.Hash(id), partitions)
		}
		for range 1 + i%2 { // half of all is told twice
			w.apply(p, processor.AppendEvent([]byte{byte(processor.EventEntry)}, plant.blurs(e)))
			w.quiet()
		}
		if tiered {
			w.ranks()
		}
	}
	w.until(end)
	w.flags()
	return w
}

// fault notes what must not happen, whatever was decided.
func (w *world) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// apply appends one entry to a partition's log.
func (w *world) apply(p int, entry []byte) {
	w.seq[p]++
	w.out.Reset()
	w.machines[p].Apply(w.seq[p], w.now, processor.AppendRecordEntry(processor.AppendRecordHeader(nil, w.now), entry), &w.out)
	for buf := slices.Clone(w.out.Buf); len(buf) > 0; {
		o, rest, err := processor.NextOutput(buf)
		if err != nil {
			w.fault("an output cannot be read: %v", err)
			return
		}
		buf = rest
		w.output(p, o)
	}
}

func (w *world) output(p int, o processor.Output) {
	switch o.Type {
	case processor.TransferOutput:
		x, err := processor.ParseTransfer(o.Body)
		if err != nil {
			w.fault("a transfer cannot be read: %v", err)
			return
		}
		w.send(p, x.Receiver, processor.AppendTransfer(nil, p, 0, x))
	case processor.DeadOutput:
		d, _ := processor.ParseDead(o.Body)
		if d.Reason == processor.DoubleUse && w.usedTwice(d.Detail) {
			return
		}
		w.fault("after event %d a dead letter: %s, %s", len(w.known), d.Reason, d.Detail)
	case processor.CorrectionOutput:
		x, _ := processor.ParseCorrection(o.Body)
		if x.Kind == processor.Drift {
			w.drifts = append(w.drifts, drift{len(w.known), x.Customer})
			return
		}
		if slices.Contains(w.corrected, x.Decision) {
			w.fault("after event %d a second correction: %s to %s, %s", len(w.known), x.Moment, x.Customer, x.Reason)
		}
		if w.corrected = append(w.corrected, x.Decision); x.Kind == processor.Wrong {
			w.fault("after event %d a wrong send: %s to %s, %s", len(w.known), x.Moment, x.Customer, x.Reason)
		}
	case processor.DecisionOutput:
		d, err := processor.ParseDecision(o.Body)
		if err != nil {
			w.fault("a decision cannot be read: %v", err)
			return
		}
		w.told = append(w.told, Told{Decision: d, Known: w.known, Seed: w.seed(d)})
		if d.Action != nil && d.Mode != "shadow" {
			to := processor.PartitionOf(processor.Hash(d.Customer), len(w.machines))
			w.send(p, to, processor.AppendOutcome(nil, d.Customer, d.Action.ID, 1, processor.Delivered, ""))
		}
	}
}

// seed returns what an item has published of its lottery when a unit of it is
// offered.
func (w *world) seed(d processor.Decision) string {
	if d.Action == nil || d.Action.OfferID == "" {
		return ""
	}
	sku := d.Cause.Value
	v, _ := w.machines[processor.PartitionOf(processor.Hash(sku), len(w.machines))].ItemView(sku)
	return v.Seed
}

func (w *world) send(from, to int, entry []byte) {
	at := from*len(w.machines) + to
	w.travel[at] = append(w.travel[at], entry)
}

// quiet lets everything arrive that is on its way.
func (w *world) quiet() {
	for busy := true; busy; {
		busy = false
		for at := range w.travel {
			for len(w.travel[at]) > 0 {
				entry := w.travel[at][0]
				w.travel[at] = w.travel[at][1:]
				w.apply(at%len(w.machines), entry)
				busy = true
			}
		}
	}
}

// maxTicks is how often time may have to be told until it reaches the next
// event.
const maxTicks = 20_000

// until lets time pass, with every timer at its time.
func (w *world) until(now int64) {
	for n := 0; ; n++ {
		w.quiet()
		next, p := now, -1
		for i, m := range w.machines {
			if at := m.NextWake(); at != 0 && at < next {
				next, p = at, i
			}
		}
		w.now = max(w.now, next)
		if p < 0 {
			return
		}
		if n == maxTicks {
			w.fault("after event %d time does not pass", len(w.known))
			return
		}
		w.apply(p, []byte{byte(processor.TickEntry)})
	}
}

// usedTwice reports whether of a reward that is spoken of more may have been used
// than there was.
func (w *world) usedTwice(text string) bool {
	for _, e := range w.known {
		if e.Kind == processor.RewardIssued && strings.HasPrefix(text, "the reward "+e.RewardID+" ") {
			w.flagged[e.RewardID] = true
			_, over := remains(unvoided(uses(e.RewardID, w.known, always)))
			return over
		}
	}
	return false
}

// flags: of a reward of which more was used than there was somebody is told.
func (w *world) flags() {
	for _, e := range w.known {
		if e.Kind != processor.RewardIssued || w.flagged[e.RewardID] {
			continue
		}
		if _, over := remains(uses(e.RewardID, w.known, always)); over {
			w.fault("more of %s was used than there was, and nobody was told", e.RewardID)
		}
	}
}
