package whatif

import (
	"fmt"

	"onhand/processor"
)

// The two worlds of a run.
const (
	asWas = iota
	given
)

var worldNames = [...]string{"as-was", "given"}

// world is a whole deployment with a transport and a clock of its own: every
// partition's machine and the records in between. It is fed what came from
// outside, and runs until it is quiet before the next record comes.
//
//	record of the log, less what the deployment said to itself
//	   |
//	   v
//	machine p --decisions--> said
//	   ^  |----transfers---> queue --> machine q
//	   |  '----attempts----> assumed --.
//	   '--------outcomes---------------'
type world struct {
	now      int64 // log time of all partitions
	machines []*machine
	seq      []uint64 // last record of each partition
	sent     [][]uint64
	turned   []uint64 // incarnation of each partition
	queue    []entry
	held     []entry // transfers in front of which another one is still on its way
	assumed  assumed
	rules    []byte // activated in place of those of the log; nil = as they were
	waiting  bool   // for the log's first activation, to take its place
	left     int    // activations of the log that were left out
	said     func(*processor.Decision) error
	rest     func() error // called now and then: sleeps, or says that nobody waits for the answer

	out     processor.Outputs
	record  []byte
	carried []byte // kept entries of a record, framed
	ticks   int    // at one instant
}

// entry is one entry on its way to a partition. number is that of a transfer
// among those of its sender, 0 = none.
type entry struct {
	partition, sender int
	number            uint64
	body              []byte
}

// Two entities that answer each other for ever, or a timer that arms itself for
// the same instant, would never let the clock move: so many records are a
// failure.
const (
	maxTransfers = 10_000_000 // that follow from one record
	maxTicks     = 100_000    // at one instant
)

// begin opens the machines on the states at the beginning of the span, and puts
// the rules in force that are to hold instead.
func (w *world) begin(bases []*base, open func(part int) (*machine, error)) error {
	w.assumed.begin()
	for p, b := range bases {
		m, err := open(p)
		if err != nil {
			return err
		}
		w.machines = append(w.machines, m)
		w.seq = append(w.seq, b.position)
		w.sent = append(w.sent, b.sent)
		w.turned = append(w.turned, b.commits.rewinds.Incarnation(b.position))
		w.now = max(w.now, b.now)
	}
	for _, m := range w.machines {
		if err := m.Outbox(func(customer, action string, attempt int) {
			w.assumed.expect(w.now, customer, action, attempt-1)
		}); err != nil {
			return err
		}
	}
	if w.rules == nil {
		return nil
	}
	if w.waiting = bases[0].version == ""; w.waiting {
		return nil
	}
	return w.append(0, w.activation(bases[0].secret))
}

func (w *world) activation(secret string) []byte {
	return processor.AppendControl(nil, &processor.Control{Type: processor.Activate, Name: secret, At: w.now, Text: w.rules})
}

func (w *world) close() (first error) {
	for _, m := range w.machines {
		if err := m.store.Close(); first == nil {
			first = err
		}
	}
	return first
}

// feed applies a record of the log at a log time, less what the deployment said
// to itself.
func (w *world) feed(part int, at int64, data []byte) error {
	if err := w.advance(at); err != nil {
		return err
	}
	rec, err := processor.ParseRecord(data)
	if err != nil {
		return nil // it is in the dead letter
	}
	w.carried = w.carried[:0]
	for {
		e, err := rec.Next()
		if err != nil || e == nil {
			break
		}
		kept, err := w.keep(part, e)
		if err != nil {
			return err
		}
		if kept != nil {
			w.carried = processor.AppendRecordEntry(w.carried, kept)
		}
	}
	if len(w.carried) == 0 {
		return nil
	}
	w.record = append(processor.AppendRecordHeader(w.record[:0], w.now), w.carried...)
	if err := w.apply(part); err != nil {
		return err
	}
	w.queue = append(w.queue, w.held...) // what they waited for may have come
	w.held = w.held[:0]
	return w.settle()
}

// keep returns an entry of the log as it holds in this world, nil when it does
// not.
func (w *world) keep(part int, e []byte) ([]byte, error) {
	switch processor.EntryType(e[0]) {
	case processor.TickEntry:
		return nil, nil
	case processor.TransferEntry:
		sender, _, number, err := processor.TransferOrigin(e)
		if err != nil || sender < 0 || sender >= len(w.sent) || number > w.sent[sender][part] {
			return nil, nil
		}
	case processor.OutcomeEntry, processor.ReleaseEntry:
		a, err := processor.ParseAttempt(e)
		if err != nil {
			return nil, nil
		}
		return w.assumed.recorded(w.now, &a, e), nil
	case processor.ControlEntry:
		c, err := processor.ParseControl(e)
		if err != nil || w.rules == nil || c.Type != processor.Activate && c.Type != processor.ActivateKeeping {
			break
		}
		if w.waiting {
			w.waiting = false
			return w.activation(c.Name), nil
		}
		w.left++
		return nil, nil
	}
	return e, nil
}

