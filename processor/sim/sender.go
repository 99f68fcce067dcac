package sim

import (
	"fmt"

	"onhand/processor"
)

// sender is a system of the shop. It says facts until the log has them: one
// record in flight per partition, sent again when its fate is not known. Facts
// of different senders overtake each other.
type sender struct {
	w     *world
	skew  int64 // of its clock
	boxes []senderBox
}

type senderBox struct {
	queue []*fact
	busy  bool
}

func newSender(w *world) *sender {
	return &sender{w: w, skew: w.rng.Int64N(10_000) - 5_000, boxes: make([]senderBox, w.cfg.Partitions)}
}

func (s *sender) say(f *fact) {
	b := &s.boxes[f.partition(len(s.boxes))]
	b.queue = append(b.queue, f)
}

func partitionOf(key string, partitions int) int {
	return processor.PartitionOf(processor.Hash(key), partitions)
}

// publish sends the next record to one of the partitions.
func (s *sender) publish(p int) bool {
	b := &s.boxes[p]
	if b.busy || len(b.queue) == 0 {
		return false
	}
	n := min(len(b.queue), 1+s.w.rng.IntN(4))
	facts := append([]*fact(nil), b.queue[:n]...)
	data := processor.AppendRecordHeader(nil, s.w.now+s.skew)
	for _, f := range facts {
		data = processor.AppendRecordEntry(data, processor.AppendEvent([]byte{byte(processor.EventEntry)}, f.event()))
	}
	b.busy = true
	s.w.send(&packet{partition: p, record: record{data: data, facts: facts}, reply: func(a answer, _ uint64) {
		b.busy = false
		if a != stored && s.w.cfg.Plant != LoseEvents {
			return
		}
		for _, f := range facts {
			f.accepted = true
		}
		b.queue = b.queue[n:]
	}})
	return true
}

func (s *sender) idle() bool {
	for i := range s.boxes {
		if s.boxes[i].busy || len(s.boxes[i].queue) > 0 {
			return false
		}
	}
	return true
}

// live lets something happen in the shop.
func (w *world) live() {
	s := w.senders[w.rng.IntN(len(w.senders))]
	if len(w.facts) > 0 && w.rng.IntN(25) == 0 { // a copy, perhaps by another sender
		f := w.facts[w.rng.IntN(len(w.facts))]
		s.say(f)
		return
	}
	f := &fact{id: fmt.Sprint("m", len(w.facts)), at: w.now + s.skew}
	if w.rng.IntN(8) == 0 {
		f.at -= w.rng.Int64N(60_000) // said late
	}
	customer := fmt.Sprint("c", w.rng.IntN(w.customers))
	f.sku = fmt.Sprint("s", w.rng.IntN(w.items))
	f.n = 1
	switch k := w.rng.IntN(100); {
	case k < 30:
		f.kind, f.customer, f.cart = added, customer, customer+fmt.Sprint("-", w.rng.IntN(3))
		f.n = 1 + w.rng.Int64N(2)
	case k < 36:
		f.kind, f.customer, f.cart = removed, customer, customer+fmt.Sprint("-", w.rng.IntN(3))
	case k < 50:
		f.kind, f.customer, f.order = ordered, customer, fmt.Sprint("o", len(w.facts))
		if len(w.offers) > 0 && w.rng.IntN(2) == 0 { // one who was told buys
			o := w.offers[w.rng.IntN(len(w.offers))]
			f.customer, f.sku = o.customer, o.sku
		}
		f.n = 1 + w.rng.Int64N(2)
		w.orders = append(w.orders, f)
	case k < 54:
		if len(w.orders) == 0 {
			return
		}
		o := w.orders[w.rng.IntN(len(w.orders))]
		f.kind, f.customer, f.order, f.sku, f.n = cancelled, o.customer, o.order, "", 0
	case k < 76:
		f.kind, f.customer = requested, customer
	case k < 79:
		f.kind, f.customer = unrequested, customer
	case k < 84:
		n := len(w.offers)
		if n == 0 {
			return
		}
		o := w.offers[w.rng.IntN(n)] // most of them late
		if w.rng.IntN(3) == 0 {
			o = w.offers[n-1]
		}
		f.kind, f.customer, f.offer, f.sku = []factKind{declined, declined, claimed}[w.rng.IntN(3)], o.customer, o.offer, o.sku
		if w.rng.IntN(6) == 0 { // the shop answers for them
			f.customer = ""
		}
	case k < 96:
		// A source counts its reports and its clock does not go back.
		last := w.levels[f.sku]
		last.version, last.at = last.version+1, max(f.at, last.at+1)
		f.kind, f.n, f.version, f.at = leveled, max(0, w.rng.Int64N(6)-2), last.version, last.at
		w.levels[f.sku] = last
	default:
		f.kind, f.order = sold, fmt.Sprint("p", len(w.facts))
	}
	w.facts = append(w.facts, f)
	s.say(f)
}

// litter puts a record into the log that nobody can read.
func (w *world) litter() {
	p := w.rng.IntN(w.cfg.Partitions)
	w.send(&packet{partition: p, record: record{data: []byte{0xff, byte(w.rng.IntN(256)), 3}, garbage: true}, reply: func(answer, uint64) {}})
}
