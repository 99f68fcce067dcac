package processor

import (
	"onhand/processor/moments"
	"slices"
)

// Then: what is said after a message of a moment, if it is still true.
//
//	when --> first message --sent--> window --due--> gate --sent--> window ...
//
// Each entry of `then` is a moment of its own that inherits what it does not
// say itself, and its candidate an occurrence with the number of the first one.
// It ends with what the first message spoke of.

// followUps returns the moments that the entries of `then` stand for.
func followUps(mo *moments.Moment) []*moments.Moment {
	steps := make([]*moments.Moment, len(mo.Then))
	for i := range mo.Then {
		t := &mo.Then[i]
		step := *mo
		step.Due, step.Send, step.Channels, step.If, step.Expires, step.Score = t.Due, t.Send, t.Channels, t.If, t.Expires, t.Score
		step.Then = nil
		steps[i] = &step
	}
	return steps
}

// moment returns what the file that holds for it says of an occurrence, nil when it
// says nothing any more.
func (r *rules) moment(o *Occurrence) *moments.Moment {
	r = r.of(o.Rules)
	if o.Then == 0 {
		return r.file.Moment(o.Moment)
	}
	if steps := r.then[o.Moment]; int(o.Then) <= len(steps) {
		return steps[o.Then-1]
	}
	return nil
}

// follow begins the next message of an occurrence whose last one was decided.
// told says that it was sent: without it only what has a date of its own comes
// still.
func (c *Customer) follow(m *Machine, o *Occurrence, told bool) {
	steps := m.rules.of(o.Rules).then[o.Moment]
	for k := int(o.Then); k < len(steps); k++ {
		mo := steps[k]
		if !told && mo.Due.At.IsZero() {
			continue
		}
		if told {
			c.unfollow(m, o.Moment, o.Value, 0)
		}
		next := Occurrence{
			Moment: o.Moment, Value: o.Value, N: o.N, Then: uint8(k + 1), State: windowState,
			Cause: o.Cause, Position: o.Position, At: o.At, Offer: o.Offer, Told: o.Told, Rules: o.Rules,
		}
		x := o.more()
		x.Reserved = ""
		next.with(x)
		if mo.Due.At.IsZero() {
			next.Due = m.shop.Now + mo.Due.After.Milliseconds()
		} else if next.Due = c.date(m, mo, mo.Due.At, &next); next.Due == dateOver {
			continue
		}
		if len(c.Occurrences) >= maxOccurrences {
			c.dropOccurrence(m)
		}
		c.putOccurrence(next)
		c.soon(next.Due)
		return
	}
}

// unfollow ends what was to follow a message that was taken back, or that a
// newer one about the same replaces. n is the number of the occurrence, 0 = any.
func (c *Customer) unfollow(m *Machine, moment, value string, n int64) {
	if len(m.rules.then[moment]) == 0 && len(m.rules.kept) == 0 {
		return
	}
	for i := len(c.Occurrences) - 1; i >= 0; i-- {
		o := &c.Occurrences[i]
		if o.Then == 0 || o.Moment != moment || o.Value != value || n != 0 && o.N != n {
			continue
		}
		switch {
		case o.State == windowState:
			c.removeOccurrence(i)
		case n != 0:
			c.drop(m, i, Ended)
		default:
			c.drop(m, i, Superseded)
		}
	}
}

// drop ends an occurrence whose candidate has formed, and what would follow.
func (c *Customer) drop(m *Machine, i int, why Reason) {
	o := c.Occurrences[i]
	c.removeOccurrence(i)
	c.stop(m, &o)
	c.record(m, m.rules.moment(&o), &o, verdict{outcome: Suppressed, reason: why, stockAge: -1})
	if o.more().Reserved != "" {
		c.returnReserved(m, &o)
	}
}

// own reports whether a message was one of the same occurrence: what follows
// it is not said twice, but said further.
func (k *Contact) own(o *Occurrence) bool {
	return o.Then != 0 && k.N == o.N && k.Moment == o.Moment && k.Value == o.Value
}

// previous returns the message before the one an occurrence is about to send.
func (c *Customer) previous(o *Occurrence) *Contact {
	var last *Contact
	for i := range c.Contacts {
		if k := &c.Contacts[i]; k.own(o) && k.Then < o.Then && (last == nil || k.Then > last.Then) {
			last = k
		}
	}
	return last
}

// handedOver notes that a message reached its provider.
func (c *Customer) handedOver(id string) {
	if i := slices.IndexFunc(c.Contacts, func(k Contact) bool { return k.ID == id }); i >= 0 {
		c.Contacts[i].Delivered = true
	}
}

// heard notes what became of a message at its receiver. Systems that know no
// action id speak of the last message on their channel; what a machine opened
// nobody has read.
func (c *Customer) heard(m *Machine, e *Event) {
	if truth, _ := properties(e.Properties).get("machine").truth(); truth {
		return
	}
	i := slices.IndexFunc(c.Contacts, func(k Contact) bool { return k.ID == e.ActionID })
	if e.ActionID == "" {
		for j := range c.Contacts {
			if k := &c.Contacts[j]; k.Channel == e.Channel && (i < 0 || k.At >= c.Contacts[i].At) {
				i = j
			}
		}
	}
	if i < 0 {
		return
	}
	k := &c.Contacts[i]
	k.Delivered = true
	k.Opened = k.Opened || e.Kind != MessageDelivered
	k.Clicked = k.Clicked || e.Kind == MessageClicked
	c.recheckPending(m, "")
}
