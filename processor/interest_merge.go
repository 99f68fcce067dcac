package processor

import "slices"

// Two ids that are one customer want an item once: from all events of both, with
// the earlier place, and not at all when either has ended it since.

// live reports whether nothing has ended the interest.
func (in *Interest) live() bool { return in.Bought == 0 && !in.Declined }

// settleInterest ends an interest that an order since a time ended which was not
// known on its side.
func (c *Customer) settleInterest(m *Machine, in *Interest, since int64) {
	several := in.Of != "" || m.facts(in.SKU).Product.Variants != ""
	if !several && c.newestOrder(in.hash) < since {
		return
	}
	for i := range c.Orders {
		o := &c.Orders[i]
		if !in.live() || max(o.At, o.Said) < since {
			continue
		}
		for j := range o.Lines {
			if l := &o.Lines[j]; o.boughtAt(l.SKU) >= since && (l.SKU == in.SKU || several && in.endsWith(m, l.SKU)) && o.closes(l.SKU) && c.endedBy(m, in, o.boughtAt(l.SKU)) {
				c.giveUp(m, in)
				in.Bought = o.ID
				break
			}
		}
	}
}

// giveUp gives up the place and the unit an interest has.
func (c *Customer) giveUp(m *Machine, in *Interest) {
	if in.Queued || in.Offer != 0 {
		m.send(in.SKU, &Message{Type: LeaveQueue, SKU: in.SKU, Customer: c.ID, Since: in.Since, Tier: int64(in.Tier), Offer: in.Offer})
	}
	in.Queued, in.Parked, in.Offer, in.OfferUntil = false, false, 0, 0
}

// mergeInterest takes over an interest. Its place in the queue, if it has one,
// is under this customer's name already.
func (c *Customer) mergeInterest(m *Machine, f *Interest) {
	in := c.interest(f.SKU)
	if in == nil {
		if !c.dropInterest(m, m.shop.Now) {
			c.giveUp(m, f)
			m.dead("limit", "customer "+c.ID+" waits for too many items, no more are kept", m.current)
			return
		}
		c.Interests = add(c.Interests, *f)
		if c.itemAt != nil {
			c.itemAt[f.hash] = int32(len(c.Interests) - 1)
		}
		m.watch(f.SKU).interested(m, c.ID, true)
		return
	}
	switch {
	case in.live() && f.live():
		c.sameWish(m, in, f)
		units, places := in.Quantity, in.Locations
		in.union(f)
		c.mergePlaces(m, in, f, in.Quantity != units || !slices.Equal(in.Locations, places))
	case in.live() || f.live():
		ended := f
		if f.live() {
			was := *in
			*in, ended = *f, &was
		}
		c.giveUp(m, ended)
		if ended.Declined { // what was asked for since is another wish
			c.endInterest(m, in.SKU, ended.DeclinedAt, Declined)
		}
	default:
		c.giveUp(m, in)
		c.giveUp(m, f)
		in.Declined, in.own().DeclinedAt = in.Declined || f.Declined, max(in.DeclinedAt, f.DeclinedAt)
	}
}

// sameWish settles whether an item that one id wants as one of a product is wanted
// as that when the other id has an interest of its own in it: if it waits for the
// item it goes by its own words, and if it only looked by the product's.
func (c *Customer) sameWish(m *Machine, in, f *Interest) {
	one, own := in, f
	if in.Of == "" {
		one, own = f, in
	}
	switch {
	case one.Of == "" || own.Of != "":
	case c.waitsFor(m, own):
		one.byItself(m)
	default:
		own.Since, own.own().Began = one.Since, one.Began
		own.isOf(one.Of)
	}
}

// mergePlaces makes one place of two: a unit before a place, the older unit of
// two, the earlier place of two. One that was given up is none. anew says that the
// terms are others.
func (c *Customer) mergePlaces(m *Machine, in, f *Interest, anew bool) {
	since, tier := min(in.Since, f.Since), min(in.Tier, f.Tier)
	switch {
	case in.GaveUp && !f.GaveUp:
		since = f.Since
	case f.GaveUp && !in.GaveUp:
		since = in.Since
	}
	if began := min(in.began(), f.began()); began < since {
		in.own().Began = began // the place is gone, not the wish
	}
	keeps := f.Offer == 0 || in.Offer != 0 && in.Offer < f.Offer
	if in.Offer == 0 && f.Offer == 0 {
		keeps = in.Queued && (!f.Queued || in.Tier < f.Tier || in.Tier == f.Tier && in.Since <= f.Since)
	}
	if !keeps {
		k := *in
		in.Queued, in.Parked, in.Dear, in.Apart, in.Tier, in.Since, in.GaveUp = f.Queued, f.Parked, f.Dear, f.Apart, f.Tier, f.Since, in.GaveUp && f.GaveUp
		in.Offer, in.OfferUntil, in.Claimed = f.Offer, f.OfferUntil, f.Claimed
		in.liesIn(f.Store)
		f = &k
	}
	// What is kept is in now, what is given up in f.
	two := f.Queued && f.Offer == 0
	if same := f.Tier == in.Tier && f.Since == in.Since; !two || !same || in.Offer != 0 {
		c.giveUp(m, f)
	}
	if in.Offer != 0 || !in.Queued {
		in.Since, in.Tier = since, tier
		return
	}
	if since != in.Since {
		c.giveUp(m, in) // the one that had no place began earlier
		in.Since = since
		c.queueUp(m, in)
	} else if two || anew {
		c.requeue(m, in) // on the terms of both
	}
}

// union adds the reasons and terms of another interest in the same item.
func (in *Interest) union(f *Interest) {
	for _, x := range f.Wants {
		i := slices.IndexFunc(in.Wants, func(k Want) bool { return k.Name == x.Name })
		if i < 0 {
			in.Wants = append(in.Wants, x)
			continue
		}
		k := &in.Wants[i]
		k.Strength, k.Since, k.Until = max(k.Strength, x.Strength), min(k.Since, x.Since), max(k.Until, x.Until)
		k.say(x.Said, x.Quantity)
	}
	if in.PriceSeen == 0 {
		in.PriceSeen = f.PriceSeen
	}
	switch {
	case f.Asked && !in.Asked:
		in.Quantity, in.Asked = f.Quantity, true
	case f.Asked == in.Asked:
		in.Quantity = max(in.Quantity, f.Quantity)
	}
	p := *in.particulars
	if f.MaxPrice != 0 && (p.MaxPrice == 0 || f.MaxPrice < p.MaxPrice) {
		p.MaxPrice = f.MaxPrice
	}
	in.Took = in.Took && !f.Asked || f.Took && !in.Asked
	if p.Of != f.Of {
		p.Of = "" // wanted for itself, too
	}
	if p.Variant == "" {
		p.Variant = f.Variant
	}
	in.Unseen = in.Unseen && !f.Asked || f.Unseen && !in.Asked
	if at := f.began(); at < in.began() {
		p.Began = at
	}
	p.DeclinedAt, p.Told = max(p.DeclinedAt, f.DeclinedAt), max(p.Told, f.Told)
	p.Locations = slices.Clone(p.Locations)
	for _, l := range f.Locations {
		if !slices.Contains(p.Locations, l) {
			p.Locations = append(p.Locations, l)
		}
	}
	if in.particulars != &noParticulars || !p.none() {
		*in.own() = p
	}
}
