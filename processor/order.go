package processor

import "slices"

// Order is what a customer bought, as far back as it still matters. That an
// order id was seen at all is remembered for good, in Customer.OrderIDs.
//
// It is a function of the set of events about it: its lines are those reported
// last, less what was cancelled and what came back, also when that was heard
// of before the order.
type Order struct {
	ID        uint64 // hash of the order id
	At        int64  // when it was placed: the earliest report
	Cancelled int64  // when all of it was; 0 = not
	Short     bool   // all of it was cancelled because the shop had none
	Placed    bool   // false while only its cancellation or return is known
	Confirmed bool   // reported complete; false while only changes were
	Lines     []OrderLine

	Said    int64        // when Lines were reported
	Updated bool         // by a change of the order, which counts above a first report
	Changes int64        // how often Lines were replaced
	Less    []OrderLess  // what was taken out of it, by item
	First   []OrderUnits // what was reported first; nil = what is in Lines
	FirstAt int64        // when

	Disputed bool // charged back as a whole; see chargeback.go
}

// OrderLine is one item of an order.
type OrderLine struct {
	SKU      string
	hash     uint64 // of SKU
	Quantity int64
	Price    int64 // minor units; 0 = not told
	Gift     bool  // for somebody else: see gift.go
	heard    bool  // the item is known to have said here what it is; not stored
	gone     int64 // units of it cancelled; follows from Order.Less
	back     int64 // units of it returned, of those not cancelled
	more     int64 // units of it that came with a change, at Order.Said
}

// OrderLess is what was taken out of an order of one item.
type OrderLess struct {
	SKU   string
	hash  uint64 // of SKU
	Gone  int64  // units cancelled
	Last  int64  // when the last of these were
	Short int64  // of these, because the shop had none
	Back  int64  // units returned

	Charged bool // the bank took the money of some back; see chargeback.go
}

const (
	orderPlaced = 1 << iota
	orderConfirmed
	orderUpdated
	orderShort
	orderSaidLater
	orderHasLess
	orderHasGift
	orderDisputed
)

func (o *Order) encode(w *writer) {
	w.u64(o.ID)
	w.int(o.At)
	w.int(o.Cancelled)
	w.u8(uint8(bit(o.Placed, orderPlaced) | bit(o.Confirmed, orderConfirmed) | bit(o.Updated, orderUpdated) | bit(o.Short, orderShort) |
		bit(o.saidLater(), orderSaidLater) | bit(len(o.Less) > 0, orderHasLess) | bit(o.hasGift(), orderHasGift) | bit(o.Disputed, orderDisputed)))
	w.uint(uint64(len(o.Lines)))
	for i := range o.Lines {
		w.str(o.Lines[i].SKU)
		w.int(o.Lines[i].Quantity)
		w.int(o.Lines[i].Price)
	}
	if o.saidLater() {
		w.int(o.Said)
		w.int(o.Changes)
		o.encodeFirst(w)
	}
	if len(o.Less) > 0 {
		w.uint(uint64(len(o.Less)))
		for i := range o.Less {
			x := &o.Less[i]
			w.str(x.SKU)
			w.int(x.Gone)
			w.int(x.Last)
			w.int(x.Short)
			w.int(x.Back)
			w.bool(x.Charged)
		}
	}
	if o.hasGift() {
		for i := range o.Lines {
			w.bool(o.Lines[i].Gift)
		}
	}
}

func (o *Order) decode(r *reader) {
	*o = Order{Lines: o.Lines}
	o.ID = r.u64()
	o.At = r.int()
	o.Cancelled = r.int()
	flags := r.u8()
	o.Placed, o.Confirmed, o.Updated, o.Short = flags&orderPlaced != 0, flags&orderConfirmed != 0, flags&orderUpdated != 0, flags&orderShort != 0
	o.Disputed = flags&orderDisputed != 0
	o.Lines = resize(o.Lines, r.count(3))
	for i := range o.Lines {
		sku := r.str()
		o.Lines[i] = OrderLine{SKU: sku, hash: Hash(sku), Quantity: r.int(), Price: r.int()}
	}
	o.Said = o.At
	if flags&orderSaidLater != 0 {
		o.Said = r.int()
		o.Changes = r.int()
		o.decodeFirst(r)
	}
	if flags&orderHasLess != 0 {
		o.Less = make([]OrderLess, r.count(6))
		for i := range o.Less {
			sku := r.str()
			o.Less[i] = OrderLess{sku, Hash(sku), r.int(), r.int(), r.int(), r.int(), r.bool()}
		}
	}
	if flags&orderHasGift != 0 {
		for i := range o.Lines {
			o.Lines[i].Gift = r.bool()
		}
	}
	o.settle()
}

// left returns the units of a line that stand.
func (o *Order) left(l *OrderLine) int64 {
	if o.Cancelled != 0 {
		return 0
	}
	return l.Quantity - l.gone
}

