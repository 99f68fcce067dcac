package shop

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// customer is one simulated person. What others know of them is what they
// said in events; this is the person.
type customer struct {
	id      string
	known   bool // has identified
	agrees  bool // to e-mail marketing
	ads     bool
	awake   int64 // does nothing before, microseconds
	carts   int   // number of the cart in hand
	cart    []Line
	waiting []int // items asked for
	order   string
	bought  []Line // of the last order
	coming  []Line // bought, but the order is late in being told
}

func (s *Shop) customer(n int) *customer {
	c := &s.customers[n]
	if c.id == "" {
		c.id = nameOf("c-", n)
		s.byID[c.id] = n
	}
	return c
}

func (c *customer) cartID() string { return c.id[:min(len(c.id), 200)] + "/" + strconv.Itoa(c.carts) }

// act lets somebody do something. Sometimes they only leave, without a word.
func (s *Shop) act() (Event, bool) {
	switch p := s.dice.IntN(1000); {
	case p < 30:
		it := &s.items[s.what.draw(s.dice)]
		return s.publicSale(it, min(it.units(), int64(1+s.dice.IntN(3))))
	case p < 38:
		return s.priceChange(&s.items[s.what.draw(s.dice)])
	case p < 60:
		return s.visitor()
	}
	n := s.who.draw(s.dice)
	for tries := 0; s.customers[n].awake > s.clock; tries++ {
		if tries == 8 {
			return s.visitor()
		}
		n = s.dice.IntN(len(s.customers))
	}
	c := s.customer(n)
	s.sleep(c, 5*time.Millisecond) // nobody does two things in one instant
	if !c.known {
		return s.identify(c, n)
	}
	if len(c.cart) == 0 {
		return s.browse(c)
	}
	return s.shopping(c)
}

// visitor is somebody without a name who looks around.
func (s *Shop) visitor() (Event, bool) {
	it := &s.items[s.what.draw(s.dice)]
	return s.say(Event{Name: ProductViewed, SKU: it.sku, Price: it.price}, extras{anonymous: "v-" + strconv.Itoa(s.dice.IntN(1e6))})
}

func (s *Shop) identify(c *customer, n int) (Event, bool) {
	c.known = true
	h := mix(s.cfg.Seed ^ mix(uint64(n)))
	c.agrees = h%100 < 80
	c.ads = h>>8%100 < 60
	e := Event{Name: Identify, Customer: c.id, Zone: zones[h>>16%uint64(len(zones))], Email: h>>24%100 < 94}
	e.Consents = []Consent{{channelEmail, purposeMarketing, c.agrees}, {channelAds, purposeAds, c.ads}}
	x := extras{}
	if e.Email {
		x.email = fmt.Sprintf("c%d@mail.example", n)
	}
	if h>>32%100 < 40 {
		x.token = fmt.Sprintf("device-%d", n)
		e.Consents = append(e.Consents, Consent{channelPush, purposeMarketing, h>>40%100 < 70})
	}
	if h>>48%100 < 20 {
		x.phone = fmt.Sprintf("+3361%07d", n%1e7)
		e.Consents = append(e.Consents, Consent{channelSMS, purposeMarketing, h>>56%100 < 50})
	}
	return s.say(e, x)
}

// browse is what people do whose cart is empty.
func (s *Shop) browse(c *customer) (Event, bool) {
	n := s.what.draw(s.dice)
	if s.dice.chance(15) {
		if empty := s.soldOut(); empty >= 0 {
			n = empty
		}
	}
	it := &s.items[n]
	switch p := s.dice.IntN(100); {
	case it.units() == 0 && p < 50 && !c.waits(n):
		return s.request(c, it)
	case p < 35:
		return s.view(c, it)
	case p < 80:
		return s.add(c, it)
	case p < 83 && c.order != "":
		return s.cancel(c)
	case p < 86:
		return s.consent(c)
	case p < 88 && len(c.waiting) > 0:
		n := c.waiting[0]
		c.waiting = c.waiting[1:]
		return s.say(Event{Name: RequestCancelled, Customer: c.id, SKU: s.items[n].sku}, extras{})
	case p < 91:
		return s.say(Event{Name: AddedToWishlist, Customer: c.id, SKU: it.sku, Price: it.price}, extras{})
	}
	return s.view(c, it)
}

