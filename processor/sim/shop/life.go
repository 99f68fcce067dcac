package shop

import "sort"

// life is what one customer said, in the order it was accepted.
type life struct{ notes []note }

// person is what is known of a customer at an instant.
type person struct {
	email    bool
	zone     string
	consents map[[2]string]bool // channel, purpose
	carts    map[string][]Line
	whole    map[string]int64 // when a cart was told as a whole
	bought   map[string]int64 // when the purchase was accepted; cancelled ones are gone
	ever     map[string]bool  // bought at any time, cancelled or not
	asked    map[string]bool  // asked to be told
	wants    map[string]bool  // interested in any way
}

func newPerson() *person {
	return &person{
		consents: map[[2]string]bool{}, carts: map[string][]Line{}, whole: map[string]int64{}, bought: map[string]int64{},
		ever: map[string]bool{}, asked: map[string]bool{}, wants: map[string]bool{},
	}
}

// apply changes what is known by one note.
func (p *person) apply(n note) {
	e := n.e
	switch e.Name {
	case Identify, ConsentChanged:
		if e.Name == Identify {
			p.email, p.zone = p.email || e.Email, e.Zone
		}
		for _, c := range e.Consents {
			p.consents[[2]string{c.Channel, c.Purpose}] = c.Granted
		}
	case ProductAdded:
		l := e.Lines[0]
		cart := append([]Line(nil), p.carts[e.Cart]...)
		if have := line(cart, l.SKU); have != nil {
			have.Quantity += l.Quantity
		} else {
			cart = append(cart, l)
		}
		p.carts[e.Cart] = cart
		p.wants[l.SKU] = true
	case ProductRemoved:
		p.carts[e.Cart] = without(p.carts[e.Cart], e.Lines)
	case CheckoutStarted: // the whole cart, with all that came before
		p.carts[e.Cart], p.whole[e.Cart] = e.Lines, e.Occurred.UnixMilli()
	case CheckoutFailed:
		for _, l := range e.Lines {
			p.wants[l.SKU] = true
		}
	case OrderCompleted:
		for id, cart := range p.carts {
			if p.whole[id] < e.Occurred.UnixMilli() {
				p.carts[id] = without(cart, e.Lines)
			}
		}
		for _, l := range e.Lines {
			p.bought[l.SKU], p.ever[l.SKU] = n.at, true
			delete(p.asked, l.SKU)
			delete(p.wants, l.SKU)
		}
	case OrderCancelled, OrderRefunded:
		for _, l := range e.Lines { // a cancelled order brings the interest back
			delete(p.bought, l.SKU)
			p.asked[l.SKU], p.wants[l.SKU] = true, true
		}
	case Requested:
		p.asked[e.SKU], p.wants[e.SKU] = true, true
	case RequestCancelled, OfferDeclined:
		delete(p.asked, e.SKU)
	case AddedToWishlist:
		p.wants[e.SKU] = true
	}
}

// done reports whether an item was bought and nothing of it is wanted any more.
func (p *person) done(sku string) bool {
	for _, cart := range p.carts {
		if line(cart, sku) != nil {
			return false
		}
	}
	_, ok := p.bought[sku]
	return ok && !p.wants[sku]
}

// ever reports whether f held at some instant from a to b: of what was known
// at a, or after one of the notes until b.
func (l *life) ever(a, b int64, f func(*person) bool) bool {
	p := newPerson()
	i := 0
	for ; i < len(l.notes) && l.notes[i].at <= a; i++ {
		p.apply(l.notes[i])
	}
	for !f(p) {
		if i == len(l.notes) || l.notes[i].at > b {
			return false
		}
		p.apply(l.notes[i])
		i++
	}
	return true
}

// always reports whether f held at every instant from a to b.
func (l *life) always(a, b int64, f func(*person) bool) bool {
	return !l.ever(a, b, func(p *person) bool { return !f(p) })
}

// when returns when the last note before t that f accepts was accepted.
func (l *life) when(t int64, f func(*Event) bool) (int64, *Event) {
	i := sort.Search(len(l.notes), func(i int) bool { return l.notes[i].at > t })
	for i--; i >= 0; i-- {
		if f(l.notes[i].e) {
			return l.notes[i].at, l.notes[i].e
		}
	}
	return 0, nil
}
