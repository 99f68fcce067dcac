package whole

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"onhand/processor"
)

// Customers of the shop of kin.go live together: nobody is suggested what
// somebody of their household has, and in half of all worlds the people of a
// household are told so much on a day, all of them together.

// homes are where they live; "" = with nobody we know of.
var homes = []string{"h0", "h0", "h1", ""}

// Marketing that one household hears in a day, where there is such a cap.
const (
	perHome    = 2
	homeUncaps = "marketing: {channels: [push], consent: marketing, caps: false"
	homeCaps   = "marketing: {channels: [push], consent: marketing, caps: true"
	homeCap    = "  caps: [{at_most: 2, every: 1d, household: true}]\n"
)

// kinRulesOf returns the rules of a seed, and whether households have a cap.
func kinRulesOf(seed uint64) (text []byte, capped bool) {
	if seed%2 == 0 {
		return []byte(kinRules), false
	}
	return []byte(strings.NewReplacer(homeUncaps, homeCaps, "policy:\n", "policy:\n"+homeCap).Replace(kinRules)), true
}

// moveIn says where a customer lives.
func (d *drawer) moveIn(i int) {
	household := "null"
	if h := homes[d.aside.IntN(len(homes))]; h != "" {
		household = fmt.Sprintf("%q", h)
	}
	d.say(processor.Event{Kind: processor.Identify, UserID: fmt.Sprint("c", i), Traits: []byte(`{"household":` + household + `}`)})
}

// atHome: somebody moves, has a phone or a case by now, or has it no more.
func (d *drawer) atHome() {
	switch i := d.aside.IntN(customers); d.aside.IntN(20) {
	case 0, 1:
		d.moveIn(i)
	case 2, 3, 4:
		e := *d.say(processor.Event{Kind: processor.OrderCompleted, UserID: fmt.Sprint("c", i), OrderID: fmt.Sprint("o", len(d.events)), Total: 1999,
			Products: []processor.Product{{SKU: []string{phone, phone, phoneCase}[d.aside.IntN(3)], Quantity: 1, Price: 1999}}})
		d.orders = append(d.orders, &e)
		d.bought = append(d.bought, &e)
	case 5:
		if n := len(d.bought); n > 0 {
			o := d.bought[max(0, n-1-d.aside.IntN(3))]
			d.say(processor.Event{Kind: processor.OrderCancelled, UserID: o.UserID, OrderID: o.OrderID})
		}
	}
}

// lives reports whether an event says where somebody lives.
func lives(e *processor.Event) bool {
	return e.Kind == processor.Identify && bytes.Contains(e.Traits, []byte("household"))
}

// home returns the household of a customer as far as is known, "" = none.
func home(customer string, known []*processor.Event) string {
	for _, e := range slices.Backward(known) {
		if lives(e) && e.UserID == customer {
			for _, h := range homes {
				if h != "" && bytes.Contains(e.Traits, []byte(h)) {
					return h
				}
			}
			return ""
		}
	}
	return ""
}

// housemate returns who else of the customer's household has an item, "" when
// nobody has.
func (o *kinOracle) housemate(customer, sku string) string {
	h := home(customer, o.known)
	for i := range customers {
		if who := fmt.Sprint("c", i); h != "" && who != customer && home(who, o.known) == h && o.has(who, sku) {
			return who
		}
	}
	return ""
}

// heardAtHome counts the marketing that the customer's household was sent within
// a day before a decision, whoever lives there now.
func (o *kinOracle) heardAtHome(d *Told, before []Told) (n int) {
	h := home(d.Customer, o.known)
	for i := range before {
		b := &before[i]
		if h != "" && b.Outcome == processor.Sent && b.Action.Kind == "message" && b.Action.Class == "marketing" && b.At > d.At-day && b.At <= d.At && home(b.Customer, b.Known) == h {
			n++
		}
	}
	return n
}

// contended reports whether a message was refused by a cap when somebody else of the
// household was sent one.
func contended(list []Told, d *Told) bool {
	h := home(d.Customer, d.Known)
	return h != "" && d.Reason == processor.FrequencyCap && slices.ContainsFunc(list, func(x Told) bool {
		return x.At == d.At && x.Outcome == processor.Sent && x.Customer != d.Customer && home(x.Customer, x.Known) == h
	})
}

// together: a household is not told more than all of it is to be told.
func (o *kinOracle) together(d *Told, before []Told) {
	if n := o.heardAtHome(d, before); o.capped && d.Action.Kind == "message" && d.Action.Class == "marketing" && n >= perHome {
		o.fault(d, "%d messages were sent to %s within a day", n, home(d.Customer, o.known))
	}
}

// refused: silence on account of a household has its ground there.
func (o *kinOracle) refused(d *Told) {
	switch {
	case d.Moment == "goes_with" && d.Reason == processor.Purchased && !o.has(d.Customer, phoneCase) && o.housemate(d.Customer, phoneCase) == "":
		o.fault(d, "nobody of %q has a %s", home(d.Customer, o.known), phoneCase)
	case d.Reason == processor.FrequencyCap && (!o.capped || o.heardAtHome(d, o.told) < perHome):
		o.fault(d, "%d messages were sent to %q within a day", o.heardAtHome(d, o.told), home(d.Customer, o.known))
	}
}
