package processor

import "onhand/processor/moments"

// When the time of an occurrence has come it is decided: the gate is asked, and
// what it says becomes a decision on record, an action, or a later time.

// occur looks at an occurrence whose time has come.
func (c *Customer) occur(m *Machine, i int) {
	o := &c.Occurrences[i]
	inForce := m.under(o.Rules)
	defer func() { m.rules = inForce }()
	mo := m.rules.moment(o)
	if mo == nil || mo.Mode == moments.Off {
		if o.State == windowState {
			o.State = deferredState // its time has come: it is said that nothing is
		}
		c.finish(m, i, SwitchedOff)
		return
	}
	switch o.State {
	case audienceState:
		c.hold(m, i)
		return
	case openState:
		c.finish(m, i, ExpiredReason)
		return
	}
	if !c.dated(m, i, mo) {
		return
	}
	if o.Expires == 0 && mo.Expires.At.IsZero() {
		o.Expires = o.Due + mo.Expires.After.Milliseconds()
	}
	if c.heldBack(mo) {
		o.Due = m.shop.Now + linkRetryMS
		c.soon(o.Due)
		return
	}
	for range maxAhead {
		j := c.better(m, i)
		if j < 0 {
			break
		}
		own := c.Occurrences[i]
		if c.occur(m, j); c.place(&own) < 0 {
			return // that one was told
		}
		i = c.place(&own)
	}
	v, i := c.arbitrate(m, mo, i)
	if i < 0 {
		return
	}
	if o = &c.Occurrences[i]; v.outcome == Sent && mo.Stock == moments.StockOffer && o.Offer == 0 {
		c.awaitUnit(m, mo, o, v)
		return
	}
	c.decide(m, i, mo, v)
}

// decide carries out the gate's verdict on a candidate.
func (c *Customer) decide(m *Machine, i int, mo *moments.Moment, v verdict) {
	o := &c.Occurrences[i]
	if v.behind {
		o.Due = m.shop.Now + linkRetryMS
		c.soon(o.Due)
		return
	}
	if v.outcome == Sent && c.Member != nil {
		wait := false
		if v, wait = c.askHousehold(m, mo, o, v); wait {
			return
		}
	}
	if v.outcome == Sent && counted(mo) && !o.Coded {
		switch {
		case m.spent != "" && m.spent == m.decisionID(c, o, v):
			v = v.refuse(Suppressed, BudgetSpent)
		case c.othersDue(m, o, mo):
			o.Due = m.shop.Now + 1 // when they are decided
			c.soon(o.Due)
			return
		default:
			c.askCode(m, o, mo)
			return
		}
	}
	switch v.outcome {
	case Deferred:
		if o.Expires != 0 && m.shop.Now > o.Expires {
			c.conclude(m, i, v.refuse(Expired, ExpiredReason))
			return
		}
		c.listen(m, o, &v)
		o.State, o.Due = deferredState, v.until
		c.soon(v.until)
		if o.Due == 0 && o.Expires != 0 {
			o.Due = o.Expires + 1 // unless what is missing arrives first
			c.soon(o.Due)
		}
		if code := v.reason.code(); o.Said != code {
			o.Said = code
			c.record(m, mo, o, v)
		}
		if o.Coded {
			c.returnCode(m, o.Moment, o.Rules)
			o.Coded = false
		}
		if o.more().Reserved != "" {
			c.returnReserved(m, o)
		}
		if o.Then == 0 {
			c.giveBack(m, o, true)
		}
	default:
		c.conclude(m, i, v)
	}
}

// conclude records the final outcome of a candidate and forgets the
// occurrence.
func (c *Customer) conclude(m *Machine, i int, v verdict) {
	o := c.Occurrences[i]
	c.removeOccurrence(i)
	c.stop(m, &o)
	c.disown(m, &o)
	mo := m.rules.moment(&o)
	if v.outcome != Sent {
		c.record(m, mo, &o, v)
		if o.Coded {
			c.returnCode(m, o.Moment, o.Rules)
		}
		if o.more().Reserved != "" {
			c.returnReserved(m, &o)
		}
		if o.Then != 0 {
			if v.reason.Step() != StepWanted {
				c.follow(m, &o, false)
			}
			return // the unit is held, whatever more is said of it
		}
		if in := c.interest(o.Value); o.Offer == 0 && mo != nil && mo.Stock == moments.StockOffer && in != nil && in.Parked && !m.facts(o.Value).Sellable {
			c.rejoinOne(m, in) // asleep until it was gone: next time at the old place
		}
		c.giveBack(m, &o, parks(v.reason))
		if in := c.interest(o.Value); in != nil && in.Parked && v.reason.Step() == StepAvailable {
			in.Dear = v.reason == PriceAboveLimit || v.reason == NotOfferedHere
			in.Apart = !in.Dear && m.facts(o.Value).Product.Parts != ""
			if in.Dear || in.Apart {
				c.stake(m, &o, true) // the item's facts bring it back
			}
			if c.fetchesOnly(m, in) {
				c.affords(m, in) // a store may have it now
			}
		}
		return
	}
	d := c.record(m, mo, &o, v)
	if o.Offer != 0 && o.Then == 0 {
		c.acceptOffer(m, &o)
	}
	c.told(m, d, &o)
	c.follow(m, &o, true)
	if mo.Do == moments.DoCase && o.Then == 0 {
		c.open(m, &o)
	}
}

// decideAtOnce decides what began since m.atOnce was emptied and needs no
// window.
func (c *Customer) decideAtOnce(m *Machine) {
	for _, n := range m.atOnce {
		if i := c.place(&Occurrence{N: n}); i >= 0 && c.Occurrences[i].State == windowState {
			c.occur(m, i)
		}
	}
}

// parks reports whether a customer who was refused for a reason keeps the
// place in the queue: what is missing may still come.
func parks(r Reason) bool {
	switch r.Step() {
	case StepPermitted, StepTimely:
		return r != Erased
	}
	return r == OutOfStock || r == NotOfferedHere || r == TooFew || r == PriceAboveLimit || r == StockStale || r == PriceStale || r == Combined || r == LostArbitration || r == BetterIsComing
}
