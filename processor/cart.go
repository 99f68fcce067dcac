package processor

import "slices"

// Cart is one of a customer's carts, as a function of the set of events about
// it, whatever the order of their arrival: changes carry the time they
// happened, and a reported state of the whole cart contains every change up to
// its own time.
type Cart struct {
	ID      string
	At      int64 // latest change
	StateAt int64 // time of the latest whole state
	Lines   []Line
}

// Line is one item in a cart.
type Line struct {
	SKU     string
	hash    uint64 // of SKU
	Price   int64  // minor units, of the units put in last
	Cleared int64  // everything up to here was taken out
	Changes []change
}

// change adds units at a time; it takes them out when negative.
type change struct {
	at int64
	n  int64
}

// maxChanges bounds the changes of a line that are kept apart; the oldest are
// summed.
const maxChanges = 8

// cartMemoryMS is how long what was put in a cart counts as wanted.
const cartMemoryMS = 30 * 24 * 3600_000

func (c *Cart) encode(w *writer) {
	w.str(c.ID)
	w.int(c.At)
	w.int(c.StateAt)
	w.uint(uint64(len(c.Lines)))
	for i := range c.Lines {
		l := &c.Lines[i]
		w.str(l.SKU)
		w.int(l.Price)
		w.int(l.Cleared)
		w.uint(uint64(len(l.Changes)))
		for _, x := range l.Changes {
			w.int(x.at)
			w.int(x.n)
		}
	}
}

func (c *Cart) decode(r *reader) {
	*c = Cart{Lines: c.Lines}
	c.ID = r.str()
	c.At = r.int()
	c.StateAt = r.int()
	c.Lines = resize(c.Lines, r.count(4))
	for i := range c.Lines {
		l := &c.Lines[i]
		*l = Line{Changes: l.Changes}
		l.SKU = r.str()
		l.hash = Hash(l.SKU)
		l.Price = r.int()
		l.Cleared = r.int()
		l.Changes = resize(l.Changes, r.count(2))
		for j := range l.Changes {
			l.Changes[j] = change{r.int(), r.int()}
		}
	}
}

// pricedAt returns when units were last put in, at the price kept.
func (l *Line) pricedAt() int64 {
	for _, x := range slices.Backward(l.Changes) {
		if x.n > 0 {
			return x.at
		}
	}
	return 0
}

// cart returns a cart by id, made when new. Carts not touched for long are
// dropped when there are too many.
func (c *Customer) cart(id string) *Cart {
	if id == "" {
		id = "default"
	}
	for i := range c.Carts {
		if c.Carts[i].ID == id {
			return &c.Carts[i]
		}
	}
	if len(c.Carts) >= maxCarts {
		oldest := 0
		for i := range c.Carts {
			if c.Carts[i].At < c.Carts[oldest].At {
				oldest = i
			}
		}
		c.Carts = slices.Delete(c.Carts, oldest, oldest+1)
	}
	c.Carts = append(c.Carts, Cart{ID: intern([]byte(id))})
	return &c.Carts[len(c.Carts)-1]
}

func (c *Customer) findCart(id string) *Cart {
	for i := range c.Carts {
		if c.Carts[i].ID == id {
			return &c.Carts[i]
		}
	}
	return nil
}

// bySystem says that the shop took a line out, as it does with what is sold
// out, or let the cart expire, and not the customer.
const bySystem = "system"

// cartEvent folds an event into its cart. less says that units went out.
func (c *Customer) cartEvent(m *Machine, e *Event) (changed, less bool) {
	cart := c.cart(e.CartID)
	switch e.Kind {
	case ProductAdded:
		m.watch(e.SKU) // whether it can be had is asked when the window ends
		return cart.add(e.SKU, e.At, quantity(e), e.Price), false
	case ProductRemoved:
		if e.By == bySystem {
			return false, false // it is wanted still
		}
		n := int64(0)
		if e.HasQty {
			n = e.Quantity
		}
		changed = cart.remove(e.SKU, e.At, n)
		return changed, changed
	}
	// A whole cart. Without lines these events say nothing of the contents,
	// but for Cart Updated, which then says that the cart is empty.
	if len(e.Products) == 0 && e.Kind != CartUpdated {
		return e.Kind == CheckoutStarted, false
	}
	at := e.At
	if e.UpdatedAt != 0 {
		at = e.UpdatedAt
	}
	for i := range e.Products {
		m.watch(e.Products[i].SKU)
	}
	changed, less, more := cart.state(e.Products, at, e.By == bySystem)
	for _, i := range more {
		c.putIn(m, e, &cart.Lines[i], at)
	}
	return changed || e.Kind == CheckoutStarted, less
}

