package whole

import (
	"slices"

	"onhand/processor"
)

// changes: an order is changed after it was placed: more or less of what it
// holds, something in its place, or a part of it cancelled.
func (d *drawer) changes(string, string) {
	if len(d.orders) == 0 {
		return
	}
	o := d.orders[d.rng.IntN(len(d.orders))]
	if i := int(o.UserID[1] - '0'); d.erased[i] || o.At < d.known[i] {
		return // it is not to be remembered
	}
	e := processor.Event{Kind: processor.OrderUpdated, UserID: o.UserID, OrderID: o.OrderID, Location: o.Location, Products: slices.Clone(o.Products)}
	switch d.rng.IntN(5) {
	case 0:
		e.Products[0].Quantity = 1 + d.rng.Int64N(3)
	case 1:
		if sku := d.sku(); has(&e, sku) == 0 {
			e.Products = append(e.Products, processor.Product{SKU: sku, Quantity: 1, Price: 1999})
		}
	case 2: // it comes back, and something else is sent for it
		back := e.Products[0].SKU
		d.say(processor.Event{Kind: processor.ReturnReceived, UserID: o.UserID, OrderID: o.OrderID, Products: []processor.Product{{SKU: back, Quantity: 1}}})
		fallthrough
	case 3:
		if sku := d.sku(); has(&e, sku) == 0 {
			e.Products[0].SKU = sku
		}
	default:
		e.Kind, e.Products = processor.OrderCancelled, []processor.Product{{SKU: o.Products[0].SKU, Quantity: 1}}
		d.say(e)
		return
	}
	o.Products = e.Products
	d.say(e)
}

// lines returns what an order holds: what was reported of it last, a change
// counting above a first report, less what was cancelled.
func lines(order string, known []*processor.Event) map[string]int64 {
	list, placed := map[string]int64{}, processor.Custom
	for _, e := range known {
		if e.OrderID != order || len(e.Products) == 0 || e.Kind != processor.OrderCompleted && e.Kind != processor.OrderUpdated || e.Kind < placed {
			continue
		}
		placed = e.Kind
		clear(list)
		for _, p := range e.Products {
			list[p.SKU] += max(p.Quantity, 1)
		}
	}
	for _, e := range known {
		switch {
		case e.OrderID != order || e.Kind != processor.OrderCancelled:
		case len(e.Products) == 0:
			clear(list)
		default:
			for _, p := range e.Products {
				list[p.SKU] = max(0, list[p.SKU]-max(p.Quantity, 1))
			}
		}
	}
	return list
}

// shrank reports whether some of an item was ever taken out of an order.
func shrank(order, sku string, known []*processor.Event) bool {
	most := int64(0)
	for i, e := range known {
		if e.OrderID == order {
			n := lines(order, known[:i+1])[sku]
			if most = max(most, n); n < most {
				return true
			}
		}
	}
	return false
}

// placed reports whether an event is the first that was heard of its order as
// one that stands.
func (o *oracle) placed(e *processor.Event) bool {
	if e.Kind != processor.OrderCompleted && e.Kind != processor.OrderUpdated {
		return false
	}
	for _, x := range o.known {
		if x.OrderID == e.OrderID && (x.Kind == processor.OrderCompleted || x.Kind == processor.OrderUpdated) {
			return x == e
		}
	}
	return false
}

// orderedSince returns how many units of an item orders hold more than they did
// at a time, in a location.
func (o *oracle) orderedSince(sku, location string, at int64) (units int64) {
	upTo := slices.IndexFunc(o.known, func(e *processor.Event) bool { return e.At > at })
	if upTo < 0 {
		return 0
	}
	for _, e := range o.known {
		if o.placed(e) && soldAt(e) == location {
			units += max(0, lines(e.OrderID, o.known)[sku]-lines(e.OrderID, o.known[:upTo])[sku])
		}
	}
	return units
}

// soldAt returns the location whose stock an order takes.
func soldAt(e *processor.Event) string {
	if e.Location == store {
		return store
	}
	return warehouse
}
