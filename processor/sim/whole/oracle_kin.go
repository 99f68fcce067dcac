package whole

import (
	"fmt"
	"slices"
	"strings"

	"onhand/processor"
)

// kinOracle asks its questions where items have to do with each other.
type kinOracle struct {
	oracle
	capped bool // households are told so much on a day
}

func (o *kinOracle) ask(d *Told, before []Told) {
	for _, l := range d.Action.Lines {
		if n := o.left(l.SKU); n <= 0 {
			o.fault(d, "%s has %d units", l.SKU, n)
		}
		if called(l.SKU, o.known) != l.SKU && !o.wasOffered(d, before) {
			o.fault(d, "%s is called %s", l.SKU, called(l.SKU, o.known))
		}
		if l.Replaces != "" && (l.Replaces != kettle || l.SKU != instead || o.left(kettle) > 0) {
			o.fault(d, "%s is said in the place of %s, of which there are %d", l.SKU, l.Replaces, o.left(l.Replaces))
		}
		switch {
		case d.Moment == "goes_with":
			o.goesWith(d, l.SKU)
		case d.Moment != "back_in_stock" && l.SKU == phoneCase:
			o.complete(d)
		}
		if d.Moment != "goes_with" && l.Replaces == "" {
			o.stillWanted(d, l.SKU)
		}
	}
	o.unitsLast(d, before)
	o.together(d, before)
}

// wasOffered reports whether a decision follows an offer that was made before.
func (o *kinOracle) wasOffered(d *Told, before []Told) bool {
	return d.Action.OfferID != "" && !d.firstOfOffer(before)
}

// left returns the most units of an item that can be promised: of a set as many
// as there are of the part there is least of.
func (o *kinOracle) left(sku string) int64 {
	if sku == teaSet {
		return min(o.left(pot), o.left(cup))
	}
	level, at := int64(0), int64(0)
	for _, e := range o.known {
		if e.Kind == processor.StockLevelReported && e.SKU == sku {
			level, at = e.Available, e.At
		}
	}
	for _, e := range o.known {
		if e.Kind != processor.OrderCompleted || e.At <= at || o.gone(e) {
			continue
		}
		p := e.Products[0] // what was sold under an old number before took what lay there, until that is its own again
		if p.SKU == sku || p.SKU == lamp && sku == lampRenamed && o.countsAsRenamed(e) || p.SKU == teaSet && slices.Contains(parts, sku) {
			level -= p.Quantity
		}
	}
	return level - 1
}

// countsAsRenamed reports whether the lamp had its new number when it was sold,
// and has had it since.
func (o *kinOracle) countsAsRenamed(sold *processor.Event) bool {
	for i, e := range o.known[slices.Index(o.known, sold):] {
		if i == 0 || e.Kind == processor.ProductUpdated && len(e.Properties) > 0 {
			if called(lamp, o.known[:slices.Index(o.known, e)+1]) != lampRenamed {
				return false
			}
		}
	}
	return true
}

// gone reports whether an order was cancelled.
func (o *kinOracle) gone(order *processor.Event) bool {
	return slices.ContainsFunc(o.known, func(e *processor.Event) bool {
		return e.Kind == processor.OrderCancelled && e.OrderID == order.OrderID
	})
}

// has reports whether a customer has an item: bought for themselves, and not sent
// back.
func (o *kinOracle) has(customer, sku string) bool {
	return slices.ContainsFunc(o.known, func(e *processor.Event) bool {
		if e.Kind != processor.OrderCompleted || e.UserID != customer || e.Products[0].SKU != sku || e.Products[0].Gift || o.gone(e) {
			return false
		}
		return !slices.ContainsFunc(o.known, func(x *processor.Event) bool { return x.Kind == processor.ReturnReceived && x.OrderID == e.OrderID })
	})
}

// inTheirCart reports whether an item was put into the customer's cart, and not taken
// out of it.
func (o *kinOracle) inTheirCart(customer, sku string) (in bool) {
	for _, e := range o.known {
		if e.UserID == customer && e.SKU == sku && (e.Kind == processor.ProductAdded || e.Kind == processor.ProductRemoved) {
			in = e.Kind == processor.ProductAdded
		}
	}
	return in
}

// goesWith: what is suggested is for something the customer has or is about to
// have, and is not had already.
func (o *kinOracle) goesWith(d *Told, sku string) {
	switch {
	case sku != phoneCase || d.Cause.Value != phone:
		o.fault(d, "%s does not go with %s", sku, d.Cause.Value)
	case o.has(d.Customer, sku):
		o.fault(d, "the customer has %s", sku)
	case o.housemate(d.Customer, sku) != "":
		o.fault(d, "%s lives there too and has %s", o.housemate(d.Customer, sku), sku)
	case !o.has(d.Customer, phone) && (!o.inTheirCart(d.Customer, phone) || o.left(phone) <= 0):
		o.fault(d, "the customer has no %s, and is not about to", phone)
	}
}

