package whole

import (
	"fmt"
	"slices"

	"onhand/processor"
)

// opening is a sale of so many units that has not opened yet.
type opening struct {
	sku string
	at  int64 // 0 = there is none
}

// announces says when a sale is, and of most of how many units.
func (d *drawer) announces(sale int, e processor.Event) {
	if d.limits.IntN(4) > 0 {
		e.Quantity, e.HasQty = 1+d.limits.Int64N(4), true
	}
	d.say(e)
	d.openings[sale] = opening{}
	if e.HasQty {
		d.openings[sale] = opening{e.SKU, e.OpensAt}
	}
}

// rush: when a sale of so many units has opened since a time, people buy and
// register at once. Some think better of it.
func (d *drawer) rush(since int64) {
	for i := range d.openings {
		x := d.openings[i]
		if x.at == 0 || x.at <= since || x.at >= d.now {
			continue
		}
		d.openings[i] = opening{}
		d.now = x.at
		if d.limits.IntN(2) == 0 {
			d.level(x.sku, 8) // more than are on sale
		}
		for range 2 + d.limits.IntN(4) {
			d.now += 2*second + d.limits.Int64N(2*minute)
			c := fmt.Sprint("c", d.limits.IntN(customers))
			switch d.limits.IntN(6) {
			case 0, 1:
				d.say(processor.Event{Kind: processor.SaleRegistered, UserID: c, SaleID: fmt.Sprint("sale", i)})
			case 2:
				d.say(processor.Event{Kind: processor.ItemSold, SKU: x.sku, OrderID: fmt.Sprint("p", len(d.events)), Quantity: 1, HasQty: true})
			case 3:
				if n := len(d.orders); n > 0 {
					d.say(processor.Event{Kind: processor.OrderCancelled, UserID: d.orders[n-1].UserID, OrderID: d.orders[n-1].OrderID})
				}
			default:
				e := *d.say(processor.Event{Kind: processor.OrderCompleted, UserID: c, OrderID: fmt.Sprint("o", len(d.events)), Total: 1999,
					Products: []processor.Product{{SKU: x.sku, Quantity: 1 + d.limits.Int64N(2), Price: 1999}}})
				d.orders = append(d.orders, &e)
			}
		}
		return // others open later
	}
}

// openSale returns the sale of so many units that an item is in at a time, nil
// when there is none, or it is just opening or closing.
func (o *oracle) openSale(sku string, at int64) *processor.Event {
	s := o.sale(fmt.Sprint("sale", int(sku[1]-'0')/2))
	if s == nil || s.SKU != sku || s.Kind != processor.SaleScheduled || !s.HasQty || at < s.OpensAt+o.slack || at >= s.ClosesAt-o.slack {
		return nil
	}
	return s
}

// soldIn returns at least how many units were sold in a sale.
func (o *oracle) soldIn(s *processor.Event) (units int64) {
	for _, e := range o.known {
		if e.Kind == processor.ItemSold && e.SKU == s.SKU && e.At >= s.OpensAt {
			units += e.Quantity
		}
	}
	for _, location := range []string{warehouse, store} {
		units += o.orderedSince(s.SKU, location, s.OpensAt-1)
	}
	return units
}

// unsold: nothing is said of what is on sale once as many are sold as were to be,
// and no more units of it are kept for people than are left.
func (o *oracle) unsold(d *Told, sku string) {
	if s := o.openSale(sku, d.At); s != nil {
		if sold := o.soldIn(s); sold >= s.Quantity {
			o.fault(d, "all %d of %s in %s are sold", s.Quantity, sku, s.SaleID)
		}
	}
}

// refusedRightly: who registered for a sale is told that it is sold out only when
// it is, or there is none left at all. No opinion on what has just changed, on what
// is fetched in a store, or when an order was changed.
func (o *oracle) refusedRightly(d *Told) {
	if o.slack > 0 {
		return
	}
	s := o.openSale(saleItem(o, d), d.At)
	if s == nil || !o.published(s.SKU) || o.units(s.SKU) <= 0 || o.soldIn(s) >= s.Quantity {
		return
	}
	if stores, _ := o.accepts(d.Customer, s.SKU); len(stores) > 0 {
		return
	}
	level := int64(0)
	for _, e := range o.known {
		if e.Kind == processor.StockLevelReported && e.SKU == s.SKU {
			level = e.At
		}
	}
	for _, e := range o.known {
		of := e.SKU == s.SKU || e.OrderID != "" && slices.ContainsFunc(o.known, func(x *processor.Event) bool { return x.OrderID == e.OrderID && has(x, s.SKU) > 0 })
		lately := e.At > d.At-minute || e.At > level-minute && e.At <= level && e.Kind != processor.StockLevelReported
		if of && (lately || e.Kind == processor.OrderUpdated || e.Kind == processor.OrderCancelled && len(e.Products) > 0) {
			return
		}
	}
	o.fault(d, "%d of %s are there, and %d of %d sold in %s", o.units(s.SKU), s.SKU, o.soldIn(s), s.Quantity, s.SaleID)
}

// saleItem returns the item of the sale that a decision is about.
func saleItem(o *oracle, d *Told) string {
	if s := o.sale(d.Cause.Value); s != nil {
		return s.SKU
	}
	return "s?"
}

// soldOutBy reports whether an event sells the last unit of the sale that an item
// is in.
func (o *oracle) soldOutBy(e *processor.Event, sku string) bool {
	if e.Kind != processor.OrderCompleted && e.Kind != processor.ItemSold || e.SKU != sku && has(e, sku) == 0 {
		return false
	}
	o.goBy(o.events[:slices.Index(o.events, e)+1])
	s := o.openSale(sku, e.At)
	return s != nil && o.soldIn(s) >= s.Quantity
}
