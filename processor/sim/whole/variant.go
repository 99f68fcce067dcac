package whole

import (
	"bytes"
	"slices"

	"onhand/processor"
)

// takes reports whether who asks for something would take an item: any variant
// of a product, or the one that is named.
func takes(e *processor.Event, sku string) bool {
	return e.SKU != product || sku == product || len(e.Properties) == 0 || bytes.Contains(e.Properties, []byte(`"`+sku+`"`))
}

// oneVariant: who asked for any variant of a product, and for none for itself, is
// told of one each time. What was withdrawn may be told again.
func (o *oracle) oneVariant(d *Told, before []Told) {
	if d.Moment != "back_in_stock" || !slices.Contains(variants, d.Cause.Value) {
		return
	}
	asked, itself := 0, false
	o.of(d.Customer, func(e *processor.Event) {
		switch {
		case e.Kind == processor.BackInStockRequested && e.SKU == product:
			asked++
		case slices.ContainsFunc(variants, func(v string) bool { return e.SKU == v || has(e, v) > 0 }):
			itself = true
		}
	})
	offers := []string{d.Action.OfferID}
	for i := range before {
		b := &before[i]
		if b.Moment != d.Moment || b.Customer != d.Customer || !slices.Contains(variants, b.Cause.Value) || b.At <= erased(d.Customer, o.known)+o.slack {
			continue
		}
		if b.Outcome == processor.Retracted || b.Failed {
			asked++
		}
		if b.Outcome == processor.Sent && !slices.Contains(offers, b.Action.OfferID) {
			offers = append(offers, b.Action.OfferID)
		}
	}
	if !itself && len(offers) > asked {
		o.fault(d, "asked %d times for any variant of %s, told of %d: %v", asked, product, len(offers), offers)
	}
}
