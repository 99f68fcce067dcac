package processor

import (
	"slices"

	"onhand/processor/moments"
)

// A message on the site stands there after it was handed over, until it
// expires: unlike a mail it can be taken down. What ends its permission takes it
// down with the same commit, so that the site says nothing that the other
// channels do not:
//
//	sent --delivered or unknown--> shown --expires--> gone by itself
//	                                 |  bought, sold out, consent withdrawn, until, replaced ...
//	                                 v
//	                            retracted: message_remove, until the site has it
//
// It was told all the same: it counts under the caps, and is not said again.

// onSite is the channel whose messages stand where the customer looks.
const onSite = "onsite"

// kindMessageRemove takes a message down that stands on the site.
const kindMessageRemove = "message_remove"

// maxShown bounds the messages of one customer that stand on the site; the
// oldest is taken down for a further one.
const maxShown = 16

// takesBack reports whether an action of a kind takes back what is held outside:
// it is always allowed, and never taken back itself.
func takesBack(kind string) bool {
	return kind == kindAudienceRemove || kind == kindCaseClose || kind == kindMessageRemove
}

// show keeps a message that reached the site. One about the same that stands
// there already is replaced by it.
func (c *Customer) show(m *Machine, p Pending, d *Decision) {
	if d.Action.Kind != kindMessage || d.Action.Channel != onSite || p.Expires != 0 && p.Expires <= m.shop.Now {
		return
	}
	s := c.standing()
	for i := range backwards(&s.Shown) {
		if k := &s.Shown[i]; k.Moment == p.Moment && k.Value == p.Value {
			c.takeDown(m, i, Superseded)
		}
	}
	for len(s.Shown) >= maxShown {
		c.takeDown(m, 0, Superseded)
	}
	p.Waiting, p.Due = true, 0 // it was handed over
	s.Shown = append(s.Shown, p)
	for _, sku := range speaksOf(&p, d) {
		m.watch(sku).stake(m, c.ID, true)
	}
}

// speaksOf returns the items on which it depends that a message stands; noItem
// when there is none.
func speaksOf(p *Pending, d *Decision) (skus []string) {
	for i := range d.Action.Lines {
		skus = append(skus, d.Action.Lines[i].SKU)
	}
	if p.Told != nil && p.Told.SKU != "" {
		skus = append(skus, p.Told.SKU)
	}
	if len(skus) == 0 {
		skus = append(skus, noItem)
	}
	return skus
}

// unshow forgets the message at i and returns it, with its decision.
func (c *Customer) unshow(m *Machine, i int) (p Pending, d Decision, err error) {
	s := c.Standing
	p = s.Shown[i]
	s.Shown = slices.Delete(s.Shown, i, i+1)
	if d, err = ParseDecision(p.Decision); err != nil {
		return p, d, err
	}
	for _, sku := range speaksOf(&p, &d) {
		c.unlist(m, sku)
	}
	return p, d, nil
}

// shows reports whether a message stands on the site that depends on an item.
func (c *Customer) shows(sku string) bool {
	if c.Standing == nil {
		return false
	}
	for i := range c.Standing.Shown {
		p := &c.Standing.Shown[i]
		if d, err := p.decision(); err == nil && slices.Contains(speaksOf(p, d), sku) {
			return true
		}
	}
	return false
}

// recheckShown takes down what may not stand on the site any more, and forgets
// what has expired. Only what depends on sku is looked at; "" = all.
func (c *Customer) recheckShown(m *Machine, sku string) {
	if c.Standing == nil {
		return
	}
	for i := range backwards(&c.Standing.Shown) {
		p := &c.Standing.Shown[i]
		d, err := p.decision()
		switch {
		case err != nil || p.Expires != 0 && p.Expires <= m.shop.Now:
			_, _, _ = c.unshow(m, i)
		case sku != "" && !slices.Contains(speaksOf(p, d), sku):
		default:
			if why := c.untrue(m, p, d); why != "" {
				c.takeDown(m, i, why)
			}
		}
	}
}

// untrue returns why a message must not stand on the site any more, "" = it
// may: what the gate refuses, for all of it or for one of the items it shows.
func (c *Customer) untrue(m *Machine, p *Pending, d *Decision) Reason {
	v := c.regate(m, p, d)
	why := Reason("")
	if v.outcome == Suppressed || v.outcome == Expired {
		why = v.reason
	} else if v.outcome == Sent {
		for _, x := range v.dropped {
			if slices.ContainsFunc(d.Action.Lines, func(l ActionLine) bool { return l.SKU == x.SKU }) {
				why = x.Reason
				break
			}
		}
	}
	if p.Offer != 0 && why.Step() == StepAvailable {
		return "" // the unit it speaks of is kept
	}
	return why
}

// endShown takes down what was shown by a moment of some rules about one of the
// values.
func (c *Customer) endShown(m *Machine, r *rules, mo *moments.Moment, values []string, why Reason) {
	if c.Standing == nil {
		return
	}
	for i := range backwards(&c.Standing.Shown) {
		if p := &c.Standing.Shown[i]; p.Moment == mo.Name && m.rules.of(p.Rules) == r && slices.Contains(values, p.Value) {
			c.takeDown(m, i, why)
		}
	}
}

// takeDown takes the message at i off the site.
func (c *Customer) takeDown(m *Machine, i int, why Reason) {
	p, d, err := c.unshow(m, i)
	if err != nil || p.Expires != 0 && p.Expires <= m.shop.Now {
		return // gone by itself
	}
	o := Occurrence{Moment: p.Moment, Value: p.Value, N: p.N, Then: p.Then, Rules: p.Rules}
	r := &Decision{
		ID: m.decisionID(c, &o, verdict{outcome: Retracted, reason: why}), At: m.shop.Now, Customer: c.ID, Moment: p.Moment,
		Cause: d.Cause, Outcome: Retracted, Step: why.Step(), Reason: why, Retracts: d.ID,
		Mode: moments.Live, Version: m.rules.of(p.Rules).file.Hash, Evidence: m.evidence(),
	}
	r.Action = removal(r.ID, d.Action)
	m.emitDecision(r)
	c.await(r, &o)
}

// removal is what asks the site to take a message down. It names the message by
// the decision it retracts: a site that hears of it first keeps it in mind.
func removal(id string, a *Action) *Action {
	return &Action{ID: id, Kind: kindMessageRemove, Channel: a.Channel, Class: a.Class, Template: a.Template, Customer: a.Customer, Lines: a.Lines, Currency: a.Currency}
}

// mergeShown takes over what stands on the site for another id, whose
// occurrences are numbered from shift on.
func (c *Customer) mergeShown(m *Machine, b *Standing, shift int64) {
	if b == nil || len(b.Shown) == 0 {
		return
	}
	s := c.standing()
	for _, p := range b.Shown {
		for len(s.Shown) >= maxShown {
			c.takeDown(m, 0, Superseded)
		}
		p.N += shift
		s.Shown = append(s.Shown, p)
		if d, err := ParseDecision(p.Decision); err == nil {
			for _, sku := range speaksOf(&p, &d) {
				m.watch(sku).stake(m, c.ID, true)
			}
		}
	}
}
