package whole

import (
	"fmt"
	"maps"
	"slices"

	"onhand/processor"
)

const retarget = "retarget_ads"

// platform: somebody looked at what the ad platform holds, where a person or the
// platform itself may have changed it, or says that what we want is to be sent
// again. Mostly it is of what somebody wanted once.
func (d *drawer) platform() {
	if d.ads.IntN(8) > 0 {
		return
	}
	c, sku := fmt.Sprint("c", d.ads.IntN(customers)), fmt.Sprint("s", d.ads.IntN(items))
	if x := &d.events[d.ads.IntN(len(d.events))]; d.ads.IntN(4) > 0 && x.Kind == processor.ProductAdded && x.UserID != "" {
		c, sku = x.UserID, x.SKU
	}
	if n := len(d.reported); n > 0 && d.ads.IntN(2) == 0 { // again of the same
		x := d.reported[max(n-1-d.ads.IntN(3), 0)]
		c, sku = x.UserID, x.SKU
		e := processor.Event{Kind: processor.ProductRemoved, UserID: c, SKU: sku, CartID: "cart-" + c}
		switch d.ads.IntN(4) { // it is not wanted any more, or is again
		case 0:
			d.say(e)
			return
		case 1:
			e.Kind, e.Quantity, e.HasQty, e.Price, e.HasPrice = processor.ProductAdded, 1, true, 1999, true
			d.say(e)
			return
		}
	}
	status := []string{"in", "in", "out", "out", "out", "rejected", ""}[d.ads.IntN(7)]
	e := processor.Event{Kind: processor.AudienceResumed, UserID: c, SKU: sku, Properties: []byte(`{"audience":"` + retarget + `"}`)}
	if status != "" {
		e.Kind, e.Status, e.Properties = processor.AudienceReported, status, fmt.Appendf(nil, `{"audience":%q,"status":%q}`, retarget, status)
		if d.ads.IntN(4) == 0 { // a list that was drawn up before
			e.UpdatedAt = d.now - d.ads.Int64N(3*day)
		}
	}
	d.reported = append(d.reported, *d.say(e))
}

// drift is what was noted of an audience: that something else stands on the
// platform than was asked for.
type drift struct {
	after    int // so many events
	customer string
}

// member is what the platform was told and was said to hold of a customer and an
// item.
type member struct {
	customer, sku string
	in            bool  // by our latest word
	told          int64 // when that was
	heard         int64 // of when the newest report is, 0 = there is none
	held          bool  // by that
	alone         bool  // it is not what is wanted, and is left so
}

// oldReport is how old a report may be that still says something.
const oldReport = 48 * hour

// drifts: what was changed on the platform by hand is noted once and left alone
// until something else is wanted or it is to be sent again; but who does not permit
// it comes out at once. Where things fail it is not known when the platform took
// what, see unfought.
func (o *oracle) drifts(noted []drift) {
	members := map[string]*member{}
	of := func(customer, sku string) *member {
		k := customer + " " + sku
		if members[k] == nil {
			members[k] = &member{customer: customer, sku: sku}
		}
		return members[k]
	}
	rest := o.told
	for i, e := range o.events {
		for ; len(rest) > 0 && len(rest[0].Known) <= i; rest = rest[1:] {
			if d := &rest[0]; d.Moment == retarget && !ofStep(d) {
				o.says(of(d.Customer, d.Cause.Value), d)
			}
		}
		o.goBy(o.events[:i+1])
		notes := 0
		switch e.Kind {
		case processor.AudienceReported:
			if m := of(e.UserID, e.SKU); m.hears(e) {
				notes = o.compared(m, e, rest)
			}
		case processor.AudienceResumed:
			o.sentAgain(of(e.UserID, e.SKU), e, rest)
		case processor.ConsentChanged, processor.CustomerErased:
			for _, k := range sorted(members) {
				if m := members[k]; m.alone && m.held && !o.adsPermitted(m.customer) {
					o.comesOut(m, e, rest)
				}
			}
		}
		for _, x := range noted {
			if x.after == i+1 {
				notes--
			}
		}
		if notes != 0 {
			o.faults = append(o.faults, fmt.Sprintf("%s of %s %s at %s: %+d notes of drift", e.Kind, e.UserID, e.SKU, clock(e.At), -notes))
		}
		if e.Kind == processor.CustomerErased {
			maps.DeleteFunc(members, func(_ string, m *member) bool { return m.customer == e.Customer() })
		}
	}
}

