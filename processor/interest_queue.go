package processor

import (
	"slices"

	"onhand/processor/moments"
)

// The customer's side of an item's queue: when an interest takes its place, on
// which terms, and when it gives it up for a while.

// queueUp takes a place in the item's queue.
func (c *Customer) queueUp(m *Machine, in *Interest) {
	if m.facts(in.SKU).Product.Variants != "" {
		c.wantVariants(m, in.SKU)
		return
	}
	if in.Of != "" && !in.Asked && !c.lacksAll(m, in.Of) {
		return // one of the others will do
	}
	if name, _ := in.strongest(m.shop.Now); name == "" || in.Queued || !m.rules.offered(name) || c.hasLast(m, in) {
		return
	}
	in.Queued, in.Parked = true, false
	if in.GaveUp {
		in.own().Began = in.began() // the old place is gone, not the wish
		in.Since, in.GaveUp = m.shop.Now, false
	}
	in.Tier, _ = c.tier(m, in)
	c.requeue(m, in)
}

// queueIfBlocked takes a place for an item that cannot be had any more. Who was
// passed over, for a better message say, waits for the next time.
func (c *Customer) queueIfBlocked(m *Machine, in *Interest) {
	if in.Parked && !c.asleep(in) {
		c.rejoinOne(m, in)
		return
	}
	if slices.ContainsFunc(m.rules.queued, func(name string) bool { return in.has(name, m.shop.Now) }) {
		c.queueUp(m, in)
	}
}

// queueBlocked takes a place for all that cannot be had, as far as nothing else of
// the same person was to be waited for.
func (c *Customer) queueBlocked(m *Machine) {
	for i := 0; i < len(c.Interests); i++ { // a product makes more of them
		if in := &c.Interests[i]; m.facts(in.SKU).blocks() {
			c.queueIfBlocked(m, in)
		}
	}
}

// hasLast reports whether the last units are in the customer's own cart: the
// shop shows the item as sold out to the one who took it.
func (c *Customer) hasLast(m *Machine, in *Interest) bool {
	if !in.Took || m.facts(in.SKU).Sellable {
		return false
	}
	for i := range c.Carts {
		for j := range c.Carts[i].Lines {
			if l := &c.Carts[i].Lines[j]; l.hash == in.hash && l.SKU == in.SKU && l.quantity(m.shop.Now-cartMemoryMS) >= in.Quantity {
				return true
			}
		}
	}
	return false
}

// requeue tells the item on which terms the customer waits.
func (c *Customer) requeue(m *Machine, in *Interest) {
	m.send(in.SKU, &Message{
		Type: JoinQueue, SKU: in.SKU, Customer: c.ID, Since: in.Since, Tier: int64(in.Tier),
		Quantity: in.Quantity, MaxPrice: in.MaxPrice, Body: c.terms(m, in), Park: in.Of != "",
	})
}

// tier returns the rank class of a customer in an item's queue: 0 goes first. False
// when tiers do not order that queue.
func (c *Customer) tier(m *Machine, in *Interest) (uint8, bool) {
	stock := m.stockOf(in.SKU)
	if stock.Queue != moments.Tiers {
		return 0, false
	}
	if i := slices.Index(stock.Tiers, c.Profile.Tier.Value); i >= 0 {
		return uint8(min(i, 254)), true
	}
	return 255, true
}

// retier has the places stand where the tier puts them that the customer has now,
// in queues that tiers order. A unit that is offered stays so; its place, were it
// given back, is the new one. was is the id of who became one with the customer,
// if somebody did: the item may not have heard yet whose place that is.
func (c *Customer) retier(m *Machine, was string) {
	for i := range c.Interests {
		in := &c.Interests[i]
		if tier, ok := c.tier(m, in); ok {
			c.stand(m, in, tier, was)
		}
	}
}

// stand has a place stand in a tier.
func (c *Customer) stand(m *Machine, in *Interest, tier uint8, was string) {
	if !in.Queued || tier == in.Tier {
		return
	}
	if in.Offer == 0 {
		m.send(in.SKU, &Message{Type: MoveEntry, SKU: in.SKU, Customer: c.ID, Ref: was, Since: in.Since, Tier: int64(in.Tier), Line: int64(tier)})
	}
	in.Tier = tier
}

// places says in a message which places are accepted; nothing for the web shop.
// Who may only fetch the item asks for no unit of the web shop's.
func (c *Customer) places(m *Machine, in *Interest) []byte {
	if len(in.Locations) == 0 {
		return nil
	}
	list := in.Locations
	if c.fetchesOnly(m, in) {
		list = slices.DeleteFunc(slices.Clone(list), m.stockOf(in.SKU).IsOnline)
	}
	w := writer{}
	writeStrings(&w, list)
	return w.b
}

// rejoin brings back the places that wait for the customer's side, but for
// those whose message is deferred to a time.
func (c *Customer) rejoin(m *Machine) {
	for i := range c.Interests {
		in := &c.Interests[i]
		switch {
		case !in.Parked:
			c.affords(m, in)
		case c.asleep(in):
		case in.Dear && c.kept(m, in):
			m.watch(in.SKU).stake(m, c.ID, true) // it may be that of who they were before
		default:
			c.rejoinOne(m, in)
		}
	}
}

// asleep reports whether a message about the item is deferred to a time.
func (c *Customer) asleep(in *Interest) bool {
	return slices.ContainsFunc(c.Occurrences, func(o Occurrence) bool {
		return o.Value == in.SKU && o.State == deferredState && o.Due != 0
	})
}

func (c *Customer) rejoinOne(m *Machine, in *Interest) {
	if len(in.Locations) > 1 {
		c.requeue(m, in) // which of these they may have it from can be another one since
	}
	in.Parked = false
	m.send(in.SKU, &Message{Type: RejoinQueue, SKU: in.SKU, Customer: c.ID, Since: in.Since, Tier: int64(in.Tier)})
}

// affords brings back a place that waits for a price within the limit, when it
// is: the price has come down, or the limit was raised; or for the item to be
// sold where the customer lives. Who only fetches it waits for that still.
func (c *Customer) affords(m *Machine, in *Interest) {
	if !in.Queued || !in.Dear || in.Offer != 0 || c.awaits() || in.MaxPrice != 0 && m.facts(in.SKU).Price > in.MaxPrice || c.kept(m, in) {
		return
	}
	barred := c.barred(m, m.facts(in.SKU), in)
	switch {
	case in.Parked:
		c.rejoinOne(m, in)
	case !barred:
		c.requeue(m, in)
	}
	if in.Dear = barred; !barred {
		c.unstake(m, in.SKU)
	}
}
