package shop

import (
	"fmt"
	"slices"
	"sort"
)

// judgeOffer asks of an offer whether there was something to offer, to
// somebody who wanted it.
func (o *Oracle) judgeOffer(d *decision, m MomentPolicy) {
	a, b := o.span(d)
	sku := d.item()
	life, s := o.book.person(d.Customer), o.book.items[sku]
	if s == nil {
		o.find(Wrong, d, sku, "the shop has no such item")
		return
	}
	switch {
	case o.out(sku, a, b):
		o.find(Wrong, d, sku, "it cannot be bought: at most %d in stock, safety %d", s.most(a, b), o.policy.safety(sku))
	case o.unsettled(s, d):
		o.find(Wrong, d, sku, "the level had not held for %s: it was sold out within that time", o.policy.Settle)
	}
	if !life.ever(a, b, func(p *person) bool { return p.wants[sku] && (p.asked[sku] || !m.Asked) }) {
		how := "the customer did not ask for it"
		if at, e := life.when(a, func(e *Event) bool {
			return (e.Name == OrderCompleted && line(e.Lines, sku) != nil) || e.SKU == sku && (e.Name == RequestCancelled || e.Name == OfferDeclined)
		}); e != nil {
			how = "the customer does not wait for it any more since " + clock(at) + ": " + e.Name
		}
		o.find(Wrong, d, sku, "%s", how)
	}
	for _, x := range o.offers[sku] {
		if x == d || x.Customer != d.Customer || x.Moment != d.Moment || x.At > d.At || x.withdrawn > 0 || x.failed {
			continue
		}
		// Served before, unless the customer came back since, or did not have to ask
		// and the item was sold out once more and came back itself.
		if !m.Asked && s.least(x.at(), d.at()) <= o.policy.safety(sku) {
			continue
		}
		if at, _ := life.when(b, func(e *Event) bool { return comesBack(e, sku) }); at < x.at()-o.g {
			o.find(Wrong, d, sku, "the customer was served before by decision %s at %s and has not asked since", x.ID, clock(x.at()))
			break
		}
	}
}

// comesBack reports whether an event begins an interest in an item, or brings
// one back.
func comesBack(e *Event, sku string) bool {
	switch e.Name {
	case Requested, AddedToWishlist:
		return e.SKU == sku
	case ProductAdded, CheckoutFailed, OrderCancelled, OrderRefunded:
		return line(e.Lines, sku) != nil
	}
	return false
}

// unsettled reports whether the item surely was sold out within the settle
// time before an offer.
func (o *Oracle) unsettled(s *shelf, d *decision) bool {
	a, b := d.at()-o.policy.Settle.Milliseconds()+2*o.g, d.at()-o.g
	if a >= b {
		return false
	}
	for i := max(0, s.at(a)); i < len(s.views) && s.views[i].at < b; i++ {
		v := s.views[i]
		until := b
		if i+1 < len(s.views) {
			until = min(until, s.views[i+1].at)
		}
		if until > a && v.hi <= o.policy.safety(s.sku) {
			return true
		}
	}
	return false
}

// open is an offer and when it surely and possibly held its unit.
type open struct {
	d     *decision
	ended int64 // by purchase, decline, withdrawal or time
}

// opened returns the offers of an item, each with its end.
func (o *Oracle) opened(sku string) []open {
	var all []open
	for _, d := range o.offers[sku] {
		end := int64(d.Action.HoldUntil)
		if end == 0 {
			end = int64(d.Action.ExpiresAt)
		}
		if end == 0 {
			end = d.at() + o.policy.Hold.Milliseconds()
		}
		if d.withdrawn > 0 {
			end = min(end, d.withdrawn)
		}
		if d.failed {
			end = d.at()
		}
		for _, n := range o.book.person(d.Customer).notes {
			e := n.e
			if n.at > d.at()-o.g && (e.Name == OrderCompleted && line(e.Lines, sku) != nil || e.Name == RequestCancelled && e.SKU == sku ||
				e.Name == OfferDeclined && (e.Offer == d.Action.OfferID || d.Action.OfferID == "")) {
				end = min(end, n.at)
				break
			}
		}
		all = append(all, open{d, end})
	}
	return all
}

// queue judges the offers of an item together: not more than there are, none
// twice, nobody before an earlier one.
func (o *Oracle) queue(sku string) {
	s := o.book.items[sku]
	if s == nil {
		return
	}
	offers := o.opened(sku)
	safety := o.policy.safety(sku)
	for i, x := range offers {
		a, b := o.span(x.d)
		n := int64(1)
		for _, y := range offers[:i] {
			if y.ended <= b { // surely open still, else not counted
				continue
			}
			n++
			if y.d.Customer == x.d.Customer {
				o.find(Duplicate, x.d, sku, "the customer already held one by decision %s of %s, until %s", y.d.ID, clock(y.d.at()), clock(y.ended))
			}
		}
		if units := s.most(a, b); units < forever {
			if free := int64(float64(max(0, units-safety)) * o.policy.Overbook); n > free {
				o.find(Oversold, x.d, sku, "it was open offer number %d, there were at most %d units (%d less a safety of %d)", n, free, units, safety)
			}
		}
		if o.policy.Moments[x.d.Moment].Asked {
			o.place(s, x.d)
		}
	}
}

