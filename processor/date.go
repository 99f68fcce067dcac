package processor

import "onhand/processor/moments"

// What a date may be besides a time in Unix ms.
const (
	dateUnknown = 0  // nobody has said it yet: what is due then waits
	dateOver    = -1 // what it belongs to has ended
)

// date returns when a moving date is for an occurrence: dateUnknown, dateOver,
// or Unix ms.
func (c *Customer) date(m *Machine, d moments.Date, o *Occurrence) int64 {
	at := int64(dateOver)
	switch d.Name {
	case moments.OfferEnds:
		if in := c.interest(o.Value); in != nil && o.Offer != 0 && in.Offer == o.Offer {
			at = in.OfferUntil
		}
	}
	if at <= 0 {
		return at
	}
	return max(at+d.Offset.Milliseconds(), 1)
}

// dated brings the due time of an occurrence up to date with what its date has
// moved to. It reports whether its time has come; when it has not, the
// occurrence waits on, or has ended with what it was about.
func (c *Customer) dated(m *Machine, i int, mo *moments.Moment) bool {
	o := &c.Occurrences[i]
	if !mo.Due.At.IsZero() {
		switch at := c.date(m, mo.Due.At, o); {
		case at == dateOver:
			c.over(m, i, mo)
			return false
		case at == dateUnknown && o.State == windowState, at > m.shop.Now:
			o.Due = at
			c.soon(at)
			return false
		}
	}
	if at := mo.Expires.At; !at.IsZero() && (o.Then != 0 || at.Name != moments.OfferEnds) {
		o.Expires = max(0, c.date(m, at, o))
	}
	return true
}

// over ends an occurrence that was about something which has ended.
func (c *Customer) over(m *Machine, i int, mo *moments.Moment) {
	if c.Occurrences[i].State == windowState {
		c.removeOccurrence(i) // no candidate has formed
		return
	}
	v := verdict{outcome: Suppressed, reason: Ended, stockAge: -1}
	if mo.Due.At.Name == moments.OfferEnds {
		v.outcome, v.reason = Expired, OfferEnded
	}
	o := c.Occurrences[i]
	c.removeOccurrence(i)
	c.record(m, mo, &o, v)
}
