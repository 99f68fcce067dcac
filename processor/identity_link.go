package processor

import (
	"fmt"
	"slices"
)

// The making of links: who asks for whom, who gives in, and what goes on when
// all that was asked for is here.

// identityEvent looks at what an event says of who is who.
func (c *Customer) identityEvent(m *Machine, e *Event) {
	switch e.Kind {
	case Alias:
		c.ask(m, e.PreviousID, false)
	case IdentityUnlinked:
		c.unlink(m, e.PreviousID)
		return
	}
	if e.UserID != "" && e.AnonymousID != "" && e.AnonymousID != c.ID {
		c.ask(m, e.AnonymousID, true)
	}
}

// ask asks for what another id of the same person has.
func (c *Customer) ask(m *Machine, id string, device bool) {
	if id == c.ID {
		m.dead(linkWord, fmt.Sprintf("%s is itself, or keeps %s already: a circle", id, id), m.current)
		return
	}
	x := c.identity()
	l := x.link(id)
	if l != nil && (device || l.State != linkRefused && !l.Undone) {
		return
	}
	if l == nil {
		if !x.addLink(Link{ID: clone(id)}) {
			m.dead(linkWord, fmt.Sprintf("%s has %d ids, no more are kept", c.ID, maxLinks), m.current)
			return
		}
		l = &x.Links[len(x.Links)-1]
	}
	l.State, l.Device, l.Undone = linkAsked, device, false
	c.askFor(m, l)
}

// askFor asks for what an id has. Who still sends what it had itself asks behind
// that: it may come back with the answer.
func (c *Customer) askFor(m *Machine, l *Link) {
	if c.sending() {
		return
	}
	m.send(l.ID, &Message{Type: LinkIdentity, Customer: l.ID, Ref: c.ID, SKU: l.ID, Park: l.Device})
}

// unlink undoes a link for what comes after. What was taken over stays here:
// nobody can tell it apart any more.
func (c *Customer) unlink(m *Machine, id string) {
	l := c.Identity.link(id)
	if l == nil || l.State == linkRefused {
		m.dead(linkWord, fmt.Sprintf("%s is not linked to %s", id, c.ID), m.current)
		return
	}
	if l.Undone {
		return
	}
	l.Undone = true
	c.Claims.doubt()
	m.send(l.ID, &Message{Type: DetachIdentity, Customer: l.ID, Ref: c.ID})
	c.regateAll(m)
}

// asked answers another id that asks for this one: yes, by becoming its
// forward, no, or later.
func (c *Customer) asked(m *Machine, msg *Message) {
	device, by := msg.Park, msg.Ref
	refuse := func(why int64) {
		m.send(by, &Message{Type: LinkRefused, Customer: by, Ref: msg.SKU, Place: why})
	}
	if c.forwards() {
		if msg.From >= maxHops {
			refuse(refusedFar) // or who asks would wait for ever
			return
		}
		next := *msg
		if c.Identity.Device || !c.Known {
			next.Tier = devicePassed
		}
		c.passMessage(m, &next)
		return
	}
	switch l := c.Identity.link(by); {
	case by == c.ID, l != nil && l.State == linkJoined && !l.Undone:
		// The one that asks is this one, or kept by it: so is what it asks for.
		if msg.SKU == c.ID {
			m.dead(linkWord, fmt.Sprintf("%s keeps %s already: a circle", c.ID, by), m.current)
		} else {
			c.joined(m, msg.SKU)
		}
		if by != c.ID {
			refuse(refusedOther) // a forward passes it on to this one; who stands for itself again waits for it
		}
	case device && c.ID != msg.SKU, !device && msg.Tier == devicePassed:
		// A second user on a device of somebody else's.
		m.send(msg.SKU, &Message{Type: DetachIdentity, Customer: msg.SKU, Ref: c.ID, Park: true})
		refuse(refusedOther)
	case device && (c.Known || c.Identity != nil && c.Identity.Shared || l != nil && l.Undone):
		refuse(refusedOther)
	case c.sending(), c.awaits() && by > c.ID:
		if !c.answerLater(msg) {
			refuse(refusedMany)
		}
	default:
		c.joinTo(m, by, device)
		switch {
		case msg.SKU == c.ID:
		case c.sending():
			c.answerLater(msg)
		default:
			c.asked(m, msg) // comes back to who asked, behind the state: so is what it asks for
		}
	}
}

// answerLater keeps a request until what is under way has come to its end; false
// when too many wait.
func (c *Customer) answerLater(msg *Message) bool {
	x := c.identity()
	if len(x.Asked) >= maxQuestions {
		return false
	}
	later := *msg
	later.SKU, later.Customer, later.Ref = clone(msg.SKU), clone(msg.Customer), clone(msg.Ref)
	x.Asked = append(x.Asked, later)
	return true
}

