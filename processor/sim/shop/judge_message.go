package shop

import (
	"fmt"
	"time"
)

// judgeMessage asks what every message must answer: permitted, awake, in time,
// not too much.
func (o *Oracle) judgeMessage(d *decision, m MomentPolicy) {
	a, b := o.span(d)
	class := m.Class
	if d.Action.Class != "" {
		class = d.Action.Class
	}
	life := o.book.person(d.Customer)
	if p := o.policy.Classes[class].Consent; p != "" {
		o.consent(d, life, d.Action.Channel, p)
	}
	if p := m.Consent; p != "" && m.Role != Offer { // asking is permission, judged as such
		o.consent(d, life, d.Action.Channel, p)
	}
	if q := o.policy.quietOn(class, d.Action.Channel); len(q) > 0 {
		zone := ""
		if !life.ever(a, b, func(p *person) bool {
			zone = p.zone
			l := zoneOf(p.zone)
			return l != nil && !q.throughout(time.UnixMilli(a), time.UnixMilli(b), l)
		}) {
			where := "the customer's zone is not known, which is quiet"
			if l := zoneOf(zone); l != nil {
				where = fmt.Sprintf("it was %s in %s, in quiet hours", time.UnixMilli(d.at()).In(l).Format("15:04"), zone)
			}
			o.find(Wrong, d, "", "%s", where)
		}
	}
	if x := int64(d.Action.ExpiresAt); x > 0 && d.at() > x+o.g {
		o.find(Wrong, d, "", "it was of no use after %s", clock(x))
	}
	if o.policy.Classes[class].Caps {
		o.caps(d, class)
	}
	if m.Again > 0 && d.Retracts == "" {
		for _, x := range o.sent[d.Customer] {
			if x == d || x.Moment != d.Moment || x.Action == nil || x.Action.Template != d.Action.Template || x.withdrawn > 0 || x.failed {
				continue
			}
			if gap := d.at() - x.at(); gap > 0 && gap < m.Again.Milliseconds()-o.g {
				o.find(Wrong, d, "", "the same was sent at %s (decision %s), again only after %s", clock(x.at()), x.ID, m.Again)
				break
			}
		}
	}
	if o.policy.Classes[class].SilenceOnPurchase {
		o.silence(d, life)
	}
}

func (o *Oracle) consent(d *decision, life *life, channel, purpose string) {
	a, b := o.span(d)
	k := [2]string{channel, purpose}
	if life.ever(a, b, func(p *person) bool { return p.consents[k] }) {
		return
	}
	at, e := life.when(a, func(e *Event) bool {
		for _, c := range e.Consents {
			if c.Channel == channel && c.Purpose == purpose {
				return true
			}
		}
		return false
	})
	if e == nil {
		o.find(Wrong, d, "", "consent to %s on %s was never given", purpose, channel)
		return
	}
	o.find(Wrong, d, "", "consent to %s on %s was refused at %s", purpose, channel, clock(at))
}

// caps counts what was sent to the customer in the window that ends with d.
func (o *Oracle) caps(d *decision, class string) {
	for _, c := range o.policy.Caps {
		if c.Class != "" && c.Class != class || c.Channel != "" && c.Channel != d.Action.Channel {
			continue
		}
		n := 0
		for _, x := range o.sent[d.Customer] {
			m := o.policy.Moments[x.Moment]
			if m.Role == Audience || x.Action == nil || x.withdrawn > 0 || x.failed || x.Mode == "shadow" {
				continue
			}
			xc := m.Class
			if x.Action.Class != "" {
				xc = x.Action.Class
			}
			if xc != class || c.Channel != "" && x.Action.Channel != c.Channel {
				continue
			}
			if x.at() <= d.at() && x.at() > d.at()-c.Every.Milliseconds()+o.g {
				n++
			}
		}
		if n > c.AtMost {
			o.find(Wrong, d, "", "it was number %d in %s, the cap for %s is %d", n, c.Every, class, c.AtMost)
		}
	}
}

// silence: nothing of marketing about what was just bought.
func (o *Oracle) silence(d *decision, life *life) {
	a, b := o.span(d)
	for _, sku := range d.skus() {
		since := a - o.policy.SilenceAfterPurchase.Milliseconds() + 2*o.g
		at := int64(0)
		if life.always(a, b, func(p *person) bool {
			at = p.bought[sku]
			return at > since && at <= a
		}) {
			o.find(Wrong, d, sku, "it had been bought, known since %s", clock(at))
		}
	}
}

// judgeMember asks of an audience membership whether it may begin.
func (o *Oracle) judgeMember(d *decision) {
	if d.Action.Kind == "audience_remove" {
		return
	}
	a, b := o.span(d)
	life := o.book.person(d.Customer)
	if !life.ever(a, b, func(p *person) bool { return p.consents[[2]string{channelAds, purposeAds}] }) {
		o.find(Wrong, d, "", "consent to ads was not given")
	}
	for _, sku := range d.skus() {
		if life.always(a, b, func(p *person) bool { return p.done(sku) }) {
			o.find(Wrong, d, sku, "an ad for what the customer had bought")
		}
		if o.out(sku, a, b) {
			o.find(Wrong, d, sku, "an ad for what cannot be bought")
		}
	}
}

// out reports whether an item surely could not be bought at any instant from
// a to b.
func (o *Oracle) out(sku string, a, b int64) bool {
	s := o.book.items[sku]
	return s != nil && s.most(a, b) <= o.policy.safety(sku)
}

// members looks for memberships that outlived what justified them.
func (o *Oracle) members() {
	for _, d := range o.decisions {
		if !d.sent() || o.policy.Moments[d.Moment].Role != Audience || d.Action == nil || d.Action.Kind == "audience_remove" {
			continue
		}
		sku, end := d.item(), o.now
		if d.withdrawn > 0 {
			end = d.withdrawn
		}
		for _, x := range o.sent[d.Customer] {
			if x.At >= d.At && x.at() < end && x.Moment == d.Moment && x.Action != nil && x.Action.Kind == "audience_remove" && x.item() == sku {
				end = x.at()
			}
		}
		if x := int64(d.Action.ExpiresAt); x > 0 {
			end = min(end, x)
		}
		from, late := d.at()+o.g, 3*o.g
		life := o.book.person(d.Customer)
		for _, n := range life.notes {
			if n.at < from || n.at+late > end {
				continue
			}
			why := ""
			switch e := n.e; {
			case e.Name == OrderCompleted && line(e.Lines, sku) != nil && life.always(n.at, n.at+late, func(p *person) bool { return p.done(sku) }):
				why = "bought"
			case e.Name == ConsentChanged && life.always(n.at, n.at+late, func(p *person) bool { return !p.consents[[2]string{channelAds, purposeAds}] }):
				why = "consent to ads withdrawn"
			default:
				continue
			}
			o.miss(n.at, d.Moment, d.Customer, sku, fmt.Sprintf("customer %q stayed in the audience of item %q (decision %s) until %s: %s at %s",
				d.Customer, sku, d.ID, clock(end), why, clock(n.at)))
			break
		}
		if s := o.book.items[sku]; s != nil {
			for _, v := range s.views {
				if v.at >= from && v.at+late <= end && o.out(sku, v.at, v.at+late) {
					o.miss(v.at, d.Moment, d.Customer, sku, fmt.Sprintf("customer %q stayed in the audience of item %q (decision %s) until %s: sold out at %s",
						d.Customer, sku, d.ID, clock(end), clock(v.at)))
					break
				}
			}
		}
	}
}
