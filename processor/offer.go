package processor

// The customer's side of an offer: the item opens it, the customer's side asks
// the gate and either tells the customer, which begins the hold, or gives the
// unit back at once, so that the next in line gets it. Nobody holds a unit
// asleep.

// offered answers an offer of a unit.
func (c *Customer) offered(m *Machine, msg *Message) {
	in := c.interest(msg.SKU)
	name := ""
	if in != nil {
		name, _ = in.strongest(m.shop.Now)
	}
	mo := m.rules.offerMoment(name)
	if in == nil || name == "" || !in.Queued || in.Offer != 0 || mo == nil {
		m.send(msg.SKU, &Message{Type: ReturnOffer, SKU: msg.SKU, Customer: c.ID, Offer: msg.Offer})
		if in != nil && in.Offer == 0 {
			in.Queued, in.Parked = false, false
		}
		return
	}
	in.Parked = false
	i := c.occurrence(mo.Name, msg.SKU)
	if i < 0 {
		i = c.addOccurrence(m, mo.Name, msg.SKU)
		c.Occurrences[i].Cause = StockLevelReported
	}
	o := &c.Occurrences[i]
	o.State, o.Due, o.Offer, o.OfferAt, o.Place, o.At = windowState, 0, msg.Offer, msg.At, msg.Place, m.shop.Now
	in.Offer, in.OfferUntil = msg.Offer, m.shop.Now+msg.Until
	v, i := c.arbitrate(m, mo, i)
	if i < 0 {
		return
	}
	if v.stockAge < 0 && msg.At != 0 {
		v.stockAge = m.shop.Now - msg.At
	}
	c.decide(m, i, mo, v)
}

// holdFor returns how long a unit of an item is kept for who was told.
func (m *Machine) holdFor(sku string) int64 {
	return m.rules.stock(&Item{SKU: sku, Product: m.facts(sku).Product}).Hold.Milliseconds()
}

// acceptOffer begins the hold: the decision to tell the customer is made.
func (c *Customer) acceptOffer(m *Machine, o *Occurrence) {
	in := c.interest(o.Value)
	hold := m.holdFor(o.Value)
	in.OfferUntil = m.shop.Now + hold
	c.onePlace(m, in)
	m.send(o.Value, &Message{Type: AcceptOffer, SKU: o.Value, Customer: c.ID, Offer: o.Offer, Until: hold, At: m.shop.Now})
	if hold == 0 {
		c.closeOffer(in)
	}
}

// giveBack returns the unit of an open offer; park keeps the place.
func (c *Customer) giveBack(m *Machine, o *Occurrence, park bool) {
	if o.Offer == 0 {
		return
	}
	in := c.interest(o.Value)
	msg := Message{Type: ReturnOffer, SKU: o.Value, Customer: c.ID, Offer: o.Offer, Park: park}
	if in != nil && in.Offer == o.Offer {
		msg.Quantity, msg.Since, msg.Tier = in.Quantity, in.Since, int64(in.Tier)
		in.Offer, in.OfferUntil = 0, 0
		in.Parked = park
		in.Queued = park
		c.onePlace(m, in)
	}
	m.send(o.Value, &msg)
	o.Offer = 0
}

// offerEnded is told by the item that a hold ran out: the place is given up.
func (c *Customer) offerEnded(m *Machine, msg *Message) {
	in := c.interest(msg.SKU)
	if in == nil || in.Offer != msg.Offer {
		return
	}
	c.closeOffer(in)
	c.recheckPending(m, msg.SKU)
}

// closeOffer forgets the place and the interest that asked for it.
func (c *Customer) closeOffer(in *Interest) {
	in.Queued, in.Parked, in.Offer, in.OfferUntil = false, false, 0, 0
	wants := in.Wants[:0]
	for _, x := range in.Wants {
		if x.Name != "requested" {
			wants = append(wants, x)
		}
	}
	in.Wants = wants
}

// answerOffer applies the customer's own answer. A claim keeps the unit until
// it is bought or the hold ends; a decline hands it down at once.
func (c *Customer) answerOffer(m *Machine, e *Event) {
	if e.Kind != OfferDeclined {
		return
	}
	for i := range c.Interests {
		in := &c.Interests[i]
		if in.Offer == 0 || OfferID(in.SKU, in.Offer) != e.OfferID {
			continue
		}
		m.send(in.SKU, &Message{Type: ReturnOffer, SKU: in.SKU, Customer: c.ID, Offer: in.Offer})
		c.closeOffer(in)
		return
	}
}
