package shop

import (
	"fmt"
	"time"
)

// judgeCart asks of a cart reminder whether each line it names was still in
// that cart, unbought and sellable.
func (o *Oracle) judgeCart(d *decision, m MomentPolicy) {
	a, b := o.span(d)
	life, cart := o.book.person(d.Customer), d.cart()
	for _, sku := range d.skus() {
		if !life.ever(a, b, func(p *person) bool { return line(p.carts[cart], sku) != nil }) {
			how := "was never in it"
			at, e := life.when(a, func(e *Event) bool {
				return (e.Name == OrderCompleted || e.Name == ProductRemoved) && line(e.Lines, sku) != nil
			})
			if e != nil {
				how = "left it at " + clock(at) + ": " + e.Name
			}
			o.find(Wrong, d, sku, "it reminds of cart %q, but the item %s", cart, how)
			continue
		}
		if o.out(sku, a, b) {
			o.find(Wrong, d, sku, "it reminds of what cannot be bought: at most %d in stock, safety %d", o.book.items[sku].most(a, b), o.policy.safety(sku))
		}
	}
	for _, l := range d.Action.Lines {
		if l.Quantity > 1 && !life.ever(a, b, func(p *person) bool {
			have := line(p.carts[cart], l.SKU)
			return have != nil && have.Quantity >= l.Quantity
		}) {
			o.find(Wrong, d, l.SKU, "it names %d units, cart %q had fewer left", l.Quantity, cart)
		}
	}
	if m.MinTotal > 0 && len(d.skus()) > 0 && !o.worth(life, d, a, b, m.MinTotal) {
		o.find(Wrong, d, "", "the lines named are worth less than %d", m.MinTotal)
	}
	// One that was deferred may go whenever its hindrance ends.
	if m.After > 0 && o.firstOfThen(d) && len(o.candidates[d.candidate()]) == 1 {
		at, _ := life.when(a, func(e *Event) bool { return changes(e, cart) })
		if at > d.at()-m.After.Milliseconds()+o.g {
			o.find(Wrong, d, "", "cart %q was touched at %s, less than %s before", cart, clock(at), m.After)
		}
	}
}

// firstOfThen reports whether d is the reminder itself, not one that follows.
func (o *Oracle) firstOfThen(d *decision) bool {
	return d.Action.Template == "" || d.Action.Template == d.Moment || d.Action.Template == d.Moment+"."+d.Action.Channel
}

// worth: prices change while a cart stands, so the dearest ever told counts.
func (o *Oracle) worth(life *life, d *decision, a, b, least int64) bool {
	return life.ever(a, b, func(p *person) bool {
		var sum int64
		for _, sku := range d.skus() {
			if l := line(p.carts[d.cart()], sku); l != nil {
				sum += o.book.items[sku].high * l.Quantity
			}
		}
		return sum >= least
	})
}

// changes reports whether an event surely changes a cart.
func changes(e *Event, cart string) bool {
	return e.Cart == cart && (e.Name == ProductAdded || e.Name == ProductRemoved)
}

// left looks for carts of a customer that were left with every condition met
// and of which nothing was decided.
func (o *Oracle) left(id string, life *life) {
	for _, name := range sortedKeys(o.policy.Moments) {
		m := o.policy.Moments[name]
		if m.Role != CartLeft {
			continue
		}
		for i, n := range life.notes {
			if changes(n.e, n.e.Cart) && n.e.Cart != "" {
				o.leftAt(name, m, id, life, i)
			}
		}
	}
}

// leftAt judges the window that begins with the i-th note. A checkout that was
// started may or may not have begun the window again: both are right.
func (o *Oracle) leftAt(moment string, m MomentPolicy, id string, life *life, i int) {
	cart, after := life.notes[i].e.Cart, m.After.Milliseconds()
	begun := life.notes[i].at
	early, late := begun+after, begun+after
	for _, n := range life.notes[i+1:] {
		if n.at > late+o.g {
			break
		}
		switch e := n.e; {
		case e.Cart != cart:
		case changes(e, cart), e.Name == CheckoutFailed: // begins again; not forgotten
			return
		case e.Name == CheckoutStarted:
			late = n.at + after
		}
	}
	late += 8 * o.g
	if late > o.now {
		return
	}
	lines, why := o.due(m, life, cart, early-o.g, late)
	if why != "" {
		return
	}
	var refused *decision
	for _, k := range o.about(id, moment) {
		if k.cart() != cart || k.at() < early-o.g || k.at() > late {
			continue
		}
		if !contradicted[k.Reason] || k.Outcome != "suppressed" {
			return
		}
		refused = k
	}
	text := fmt.Sprintf("customer %q left cart %q (%s) at %s; by %s every condition of %s was met, and nothing was decided", id, cart, lines, clock(begun), clock(late), moment)
	if refused != nil {
		text = fmt.Sprintf("customer %q left cart %q (%s) at %s; decision %s suppressed %s as %q, which was not so", id, cart, lines, clock(begun), refused.ID, moment, refused.Reason)
	}
	o.miss(early, moment, id, "", text)
}

// contradicted are the reasons that due proves false.
var contradicted = map[string]bool{
	"purchased": true, "recently_bought": true, "cart_emptied": true, "out_of_stock": true, "guard_false": true,
	"no_consent": true, "consent_withdrawn": true, "no_address": true, "timezone_unknown": true,
}

// due reports what a cart held if all conditions of a reminder were met at
// every instant from a to b, else a word that says which was not.
func (o *Oracle) due(m MomentPolicy, life *life, cart string, a, b int64) (lines, why string) {
	settle := o.policy.Settle.Milliseconds()
	life.always(a, b, func(p *person) bool {
		lines = ""
		var total int64
		for _, l := range p.carts[cart] {
			s := o.book.items[l.SKU]
			switch {
			case p.ever[l.SKU]:
				why = "purchased"
			case s == nil || s.least(a-settle-2*o.g, b) <= o.policy.safety(l.SKU):
				why = "out_of_stock"
			default:
				total += s.low * l.Quantity
				lines += fmt.Sprintf("%d x %q ", l.Quantity, l.SKU)
			}
		}
		switch {
		case why != "":
		case lines == "":
			why = "cart_emptied"
		case total < m.MinTotal:
			why = "guard_false"
		case !p.email || !p.consents[[2]string{channelEmail, purposeMarketing}]:
			why = "no_consent"
		case zoneOf(p.zone) == nil:
			why = "timezone_unknown"
		}
		return why == ""
	})
	return lines, why
}

// about returns the decisions of a moment about a customer.
func (o *Oracle) about(customer, moment string) []*decision {
	if o.people == nil {
		o.people = map[[2]string][]*decision{}
		for _, d := range o.decisions {
			k := [2]string{d.Customer, d.Moment}
			o.people[k] = append(o.people[k], d)
		}
	}
	return o.people[[2]string{customer, moment}]
}

// awake reports whether it was surely not quiet for a customer from a to b.
func (o *Oracle) awake(life *life, class string, channel string, a, b int64) bool {
	q := o.policy.quietOn(class, channel)
	return life.always(a, b, func(p *person) bool {
		l := zoneOf(p.zone)
		return len(q) == 0 || l != nil && q.never(time.UnixMilli(a-o.g), time.UnixMilli(b+o.g), l)
	})
}
