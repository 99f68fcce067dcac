package processor

import "slices"

// What ends a wish besides a purchase: the customer says so, or takes back the
// act that showed it.

// endInterest ends every interest in an item and gives up the place. What the
// customer wanted again after that is not meant, whatever was heard first.
func (c *Customer) endInterest(m *Machine, sku string, at int64, why Reason) {
	c.endNested(m, sku, at, why, maxNesting)
}

// endNested does so, of what comes in variants down so many levels: what is known
// here of numbers and products may go in a circle.
func (c *Customer) endNested(m *Machine, sku string, at int64, why Reason, levels int) {
	in := c.interest(sku)
	if in == nil {
		sku = c.Numbers.now(sku)
		if in = c.interest(sku); in == nil {
			return
		}
	}
	in.own().DeclinedAt = max(in.DeclinedAt, at)
	then := in.Since <= at // else what waits is about what was asked for since
	if in.Wants = slices.DeleteFunc(in.Wants, func(x Want) bool { return x.Said <= at }); len(in.Wants) == 0 {
		in.Declined, then = true, true
		c.giveUp(m, in)
	} else if in.Offer != 0 {
		return // it is wanted
	} else if then {
		c.beginsAnew(m, in)
	}
	if then {
		c.endWaiting(m, sku, why)
	}
	if levels > 0 {
		c.variantsWanted(sku, func(v string) { c.endNested(m, v, at, why, levels-1) })
	}
}

// endWaiting ends the candidates about an item that wait.
func (c *Customer) endWaiting(m *Machine, sku string, why Reason) {
	for i := range backwards(&c.Occurrences) {
		if o := &c.Occurrences[i]; (o.State == deferredState || o.State == waitingState) && o.Value == sku {
			c.conclude(m, i, verdict{outcome: Suppressed, reason: why})
		}
	}
}

// dismiss applies "not interested" in an item or a category: it ends every
// interest, however strong, and is remembered of an item nobody wanted yet and
// of a category.
func (c *Customer) dismiss(m *Machine, e *Event) {
	if e.SKU != "" {
		if c.interest(c.Numbers.now(e.SKU)) == nil && c.interest(e.SKU) == nil {
			c.newInterest(m, e.SKU, e.At)
		}
		c.endInterest(m, e.SKU, e.At, Declined)
		c.wantsRenamed(m, e.SKU)
	}
	if e.Category != "" {
		c.dismissCategory(e.Category, e.At)
		for i := range c.Interests {
			if sku := c.Interests[i].SKU; m.facts(sku).Product.Category == e.Category {
				c.endInterest(m, sku, e.At, Declined)
			}
		}
	}
}

// inDismissed ends what was wanted of an item before the customer was not
// interested in its category, when only now both are known: the category with
// the first word of the item, or the other of the two from another id. Looks
// since then were no wish.
func (c *Customer) inDismissed(m *Machine, in *Interest) {
	at := c.dismissedAt(m, in.SKU)
	if at == 0 || in.Of != "" || !in.live() && in.DeclinedAt >= at {
		return // nothing was said, or that ended it already, or what came after
	}
	before := len(in.Wants)
	in.Wants = slices.DeleteFunc(in.Wants, func(x Want) bool { return x.Said == 0 && x.Since > at })
	looked := len(in.Wants) == 0 && before > 0
	sku := in.SKU
	c.endInterest(m, sku, at, Declined)
	if looked {
		c.removeInterest(m, slices.IndexFunc(c.Interests, func(x Interest) bool { return x.SKU == sku }))
	}
}

// dismissedAt returns when the customer was not interested in the category of an
// item, as far as it is known here; 0 = never.
func (c *Customer) dismissedAt(m *Machine, sku string) int64 {
	if c.Traits == nil || len(c.Traits.Dismissed) == 0 {
		return 0
	}
	category := m.facts(sku).Product.Category
	for _, d := range c.Traits.Dismissed {
		if d.Category == category {
			return d.At
		}
	}
	return 0
}

// mergeDismissed holds what one id was not interested in against what the other
// wanted. Of an item nobody here asked for before, its first word does.
func (c *Customer) mergeDismissed(m *Machine) {
	if c.Traits == nil || len(c.Traits.Dismissed) == 0 {
		return
	}
	for i := range backwards(&c.Interests) {
		if in := &c.Interests[i]; m.facts(in.SKU).At != 0 {
			c.inDismissed(m, in)
		}
	}
}

// implicit reports whether an event only hints at a wish, so that it never
// outweighs what the customer said.
func (k Kind) implicit() bool {
	return k == ProductViewed || k == ProductsSearched || k == ProductScanned || k == ProductReviewed
}

// unwant takes back the interests that an act of a kind has shown in an item,
// when the customer undid it.
func (c *Customer) unwant(m *Machine, act Kind, sku string, why Reason) {
	in := c.interest(sku)
	if in == nil || in.Bought != 0 || in.Declined {
		return
	}
	before := len(in.Wants)
	for _, d := range m.rules.interestsOf[act] {
		in.Wants = slices.DeleteFunc(in.Wants, func(x Want) bool { return x.Name == d.Name })
	}
	if len(in.Wants) == before {
		return
	}
	c.variantsWanted(sku, func(v string) { c.unwant(m, act, v, why) })
	if name, _ := in.strongest(m.shop.Now); name == "" || in.Queued && !m.rules.offered(name) {
		c.giveUp(m, in)
		c.endWaiting(m, sku, why)
		c.asOneOf(m, sku)
	}
}

// emptied takes back the wish for what the customer took out of a cart, unless
// it lies in another one. What the shop took out is wanted still.
func (c *Customer) emptied(m *Machine, e *Event) {
	if len(m.rules.interestsOf[ProductAdded]) == 0 || e.By == bySystem {
		return
	}
	if e.Kind == ProductRemoved {
		if !c.inCart(e.SKU) {
			c.unwant(m, ProductAdded, e.SKU, CartEmptied)
		}
		return
	}
	cart := c.findCart(e.CartID)
	for i := 0; cart != nil && i < len(cart.Lines); i++ {
		l := &cart.Lines[i]
		if l.Cleared == cart.StateAt && len(l.Changes) == 0 && m.facts(l.SKU).Sellable && !c.inCart(l.SKU) {
			c.unwant(m, ProductAdded, l.SKU, CartEmptied)
		}
	}
}

// inCart reports whether an item lies in one of the customer's carts.
func (c *Customer) inCart(sku string) bool {
	h := Hash(sku)
	for i := range c.Carts {
		for j := range c.Carts[i].Lines {
			if l := &c.Carts[i].Lines[j]; l.hash == h && l.SKU == sku && l.quantity(0) > 0 {
				return true
			}
		}
	}
	return false
}