// shopping is what people do with something in their cart.
func (s *Shop) shopping(c *customer) (Event, bool) {
	switch p := s.dice.IntN(100); {
	case p < 15:
		return s.view(c, &s.items[s.what.draw(s.dice)])
	case p < 33:
		return s.add(c, &s.items[s.what.draw(s.dice)])
	case p < 41:
		l := c.cart[s.dice.IntN(len(c.cart))]
		c.cart = slices.DeleteFunc(slices.Clone(c.cart), func(x Line) bool { return x.SKU == l.SKU })
		return s.say(Event{Name: ProductRemoved, Customer: c.id, Cart: c.cartID(), Lines: []Line{l}}, extras{})
	case p < 70:
		return s.checkout(c)
	}
	s.leave(c)
	return Event{}, false
}

// leave: the customer walks away, long enough for the cart to be forgotten.
func (s *Shop) leave(c *customer) {
	a := s.cfg.Timing.AbandonAfter
	s.sleep(c, s.dice.between(a*3/2, 4*a))
}

func (s *Shop) sleep(c *customer, d time.Duration) { c.awake = s.clock + d.Microseconds() }

func (s *Shop) view(c *customer, it *item) (Event, bool) {
	return s.say(Event{Name: ProductViewed, Customer: c.id, SKU: it.sku, Price: it.price}, extras{})
}

// add puts units into the cart. What was bought and not yet told is left
// alone: whether it was wanted again would be anybody's guess.
func (s *Shop) add(c *customer, it *item) (Event, bool) {
	if it.units() == 0 || len(c.cart) >= 6 && line(c.cart, it.sku) == nil || line(c.coming, it.sku) != nil {
		return s.view(c, it)
	}
	n := int64(1)
	if s.dice.chance(15) {
		n = 2
	}
	cart := slices.Clone(c.cart)
	if l := line(cart, it.sku); l != nil {
		l.Quantity += n
		l.Price = it.price
	} else {
		if len(cart) == 0 {
			c.carts++
		}
		cart = append(cart, Line{SKU: it.sku, Quantity: n, Price: it.price})
	}
	c.cart = cart
	return s.say(Event{Name: ProductAdded, Customer: c.id, Cart: c.cartID(), Lines: []Line{{it.sku, n, it.price}}}, extras{})
}

func (s *Shop) request(c *customer, it *item) (Event, bool) {
	c.waiting = append(slices.Clone(c.waiting), it.n)
	return s.say(Event{Name: Requested, Customer: c.id, SKU: it.sku}, extras{})
}

// checkout starts, and a moment later it is paid, fails or is left.
func (s *Shop) checkout(c *customer) (Event, bool) {
	think := s.dice.between(50*time.Millisecond, min(3*time.Second, s.cfg.Timing.AbandonAfter/4))
	s.sleep(c, think)
	s.after(think, false, func() (Event, bool) {
		lines := c.cart
		if len(lines) == 0 { // an offer was bought in between
			return Event{}, false
		}
		switch p := s.dice.IntN(100); {
		case p < 8:
			s.leave(c)
			return Event{}, false
		case p < 13:
			s.leave(c)
			return s.say(Event{Name: CheckoutFailed, Customer: c.id, Cart: c.cartID(), Reason: reasonPayment, Lines: lines}, extras{})
		case p < 30: // only a part of it
			lines = slices.Clone(lines[:1+s.dice.IntN(len(lines))])
			if l := &lines[len(lines)-1]; l.Quantity > 1 {
				l.Quantity--
			}
		}
		return s.pay(c, c.cartID(), lines)
	})
	return s.say(Event{Name: CheckoutStarted, Customer: c.id, Cart: c.cartID(), Lines: c.cart}, extras{})
}

