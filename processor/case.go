package processor

import "onhand/processor/moments"

// A case asks people to act: `do: case`. It is opened at once and stays open,
// as one occurrence, until what ends its moment comes or it expires. Meanwhile
// its conversation starts no second one, and marketing to the person pauses
// (standing.go). What `then` adds are warnings about the same case.

// kindCaseClose takes a case back that was opened.
const kindCaseClose = "case_close"

// open keeps a case open after it was asked for.
func (c *Customer) open(m *Machine, o *Occurrence) {
	held := *o
	held.State, held.In, held.Due = openState, true, o.Expires
	if len(c.Occurrences) >= maxOccurrences {
		c.dropOccurrence(m)
	}
	c.putOccurrence(held)
	c.soon(held.Due)
	if o.Told != nil && c.openCase(m, o.Value, o.Told.At) {
		c.recheckPending(m, "")
		c.recase = true
	}
}

// finish ends an occurrence, however far it has come: before its window ended
// there is nothing to decide, a candidate is suppressed, and what is held is
// taken back.
func (c *Customer) finish(m *Machine, i int, why Reason) {
	switch o := &c.Occurrences[i]; o.State {
	case windowState:
		if o.Then == 0 {
			c.giveBack(m, o, parks(why)) // it waited for the unit of another variant
		}
		m.windowEnded(o.Moment)
		held := *o
		c.removeOccurrence(i)
		c.disown(m, &held)
	case audienceState:
		c.leaveAudience(m, i, why)
	case openState:
		held := *o
		c.removeOccurrence(i)
		c.unfollow(m, held.Moment, held.Value, held.N)
		c.withdraw(m, m.rules.moment(&held), &held, why)
		if held.Told != nil && c.closeCase(m, held.Value, held.Told.At) {
			c.resume(m)
			c.recase = true
		}
	default:
		c.conclude(m, i, verdict{outcome: Suppressed, reason: why, stockAge: -1})
	}
}

// resume has what waited for the end of a case gated again.
func (c *Customer) resume(m *Machine) {
	for i := range c.Occurrences {
		if o := &c.Occurrences[i]; o.State == deferredState && o.Said == CaseOpen.code() {
			o.Due = m.shop.Now
			c.soon(o.Due)
		}
	}
}

// casesChanged holds all audiences again when a case was opened or closed in
// this step.
func (c *Customer) casesChanged(m *Machine) {
	if !c.recase {
		return
	}
	c.recase = false
	for i := range backwards(&c.Occurrences) {
		if c.Occurrences[i].State == audienceState {
			c.hold(m, i) // at most this one goes
		}
	}
}

// caseData returns what a case says of its conversation.
func (c *Customer) caseData(m *Machine, mo *moments.Moment, o *Occurrence) []Datum {
	data := []Datum{{"conversation_id", o.Value, 0}}
	if o.Told != nil && o.Told.Channel != "" {
		data = append(data, Datum{"channel", o.Told.Channel, 0})
	}
	if due := c.dateOf(m, mo, moments.CaseDue, o); due > 0 {
		data = append(data, Datum{"due_at", "", due})
	}
	return data
}
