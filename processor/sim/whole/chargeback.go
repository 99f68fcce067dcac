package whole

import (
	"slices"

	"onhand/processor"
)

// more lets something else happen in some turns. It has a source of its own, so
// that what it draws leaves the rest of a world as it is.
func (d *drawer) more() {
	if d.aside.IntN(5) > 0 {
		return
	}
	draws := []func(){d.chargesBack, d.hearsLate, d.borders, d.spends}
	draws[d.aside.IntN(len(draws))]()
}

const chargeback = "chargeback"

// chargesBack: a bank takes the money of an order back, or of a unit of it, and
// perhaps the shop gives the order up.
func (d *drawer) chargesBack() {
	if len(d.orders) == 0 {
		return
	}
	o := d.orders[d.aside.IntN(len(d.orders))]
	if i := int(o.UserID[1] - '0'); d.erased[i] || o.At < d.known[i] {
		return // it is not to be remembered
	}
	e := processor.Event{Kind: processor.OrderRefunded, UserID: o.UserID, OrderID: o.OrderID, Reason: chargeback}
	if d.aside.IntN(2) == 0 {
		e.Kind = processor.OrderCancelled
	}
	if d.aside.IntN(4) == 0 {
		e.Products = []processor.Product{{SKU: o.Products[0].SKU, Quantity: 1}}
	}
	d.say(e)
}

// chargedBack reports whether an event says that a bank took money back.
func chargedBack(e *processor.Event) bool {
	return (e.Kind == processor.OrderRefunded || e.Kind == processor.OrderCancelled) && e.Reason == chargeback
}

// settled returns what is known of an order, as far as it says what the customer
// has had enough of: who has the bank take the money back does not want it again,
// whatever the shop then makes of the order.
func settled(order string, known []*processor.Event) (list []*processor.Event) {
	whole := slices.ContainsFunc(known, func(e *processor.Event) bool {
		return e.OrderID == order && chargedBack(e) && len(e.Products) == 0
	})
	for _, e := range known {
		if e.OrderID == order && !chargedBack(e) && (!whole || e.Kind != processor.OrderCancelled || len(e.Products) > 0) {
			list = append(list, e)
		}
	}
	return list
}

// usedUp: only what somebody has runs out, and what was sent back or charged back
// is not used up there.
func (o *oracle) usedUp(d *Told) {
	if d.Moment != "replenishment" {
		return
	}
	here := false
	o.of(d.Customer, func(e *processor.Event) {
		for _, p := range e.Products {
			if _, name, _ := family(int(p.SKU[1] - '0')); (e.Kind == processor.OrderCompleted || e.Kind == processor.OrderUpdated) && name == d.Cause.Value {
				here = here || o.kept(e.OrderID, p.SKU) > 0
			}
		}
	})
	if !here {
		o.fault(d, "all of the %s went back, or their money did", d.Cause.Value)
	}
}

// kept returns how many units of an item in an order are neither cancelled nor
// returned nor charged back.
func (o *oracle) kept(order, sku string) int64 {
	units := lines(order, o.known)[sku]
	for _, e := range o.known {
		switch {
		case e.OrderID != order:
		case e.Kind == processor.OrderRefunded && chargedBack(e) && len(e.Products) == 0:
			return 0
		case e.Kind == processor.OrderRefunded && chargedBack(e), e.Kind == processor.ReturnReceived:
			units -= has(e, sku)
		}
	}
	return units
}
