package whole

import (
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"onhand/processor"
)

// inLine: of two who asked for an item in the same way, and nothing else is to be
// said of it, the better placed one is told first, or it is known why not. Only
// where nothing fails: there it is known who asked when.
func (o *oracle) inLine(d *Told, before []Told) {
	if o.slack > 0 || d.Moment != "back_in_stock" || d.Action.OfferID == "" || !d.firstOfOffer(before) {
		return
	}
	sku := d.Cause.Value
	mine, ok := o.asked(d.Customer, sku)
	if !ok {
		return
	}
	for i := range customers {
		other := fmt.Sprint("c", i)
		if other == d.Customer || o.dealtWith(other, sku, d.At) {
			continue
		}
		if its, ok := o.asked(other, sku); ok && its.At < d.At-minute && o.ahead(d, its, mine) {
			o.fault(d, "%s asked for it at %s and is ahead of who asked at %s", other, clock(its.At), clock(mine.At))
		}
	}
}

// firstOfOffer reports whether this is the message that begins the hold.
func (d *Told) firstOfOffer(before []Told) bool {
	return !slices.ContainsFunc(before, func(b Told) bool { return b.Outcome == processor.Sent && b.Action.OfferID == d.Action.OfferID })
}

// asked returns the only event of a customer that says that an item is wanted:
// that one unit of it is, wherever it is and whatever it costs. False when
// something else is known that could move, end or change the wish.
func (o *oracle) asked(customer, sku string) (only *processor.Event, ok bool) {
	linked := func(id string) bool { return id != customer && !isMail(id) }
	if slices.Contains(variants, sku) || slices.ContainsFunc(person(customer, o.known), linked) || erased(customer, o.known) != 0 {
		return nil, false
	}
	o.of(customer, func(e *processor.Event) {
		switch {
		case e.Kind == processor.BackInStockRequested && e.SKU == sku && only == nil &&
			e.Quantity <= 1 && e.MaxPrice == 0 && e.ExpiresAt == 0 && len(e.Locations) == 0:
			only, ok = e, true
		case e.SKU == sku || has(e, sku) > 0 || e.Kind == processor.OfferDeclined || e.Kind == processor.ProductDismissed ||
			e.Kind == processor.OrderCancelled || e.Kind == processor.CheckoutFailed || e.Kind == processor.IdentityUnlinked:
			ok = false
			only = e
		}
	})
	if only == nil || only.Kind != processor.BackInStockRequested {
		return nil, false
	}
	return only, ok
}

// dealtWith reports whether the wish of a customer for an item was answered, or
// it is known until when it cannot be.
func (o *oracle) dealtWith(customer, sku string, at int64) bool {
	for i := range slices.Backward(o.told) {
		x := &o.told[i]
		if x.At > at+second || x.Customer != customer || x.Cause.Value != sku || x.Moment != "back_in_stock" && x.Moment != "cart_restored" {
			continue
		}
		return x.Outcome != processor.Deferred || x.Until == 0 || x.Until > at-second
	}
	return false
}

// ahead reports whether the first of two who asked stands before the second.
func (o *oracle) ahead(d *Told, a, b *processor.Event) bool {
	switch o.rules.Queue {
	case "lottery":
		return d.Seed != "" && xxhash.Sum64String(d.Seed+"/"+a.UserID) < xxhash.Sum64String(d.Seed+"/"+b.UserID)
	case "tiers":
		x, settled := o.tierOf(a.UserID, d.At)
		y, also := o.tierOf(b.UserID, d.At)
		if x != y || !settled || !also {
			return x < y && settled && also
		}
	}
	return a.At < b.At
}