// place looks for somebody who asked earlier and could have been served.
func (o *Oracle) place(s *shelf, d *decision) {
	mine := s.wants[d.Customer]
	if mine == nil {
		return
	}
	for _, w := range s.order {
		if w.asks[0].from+o.g >= mine.first {
			return // the order is that of the first request
		}
		if w.customer == d.Customer {
			continue
		}
		for _, q := range w.asks {
			if q.from+o.g < mine.first && q.from+o.g < d.at() && q.to > d.at()+o.g && q.from+o.policy.RequestLasts.Milliseconds() > d.at() && !o.hadTurn(w.customer, s.sku, q.from, d.at()+2*o.g) &&
				o.eligible(w.customer, d.Moment, d.at()-8*o.g, d.at()+o.g) {
				o.find(Place, d, s.sku, "customer %q asked at %s, before this customer's first interest at %s, and was not served", w.customer, clock(q.from), clock(mine.first))
				return
			}
		}
	}
}

// hadTurn reports whether something was decided for a request: served, or
// refused for good.
func (o *Oracle) hadTurn(customer, sku string, from, to int64) bool {
	for _, d := range o.served[[2]string{customer, sku}] {
		if d.final() && d.at() >= from-o.g && d.at() <= to && !contradicted[d.Reason] {
			return true
		}
	}
	return o.toldOf(customer, sku, to)
}

// toldOf reports whether the customer was told of the item within one_at_a_time
// before t, or anything else might hold a second message back.
func (o *Oracle) toldOf(customer, sku string, t int64) bool {
	for _, d := range o.sent[customer] {
		if d.at() <= t && d.at() > t-o.policy.OneAtATime.Milliseconds()-4*o.g && slices.Contains(d.skus(), sku) {
			return true
		}
	}
	return false
}

// eligible reports whether a customer could surely be told from a to b: known,
// with an address, awake.
func (o *Oracle) eligible(customer, moment string, a, b int64) bool {
	life, m := o.book.person(customer), o.policy.Moments[moment]
	return life.always(a, b, func(p *person) bool {
		c := o.policy.Classes[m.Class].Consent
		return p.email && zoneOf(p.zone) != nil && (c == "" || p.consents[[2]string{channelEmail, c}])
	}) && o.awake(life, m.Class, channelEmail, a, b)
}

// waiting looks for people who asked for an item that had free units for long,
// and were not told.
func (o *Oracle) waiting(s *shelf) {
	moment := ""
	for _, name := range sortedKeys(o.policy.Moments) {
		if m := o.policy.Moments[name]; m.Role == Offer && m.Asked {
			moment = name
		}
	}
	if moment == "" || len(s.order) == 0 {
		return
	}
	free := o.free(s)
	long := o.policy.Settle.Milliseconds() + 8*o.g
	for _, w := range s.order {
		for _, q := range w.asks {
			for _, f := range free {
				a, b := max(f.from, q.from+o.g), min(f.to, q.to-o.g, o.now-o.g, q.from+o.policy.RequestLasts.Milliseconds()-o.g)
				if t := o.reachable(w.customer, moment, a, b, long); t == 0 || o.hadTurn(w.customer, s.sku, q.from, t+long) {
					continue
				}
				o.miss(a, moment, w.customer, s.sku, fmt.Sprintf("customer %q asked for item %q at %s; from %s to %s units were free, and nothing was decided",
					w.customer, s.sku, clock(q.from), clock(f.from), clock(f.to)))
				break
			}
		}
	}
}

// reachable returns the first instant from a on at which a customer could
// surely be told for so long before b, 0 when there is none within a day.
func (o *Oracle) reachable(customer, moment string, a, b, long int64) int64 {
	const step = 30 * 60 * 1000
	for t := a; t+long <= b && t < a+48*step; t += step {
		if o.eligible(customer, moment, t, t+long) {
			return t
		}
	}
	return 0
}

// free returns the spans in which an item surely had units nobody held.
func (o *Oracle) free(s *shelf) []ask {
	type change struct{ at, held int64 }
	var changes []change
	for _, x := range o.opened(s.sku) {
		changes = append(changes, change{x.d.at() - o.g, 1}, change{x.ended + 4*o.g, -1})
	}
	for _, v := range s.views {
		changes = append(changes, change{v.at, 0})
	}
	sort.Slice(changes, func(i, j int) bool { return changes[i].at < changes[j].at })
	var spans []ask
	held, from := int64(0), int64(-1)
	for _, c := range changes {
		held += c.held
		i := s.at(c.at)
		ok := i >= 0 && s.views[i].lo-o.policy.safety(s.sku)-held > 0
		switch {
		case ok && from < 0:
			from = c.at
		case !ok && from >= 0:
			spans = append(spans, ask{from, c.at})
			from = -1
		}
	}
	if from >= 0 {
		spans = append(spans, ask{from, o.now})
	}
	return spans
}
