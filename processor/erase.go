package processor

import "slices"

// To forget a customer. What is known goes, at once and on every id of the
// person; what others hold because of it is given back.
//
//	Customer Erased -> keeper: what waits ends, suppressed or retracted: erased
//	   |  every place in a queue and every unit goes to the next in line
//	   |  ads come down, open cases are closed; the removals stay until they
//	   |  are delivered, they are all that is left
//	   |  rewards stay valid for who holds the certificate, nobody's
//	   '--ForgetIdentity--> the other ids: forwards no more
//
// What stays is the id, when it was erased, and a counter that keeps decision
// ids apart. Nothing that happened before is taken any more, however late it
// arrives; what happens after is a new customer's, who permitted nothing. The
// units sold stay counted at their items, without a name. Records that were
// written before, of the log and of decisions, stay until they are trimmed.

// erase forgets the customer as of a time.
func (c *Customer) erase(m *Machine, at int64) {
	waits := c.awaits()
	for len(c.Occurrences) > 0 { // what follows one that ends is dated, and ends in its turn
		n := len(c.Occurrences) - 1
		value := c.Occurrences[n].Value
		c.finish(m, n, Erased)
		c.unwatch(m, value)
	}
	for c.Standing != nil && len(c.Standing.Shown) > 0 {
		c.takeDown(m, 0, Erased)
	}
	for i := range backwards(&c.Pending) {
		if c.leaves(i) {
			continue
		}
		p := &c.Pending[i]
		d, err := ParseDecision(p.Decision)
		if err != nil {
			c.Pending = slices.Delete(c.Pending, i, i+1)
			continue
		}
		if p.Waiting { // its answer will find nobody
			c.delivery(m, &d, p.Attempt, Unknown, string(Erased))
		}
		c.retract(m, i, &d, Erased)
	}
	c.takeOutAll(m, Erased)
	for i := range c.Interests {
		c.giveUp(m, &c.Interests[i])
		c.unwatch(m, c.Interests[i].SKU)
	}
	c.unlistWishes(m)
	for i := range c.Sales {
		if g := &c.Sales[i]; !g.Gone {
			m.saleHere(g.ID).Registered.remove(m, c.ID)
		}
	}
	c.unwatch(m, noItem)
	c.unmention(m)
	if c.After != nil {
		for i := range c.After.Rewards {
			w := &c.After.Rewards[i]
			m.send(w.ID, &Message{Type: RewardSaid, Ref: w.ID, Body: w.body()})
		}
	}
	next := &Identity{ErasedAt: at, Old: c.Ordered}
	if x := c.Identity; x != nil {
		next.Old.join(&x.Old) // what an erasure of before has not come to yet
		for i := range x.Links {
			if l := &x.Links[i]; l.State == linkJoined && !l.Undone {
				m.send(l.ID, &Message{Type: ForgetIdentity, Customer: l.ID, Ref: c.ID, At: at})
			}
		}
		if waits {
			// What is on its way here is erased when it has arrived.
			next.Erasing, next.SettleAt, next.Missing, next.Asked, next.Parts, next.Held = true, x.SettleAt, x.Missing, x.Asked, x.Parts, x.Held
			for _, l := range x.Links {
				if l.State == linkAsked {
					next.Links = append(next.Links, l)
				}
			}
		}
	}
	if c.sending() { // to who kept this id, and waits for the last part
		next.Forward, next.Own, next.Rest, next.Sent = c.Identity.Forward, true, c.Identity.Rest, c.Identity.Sent
	}
	c.leaveJourneys(m)
	c.Claims.forget(m, c.ID, at)
	c.leaveHousehold(m)
	*c = Customer{head: c.head, ID: c.ID, Last: c.Last, Count: c.Count, Pending: c.Pending, Identity: next}
	c.rearm(m)
}

// erasedBy forgets the customer because an event asks for it, once: a copy of it
// takes nothing from who came again since.
func (c *Customer) erasedBy(m *Machine, e *Event) {
	if e.MessageID != "" && c.duplicate(m, e) {
		return
	}
	c.Last = max(c.Last, e.Stamp)
	c.erase(m, min(e.At, m.shop.Now)) // who asked may have a clock that is ahead
	c.recent.floor = max(c.recent.floor, e.Stamp)
}

// leaves reports whether a pending action takes back what is held outside.
func (c *Customer) leaves(i int) bool {
	d, err := ParseDecision(c.Pending[i].Decision)
	return err == nil && (takesBack(d.Action.Kind))
}

// erased reports whether something happened before the customer was erased.
func (c *Customer) erased(at int64) bool { return c.Identity != nil && at <= c.Identity.ErasedAt }

// forgetOrders forgets the orders of long ago, so many in one step.
func (c *Customer) forgetOrders(m *Machine) {
	for n := 0; n < orderIDsPerPart && c.Identity.Old.Len() > 0; {
		n += c.Identity.Old.dropChunk(m)
	}
}

// forgotten is told that the person this id belongs to was erased. With Park
// only who is identified with the address it is made of may say so.
func (c *Customer) forgotten(m *Machine, msg *Message) {
	if c.forwards() && (!msg.Park || c.Identity.Forward == msg.Ref) {
		c.erase(m, msg.At)
	}
}

// unmention takes the customer's messages off the items they spoke of.
func (c *Customer) unmention(m *Machine) {
	for i := range c.Contacts {
		k := &c.Contacts[i]
		if m.shop.Now-k.At > graceMS {
			continue
		}
		for _, hash := range k.SKUs {
			wa, ok := m.load(WatchKind, hash).(*Watch)
			if !ok || len(wa.Mentions) == 0 {
				continue
			}
			m.touch(wa)
			wa.Mentions = slices.DeleteFunc(wa.Mentions, func(x Mention) bool { return x.Customer == c.ID })
		}
	}
}
