package processor

import "slices"

// A chargeback: the customer's bank took the money of an order back. It is told
// as `Order Refunded` or, when the shop gives the order up as well, as `Order
// Cancelled`, with the reason chargeback; of the whole order or of the products
// named.
//
//	carts       nothing of it is mentioned: it was bought, or cancelled by the customer
//	interests   stay ended; a cancellation does not bring them back, nor their places
//	accessories none for it, as if it had been sent back
//	reorders    no reminder: it is not used up here any more
//	rewards     what was used in it stays used
//	stock       units come back with a cancellation only, never with the money
//
// What was taken for a cancellation like any other, and turns out to have been a
// chargeback, ends the wishes it had brought back.

// ReasonChargeback is the reason of a refund or a cancellation that the
// customer's bank made.
const ReasonChargeback = "chargeback"

// refundEvent applies money that went back. Only a chargeback says anything of
// the goods: a shop that takes them back says so with Return Received.
func (c *Customer) refundEvent(m *Machine, e *Event) (changed, less bool) {
	if e.Reason != ReasonChargeback {
		return true, false
	}
	o := c.orderToChange(m, Hash(e.OrderID), e.At)
	if o == nil {
		return false, false // too long ago to matter
	}
	gave := o.givesBack()
	if len(e.Products) > 0 {
		for i := range e.Products {
			p := &e.Products[i]
			x := o.less(p.SKU)
			x.Back += max(p.Quantity, 1)
			x.Charged = true
		}
		o.settle()
	} else if o.Disputed {
		return false, false
	} else {
		o.Disputed = true
	}
	c.settleRewards(m, o, gave)
	c.dispute(m, o, e.At)
	return true, true
}

// dispute ends what is still wanted of what was charged back of an order, for not
// having been asked for since.
func (c *Customer) dispute(m *Machine, o *Order, at int64) {
	for i := range o.Lines {
		sku := o.Lines[i].SKU
		if !o.charged(sku) {
			continue
		}
		m.watch(sku) // it may have accessories
		if o.left(&o.Lines[i]) > 0 {
			continue // bought, so there is no such wish
		}
		if in := c.interest(sku); in != nil && in.live() && in.latest() <= at && o.At >= in.began()-clockGraceMS {
			c.giveUp(m, in)
			in.Bought = o.ID
		}
		c.boughtInstead(m, o, sku)
		c.boughtVariant(m, o, sku)
		c.boughtParts(m, o, sku, nil)
	}
}

// charged reports whether the bank took money of an item back, be it of one unit:
// who had that done is not asked to buy it again.
func (o *Order) charged(sku string) bool {
	return o.Disputed || slices.ContainsFunc(o.Less, func(x OrderLess) bool { return x.Charged && x.SKU == sku })
}

// closes reports whether the order ends the wish for an item it names.
func (o *Order) closes(sku string) bool {
	if !o.charged(sku) {
		return o.units(sku) > 0
	}
	h := Hash(sku)
	for i := range o.Lines {
		if l := &o.Lines[i]; l.hash == h && l.SKU == sku {
			return true
		}
	}
	return false
}