// says takes our word on a membership.
func (o *oracle) says(m *member, d *Told) {
	out := m.alone && !m.held
	switch {
	case d.Outcome == processor.Sent && out:
		o.fault(d, "%s was taken out of it there, as of %s, and it was not to be sent again", m.customer, clock(m.heard))
	case d.Reason == processor.Drifted && !out:
		o.fault(d, "nothing was changed there")
	}
	if d.Outcome == processor.Sent || d.Outcome == processor.Retracted {
		m.in, m.told, m.alone = d.Outcome == processor.Sent, d.At, false
	}
}

// hears takes a report, and reports whether it is the newest one and of what is
// there since our latest word.
func (m *member) hears(e *processor.Event) bool {
	at := e.At
	if e.UpdatedAt != 0 {
		at = e.UpdatedAt
	}
	if e.At-at > oldReport || at <= m.heard {
		return false
	}
	held := e.Status == "in"
	m.alone = m.alone && m.held == held
	m.heard, m.held = at, held
	return at > m.told
}

// compared returns how often drift is to be noted of a report.
func (o *oracle) compared(m *member, e *processor.Event, after []Told) int {
	switch {
	case m.in == m.held:
		m.alone = false
	case m.held && !o.adsPermitted(m.customer):
		o.comesOut(m, e, after)
	case m.held && o.joins(e) && m.follows(e, processor.Sent, after):
		m.alone = false // two are becoming one, and it is what they want together
	case !m.alone:
		m.alone = true
		return 1
	}
	return 0
}

// joins reports whether the customer of a report became one with another id just
// before it.
func (o *oracle) joins(e *processor.Event) bool {
	return slices.ContainsFunc(o.known, func(x *processor.Event) bool {
		return x.At > e.At-AtOnce && x.At <= e.At && x.UserID == e.UserID && (x.AnonymousID != "" || x.PreviousID != "")
	})
}

// sentAgain: what was left alone is put as it is wanted when the shop says so.
func (o *oracle) sentAgain(m *member, e *processor.Event, after []Told) {
	switch {
	case !m.alone:
	case m.held:
		o.comesOut(m, e, after)
	case o.rules.Minimum == 0 && len(o.rules.Steps) == 0 && !m.follows(e, processor.Sent, after):
		o.faults = append(o.faults, fmt.Sprintf("%s was to be put into the audience of %s again at %s", m.customer, m.sku, clock(e.At)))
	}
	m.alone = false
}

// comesOut: who must not be in an audience comes out of it at once.
func (o *oracle) comesOut(m *member, e *processor.Event, after []Told) {
	m.alone = false
	if !m.follows(e, processor.Retracted, after) {
		o.faults = append(o.faults, fmt.Sprintf("%s of %s at %s: %s stayed in the audience of %s", e.Kind, e.Customer(), clock(e.At), m.customer, m.sku))
	}
}

// follows reports whether something was said of a membership upon an event.
func (m *member) follows(e *processor.Event, outcome processor.Outcome, after []Told) bool {
	return slices.ContainsFunc(after, func(d Told) bool {
		return d.Moment == retarget && d.Outcome == outcome && d.Customer == m.customer && d.Cause.Value == m.sku && d.At <= e.At+AtOnce
	})
}

// adsPermitted reports whether a customer permits to be advertised to, as far as
// is known.
func (o *oracle) adsPermitted(customer string) bool {
	d := Told{}
	d.Customer = customer
	granted, _ := o.granted(&d, "ads", "ads")
	return granted
}

// saidToBeIn reports whether a decision takes somebody out of an audience whom
// the platform was said to have there, and whom we never put in.
func saidToBeIn(d *Told) bool {
	return d.Retracts == "" && slices.ContainsFunc(d.all(), func(e *processor.Event) bool { return d.Moment == retarget && reports(e, d) && e.Status == "in" })
}

// reports reports whether an event says what a platform holds of a membership.
func reports(e *processor.Event, d *Told) bool {
	return e.Kind == processor.AudienceReported && e.UserID == d.Customer && e.SKU == d.Cause.Value
}

// unfought: nobody is put into an audience who is in it, and only what was
// reported is left alone.
func (o *oracle) unfought() {
	in := map[string]bool{}
	for i := range o.told {
		d := &o.told[i]
		if d.Moment != retarget || ofStep(d) {
			continue
		}
		k := d.Customer + " " + d.Cause.Value
		if d.Outcome == processor.Sent && in[k] {
			o.fault(d, "the customer is in it")
		}
		if d.Reason == processor.Drifted && !slices.ContainsFunc(d.all(), func(e *processor.Event) bool { return reports(e, d) && e.Status != "in" }) {
			o.fault(d, "nothing was changed there")
		}
		if d.Outcome == processor.Sent || d.Outcome == processor.Retracted {
			in[k] = d.Outcome == processor.Sent
		}
	}
}