// cancelledAt returns when the last of the order was cancelled, as a whole or item
// by item; 0 = some of it stands.
func (o *Order) cancelledAt() (at int64) {
	if o.Cancelled != 0 {
		return o.Cancelled
	}
	for i := range o.Lines {
		if o.left(&o.Lines[i]) > 0 {
			return 0
		}
	}
	if len(o.Lines) > 0 {
		for i := range o.Less {
			at = max(at, o.Less[i].Last)
		}
	}
	return at
}

// kept returns the units of a line that the customer has, or will have, and has
// paid for.
func (o *Order) kept(l *OrderLine) int64 {
	if o.Disputed {
		return 0
	}
	return max(0, o.left(l)-l.back)
}

// less returns what was taken out of the order of an item, made when new. What
// is said of more items than an order has lines changes nothing.
func (o *Order) less(sku string) *OrderLess {
	h := Hash(sku)
	for i := range o.Less {
		if x := &o.Less[i]; x.hash == h && x.SKU == sku {
			return x
		}
	}
	if len(o.Less) >= MaxProducts {
		return &OrderLess{}
	}
	o.Less = append(o.Less, OrderLess{SKU: clone(sku), hash: h})
	return &o.Less[len(o.Less)-1]
}

// settle takes out of the lines what was taken out of the order, from the
// first line of an item on.
func (o *Order) settle() {
	for i := range o.Lines {
		o.Lines[i].gone, o.Lines[i].back = 0, 0
	}
	for i := range o.Less {
		x := &o.Less[i]
		gone, back := x.Gone, x.Back
		for j := range o.Lines {
			l := &o.Lines[j]
			if l.hash != x.hash || l.SKU != x.SKU {
				continue
			}
			l.gone = min(gone, l.Quantity)
			gone -= l.gone
			l.back = min(back, l.Quantity-l.gone)
			back -= l.back
		}
	}
	o.settleMore()
}

// units returns the units of an item that stand.
func (o *Order) units(sku string) (n int64) {
	h := Hash(sku)
	for i := range o.Lines {
		if l := &o.Lines[i]; l.hash == h && l.SKU == sku {
			n += o.left(l)
		}
	}
	return n
}

func (c *Customer) order(id uint64) *Order {
	for i := range c.Orders {
		if c.Orders[i].ID == id {
			return &c.Orders[i]
		}
	}
	return nil
}

// orderToChange returns an order by its id, made when it was never heard of;
// nil when that was too long ago to matter.
func (c *Customer) orderToChange(m *Machine, id uint64, at int64) *Order {
	if o := c.order(id); o != nil {
		return o
	}
	if c.ordered(m, id) {
		return nil
	}
	c.noteOrder(m, id)
	c.Orders = room(c.Orders, maxOrders, func(o *Order) int64 { return o.At })
	c.Orders = add(c.Orders, Order{ID: id, At: at, Said: at})
	return &c.Orders[len(c.Orders)-1]
}

// orderEvent applies an order, once by its own id whichever system reports it,
// or a change of its lines. changed says that it was news, less that units
// were bought or given up.
func (c *Customer) orderEvent(m *Machine, e *Event) (changed, less bool) {
	o := c.orderToChange(m, Hash(e.OrderID), e.At)
	if o == nil {
		return false, false
	}
	if e.RewardID != "" {
		c.rewardEvent(m, e)
	}
	first := e.Kind == OrderCompleted && !o.Confirmed
	o.Confirmed = o.Confirmed || first
	if o.Placed {
		o.At = min(o.At, e.At)
		less = c.reorder(m, e, o)
		return first && o.Cancelled == 0 || less && e.Kind == OrderUpdated, less
	}
	o.At, o.Said, o.Placed, o.Updated = e.At, e.At, true, e.Kind == OrderUpdated
	o.Lines = orderLines(e.Products)
	o.settle()
	if c.itemsBought != nil {
		o.index(c.itemsBought)
	}
	changed = len(o.Lines) == 0 && o.Cancelled == 0
	for i := range o.Lines {
		if n := o.left(&o.Lines[i]); n > 0 {
			c.bought(m, e, o, i, int64(i), n, o.At)
			changed = true
		} else {
			m.watch(o.Lines[i].SKU) // it may be a bundle, whose parts were cancelled with it
		}
	}
	c.dispute(m, o, e.At)
	c.settleRewards(m, o, false)
	return changed, changed
}

func orderLines(products []Product) []OrderLine {
	lines := make([]OrderLine, 0, len(products))
	for i := range products {
		p := &products[i]
		lines = append(lines, OrderLine{SKU: clone(p.SKU), hash: Hash(p.SKU), Quantity: max(p.Quantity, 1), Price: p.Price, Gift: p.Gift})
	}
	return lines
}

