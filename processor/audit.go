package processor

import (
	"slices"
	"time"

	"onhand/processor/moments"
)

// audited puts out a correction when a send should not have been.
func (c *Customer) audited(m *Machine, o *Occurrence, d *Decision) {
	mo := m.rules.moment(o)
	if mo == nil || takesBack(d.Action.Kind) || isStep(d.Action.Kind) {
		return
	}
	if why := c.audit(m, mo, o, d.Action); why != "" {
		k := c.contact(d.ID)
		if k == nil {
			k = &Contact{ID: d.ID, Moment: d.Moment, Channel: d.Action.Channel}
		}
		c.correct(m, k, Wrong, why, 0)
	}
}

// audit looks at a send once more, after the gate and apart from it, and
// returns the word that should have stopped it, "" when nothing should. It
// reads the same state by other ways and asks less: only what can be said for
// certain. What it finds is a fault of this program, and counted as a wrong
// send.
func (c *Customer) audit(m *Machine, mo *moments.Moment, o *Occurrence, a *Action) Reason {
	if a.ExpiresAt != 0 && m.shop.Now > a.ExpiresAt {
		return ExpiredReason
	}
	for i := range a.Lines {
		if r := c.auditLine(m, mo, o, &a.Lines[i]); r != "" {
			return r
		}
	}
	if m.shop.Stopped {
		return Stopped
	}
	for _, tag := range m.shop.Tags {
		if slices.Contains(mo.Tags, tag) {
			return Stopped
		}
	}
	for _, purpose := range [...]string{m.rules.file.Policy.Consent(mo.Class, a.Channel), mo.Consent} {
		if purpose != "" && !c.agreed(purpose, a.Channel, o.Value) {
			return NoConsent
		}
	}
	if slices.Contains(c.Profile.Blocked, a.Channel) {
		return AddressBlocked
	}
	if a.Kind != kindMessage {
		return ""
	}
	if quiet := m.rules.file.Policy.Quiet(mo.Class, a.Channel); len(quiet) > 0 {
		loc := c.Profile.location(m.shop.Now)
		if loc == nil {
			return TimezoneUnknown
		}
		if t := time.UnixMilli(m.shop.Now).In(loc); quiet.Quiet(t.Weekday(), 60*t.Hour()+t.Minute()) {
			return QuietHours
		}
	}
	return ""
}

// auditLine asks whether an item may be spoken of.
func (c *Customer) auditLine(m *Machine, mo *moments.Moment, o *Occurrence, l *ActionLine) Reason {
	if mo.Per == "cart_id" && slices.Contains(mo.Lines, moments.LineUnbought) {
		for i := range c.Carts {
			// All that is in the cart was bought after the last of it was put in.
			if x := &c.Carts[i]; x.ID == o.Value && x.latest(m, l.SKU) >= 0 && c.auditBought(l.SKU, x.latest(m, l.SKU), true) >= x.units(m, l.SKU) {
				return Purchased
			}
		}
	}
	if silent := m.rules.file.Policy.SilenceAfterPurchase.Milliseconds(); silent > 0 && mo.Class.Name == "marketing" &&
		c.auditBought(l.SKU, m.shop.Now-silent, !slices.Contains(mo.Lines, moments.LineReplenishable)) > 0 {
		return RecentlyBought
	}
	if mo.Stock != moments.StockSellable {
		return ""
	}
	if in := c.interest(l.SKU); in != nil && len(in.Locations) > 0 {
		return "" // in a place of the customer's own choice
	}
	switch f, now := m.facts(l.SKU), m.shop.Now; {
	case f.Open != "" && !f.Ahead:
		return OutOfStock
	case now < f.OpensAt:
		return NotYetOnSale
	case f.ClosesAt != 0 && now >= f.ClosesAt:
		return SaleOver
	}
	return ""
}

// auditBought returns the units of an item bought after a time that stand and
// were not sent back; gifts says that those for somebody else count.
func (c *Customer) auditBought(sku string, at int64, gifts bool) (units int64) {
	for i := range c.Orders {
		for j := range c.Orders[i].Lines {
			if l := &c.Orders[i].Lines[j]; c.Orders[i].At > at && l.SKU == sku && (gifts || !l.Gift) {
				units += c.Orders[i].kept(l)
			}
		}
	}
	return units
}

// units returns the units of an item in the cart, under any of its numbers.
func (c *Cart) units(m *Machine, sku string) (units int64) {
	for i := range c.Lines {
		if m.calledNow(c.Lines[i].SKU) == sku {
			units += c.Lines[i].quantity(m.shop.Now - cartMemoryMS)
		}
	}
	return units
}

// latest returns when a unit of an item was last put in, -1 when none was.
func (c *Cart) latest(m *Machine, sku string) int64 {
	at := int64(-1)
	for i := range c.Lines {
		if m.calledNow(c.Lines[i].SKU) != sku {
			continue
		}
		for _, x := range c.Lines[i].Changes {
			if x.n > 0 {
				at = max(at, x.at)
			}
		}
	}
	return at
}

// agreed reports whether the newest word on a purpose is a grant that counts.
// A word on the channel goes before one on all; one that is granted and not
// confirmed leaves it to that. Of two at the same instant the refusal is the
// newer.
func (c *Customer) agreed(purpose, channel, scope string) bool {
	var newest [2]*Consent // on the channel, on all
	for i := range c.Profile.Consents {
		x := &c.Profile.Consents[i]
		n := &newest[0]
		if x.Channel == "" {
			n = &newest[1]
		} else if x.Channel != channel {
			continue
		}
		if x.Purpose == purpose && (x.Scope == "" || x.Scope == scope) && (*n == nil || x.At > (*n).At || x.At == (*n).At && !x.Granted) {
			*n = x
		}
	}
	for _, x := range newest {
		if x != nil && (x.Confirmed || !x.Granted) {
			return x.Granted
		}
	}
	return false
}
