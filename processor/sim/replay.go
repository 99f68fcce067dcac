package sim

import (
	"bytes"
	"fmt"

	"onhand/processor"
)

// replayed is what one partition's log means when nothing disturbs its reader:
// one machine, from the first record to the last, in one go.
type replayed struct {
	steps    []step // by position in the log; the first one is empty
	outputs  []byte
	accepted map[int]uint64 // by sender: messages accepted in all
}

// step is what one record did.
type step struct {
	now  int64
	hash uint64
	sent []uint64 // by receiver: number of the last message
	said []said
	ends []ended // what became of attempts
	dead []processor.Dead
}

// said is a decision, as the oracle reads it.
type said struct {
	at               int64
	position         uint64
	customer, moment string
	value, timer     string // cart or item; the window that ended
	n                int64
	outcome, reason  string
	id, retracts     string
	action, offer    string // ids
	lines            map[string]int64
	decision         *processor.Decision
}

// key names the candidate that was decided.
func (s *said) key() string {
	return fmt.Sprint(s.customer, " ", s.moment, " ", s.value, " #", s.n, " ", s.timer)
}

func (s *said) String() string {
	return fmt.Sprintf("%s: %s %s (decision %s at %d, record %d)", s.key(), s.outcome, s.reason, s.id, s.at, s.position)
}

// ended is what became of an attempt.
type ended struct {
	action, delivery string
}

// nothing is a store that is empty, for a machine that never forgets.
type nothing struct{}

func (nothing) Mark() ([]byte, error)                                       { return nil, nil }
func (nothing) Get(_ uint8, _ uint64, dst []byte) ([]byte, bool, error)     { return dst, false, nil }
func (nothing) Timers(func(due int64, kind uint8, hash uint64) error) error { return nil }
func (nothing) Seen(uint64, uint32) (bool, error)                           { return false, nil }
func (nothing) Scan(uint8, func(hash uint64, value []byte) error) error     { return nil }

// replay applies the whole log of a partition, to a machine that keeps all live
// and to its twin that keeps nothing so, which must not make a difference.
func replay(b *broker, part int) (*replayed, error) {
	var skips []processor.Skip
	for _, c := range b.streams[part].commits {
		skips = append(skips, c.Skips...)
	}
	c := processor.Config{Partition: part, Partitions: len(b.streams), Memory: 1 << 40, Skips: skips}
	m, err := processor.NewMachine(c, nothing{})
	if err != nil {
		return nil, err
	}
	twin, err := processor.NewMachine(c, nothing{})
	if err != nil {
		return nil, err
	}
	r := &replayed{steps: make([]step, 1, len(b.streams[part].in)+1), accepted: map[int]uint64{}}
	r.steps[0].sent = make([]uint64, len(b.streams))
	var out, other processor.Outputs
	for i, x := range b.streams[part].in {
		out.Reset()
		m.Apply(uint64(i+1), x.stamp, x.data, &out)
		s := m.Shop()
		other.Reset()
		twin.Apply(uint64(i+1), x.stamp, x.data, &other)
		twin.FreezeAll()
		if s.Hash != twin.Shop().Hash || !bytes.Equal(out.Buf, other.Buf) {
			return nil, fmt.Errorf("record %d: who freezes all behind each record says %q, not %q", i+1, other.Buf, out.Buf)
		}
		st := step{now: s.Now, hash: s.Hash, sent: append([]uint64(nil), s.Sent...)}
		if err := st.read(out.Buf, uint64(i+1)); err != nil {
			return nil, err
		}
		r.outputs = append(r.outputs, out.Buf...)
		r.steps = append(r.steps, st)
	}
	for _, x := range m.Shop().Received {
		r.accepted[int(x.ID)] = x.Number
	}
	return r, nil
}

// read sorts the outputs of a record.
func (st *step) read(outputs []byte, position uint64) error {
	for len(outputs) > 0 {
		o, rest, err := processor.NextOutput(outputs)
		if err != nil {
			return err
		}
		outputs = rest
		switch o.Type {
		case processor.DecisionOutput:
			d, err := processor.ParseDecision(o.Body)
			if err != nil {
				return err
			}
			st.said = append(st.said, saidBy(&d, position))
		case processor.DeliveryOutput:
			d, err := processor.ParseDelivery(o.Body)
			if err != nil {
				return err
			}
			st.ends = append(st.ends, ended{d.Action, d.Delivery.String()})
		case processor.CorrectionOutput:
			x, err := processor.ParseCorrection(o.Body)
			if err != nil {
				return err
			}
			if x.Kind == processor.Wrong {
				return fmt.Errorf("decision %s of %s was sent though the state forbade it: %s", x.Decision, x.Customer, x.Reason)
			}
		case processor.DeadOutput:
			d, err := processor.ParseDead(o.Body)
			if err != nil {
				return err
			}
			if d.Reason == processor.DoubleUse {
				continue // of a reward, read and applied; package whole asks whether it is so
			}
			d.Entry = bytes.Clone(d.Entry)
			st.dead = append(st.dead, d)
		}
	}
	return nil
}

func saidBy(d *processor.Decision, position uint64) said {
	s := said{
		at: d.At, position: position, customer: d.Customer, moment: d.Moment, value: d.Cause.Value, timer: d.Cause.Timer, n: d.Cause.N,
		outcome: d.Outcome.String(), reason: string(d.Reason), id: d.ID, retracts: d.Retracts, decision: d,
	}
	if d.Action != nil {
		s.action, s.offer, s.lines = d.Action.ID, d.Action.OfferID, map[string]int64{}
		for _, l := range d.Action.Lines {
			s.lines[l.SKU] += l.Quantity
		}
	}
	return s
}

// all calls f for every decision of a partition in the order of the log.
func (r *replayed) all(f func(*said)) {
	for i := range r.steps {
		for j := range r.steps[i].said {
			f(&r.steps[i].said[j])
		}
	}
}
