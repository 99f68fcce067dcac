package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// shelf is an item's stock as its own log tells it.
type shelf struct {
	level, at int64 // units last reported, and when that was
	version   int64
	sales     []*fact // public ones
}

func (s *shelf) apply(f *fact) {
	switch {
	case f.kind == sold:
		s.sales = append(s.sales, f)
	case f.kind == leveled && f.version >= s.version:
		s.level, s.at, s.version = f.n, f.at, f.version
	}
}

// units returns what the level and the public sales leave.
func (s *shelf) units() int64 {
	n := s.level
	for _, x := range s.sales {
		if x.at > s.at-settleMS {
			n -= x.n
		}
	}
	return n
}

// most returns the most units an item had from one position to another. Orders
// of customers, whose messages travel, may have taken some of them.
func (o *oracle) most(sku string, from, to uint64) int64 {
	var s shelf
	most := int64(0)
	for i, m := range o.logs[o.home(sku)].records[:to+1] {
		if uint64(i) >= from {
			most = max(most, s.units())
		}
		for _, f := range m.facts {
			if f.ofItem() && f.sku == sku {
				s.apply(f)
				if uint64(i) >= from {
					most = max(most, s.units())
				}
			}
		}
	}
	return most
}

// left returns the units an item has when all is told.
func (o *oracle) left(sku string) int64 {
	var s shelf
	o.each(sku, func(_ uint64, _ int64, f *fact) { s.apply(f) })
	n := s.units()
	for c := range o.w.customers {
		var ps purchases
		o.each(fmt.Sprint("c", c), func(_ uint64, _ int64, f *fact) { ps.apply(f) })
		// An order is a sale until it is cancelled; the other way round it never was.
		for _, p := range ps {
			if p.told && p.sku == sku && !p.cancelled && p.at > s.at-settleMS {
				n -= p.n
			}
		}
	}
	return n
}

// wish is what a customer's log says of a request to be told of an item.
type wish struct {
	customer, sku string
	asked         []ask
	broken        uint64 // first record that ended it, or refused or withdrew an offer; 0 = none
	open          bool   // asked for, and neither bought nor taken back since
	at            uint64 // the request that opened it
	boughtBy      *purchase
	declined      bool
	declinedAt    int64             // when, as far as it was said
	from, latest  int64             // when it was asked for, first and last
	reopened      bool              // by the cancellation of an order, without a request
	offered       map[string]uint64 // where offers were decided
	born          uint64            // the request that opened what there is now, after the one before had ended
	returned      *purchase         // what was bought, and cancelled: so it is wanted again
	unsure        bool              // an offer from before that was declined
	told          []*said           // offers
	other         []*said           // refusals and withdrawals
}

// ask is a request: its record and the rank it stands for.
type ask struct {
	position uint64
	since    int64
}

// wishOf reads the log of a customer. It calls during for each record, with
// whether the request was open at any time while it was applied.
func (o *oracle) wishOf(customer, sku string, during func(position uint64, open bool)) *wish {
	x := &wish{customer: customer, sku: sku, offered: map[string]uint64{}}
	told := o.decisions("back_in_stock", customer)
	for _, s := range told {
		x.offered[s.offer] = s.position
	}
	var ps purchases
	records := o.logs[o.home(customer)].records
	for i := range records {
		open := x.open
		for _, f := range records[i].facts {
			if f.customer == customer {
				x.apply(f, ps.apply(f), ps, uint64(i), records[i].now)
				open = open || x.open
			}
		}
		during(uint64(i), open)
	}
	for _, s := range told {
		switch {
		case s.value != sku:
		case s.outcome == "sent":
			x.told = append(x.told, s)
			if o.answered(s) {
				x.breaks(s.position)
			}
		default:
			x.other = append(x.other, s)
			x.breaks(s.position)
		}
	}
	return x
}

// answered reports whether the shop answered an offer for its customer, at some
// time.
func (o *oracle) answered(s *said) bool {
	return slices.ContainsFunc(o.w.facts, func(f *fact) bool { return f.offer == s.offer && f.customer == "" })
}

// breaks notes that from a record on the wish is not a plain one any more.
func (x *wish) breaks(position uint64) {
	if x.broken == 0 || position < x.broken {
		x.broken = position
	}
}

