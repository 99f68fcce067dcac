package processor

import (
	"math"
	"onhand/processor/moments"
	"slices"
)

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
	mo := c.offerMoment(m, name, msg.SKU)
	if in == nil || name == "" || !in.Queued || in.Offer != 0 || mo == nil {
		m.send(msg.SKU, &Message{Type: ReturnOffer, SKU: msg.SKU, Customer: c.ID, Offer: msg.Offer})
		if in != nil && in.Offer == 0 {
			in.Queued, in.Parked = false, false
		}
		if name == "" {
			c.asOneOf(m, msg.SKU)
		}
		return
	}
	in.Parked = false
	c.supersedeOffers(m, mo, msg.SKU)
	i := c.occurrence(mo.Name, msg.SKU)
	if i < 0 {
		i = c.addOccurrence(m, mo.Name, msg.SKU)
		c.Occurrences[i].Cause = StockLevelReported
	}
	o := &c.Occurrences[i]
	c.stop(m, o)
	inForce := m.under(o.Rules)
	defer func() { m.rules = inForce }()
	o.State, o.Due, o.Offer, o.At = windowState, 0, msg.Offer, m.shop.Now
	x := o.more()
	x.OfferAt, x.Place = msg.At, msg.Place
	o.with(x)
	in.Offer, in.OfferUntil, in.Claimed = msg.Offer, m.shop.Now+msg.Until, false
	in.liesIn(clone(msg.Ref))
	unknown := m.facts(msg.SKU).At == 0 // of a bundle nothing is known before all its parts have been heard of
	if unknown {
		m.watch(msg.SKU).stake(m, c.ID, true)
	}
	if in.Of != "" || unknown {
		o.Due = m.shop.Now + variantGraceMS
		c.soon(o.Due)
		return
	}
	c.decideUnit(m, mo, i)
}

// decideUnit decides on a unit that is offered.
func (c *Customer) decideUnit(m *Machine, mo *moments.Moment, i int) {
	if v, i := c.arbitrate(m, mo, i); i >= 0 {
		c.decide(m, i, mo, v)
	}
}

// offerKnown decides on a unit that waited for the first word of its item.
func (c *Customer) offerKnown(m *Machine, in *Interest) {
	if in.Offer == 0 || in.Of != "" || m.facts(in.SKU).At == 0 {
		return
	}
	i := slices.IndexFunc(c.Occurrences, func(o Occurrence) bool {
		return o.Value == in.SKU && o.Offer == in.Offer && o.State == windowState && o.Then == 0
	})
	if i < 0 {
		return
	}
	o := &c.Occurrences[i]
	o.Due = 0
	inForce := m.under(o.Rules)
	defer func() { m.rules = inForce }()
	c.unstake(m, in.SKU)
	if mo := m.rules.moment(o); mo != nil {
		c.decideUnit(m, mo, i)
	}
}

// offerMoment returns the moment that brings a unit of an item to a customer
// with an interest: one that waits for it goes by the rules it began under.
func (c *Customer) offerMoment(m *Machine, name, sku string) *moments.Moment {
	for _, k := range m.rules.kept {
		if mo := k.offerMoment(name); mo != nil {
			if i := c.occurrence(mo.Name, sku); i >= 0 && m.rules.of(c.Occurrences[i].Rules) == k {
				return mo
			}
		}
	}
	return m.rules.offerMoment(name)
}

// supersedeOffers ends what waits for a unit in the name of an interest that a
// stronger one has replaced meanwhile: the unit goes to that one's moment.
func (c *Customer) supersedeOffers(m *Machine, mo *moments.Moment, sku string) {
	for i := range backwards(&c.Occurrences) {
		o := &c.Occurrences[i]
		if o.Value != sku || o.Moment == mo.Name || o.Offer != 0 || o.Then != 0 || o.State != waitingState && o.State != deferredState {
			continue
		}
		if other := m.rules.moment(o); other != nil && other.Stock == moments.StockOffer {
			c.conclude(m, i, verdict{outcome: Suppressed, reason: Superseded, stockAge: -1})
		}
	}
}

// awaitUnit has a candidate that may be told now wait for a unit: back in line
// at the old rank, or at a new one when the place was given up. When none has come
// after a moment each is held for somebody earlier, and that is said. It ends with
// the wish at the latest.
func (c *Customer) awaitUnit(m *Machine, mo *moments.Moment, o *Occurrence, v verdict) {
	c.stop(m, o)
	in := c.interest(o.Value)
	if o.Due = in.ends(); o.State != waitingState {
		o.State, o.Due = waitingState, min(o.Due, m.shop.Now+unitGraceMS)
	} else if code := NoUnit.code(); o.Said != code {
		o.Said, v.until = code, o.Due
		c.record(m, mo, o, v.refuse(Deferred, NoUnit))
	}
	c.soon(o.Due)
	if in.Parked {
		c.rejoinOne(m, in)
	} else {
		c.queueUp(m, in)
	}
}