// append applies an entry and runs until quiet.
func (w *world) append(p int, body []byte) error {
	w.queue = append(w.queue, entry{partition: p, body: body})
	return w.settle()
}

// settle applies what is on its way, until nothing is.
func (w *world) settle() error {
	for n := 0; n < len(w.queue); n++ {
		if n == maxTransfers {
			return fmt.Errorf("whatif: %d messages that follow from one record do not end", maxTransfers)
		}
		e := w.queue[n]
		w.queue[n] = entry{}
		if e.number > w.received(e.partition, e.sender)+1 {
			w.held = append(w.held, e)
			continue
		}
		w.record = processor.AppendRecordHeader(w.record[:0], w.now)
		w.record = processor.AppendRecordEntry(w.record, e.body)
		if err := w.apply(e.partition); err != nil {
			return err
		}
	}
	w.queue = w.queue[:0]
	return nil
}

// received returns the number of the last message a partition has from another.
func (w *world) received(p, sender int) uint64 {
	number, _ := w.heard(p, sender)
	return number
}

func (w *world) heard(p, sender int) (number, incarnation uint64) {
	list := w.machines[p].Shop().Received
	for i := range list {
		if list[i].ID == uint64(sender) {
			return list[i].Number, list[i].Incarnation
		}
	}
	return 0, 0
}

// apply applies w.record.
func (w *world) apply(p int) error {
	w.seq[p]++
	w.out.Reset()
	if err := w.machines[p].apply(w.seq[p], w.now, w.record, &w.out); err != nil {
		return fmt.Errorf("partition %d: %w", p, err)
	}
	return w.take(p)
}

// take reads the outputs of the record just applied.
func (w *world) take(p int) error {
	for buf := w.out.Buf; len(buf) > 0; {
		o, rest, err := processor.NextOutput(buf)
		if err != nil {
			return err
		}
		buf = rest
		switch o.Type {
		case processor.DecisionOutput:
			d, err := processor.ParseDecision(o.Body)
			if err != nil {
				return err
			}
			if err := w.said(&d); err != nil {
				return err
			}
			if d.Action != nil && d.Mode == "live" {
				w.attempt(d.Customer, d.Action.ID, 1)
			}
		case processor.ReleaseOutput:
			x, err := processor.ParseRelease(o.Body)
			if err != nil {
				return err
			}
			w.attempt(x.Decision.Customer, x.Decision.Action.ID, x.Attempt)
		case processor.TransferOutput:
			t, err := processor.ParseTransfer(o.Body)
			if err != nil {
				return err
			}
			_, incarnation := w.heard(t.Receiver, p)
			w.queue = append(w.queue, entry{t.Receiver, p, t.Number, processor.AppendTransfer(nil, p, max(incarnation, w.turned[p]), t)})
		}
	}
	return nil
}

// attempt hands an action to nobody.
func (w *world) attempt(customer, action string, number int) {
	if body := w.assumed.attempt(w.now, customer, action, number); body != nil {
		w.queue = append(w.queue, entry{partition: w.partition(customer), body: body})
	}
}

func (w *world) partition(id string) int {
	return processor.PartitionOf(processor.Hash(id), len(w.machines))
}

// advance moves the clock to an instant. Whatever is due on the way happens at
// its own time.
func (w *world) advance(to int64) error {
	for {
		if err := w.rest(); err != nil {
			return err
		}
		p, at := -1, w.assumed.next()
		for q, m := range w.machines {
			if wake := m.NextWake(); wake != 0 && (at == 0 || wake < at) {
				p, at = q, wake
			}
		}
		if at == 0 || at > to {
			if to > w.now {
				w.now, w.ticks = to, 0
			}
			return nil
		}
		if at > w.now {
			w.now, w.ticks = at, 0
		}
		body := []byte{byte(processor.TickEntry)}
		if p < 0 {
			var customer string
			customer, body = w.assumed.pop()
			p = w.partition(customer)
		} else if w.ticks++; w.ticks > maxTicks {
			return fmt.Errorf("whatif: partition %d: %d timers in one millisecond do not end", p, maxTicks)
		}
		if err := w.append(p, body); err != nil {
			return err
		}
	}
}