// unbroken reports whether nothing but the request itself can be known of the
// wish at a position of the item's log.
func (o *oracle) unbroken(x *wish, at uint64) bool {
	from, home := o.home(x.customer), o.home(x.sku)
	switch {
	case x.broken == 0:
		return true
	case from == home:
		return at < x.broken
	}
	return o.logs[home].records[at].landed[from] <= o.after[from].steps[x.broken-1].sent[home]
}

func (x *wish) apply(f *fact, p *purchase, ps purchases, position uint64, now int64) {
	switch {
	case f.kind == requested && f.sku == x.sku:
		if p := ps.after(x.sku, f.at); p != nil {
			if len(x.asked) == 0 { // wanted again when that order is cancelled
				x.asked, x.boughtBy, x.from = append(x.asked, ask{position, f.at}), p, f.at
				x.breaks(position)
			}
			if x.boughtBy == p { // a part of the wish that comes back with the order's cancellation
				x.latest = max(x.latest, f.at)
			}
			return // asked before it was bought
		}
		if x.boughtBy != nil && f.at <= x.boughtBy.at || f.at <= x.declinedAt {
			return // asked before that ended
		}
		x.asked = append(x.asked, ask{position, max(min(f.at, now), now-clockGraceMS)})
		if !x.open {
			x.at, x.from = position, f.at
		}
		x.from = min(x.from, f.at)
		if x.boughtBy != nil || x.declined {
			x.latest, x.born = 0, position // another wish
		}
		x.open, x.boughtBy, x.declined, x.unsure, x.latest = true, nil, false, false, max(x.latest, f.at)
	case len(x.asked) == 0:
		// Nothing was asked for.
	case f.kind == declined && f.sku == x.sku && x.offered[f.offer] < x.born:
		x.breaks(position)
		x.unsure = true
	case (f.kind == unrequested || f.kind == declined) && f.sku == x.sku:
		// To say no to an offer, however late, says no to what was asked for till then.
		x.breaks(position)
		if x.declinedAt = max(x.declinedAt, f.at); x.latest <= f.at {
			x.open, x.declined = false, true
		} else if f.kind == declined {
			x.born = position // wanted again since, of which the same offer's next decline says nothing
		}
	case p == nil:
	case f.kind == ordered && p.sku == x.sku && !p.cancelled:
		x.breaks(position)
		if x.boughtBy == nil {
			x.open, x.boughtBy = false, p
		}
	case f.kind == cancelled && p == x.boughtBy:
		x.returned = p
		x.boughtBy = ps.after(x.sku, x.from)
		x.open, x.at, x.reopened = !x.declined && x.boughtBy == nil, position, true
	}
}

// offers: who is told has asked and still wants it, once for each request, while
// there was stock; and when all is told and stock is left, nobody who asked was
// forgotten.
func (o *oracle) offers() {
	for i := range o.w.items {
		sku := fmt.Sprint("s", i)
		left := o.left(sku)
		for c := range o.w.customers {
			o.wish(fmt.Sprint("c", c), sku, left)
		}
		o.neverTooMany(sku)
	}
}

func (o *oracle) wish(customer, sku string, left int64) {
	open := map[uint64]bool{}
	x := o.wishOf(customer, sku, func(position uint64, was bool) { open[position] = was })
	for i, s := range x.told {
		asked := 0
		for _, a := range x.asked {
			if a.position <= s.position {
				asked++
			}
		}
		switch first, last := o.origin(o.home(sku), o.home(customer), s.position); {
		case !open[s.position]:
			o.about(customer, sku, "nothing invented", "%v: customer %s did not wait for it", s, customer)
		case i+1 > asked+len(x.other) && !x.reopened:
			o.about(customer, sku, "nothing invented", "%v: told %d times, asked %d times", s, i+1, asked)
		case o.most(sku, first, last) <= 0:
			o.about(customer, sku, "nothing invented", "%v: there was no stock between records %d and %d of the item's log", s, first, last)
		}
	}
	for _, s := range x.other {
		if s.reason != "out_of_stock" {
			return
		}
	}
	if left <= 0 || !x.open || x.unsure {
		return
	}
	// Who asks again while a unit is held is answered by the hold.
	for _, s := range x.told {
		if slices.ContainsFunc(x.other, func(r *said) bool { return r.retracts == s.id }) {
			continue
		}
		if x.returned != nil && s.at+holdMS < x.returned.at+clockMarginMS {
			return // perhaps it was answered, and let go, before that was bought
		}
		if s.position >= x.at || s.at+holdMS+2*holdMarginMS > o.logs[o.home(customer)].records[x.at].now {
			return
		}
	}
	o.about(customer, sku, "nothing lost", "customer %s asked for %s (record %d) and was not told, though %d are left", customer, sku, x.at, left)
}

