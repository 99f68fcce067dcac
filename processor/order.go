package processor

import "slices"

// Order is what a customer bought, as far back as it still matters. That an
// order id was seen at all is remembered for good, in Customer.OrderIDs.
type Order struct {
	ID        uint64 // hash of the order id
	At        int64
	Cancelled int64 // when all of it was; 0 = not
	Placed    bool  // false while only its cancellation is known
	Lines     []OrderLine
}

// OrderLine is one item of an order.
type OrderLine struct {
	SKU      string
	hash     uint64 // of SKU
	Quantity int64
	Gone     int64 // units of it cancelled
}

func (o *Order) encode(w *writer) {
	w.u64(o.ID)
	w.int(o.At)
	w.int(o.Cancelled)
	w.bool(o.Placed)
	w.uint(uint64(len(o.Lines)))
	for i := range o.Lines {
		w.str(o.Lines[i].SKU)
		w.int(o.Lines[i].Quantity)
		w.int(o.Lines[i].Gone)
	}
}

func (o *Order) decode(r *reader) {
	o.ID = r.u64()
	o.At = r.int()
	o.Cancelled = r.int()
	o.Placed = r.bool()
	o.Lines = make([]OrderLine, r.count(3))
	for i := range o.Lines {
		sku := r.str()
		o.Lines[i] = OrderLine{sku, Hash(sku), r.int(), r.int()}
	}
}

// left returns the units of a line that stand.
func (o *Order) left(l *OrderLine) int64 {
	if o.Cancelled != 0 {
		return 0
	}
	return max(0, l.Quantity-l.Gone)
}

// cancel takes units of an item out of the order, as far as it has them; n = 0
// takes all of them.
func (o *Order) cancel(sku string, n int64) {
	h := Hash(sku)
	for i := range o.Lines {
		l := &o.Lines[i]
		if l.hash != h || l.SKU != sku {
			continue
		}
		take := l.Quantity - l.Gone
		if n > 0 {
			take = min(take, n)
			if n -= take; n == 0 {
				l.Gone += take
				return
			}
		}
		l.Gone += take
	}
}

func (c *Customer) order(id uint64) *Order {
	for i := range c.Orders {
		if c.Orders[i].ID == id {
			return &c.Orders[i]
		}
	}
	return nil
}

func (c *Customer) newOrder(o Order) *Order {
	if len(c.Orders) >= maxOrders {
		oldest := 0
		for i := range c.Orders {
			if c.Orders[i].At < c.Orders[oldest].At {
				oldest = i
			}
		}
		c.Orders = slices.Delete(c.Orders, oldest, oldest+1)
	}
	c.Orders = append(c.Orders, o)
	return &c.Orders[len(c.Orders)-1]
}

// orderEvent applies an order, once by its own id whichever system reports it.
func (c *Customer) orderEvent(m *Machine, e *Event) (changed, less bool) {
	id := Hash(e.OrderID)
	o := c.order(id)
	known := c.ordered(m, id)
	if known && (o == nil || o.Placed) {
		return false, false
	}
	if !known {
		c.noteOrder(m, id)
	}
	if o == nil {
		o = c.newOrder(Order{ID: id})
	}
	before := o.Lines // cancelled before the order was heard of
	o.At, o.Placed = e.At, true
	o.Lines = make([]OrderLine, 0, len(e.Products))
	for i := range e.Products {
		p := &e.Products[i]
		o.Lines = append(o.Lines, OrderLine{SKU: clone(p.SKU), hash: Hash(p.SKU), Quantity: max(p.Quantity, 1)})
	}
	for i := range before {
		o.cancel(before[i].SKU, before[i].Gone)
	}
	if c.itemsBought != nil {
		o.index(c.itemsBought)
	}
	changed = len(o.Lines) == 0 && o.Cancelled == 0
	for i := range o.Lines {
		if o.left(&o.Lines[i]) > 0 {
			c.bought(m, e, o, i)
			changed = true
		}
	}
	return changed, changed
}

// maxOrderIDs bounds the order ids kept with the customer; the rest is in a
// list of its own.
const maxOrderIDs = 64

// ordered reports whether an order id was ever applied.
func (c *Customer) ordered(m *Machine, id uint64) bool {
	if slices.Contains(c.OrderIDs, id) {
		return true
	}
	if c.Ordered.Len() == 0 {
		return false
	}
	_, known := c.Ordered.get(m, offerKey(int64(id)))
	return known
}

func (c *Customer) noteOrder(m *Machine, id uint64) {
	if len(c.OrderIDs) == maxOrderIDs {
		for _, old := range c.OrderIDs {
			c.Ordered.put(m, c.head, offerKey(int64(old)), "")
		}
		c.OrderIDs = c.OrderIDs[:0]
	}
	c.OrderIDs = append(c.OrderIDs, id)
}

