package processor

import "slices"

// A gift is bought, and is not had: who bought it is not reminded of it in the
// cart and waits for it no more, but owns nothing that accessories would be for,
// runs out of nothing, and does not live where it is sent. The shop says so of a
// line of the order, or of the whole order: {gift: true}.

// gift reports whether something of an order is for somebody else.
func (e *Event) gift() bool {
	return slices.ContainsFunc(e.Products, func(p Product) bool { return p.Gift })
}

// hasGift reports whether a line of the order is for somebody else.
func (o *Order) hasGift() bool {
	return slices.ContainsFunc(o.Lines, func(l OrderLine) bool { return l.Gift })
}

// gave reports whether the item was ordered for somebody else only; o may be
// nil.
func (o *Order) gave(sku string) bool {
	if o == nil {
		return false
	}
	gave := false
	for i := range o.Lines {
		if l := &o.Lines[i]; l.SKU == sku {
			if !l.Gift {
				return false
			}
			gave = true
		}
	}
	return gave
}