// refused is told that another id will not be this one's.
func (c *Customer) refused(m *Machine, msg *Message) {
	l := c.Identity.link(msg.Ref)
	if l == nil || l.State != linkAsked {
		return
	}
	l.State = linkRefused
	if !l.Device {
		why := "it belongs to somebody else"
		switch msg.Place {
		case refusedMany:
			why = fmt.Sprintf("%d others have asked for it", maxQuestions)
		case refusedFar:
			why = fmt.Sprintf("it was joined to others more than %d times", maxHops)
		}
		m.dead(linkWord, fmt.Sprintf("%s cannot be joined to %s: %s", l.ID, c.ID, why), m.current)
	}
	c.settleSoon(m)
}

// joined notes that another id is this one's now.
func (c *Customer) joined(m *Machine, id string) {
	x := c.identity()
	if l := x.link(id); l != nil {
		l.State = linkJoined
	} else if id != c.ID {
		x.addLink(Link{ID: clone(id), State: linkJoined})
	}
	c.settleSoon(m)
}

// settleSoon goes on with what waited, a moment later: the facts of items that
// are new here need a moment to arrive.
func (c *Customer) settleSoon(m *Machine) {
	if x := c.Identity; !x.asking() {
		x.SettleAt = m.shop.Now + 1
		c.soon(x.SettleAt)
	}
}

// settle goes on with what waited for other ids, when all of it is here.
func (c *Customer) settle(m *Machine) {
	x := c.Identity
	if x.asking() {
		x.SettleAt = 0 // the last answer looks again
		return
	}
	x.Missing = slices.DeleteFunc(x.Missing, func(sku string) bool { return m.watch(sku).Facts.At != 0 })
	if len(x.Missing) > 0 {
		x.SettleAt = m.shop.Now + linkRetryMS
		return
	}
	x.SettleAt, x.Missing = 0, nil
	if x.Erasing {
		held, asked := x.Held, x.Asked
		x.Held, x.Asked = nil, nil
		c.erase(m, x.ErasedAt)
		c.takeHeld(m, held)
		for i := range asked {
			c.asked(m, &asked[i])
		}
		return
	}
	for _, d := range x.Dropped {
		if o := c.order(d.Order); o != nil {
			c.unended(m, o, d.SKU)
		}
	}
	x.Dropped = nil
	c.regateAll(m)
	c.queueBlocked(m)
	held := x.Held
	x.Held = nil
	c.takeHeld(m, held)
	c.answerAsked(m)
}

// holdOffer keeps an offer until it can be answered; its item waits for that.
func (c *Customer) holdOffer(msg *Message) {
	own := *msg
	own.SKU, own.Customer, own.Ref = clone(msg.SKU), clone(msg.Customer), clone(msg.Ref)
	c.Identity.Held = append(c.Identity.Held, own)
}

// dueIdentity returns when the identity has something to do, 0 when it has not.
func (c *Customer) dueIdentity(now int64) int64 {
	x := c.Identity
	if len(x.Rest) > 0 || x.Old.Len() > 0 {
		return now + 1
	}
	return x.SettleAt
}

// fireIdentity does what is due.
func (c *Customer) fireIdentity(m *Machine) {
	if c.sending() {
		c.sendState(m)
	}
	c.forgetOrders(m)
	if at := c.Identity.SettleAt; at != 0 && at <= m.shop.Now {
		c.settle(m)
	}
}

// answerAsked answers the requests that had to wait.
func (c *Customer) answerAsked(m *Machine) {
	asked := c.Identity.Asked
	c.Identity.Asked = nil
	for i := range asked {
		c.asked(m, &asked[i])
	}
}

// detach is told that what comes from now on is this id's own.
func (c *Customer) detach(msg *Message) {
	x := c.identity()
	if msg.Tier == ifKept && x.Forward != msg.Ref {
		return
	}
	x.Own = x.Forward != ""
	x.Shared = x.Shared || msg.Park
	c.Claims.doubt()
}

// regateAll looks again at everything that is open: who is asked has changed.
func (c *Customer) regateAll(m *Machine) {
	c.redate(m)
	for i := len(c.Occurrences) - 1; i >= 0; i-- {
		switch o := &c.Occurrences[i]; o.State {
		case audienceState:
			c.hold(m, i) // at most this one goes
		case deferredState, waitingState:
			o.Due = m.shop.Now
			c.soon(o.Due)
		}
	}
	c.recheckPending(m, "")
	c.rejoin(m)
}