// manyOrders is from how many orders on the items bought are indexed.
const manyOrders = 8

// everBought reports whether the item may be in one of the orders; no is
// certain.
func (c *Customer) everBought(hash uint64) bool {
	if len(c.Orders) < manyOrders {
		return true
	}
	if c.itemsBought == nil {
		c.itemsBought = map[uint64]struct{}{}
		for i := range c.Orders {
			c.Orders[i].index(c.itemsBought)
		}
	}
	_, ok := c.itemsBought[hash]
	return ok
}

func (o *Order) index(items map[uint64]struct{}) {
	for i := range o.Lines {
		items[o.Lines[i].hash] = struct{}{}
	}
}

// bought ends the interest in an item and tells the item of the sale.
func (c *Customer) bought(m *Machine, e *Event, o *Order, line int) {
	sku := o.Lines[line].SKU
	msg := Message{
		Type: SellItem, SKU: sku, Customer: c.ID, Ref: e.OrderID, Line: int64(line),
		Quantity: o.left(&o.Lines[line]), At: o.At,
	}
	if in := c.interest(sku); in != nil && in.Bought == 0 && o.At >= in.Since-clockGraceMS {
		in.Bought = o.ID
		if in.Queued {
			msg.Offer, msg.Since, msg.Tier = in.Offer, in.Since, int64(in.Tier)
		}
		in.Queued, in.Parked, in.Offer, in.OfferUntil = false, false, 0, 0
	}
	m.send(sku, &msg)
	m.watch(sku) // its family is asked for while the customer is left alone
}

// clockGraceMS is how far two systems' clocks may differ before a purchase
// counts as one of another time.
const clockGraceMS = 10 * 60_000

// cancelEvent applies a cancellation of the whole order, or of the products it
// names, also one that arrives before its order. The interest in what was
// bought comes back, with its place.
func (c *Customer) cancelEvent(m *Machine, e *Event) (changed, less bool) {
	id := Hash(e.OrderID)
	o := c.order(id)
	if o == nil {
		if c.ordered(m, id) {
			return false, false // too long ago to matter
		}
		c.noteOrder(m, id)
		o = c.newOrder(Order{ID: id, At: e.At})
	}
	if o.Cancelled != 0 {
		return false, false
	}
	left := make([]int64, len(o.Lines))
	for i := range o.Lines {
		left[i] = o.left(&o.Lines[i])
	}
	for i := range e.Products {
		p := &e.Products[i]
		if o.Placed {
			o.cancel(p.SKU, p.Quantity)
		} else {
			o.Lines = append(o.Lines, OrderLine{SKU: clone(p.SKU), hash: Hash(p.SKU), Gone: p.Quantity})
			c.itemsBought = nil
		}
	}
	if len(e.Products) == 0 {
		o.Cancelled = e.At
	}
	for i := range left {
		l := &o.Lines[i]
		now := o.left(l)
		if now == left[i] {
			continue
		}
		m.send(l.SKU, &Message{Type: UnsellItem, SKU: l.SKU, Customer: c.ID, Ref: e.OrderID, Line: int64(i), Quantity: left[i] - now, At: e.At})
		if in := c.interest(l.SKU); in != nil && in.Bought == id && now == 0 {
			in.Bought = 0
			c.queueUp(m, in)
		}
	}
	return true, true
}

// purchases returns the units of an item bought since a time, in orders that
// stand, and in orders that were cancelled.
func (c *Customer) purchases(sku string, since int64) (bought, cancelled int64) {
	h := Hash(sku)
	if !c.everBought(h) {
		return 0, 0
	}
	for i := range c.Orders {
		o := &c.Orders[i]
		if o.At < since {
			continue
		}
		for j := range o.Lines {
			if l := &o.Lines[j]; l.hash == h && l.SKU == sku {
				n := o.left(l)
				bought += n
				cancelled += l.Quantity - n
			}
		}
	}
	return bought, cancelled
}

// boughtSince reports whether the item, or one of its family, was bought since
// a time.
func (c *Customer) boughtSince(m *Machine, sku, family string, since int64) bool {
	h := Hash(sku)
	if family == "" && !c.everBought(h) {
		return false
	}
	for i := range c.Orders {
		o := &c.Orders[i]
		if o.At < since || o.Cancelled != 0 {
			continue
		}
		for j := range o.Lines {
			l := &o.Lines[j]
			if o.left(l) == 0 {
				continue
			}
			if l.hash == h && l.SKU == sku || family != "" && m.facts(l.SKU).Product.Family == family {
				return true
			}
		}
	}
	return false
}
