package processor

import "slices"

// What ends a wish besides a purchase: the customer says so, or takes back the
// act that showed it.

// endInterest ends every interest in an item and gives up the place. What the
// customer wanted again after that is not meant, whatever was heard first.
func (c *Customer) endInterest(m *Machine, sku string, at int64, why Reason) {
	in := c.interest(sku)
	if in == nil {
		return
	}
	in.DeclinedAt = max(in.DeclinedAt, at)
	if in.Wants = slices.DeleteFunc(in.Wants, func(x Want) bool { return x.Said <= at }); len(in.Wants) == 0 {
		in.Declined = true
		c.giveUp(m, in)
	} else if in.Offer != 0 {
		return // it is wanted
	} else if in.Since <= at {
		since := in.Wants[0].Said
		for _, x := range in.Wants {
			since = min(since, x.Said)
		}
		c.move(m, in, since)
	}
	c.endWaiting(m, sku, why)
	c.variantsWanted(sku, func(v string) { c.endInterest(m, v, at, why) })
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
// interest, however strong, and is remembered of an item nobody wanted yet.
func (c *Customer) dismiss(m *Machine, e *Event) {
	if e.SKU != "" {
		if c.interest(e.SKU) == nil {
			c.newInterest(m, e.SKU, e.At)
		}
		c.endInterest(m, e.SKU, e.At, Declined)
	}
	if e.Category != "" {
		for i := range c.Interests {
			if sku := c.Interests[i].SKU; m.facts(sku).Product.Category == e.Category {
				c.endInterest(m, sku, e.At, Declined)
			}
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
