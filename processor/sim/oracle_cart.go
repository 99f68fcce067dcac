package sim

import (
	"fmt"
	"maps"
	"slices"
)

// basket is one cart: units put in, each at its time.
type basket struct {
	puts    []put
	cleared map[string]int64 // everything of an item put in up to here is out
	due     int64            // when its window ends; 0 = none is open
	blurred bool             // more changes than anyone keeps apart: no opinion
}

type put struct {
	sku   string
	n, at int64
}

// maxPuts is how many changes of a line are kept apart.
const maxPuts = 8

func (b *basket) apply(f *fact, now int64) {
	switch {
	case f.at <= b.cleared[f.sku]:
	case f.kind == added:
		b.puts = append(b.puts, put{f.sku, f.n, f.at})
		b.due = now + abandonAfterMS
		n := 0
		for _, x := range b.puts {
			if x.sku == f.sku {
				n++
			}
		}
		b.blurred = b.blurred || n > maxPuts
	case f.kind == removed:
		b.cleared[f.sku] = f.at
		b.puts = slices.DeleteFunc(b.puts, func(x put) bool { return x.sku == f.sku && x.at <= f.at })
	}
}

// verdict says what is to be said about a cart now.
func (b *basket) verdict(ps purchases) (outcome, reason string, lines map[string]int64) {
	units, since := map[string]int64{}, map[string]int64{}
	for _, x := range b.puts {
		units[x.sku] += x.n
		if s, ok := since[x.sku]; !ok || x.at < s {
			since[x.sku] = x.at
		}
	}
	if len(units) == 0 {
		return "suppressed", "cart_emptied", nil
	}
	lines = map[string]int64{}
	reason = "cancelled"
	for sku, n := range units {
		bought, taken := ps.of(sku, since[sku]-clockGraceMS)
		switch {
		case bought >= n:
			reason = "purchased"
		case bought+taken >= n:
		default:
			lines[sku] = n - bought
		}
	}
	if len(lines) == 0 {
		return "suppressed", reason, nil
	}
	return "sent", "", lines
}

// carts: exactly the carts that were left are reminded of, at their time and of
// what is still wanted; and a reminder is withdrawn only with a cause.
func (o *oracle) carts() {
	for c := range o.w.customers {
		o.cartsOf(fmt.Sprint("c", c))
	}
}

func (o *oracle) cartsOf(customer string) {
	decided := map[string][]*said{} // by cart
	for _, s := range o.decisions("cart_abandoned", customer) {
		decided[s.value] = append(decided[s.value], s)
	}
	var ps purchases
	baskets := map[string]*basket{}
	for i := range o.logs[o.home(customer)].records {
		m := &o.logs[o.home(customer)].records[i]
		if m.dead {
			continue
		}
		before := map[string]bool{} // a reminder could go
		for _, id := range sortedKeys(baskets) {
			b := baskets[id]
			if b.due != 0 && b.due <= m.now {
				b.due = 0
				decided[id] = o.expect(customer, id, b, ps, m.now, uint64(i), decided[id])
			}
			outcome, _, _ := b.verdict(ps)
			before[id] = outcome == "sent"
		}
		for _, f := range m.facts {
			if f.customer != customer {
				continue
			}
			ps.apply(f)
			if f.cart != "" {
				if baskets[f.cart] == nil {
					baskets[f.cart] = &basket{cleared: map[string]int64{}}
				}
				baskets[f.cart].apply(f, m.now)
			}
			for id, b := range baskets {
				outcome, _, _ := b.verdict(ps)
				before[id] = before[id] && outcome == "sent"
			}
		}
		for id := range baskets {
			decided[id] = o.withdrawn(uint64(i), before[id] && !baskets[id].blurred, decided[id])
		}
	}
	for _, id := range sortedKeys(decided) {
		for _, s := range decided[id] {
			if b := baskets[id]; b == nil || !b.blurred {
				o.about(customer, "", "nothing invented", "%v: no window of the cart ended then", s)
			}
		}
	}
}

// expect compares the end of a window with what was decided, and returns the
// decisions that are left.
func (o *oracle) expect(customer, cart string, b *basket, ps purchases, now int64, position uint64, decided []*said) []*said {
	outcome, reason, lines := b.verdict(ps)
	i := slices.IndexFunc(decided, func(s *said) bool { return s.position == position && s.outcome != "retracted" })
	if b.blurred {
		if i >= 0 {
			decided = slices.Delete(decided, i, i+1)
		}
		return decided
	}
	if i < 0 {
		o.about(customer, "", "nothing lost", "customer %s left cart %s; nothing was decided at %d (record %d), it had to be %s %s %v", customer, cart, now, position, outcome, reason, lines)
		return decided
	}
	s := decided[i]
	if s.outcome != outcome || s.reason != reason || s.at != now || outcome == "sent" && !maps.Equal(s.lines, lines) {
		o.about(customer, "", "oracle", "%v with %v: it had to be %s %s with %v at %d", s, s.lines, outcome, reason, lines, now)
	}
	return slices.Delete(decided, i, i+1)
}

// withdrawn takes the retractions of a record out of the decisions. wanted says
// that the cart was worth a reminder all the time.
func (o *oracle) withdrawn(position uint64, wanted bool, decided []*said) []*said {
	return slices.DeleteFunc(decided, func(s *said) bool {
		if s.outcome != "retracted" || s.position != position {
			return false
		}
		if wanted {
			o.about(s.customer, "", "oracle", "%v: what justified the reminder was still true", s)
		}
		return true
	})
}
