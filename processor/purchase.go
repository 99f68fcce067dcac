package processor

import "math"

// A purchase is a line of an order as its item and the customer's interests know
// it: sold, which ends them, or no sale any more, which brings them back.

// bought ends the interest in the item of a line and tells the item of the
// sale of n units at a time, under a number of its own.
func (c *Customer) bought(m *Machine, e *Event, o *Order, line int, number, n, at int64) {
	sku := o.Lines[line].SKU
	// Its family is asked for while the customer is left alone. What is
	// advertised now may turn out to be of it, or what is wanted a part of it. It
	// is asked before it hears of the sale: the answer is here before what the sale
	// of a bundle makes of its parts.
	if wa := m.watch(sku); wa.Facts.At == 0 && (c.inAudience() || c.wants()) {
		wa.stake(m, c.ID, true)
	}
	now := m.calledNow(sku) // where the sale counts, and ends the offer of who buys
	msg := Message{Type: SellItem, SKU: now, Customer: c.ID, Ref: orderRef(o.ID), Line: number, Quantity: n, At: at}
	if e.Location != "" {
		msg.Body = []byte(e.Location) // it is the store's stock that sinks
	}
	if now != sku {
		msg.Body = soldAs(msg.Body, sku)
	}
	if in := c.interest(now); in != nil && in.Bought == 0 && c.endedBy(m, in, at) {
		in.Bought = o.ID
		if in.Queued {
			msg.Offer, msg.Since, msg.Tier = in.Offer, in.Since, int64(in.Tier)
		}
		in.Queued, in.Parked, in.Offer, in.OfferUntil = false, false, 0, 0
	}
	c.boughtParts(m, o, sku, &msg)
	m.send(now, &msg)
	c.boughtInstead(m, o, sku)
	c.boughtVariant(m, o, sku)
}

// unbought tells the item that n units of a sale did not last. When none is
// left the interest that the order had ended comes back, with its place, unless
// the money went back by the bank. Of sets bought instead the item may be a part.
func (c *Customer) unbought(m *Machine, o *Order, sku string, number, n, at int64, sets []string) {
	m.sendBehind(sets, Message{Type: UnsellItem, SKU: sku, Customer: c.ID, Ref: orderRef(o.ID), Line: number, Quantity: n, At: at})
	c.unended(m, o, sku)
}

// unended brings back the interests that an order had ended with an item of which
// it has none any more.
func (c *Customer) unended(m *Machine, o *Order, sku string) {
	if o.charged(sku) {
		return
	}
	if in := c.interest(sku); in != nil && in.Bought == o.ID && o.units(sku) == 0 {
		c.wantedAgain(m, in)
	}
	c.unboughtInstead(m, o, sku)
	c.unboughtVariant(m, o, sku)
	c.unboughtParts(m, o, sku)
}

// purchases returns the units of an item bought since a time, in orders that
// stand, and in orders the customer cancelled.
func (c *Customer) purchases(sku string, since int64) (bought, cancelled int64) {
	h := Hash(sku)
	if c.newestOrder(h) < since {
		return 0, 0
	}
	for i := range c.Orders {
		o := &c.Orders[i]
		if o.At < since {
			bought += o.changedSince(sku, since)
			continue
		}
		var gone int64
		for j := range o.Lines {
			if l := &o.Lines[j]; l.hash == h && l.SKU == sku {
				n := o.left(l)
				bought += n
				gone += l.Quantity - n
			}
		}
		for j := range o.Less {
			if x := &o.Less[j]; x.hash == h && x.SKU == sku {
				gone -= x.Short
			}
		}
		if !o.Short {
			cancelled += max(0, gone)
		}
	}
	return bought, cancelled
}

// boughtSince reports whether the item, or one of its family, was bought since
// a time; gifts says that what was bought for somebody else counts.
func (c *Customer) boughtSince(m *Machine, sku, family string, since int64, gifts bool) bool {
	h := Hash(sku)
	if family == "" && c.newestOrder(h) < since {
		return false
	}
	for i := range c.Orders {
		o := &c.Orders[i]
		if o.At < since && o.Said < since || o.Cancelled != 0 {
			continue
		}
		for j := range o.Lines {
			l := &o.Lines[j]
			if o.left(l) == 0 || o.At < since && l.more == 0 || l.Gift && !gifts {
				continue
			}
			if l.hash == h && l.SKU == sku || family != "" && m.facts(l.SKU).Product.Family == family {
				return true
			}
		}
	}
	return false
}

// manyOrders is from how many orders on the items bought are indexed.
const manyOrders = 8

// never is before all orders.
const never = math.MinInt64

// newestOrder returns a time after which no order with the item was made or
// reported otherwise: never when it is in none. With few orders, which are soon
// looked at, it does not say.
func (c *Customer) newestOrder(hash uint64) int64 {
	if len(c.Orders) < manyOrders {
		return math.MaxInt64
	}
	if c.itemsBought == nil {
		c.itemsBought = map[uint64]int64{}
		for i := range c.Orders {
			c.Orders[i].index(c.itemsBought)
		}
	}
	if at, ok := c.itemsBought[hash]; ok {
		return at
	}
	return never
}

func (o *Order) index(items map[uint64]int64) {
	at := max(o.At, o.Said)
	for i := range o.Lines {
		h := o.Lines[i].hash
		if was, ok := items[h]; !ok || was < at {
			items[h] = at
		}
	}
}