// unitGraceMS is how long a unit that is there may take to be offered.
const unitGraceMS = 1000

// holdFor returns how long a unit of an item is kept for who was told.
func (m *Machine) holdFor(sku string) int64 {
	return m.rules.stock(&Item{SKU: sku, Product: m.facts(sku).Product}).Hold.Milliseconds()
}

// offeredAt returns when the unit that is on offer was offered, or told of.
func (in *Interest) offeredAt(m *Machine) int64 {
	return min(in.OfferUntil-m.holdFor(in.SKU), m.shop.Now)
}

// toldFreely reports whether the customer was told of a unit without holding it:
// the place and the request are over by then, the message is not.
func (in *Interest) toldFreely(m *Machine, o *Occurrence) bool {
	return o.Offer != 0 && o.Offer <= in.Told && m.holdFor(o.Value) == 0
}

// acceptOffer begins the hold: the decision to tell the customer is made.
func (c *Customer) acceptOffer(m *Machine, o *Occurrence) {
	in := c.interest(o.Value)
	hold := m.holdFor(o.Value)
	in.OfferUntil, in.own().Told = m.shop.Now+hold, max(in.Told, o.Offer)
	m.send(o.Value, &Message{Type: AcceptOffer, SKU: o.Value, Customer: c.ID, Offer: o.Offer, Until: hold, At: m.shop.Now})
	c.toldOfVariant(m, in)
	if hold == 0 {
		c.closeOffer(m, in, math.MaxInt64)
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
		msg.Quantity, msg.Since, msg.Tier, msg.Body = in.Quantity, in.Since, int64(in.Tier), c.terms(m, in)
		in.Offer, in.OfferUntil = 0, 0
		in.Parked = park
		in.Queued, in.Apart = park, false
		in.Dear = park && in.Dear && c.barred(m, m.facts(o.Value), in) // for the next time, too, they ask for no unit of the web shop's
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
	c.closeOffer(m, in, math.MaxInt64)
	c.recheckPending(m, msg.SKU)
}

// closeOffer forgets the place and the request, said by a time, that asked for
// it; a wish that nobody had to ask for stays.
func (c *Customer) closeOffer(m *Machine, in *Interest, by int64) {
	in.Queued, in.Parked, in.Offer, in.OfferUntil, in.Claimed, in.GaveUp, in.Asked = false, false, 0, 0, false, true, false
	in.liesIn("")
	in.Wants = slices.DeleteFunc(in.Wants, func(x Want) bool {
		if !m.rules.requested(x) {
			return false
		}
		in.Asked = in.Asked || x.Said > by
		return x.Said <= by
	})
}

// answerOffer applies the customer's own answer. A claim keeps the unit until
// it is bought or the hold ends; a decline hands it down at once. A message that
// is answered late, when its unit is gone, says no all the same to what was
// wanted then.
func (c *Customer) answerOffer(m *Machine, e *Event) {
	sku, n, ok := parseOfferID(e.OfferID)
	if !ok {
		return
	}
	switch in := c.interest(sku); {
	case in == nil || n <= 0:
	case in.Offer == n:
		c.answer(m, in, e.Kind == OfferClaimed, e.At)
	case e.Kind == OfferDeclined && n <= in.Told: // not somebody else's
		c.endInterest(m, sku, e.At, Declined)
	}
}

// answer applies an answer to the offer that is open. No is said to what was
// wanted then, and not before the customer was told, whatever clock says so: what
// was asked for since is another wish, in a new place.
func (c *Customer) answer(m *Machine, in *Interest, claimed bool, at int64) {
	if in.Claimed = claimed; claimed {
		return
	}
	sku := in.SKU
	if in.OfferUntil != 0 {
		at = max(at, in.offeredAt(m))
	}
	m.send(sku, &Message{Type: ReturnOffer, SKU: sku, Customer: c.ID, Offer: in.Offer})
	c.closeOffer(m, in, at)
	c.endInterest(m, sku, at, Declined)
	if in = c.interest(sku); in != nil && in.live() && in.Since > at {
		in.GaveUp, in.own().Began = false, 0
		c.queueAnew(m, sku)
	}
}

// answered takes the answer that the shop gave for the customer.
func (c *Customer) answered(m *Machine, msg *Message) {
	if in := c.interest(msg.SKU); in != nil && in.Offer == msg.Offer {
		c.answer(m, in, msg.Park, msg.At)
		c.holdItem(m, msg.SKU)
		c.recheckPending(m, msg.SKU)
	}
}

// answer passes on what a shop says of an offer without naming the customer.
func (q *Queue) answer(m *Machine, sku string, e *Event) {
	_, n, ok := parseOfferID(e.OfferID)
	if !ok {
		return
	}
	if v, ok := q.Offers.get(m, offerKey(n)); ok && !parseOffer(v).ofBundle() {
		customer := parseOffer(v).key[9:]
		m.send(customer, &Message{Type: AnswerOffer, SKU: sku, Customer: customer, Offer: n, Park: e.Kind == OfferClaimed, At: e.At})
	}
}