// line returns the line of an item, made when new; nil when the cart is full.
func (c *Cart) line(sku string) *Line {
	h := Hash(sku)
	for i := range c.Lines {
		if l := &c.Lines[i]; l.hash == h && l.SKU == sku {
			return l
		}
	}
	if len(c.Lines) >= maxLines {
		return nil
	}
	c.Lines = append(c.Lines, Line{SKU: clone(sku), hash: h})
	return &c.Lines[len(c.Lines)-1]
}

func (c *Cart) add(sku string, at, n, price int64) bool {
	l := c.line(sku)
	if l == nil || at <= c.StateAt || at <= l.Cleared {
		return false
	}
	c.At = max(c.At, at)
	l.priced(at, price)
	l.change(at, n)
	return true
}

// remove takes n units out, all that were there when n is 0.
func (c *Cart) remove(sku string, at, n int64) bool {
	l := c.line(sku)
	if l == nil || at <= c.StateAt || at <= l.Cleared {
		return false
	}
	c.At = max(c.At, at)
	if n > 0 {
		l.change(at, -n)
	} else {
		l.clear(at)
	}
	return true
}

// state takes a report of the whole cart at a time. expired says that what is
// missing from it the shop has taken out: it is wanted still. more are the lines that have more units now.
func (c *Cart) state(products []Product, at int64, expired bool) (changed, less bool, more []int) {
	if at < c.StateAt {
		return false, false, nil
	}
	before := make([]int64, len(c.Lines))
	for i := range c.Lines {
		before[i] = c.Lines[i].quantity(0)
	}
	c.StateAt, c.At = at, max(c.At, at)
	for i := range c.Lines {
		if l := &c.Lines[i]; !expired || slices.ContainsFunc(products, func(p Product) bool { return p.SKU == l.SKU }) {
			l.clear(at)
		}
	}
	for i := range products {
		p := &products[i]
		if l := c.line(p.SKU); l != nil && l.Cleared <= at { // not taken out since
			l.priced(at, p.Price)
			l.Cleared = at - 1
			l.change(at, max(p.Quantity, 1))
		}
	}
	for i := range c.Lines {
		var was int64
		if i < len(before) {
			was = before[i]
		}
		now := c.Lines[i].quantity(0)
		changed = changed || was != now
		if less = less || now < was; now > was {
			more = append(more, i)
		}
	}
	return changed, less, more
}

// putIn notes the wish for what a report of the whole cart has more of: it was
// put in, though nobody said so by itself.
func (c *Customer) putIn(m *Machine, e *Event, l *Line, at int64) {
	for _, d := range m.rules.interestsOf[ProductAdded] {
		added := *e
		added.Kind, added.SKU, added.Products, added.At = ProductAdded, l.SKU, nil, at
		if matches(d.Where, &added) {
			c.want(m, d, &added, l.SKU, l.Price, l.quantity(0))
		}
	}
}

// priced notes the price seen when units were put in, unless some were later.
func (l *Line) priced(at, price int64) {
	if price == 0 {
		return
	}
	for i := len(l.Changes) - 1; i >= 0 && l.Changes[i].at > at; i-- {
		if l.Changes[i].n > 0 {
			return
		}
	}
	l.Price = price
}

func (l *Line) change(at, n int64) {
	i := len(l.Changes)
	for i > 0 && l.Changes[i-1].at > at {
		i--
	}
	l.Changes = slices.Insert(l.Changes, i, change{at, n})
	if len(l.Changes) > maxChanges {
		l.Changes[1].n += l.Changes[0].n
		l.Changes = slices.Delete(l.Changes, 0, 1)
	}
}

func (l *Line) clear(at int64) {
	l.Cleared = max(l.Cleared, at)
	l.Changes = slices.DeleteFunc(l.Changes, func(c change) bool { return c.at <= at })
}

// quantity returns the units put in since a time and still there.
func (l *Line) quantity(since int64) int64 {
	var n int64
	for _, c := range l.Changes {
		if c.at > since {
			n += c.n
		}
	}
	return max(n, 0)
}

// held reports whether a unit lay in the cart at a time; what was taken out
// since is not remembered one by one, and did.
func (l *Line) held(at int64) bool {
	var n int64
	for _, c := range l.Changes {
		if c.at <= at {
			n += c.n
		}
	}
	return n > 0 || l.Cleared > at
}

// since returns when the oldest unit still wanted was put in.
func (l *Line) since(oldest int64) int64 {
	for _, c := range l.Changes {
		if c.at > oldest && c.n > 0 {
			return c.at
		}
	}
	return 0
}