// pay buys lines, or fails for want of stock. An order is sometimes told late,
// with the time at which it was made.
func (s *Shop) pay(c *customer, cart string, lines []Line) (Event, bool) {
	if !s.sell(lines) {
		var lacking []Line
		for _, l := range lines {
			if s.items[s.bySKU[l.SKU]].units() < l.Quantity {
				lacking = append(lacking, l)
			}
		}
		it := &s.items[s.bySKU[lacking[0].SKU]]
		if s.dice.chance(60) && !c.waits(it.n) {
			s.after(s.dice.between(10*time.Millisecond, time.Second), false, func() (Event, bool) { return s.request(c, it) })
		}
		s.leave(c)
		return s.say(Event{Name: CheckoutFailed, Customer: c.id, Cart: cart, Reason: reasonOutOfStock, Lines: lacking}, extras{})
	}
	c.cart = without(c.cart, lines)
	for _, l := range lines {
		n := s.bySKU[l.SKU]
		c.waiting = slices.DeleteFunc(slices.Clone(c.waiting), func(w int) bool { return w == n })
	}
	e := Event{Name: OrderCompleted, Customer: c.id, Cart: cart, Order: s.orderID(), Lines: lines, Occurred: s.now()}
	told := func() (Event, bool) {
		c.order, c.bought, c.coming = e.Order, e.Lines, nil
		return s.say(e, extras{total: true})
	}
	if len(c.coming) == 0 && s.dice.chance(6) {
		c.coming = lines
		a := s.cfg.Timing.AbandonAfter
		s.after(s.dice.between(a/10, a*5/4), true, told)
		return Event{}, false
	}
	return told()
}

// cancel takes the last order back; its goods can be sold again.
func (s *Shop) cancel(c *customer) (Event, bool) {
	for _, l := range c.bought {
		s.putBack(&s.items[s.bySKU[l.SKU]], l.Quantity)
	}
	e := Event{Name: OrderCancelled, Customer: c.id, Order: c.order, Lines: c.bought}
	c.order, c.bought = "", nil
	return s.say(e, extras{})
}

// consent changes the customer's mind about e-mail or about ads.
func (s *Shop) consent(c *customer) (Event, bool) {
	k := Consent{Channel: channelEmail, Purpose: purposeMarketing}
	mind := &c.agrees
	if s.dice.chance(30) {
		k, mind = Consent{Channel: channelAds, Purpose: purposeAds}, &c.ads
	}
	*mind = !*mind
	k.Granted = *mind
	return s.say(Event{Name: ConsentChanged, Customer: c.id, Consents: []Consent{k}}, extras{})
}

// Offered tells the shop that a customer was told of a unit kept until the
// given time. What the customer does then depends on the seed and the offer's
// id alone: half of them buy within the hold, some decline, the others let it
// pass. Unknown customers and items are ignored.
func (s *Shop) Offered(customer, sku, offer string, until time.Time) {
	n, ok := s.byID[customer]
	i, has := s.bySKU[sku]
	if !ok || !has {
		return
	}
	c, it := &s.customers[n], &s.items[i]
	h := mixString(s.cfg.Seed, offer)
	hold := max(0, min(until.Sub(s.now()), s.cfg.Timing.Hold))
	wait := hold/20 + hold*time.Duration(h>>8%64)/100
	if h%100 >= 65 {
		return
	}
	s.after(wait, false, func() (Event, bool) {
		c.waiting = slices.DeleteFunc(slices.Clone(c.waiting), func(w int) bool { return w == i })
		if h%100 >= 50 {
			return s.say(Event{Name: OfferDeclined, Customer: c.id, Offer: offer, SKU: sku}, extras{})
		}
		if line(c.coming, sku) != nil {
			return Event{}, false
		}
		return s.pay(c, c.cartID()+"/offer", []Line{{SKU: sku, Quantity: 1, Price: it.price}})
	})
}