// reorder takes another report of an order, if it is the later one, and tells
// the items what was bought more and what less. A report without lines says
// nothing of them.
func (c *Customer) reorder(m *Machine, e *Event, o *Order) (changed bool) {
	updated := e.Kind == OrderUpdated
	if len(e.Products) == 0 {
		return false
	}
	lines := orderLines(e.Products)
	o.first(orderUnits(lines), e.At)
	if o.Updated && !updated || o.Updated == updated && e.At < o.Said {
		o.settle()
		return false
	}
	if o.Updated == updated && e.At == o.Said && slices.CompareFunc(lines, o.Lines, (OrderLine).compare) <= 0 {
		return false
	}
	was := *o
	o.Lines, o.Said, o.Updated = lines, e.At, updated
	o.settle()
	if c.itemsBought != nil {
		o.index(c.itemsBought)
	}
	next := (o.Changes + 1) * 1000 // lines of their own: the item counts each once
	var sets []string              // bought now: bundles, and what may be one
	for i := range o.Lines {
		sku := o.Lines[i].SKU
		if slices.IndexFunc(o.Lines, func(l OrderLine) bool { return l.SKU == sku }) < i {
			continue
		}
		if o.Cancelled != 0 {
			m.watch(sku)
		}
		if n := o.units(sku) - was.units(sku); n > 0 {
			c.bought(m, e, o, i, int64(i)+next, n, e.At)
			changed = true
			if now := m.calledNow(sku); len(sets) < maxParts && (m.facts(now).At == 0 || m.facts(now).Product.Parts != "") {
				sets = append(sets, now)
			}
		}
	}
	for i := range was.Lines {
		sku := was.Lines[i].SKU
		if slices.IndexFunc(was.Lines, func(l OrderLine) bool { return l.SKU == sku }) < i {
			continue
		}
		if n := was.units(sku) - o.units(sku); n > 0 {
			c.unbought(m, o, sku, int64(i), n, e.At, sets)
			changed = true
		}
	}
	if changed {
		o.Changes++
	}
	c.dispute(m, o, e.At) // of what the chargeback did not know that it was in the order
	c.settleRewards(m, o, was.givesBack())
	return changed
}

func (l OrderLine) compare(k OrderLine) int {
	switch {
	case l.SKU != k.SKU && l.SKU < k.SKU:
		return -1
	case l.SKU != k.SKU:
		return 1
	case l.Quantity != k.Quantity:
		return int(l.Quantity - k.Quantity)
	case l.Gift != k.Gift:
		return int(bit(l.Gift, 1)) - int(bit(k.Gift, 1))
	}
	return int(l.Price - k.Price)
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

// clockGraceMS is how far two systems' clocks may differ before a purchase
// counts as one of another time.
const clockGraceMS = 10 * 60_000

// reasonNoStock is the reason of a checkout that failed, or of an order the
// shop cancelled, because there was none.
const reasonNoStock = "out_of_stock"

// cancelEvent applies a cancellation of the whole order, or of the products it
// names, also one that arrives before its order. The interest in what was
// bought comes back, with its place; when the shop had none, whoever ordered
// waits for it like one whose checkout failed.
func (c *Customer) cancelEvent(m *Machine, e *Event) (changed, less bool) {
	o := c.orderToChange(m, Hash(e.OrderID), e.At)
	if o == nil {
		return false, false // too long ago to matter
	}
	short, charged, gave := e.Reason == reasonNoStock, e.Reason == ReasonChargeback, o.givesBack()
	left := make([]int64, len(o.Lines))
	for i := range o.Lines {
		left[i] = o.left(&o.Lines[i])
	}
	for i := range e.Products {
		p := &e.Products[i]
		x := o.less(p.SKU)
		x.Gone += max(p.Quantity, 1)
		x.Last = max(x.Last, e.At)
		if short {
			x.Short += max(p.Quantity, 1)
		}
		x.Charged = x.Charged || charged
	}
	o.settle()
	changed = o.Cancelled == 0
	if len(e.Products) == 0 {
		o.Cancelled = earliest(o.Cancelled, e.At)
		o.Short = o.Short || short
		changed = changed || charged && !o.Disputed
		o.Disputed = o.Disputed || charged
	}
	c.settleRewards(m, o, gave)
	if charged {
		c.dispute(m, o, e.At)
	}
	var again []Product
	for i := range left {
		l := &o.Lines[i]
		n := left[i] - o.left(l)
		if n <= 0 {
			continue
		}
		c.unbought(m, o, l.SKU, int64(i), n, e.At, nil)
		again = append(again, Product{SKU: l.SKU, Quantity: n, Price: l.Price})
	}
	if short && len(again) > 0 {
		failed := Event{Kind: CheckoutFailed, Reason: reasonNoStock, At: e.At, Products: again}
		c.showInterest(m, &failed)
	}
	return changed, changed
}
