package processor

import "fmt"

// A forward passes on what still comes under its id, for good: events, offers,
// and what became of actions.

// passEvent passes an event on to the keeper; false when it is this id's own.
func (c *Customer) passEvent(m *Machine, e *Event) bool {
	if !c.forwards() {
		return false
	}
	if c.erased(e.At) {
		return true
	}
	if c.Identity.Device && e.UserID == c.ID {
		c.Identity.Own = true // what looked like a device is a user
		return false
	}
	if e.MessageID != "" && c.duplicate(m, e) {
		return true
	}
	c.Last = max(c.Last, e.Stamp)
	c.passEntry(m, AppendEvent([]byte{byte(EventEntry)}, e))
	return true
}

// passEntry passes an entry of the log on to the keeper.
func (c *Customer) passEntry(m *Machine, entry []byte) {
	c.passMessage(m, &Message{Type: PassOn, Customer: c.ID, Body: entry, From: m.hops})
}

// passAction passes on what is said of an action that is not this id's any
// more.
func (c *Customer) passAction(m *Machine, entry []byte) {
	if c.Identity != nil && c.Identity.Forward != "" {
		c.passEntry(m, entry)
	}
}

// passMessage passes a message on to the keeper.
func (c *Customer) passMessage(m *Machine, msg *Message) {
	next := *msg
	next.Customer = c.Identity.Forward
	if next.From++; next.From > maxHops {
		m.dead(linkWord, fmt.Sprintf("a message for %s passed through %d ids", next.Customer, maxHops), m.current)
		return
	}
	m.send(next.Customer, &next)
}

// relay passes a message on that is meant for the keeper; false when it is
// this id's own.
func (c *Customer) relay(m *Machine, msg *Message) bool {
	x := c.Identity
	if x == nil || x.Forward == "" {
		return false
	}
	own := false
	switch msg.Type {
	case LinkIdentity, DetachIdentity, ForgetIdentity, ClaimAddress:
		return false
	case OfferUnit, HeldElsewhere:
		in := c.interest(msg.SKU)
		own = in != nil && in.Queued
	case EndOffer, AnswerOffer:
		in := c.interest(msg.SKU)
		own = in != nil && in.Offer == msg.Offer
	case GiveCode:
		own = c.asksCode(msg) >= 0
	case RewardTold:
		own = c.reward(msg.Ref) != nil
	case StatePart:
		own = x.Own && (msg.Line == 0 || x.receives(msg.Ref)) // it comes from the end of a chain, under whatever id
	case LinkRefused:
		own = x.link(msg.Ref) != nil
	case TellAudience, TellHousehold:
		own = true // the keeper asks for itself
	case AnswerHousehold:
		own = c.asks(m, answeredID(msg)) >= 0
	case PassOn:
		own = x.Own
	}
	if !own {
		c.passMessage(m, msg)
	}
	return !own
}

// passedOn applies an entry that came by way of another id.
func (c *Customer) passedOn(m *Machine, msg *Message) {
	if len(msg.Body) == 0 {
		return
	}
	m.current, m.hops = msg.Body, msg.From
	defer func() { m.hops = 0 }()
	body := msg.Body[1:]
	switch EntryType(msg.Body[0]) {
	case EventEntry:
		if err := DecodeEvent(body, &m.event); err != nil {
			m.dead("malformed", err.Error(), msg.Body)
			return
		}
		c.event(m, &m.event)
	case OutcomeEntry:
		m.applyOutcome(body, msg.Body, c.ID)
	case ReleaseEntry:
		m.applyReleaseRequest(body, msg.Body, c.ID)
	}
}
