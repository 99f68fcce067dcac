package sim

import (
	"slices"
	"sort"
)

// oracle says what had to be said, from what lies in the logs: the facts of the
// senders in their order, and the time each record stands for. It shares no
// code with the processor; it keeps lists and goes through all of them again
// for every question.
//
// What a customer's own log says is exact. What an item had to say travels by
// messages; there the oracle asks only what must have been known, by the
// numbers of the messages and the records they lie in, and does not care about
// what may or may not have been.
type oracle struct {
	w     *world
	logs  []past
	after []*replayed
}

// past is the log of one partition.
type past struct {
	records []moment // by position; the first one is empty
}

// moment is one record: when it was, and what it said for the first time.
type moment struct {
	now    int64
	dead   bool // nobody can read it: nothing happens, not even time
	facts  []*fact
	landed []uint64 // by sender: last message that lies in the log by then
}

func newOracle(w *world, after []*replayed) *oracle {
	o := &oracle{w: w, after: after}
	for p := range w.broker.streams {
		o.logs = append(o.logs, readPast(&w.broker.streams[p], len(after)))
	}
	return o
}

func readPast(s *stream, partitions int) past {
	l := past{records: []moment{{landed: make([]uint64, partitions)}}}
	seen := map[string]bool{}
	for _, x := range s.in {
		before := &l.records[len(l.records)-1]
		m := moment{now: before.now, dead: x.garbage, landed: slices.Clone(before.landed)}
		if !x.garbage {
			var clock int64
			for _, b := range x.data[1:9] {
				clock = clock<<8 | int64(b)
			}
			m.now = max(m.now, min(x.stamp, clock+futureLimitMS))
		}
		for _, f := range x.facts {
			// A level is the same however often it is told.
			if !seen[f.id] {
				m.facts = append(m.facts, f)
			}
			seen[f.id] = true
		}
		for _, n := range numbersOf(x.data) {
			m.landed[n.sender] = max(m.landed[n.sender], n.number)
		}
		l.records = append(l.records, m)
	}
	return l
}

// home returns the partition of a customer or an item.
func (o *oracle) home(key string) int { return partitionOf(key, len(o.logs)) }

// each calls f for the facts of a customer or item, in the order of its log.
func (o *oracle) each(key string, f func(position uint64, now int64, x *fact)) {
	for i, m := range o.logs[o.home(key)].records {
		for _, x := range m.facts {
			if x.key() == key {
				f(uint64(i), m.now, x)
			}
		}
	}
}

// decisions returns the decisions of a moment about a customer, or about
// everyone, in the order of the log.
func (o *oracle) decisions(what, customer string) (list []*said) {
	for p, r := range o.after {
		if customer != "" && p != o.home(customer) {
			continue
		}
		r.all(func(s *said) {
			if s.moment == what && (customer == "" || s.customer == customer) {
				list = append(list, s)
			}
		})
	}
	return list
}

// arrived returns the position in the log of `to` by which everything lies
// there that partition `from` said up to a position of its own.
func (o *oracle) arrived(from int, position uint64, to int) uint64 {
	if from == to {
		return position
	}
	n := o.after[from].steps[position].sent[to]
	records := o.logs[to].records
	return uint64(sort.Search(len(records), func(i int) bool { return records[i].landed[from] >= n }))
}

// origin returns between which positions of its own partition `from` said what
// arrived with a record of partition `to`.
func (o *oracle) origin(from int, to int, position uint64) (first, last uint64) {
	if from == to {
		return position, position
	}
	records, steps := o.logs[to].records, o.after[from].steps
	at := func(n uint64) uint64 {
		// Not found only when a message lies there that nobody sent.
		return uint64(min(len(steps)-1, sort.Search(len(steps), func(i int) bool { return steps[i].sent[to] >= n })))
	}
	return at(records[position-1].landed[from] + 1), at(records[position].landed[from])
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// purchase is an order as far as it is known.
type purchase struct {
	id        string
	sku       string
	n         int64
	at        int64
	told      bool // the order itself was told, not only that it was cancelled
	cancelled bool
}

// purchases is what a customer bought.
type purchases []*purchase

// apply takes a fact and reports whether it changed anything.
func (ps *purchases) apply(f *fact) *purchase {
	if f.kind != ordered && f.kind != cancelled {
		return nil
	}
	var p *purchase
	for _, x := range *ps {
		if x.id == f.order {
			p = x
		}
	}
	if p == nil {
		p = &purchase{id: f.order, at: f.at}
		*ps = append(*ps, p)
	}
	if f.kind == cancelled {
		if p.cancelled {
			return nil
		}
		p.cancelled = true
		return p
	}
	if p.told {
		return nil
	}
	p.told, p.sku, p.n, p.at = true, f.sku, f.n, f.at
	return p
}

// after returns the first order heard of that stands and brought the item at a
// time or later, nil when there is none.
func (ps purchases) after(sku string, at int64) *purchase {
	for _, p := range ps {
		if p.told && !p.cancelled && p.sku == sku && p.at >= at {
			return p
		}
	}
	return nil
}

// of returns the units of an item bought since a time, and those of them in
// orders that were cancelled.
func (ps purchases) of(sku string, since int64) (bought, taken int64) {
	for _, p := range ps {
		if p.told && p.sku == sku && p.at >= since {
			if p.cancelled {
				taken += p.n
			} else {
				bought += p.n
			}
		}
	}
	return bought, taken
}