// complete: a case is spoken of while its phone can be had, or to who has one.
func (o *kinOracle) complete(d *Told) {
	if n := o.left(phone); n <= 0 && !o.has(d.Customer, phone) {
		o.fault(d, "there are %d of %s to the %s", n, phone, phoneCase)
	}
}

// stillWanted: nothing is said of what was bought as often as it was ever wanted,
// since it was wanted last: itself, or what stands for it.
func (o *kinOracle) stillWanted(d *Told, sku string) {
	asked, bought := int64(0), int64(0)
	for _, e := range o.known {
		switch {
		case e.UserID != d.Customer:
		case (e.Kind == processor.ProductAdded || e.Kind == processor.BackInStockRequested) && called(e.SKU, o.known) == sku:
			asked, bought = asked+1, 0
		case e.Kind == processor.OrderCompleted && ends(e.Products[0].SKU, sku, o.known) && !o.gone(e):
			bought += e.Products[0].Quantity
		}
	}
	if bought >= asked {
		o.fault(d, "%d of %s were bought since it was wanted last", bought, sku)
	}
}

// unitsLast: no more units are in offers than there are, be it by themselves or
// in a set.
func (o *kinOracle) unitsLast(d *Told, before []Told) {
	if d.Action.OfferID == "" || !d.firstOfOffer(before) {
		return
	}
	for _, part := range []string{d.Cause.Value, pot, cup} {
		if part != d.Cause.Value && d.Cause.Value != teaSet {
			continue
		}
		held := int64(1)
		for i := range before {
			b := &before[i]
			of := b.Cause.Value == part || b.Cause.Value == teaSet && slices.Contains(parts, part)
			if of && b.Outcome == processor.Sent && b.firstOfOffer(before[:i]) && b.Action.OfferID != "" && b.Action.HoldUntil > d.At && !o.answered(b, before) {
				held++
			}
		}
		if n := max(0, o.left(part)); held > n {
			o.fault(d, "%d units of %s are in offers, of which there are %d", held, part, n)
		}
	}
}

// answered reports whether an offer may have ended early.
func (o *kinOracle) answered(b *Told, all []Told) bool {
	for i, e := range o.known {
		if e.At < b.At {
			continue
		}
		ofItem := e.SKU == b.Cause.Value || called(e.SKU, o.known[:i+1]) == b.Cause.Value || strings.HasPrefix(e.OfferID, b.Cause.Value+"~") // no to an earlier offer is no to the item
		if e.OfferID == b.Action.OfferID || e.UserID == b.Customer && (ofItem || len(e.Products) > 0 || e.Kind == processor.OrderCancelled) {
			return true
		}
	}
	return slices.ContainsFunc(all, func(x Told) bool { return x.Retracts == b.ID })
}

// waited: in the end there is enough of everything, and whoever asked last and
// did not say no, nor buy anything, has been told.
func (o *kinOracle) waited() {
	for i := range customers {
		who := fmt.Sprint("c", i)
		for _, sku := range []string{phone, phoneCase, kettle, instead, teaSet, pot, cup, lamp, lampRenamed} {
			var last *processor.Event
			for _, e := range o.events {
				switch {
				case lives(e):
				case e.Kind == processor.OfferDeclined && e.UserID == "", e.UserID == who && e.Kind != processor.BackInStockRequested:
					last = nil // perhaps it is not wanted any more
				case e.UserID == who && e.SKU == sku:
					last = e
				}
			}
			if last != nil && !o.heardOf(who, called(sku, o.events), last.At) {
				o.faults = append(o.faults, fmt.Sprintf("%s asked for %s at %s and was never told", who, sku, clock(last.At)))
			}
		}
	}
}

// heardOf reports whether a customer was told of an item since a time, or held a
// unit of it then.
func (o *kinOracle) heardOf(who, sku string, at int64) bool {
	return slices.ContainsFunc(o.told, func(d Told) bool {
		about := called(d.Cause.Value, o.events) == sku || sku == lamp && called(sku, d.Known) == d.Cause.Value // as it was called then
		return d.Outcome == processor.Sent && d.Moment == "back_in_stock" && d.Customer == who && about && (d.At >= at || d.Action.HoldUntil > at)
	})
}
