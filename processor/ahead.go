package processor

import "github.com/cespare/xxhash/v2"

// ahead is a look at what the next entries of a record are about. Whoever they
// name is mostly somewhere in memory and not in the processor's cache, and a
// step that waits for memory can do nothing else meanwhile. Looked for together
// their lines are fetched at the same time. It changes nothing.
type ahead struct {
	names [lookAhead]struct {
		kind EntityKind
		hash uint64
	}
	n     int
	left  int // entries that were looked at and have not come yet
	heads [lookAhead]*head
	sink  uint64 // so that what is read is not left out
}

// lookAhead is how many names are looked for together.
const lookAhead = 64

// look looks at what follows in a record, of which nothing is changed, when
// what was looked at before has come.
func (m *Machine) look(rest Record) {
	a := &m.ahead
	if a.left > 0 {
		a.left--
		return
	}
	a.n = 0
	for a.n+2 <= lookAhead {
		entry, err := rest.Next()
		if entry == nil || err != nil {
			break
		}
		a.left++
		a.note(entry)
	}
	if a.left == 0 {
		return
	}
	a.left--
	t := &m.memory.places
	sum := a.sink
	for i := range a.names[:a.n] {
		x := spread(a.names[i].kind, a.names[i].hash)
		if p := &t.parts[x>>(64-placePartBits)]; p.n > 0 {
			sum += p.table[p.slot(x)].hash
		}
	}
	var thawed [entityKinds]int
	for i := range a.names[:a.n] {
		a.heads[i] = nil
		e := t.get(a.names[i].kind, a.names[i].hash)
		if e == nil {
			continue
		}
		if e.live {
			a.heads[i] = t.live[e.at]
			continue
		}
		thawed[e.kind]++
		b := m.memory.bytes.get(e.at, int(e.units)*unitBytes)
		for j := 0; j < len(b) && j < 256; j += 64 {
			sum += uint64(b[j])
		}
	}
	for kind, n := range thawed {
		sum += m.spare.warm(EntityKind(kind), n)
	}
	for _, h := range a.heads[:a.n] {
		if h != nil {
			sum += h.since
		}
	}
	for _, h := range a.heads[:a.n] {
		if h == nil {
			continue
		}
		switch e := h.live.(type) {
		case *Customer: // what a step goes through, each list somewhere else
			for i := range e.Interests[:min(len(e.Interests), 8)] {
				sum += e.Interests[i].hash
			}
			for i := range e.Occurrences[:min(len(e.Occurrences), 4)] {
				sum += uint64(e.Occurrences[i].State)
			}
			for i := range e.Carts[:min(len(e.Carts), 2)] {
				sum += uint64(len(e.Carts[i].Lines))
			}
			for i := 0; i < len(e.sent); i += 4 {
				sum += uint64(e.sent[i].stamp)
			}
			if e.ID != "" {
				sum += uint64(e.ID[0])
			}
		case *Watch:
			if e.SKU != "" {
				sum += uint64(e.SKU[0])
			}
		case *Item:
			if e.SKU != "" {
				sum += uint64(e.SKU[0])
			}
		}
	}
	clear(a.heads[:a.n])
	a.sink = sum
}

// note notes whom an entry names: the customer or the item that it is about, and
// the item as the partition sees it.
func (a *ahead) note(entry []byte) {
	switch r := (reader{b: entry[1:]}); EntryType(entry[0]) {
	case EventEntry:
		a.event(entry[1:])
	case ShardEntry:
		r.uint()
		r.uint()
		r.uint()
		a.event(r.rest())
	case TransferEntry:
		r.uint()
		r.uint()
		r.uint()
		to := MessageType(r.u8()).to()
		sku, customer := r.view(), r.view()
		switch {
		case r.err != nil:
		case to == CustomerKind:
			a.name(CustomerKind, customer)
			a.name(WatchKind, sku)
		case to == ItemKind || to == WatchKind:
			a.name(to, sku)
		}
	}
}

func (a *ahead) event(b []byte) {
	if len(b) < 2 {
		return
	}
	r := eventReader{b: b[2:]}
	p := r.uvarint()
	if r.left() < 8 {
		return
	}
	r.at += 8
	var texts [5][]byte // message id, user id, anonymous id, source, SKU
	for i := range texts {
		if p&(1<<i) != 0 {
			n := r.uvarint()
			if n > uint64(r.left()) {
				return
			}
			r.at += int(n)
			texts[i] = r.b[r.at-int(n) : r.at]
		}
	}
	customer, sku := texts[1], texts[4]
	if customer == nil {
		customer = texts[2]
	}
	if customer == nil {
		a.name(ItemKind, sku)
		return
	}
	a.name(CustomerKind, customer)
	a.name(WatchKind, sku)
}

func (a *ahead) name(kind EntityKind, id []byte) {
	if len(id) > 0 {
		a.names[a.n].kind, a.names[a.n].hash = kind, xxhash.Sum64(id)
		a.n++
	}
}
