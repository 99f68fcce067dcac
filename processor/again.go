package processor

import "slices"

// What is wanted again. A purchase, or a no, ends what was wanted by then, and what
// is asked for after it is another wish: with a place of its own, and as many units
// as were asked for then, in whichever order both are heard.

// endedBy reports whether a purchase at a time ends an interest that is live: the
// item was wanted by then, by clocks that differ a little, and was not asked for
// again after it. If it was, the purchase is heard of late, and the item wanted
// from that later word on, unless a unit was on offer already: perhaps that was
// bought.
func (c *Customer) endedBy(m *Machine, in *Interest, at int64) bool {
	if at < in.began()-clockGraceMS {
		return false
	}
	by := at + clockGraceMS
	if !in.saidSince(by) || in.Offer != 0 && in.offeredAt(m) <= by {
		return true
	}
	in.Wants = slices.DeleteFunc(in.Wants, func(x Want) bool { return x.Said <= by })
	c.beginsAnew(m, in)
	return false
}

// beginsAnew has an interest be what is left of its wants: with the place of the
// first of these, and as many units as they say. A unit on offer is kept.
func (c *Customer) beginsAnew(m *Machine, in *Interest) {
	since, units := in.latest(), int64(0)
	in.Asked = slices.ContainsFunc(in.Wants, m.rules.requested)
	for _, x := range in.Wants {
		since = min(since, x.Said)
		if m.rules.requested(x) == in.Asked {
			units = max(units, int64(x.Quantity))
		}
	}
	if units != 0 && units != in.Quantity {
		in.Quantity = units
		c.wordCame(m, in.SKU) // there may be enough now
	}
	if in.Began != 0 {
		in.own().Began = 0
	}
	c.move(m, in, since)
}

// requested reports whether a want is the customer's own request.
func (r *rules) requested(x Want) bool {
	return slices.ContainsFunc(r.interestsOf[BackInStockRequested], func(d *interestRule) bool { return d.Name == x.Name })
}

// wantedAgain brings an interest back that an order had ended, unless another
// order brings the item, what stands for it, or what it is a part of. Of what was
// asked for before such an order and after it, the later word holds.
func (c *Customer) wantedAgain(m *Machine, in *Interest) {
	in.Bought = 0
	for {
		id, at := c.broughtBy(m, in.SKU, in.began())
		if id == 0 {
			break
		}
		if c.endedBy(m, in, at) {
			in.Bought = id
			return
		}
	}
	c.queueUp(m, in)
}

// broughtBy returns an order placed since a time that stands and brings an item,
// what stands for it, one of its variants, or what it is a part of, and when it
// did; 0 = there is none.
func (c *Customer) broughtBy(m *Machine, sku string, since int64) (id uint64, at int64) {
	brings := func(s string) bool {
		if id = c.boughtAfter(s, since); id != 0 {
			at = c.order(id).boughtAt(s)
		}
		return id != 0
	}
	wa, ok := m.get(WatchKind, sku).(*Watch)
	if brings(sku) || !ok {
		return id, at
	}
	for s := range wa.Facts.Product.substitutes() {
		if brings(s) {
			return id, at
		}
	}
	for s := range wa.Facts.Product.variants("") {
		if brings(s) {
			return id, at
		}
	}
	for _, s := range wa.Bundles {
		if brings(s) {
			break
		}
	}
	return id, at
}