// neverTooMany: offers that are surely open together never exceed the stock.
func (o *oracle) neverTooMany(sku string) {
	home := o.home(sku)
	var told []*said
	wishes := map[string]*wish{}
	for _, s := range o.decisions("back_in_stock", "") {
		if s.value == sku && s.outcome == "sent" {
			told = append(told, s)
			if wishes[s.customer] == nil {
				wishes[s.customer] = o.wishOf(s.customer, sku, func(uint64, bool) {})
			}
		}
	}
	for _, s := range told {
		first, last := o.origin(home, o.home(s.customer), s.position)
		open := int64(1)
		for _, t := range told {
			x := wishes[t.customer]
			if number(t) < number(s) && o.unbroken(x, last) && !o.failed(t) &&
				t.at+holdMS+holdMarginMS > o.logs[home].records[last].now {
				open++
			}
		}
		if most := o.most(sku, first, last); open > most {
			o.about("", sku, "offers within stock", "%v: with it %d units of %s are offered, there were %d", s, open, sku, most)
		}
	}
}

// number is the number of an offer at its item.
func number(s *said) int64 {
	_, n, _ := strings.Cut(s.offer, "~")
	v, _ := strconv.ParseInt(n, 10, 64)
	return v
}

// failed reports whether an action could not be handed over: its unit is free
// again.
func (o *oracle) failed(s *said) bool {
	for _, st := range o.after[o.home(s.customer)].steps {
		for _, e := range st.ends {
			if e.action == s.action && e.delivery == "failed" {
				return true
			}
		}
	}
	return false
}

// places: who asked first is told first. It is held against the first time two
// customers were told, when the item surely knew of both requests.
func (o *oracle) places() {
	for i := range o.w.items {
		sku := fmt.Sprint("s", i)
		var all []*wish
		for c := range o.w.customers {
			x := o.wishOf(fmt.Sprint("c", c), sku, func(uint64, bool) {})
			if len(x.asked) > 0 {
				all = append(all, x)
			}
		}
		for _, a := range all {
			for _, b := range all {
				o.place(a, b)
			}
		}
	}
}

func (o *oracle) place(a, b *wish) {
	if a == b || len(b.told) == 0 || a.moved() || b.moved() {
		return
	}
	home, told, first, second := o.home(a.sku), b.told[0], a.asked[0], b.asked[0]
	if first.since > second.since || first.since == second.since && a.customer > b.customer || b.broken != 0 && b.broken < told.position {
		return
	}
	if a.broken != 0 && a.broken <= first.position {
		return // what was asked for had been bought: the item did not hear of it
	}
	known := o.arrived(o.home(a.customer), first.position, home)
	opened, last := o.origin(home, o.home(b.customer), told.position)
	if known < opened && o.answerable(a, last) && (len(a.told) == 0 || number(a.told[0]) > number(told)) {
		o.about(a.customer, a.sku, "places kept", "%v: customer %s asked before (%d, not %d), which the item knew at its record %d, and was passed over",
			told, a.customer, first.since, second.since, known)
	}
}

// moved reports whether a request said late moved the place to the front of
// where it was.
func (x *wish) moved() bool {
	return slices.ContainsFunc(x.asked, func(a ask) bool { return a.since < x.asked[0].since })
}

// answerable reports whether an offer that the item made up to a position of its
// log found nothing in the way: who has bought meanwhile hands it on in silence.
func (o *oracle) answerable(x *wish, at uint64) bool {
	return x.broken == 0 || x.broken > o.arrived(o.home(x.sku), at, o.home(x.customer))
}
