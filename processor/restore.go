package processor

import (
	"slices"

	"onhand/processor/moments"
)

// candidate is a line that may be mentioned, or the reason it may not.
type candidate struct {
	line    ActionLine
	reason  Reason
	priceAt int64 // when the price was told; 0 = it is not one of the item's
}

// cartCandidates returns what lies in a cart, less what was bought where the
// moment asks for it.
func (c *Customer) cartCandidates(m *Machine, mo *moments.Moment, cart *Cart, oldest int64) (all []candidate) {
	for i := range cart.Lines {
		l := &cart.Lines[i]
		n := l.quantity(oldest)
		if n <= 0 {
			continue
		}
		sku := m.calledNow(l.SKU)
		x := candidate{line: ActionLine{SKU: sku, Quantity: n, Price: l.Price}}
		if l.Price != 0 {
			x.priceAt = l.pricedAt() // the price seen when it was put in
		}
		if slices.Contains(mo.Lines, moments.LineUnbought) {
			x.unbought(c.purchasesOf(m, sku, l.since(oldest)-clockGraceMS))
		}
		all = append(all, x)
	}
	return all
}

// failedCandidates returns what a checkout that failed was about, when nothing
// else was heard of its cart.
func (c *Customer) failedCandidates(m *Machine, mo *moments.Moment, o *Occurrence) (all []candidate) {
	for _, l := range o.Told.lines() {
		x := candidate{line: l}
		x.line.SKU = m.calledNow(l.SKU)
		if l.Price != 0 {
			x.priceAt = o.At
		}
		if slices.Contains(mo.Lines, moments.LineUnbought) {
			x.unbought(c.purchasesOf(m, x.line.SKU, o.At-clockGraceMS))
		}
		all = append(all, x)
	}
	return all
}

// unbought takes out of a line what was bought, or cancelled after that.
func (x *candidate) unbought(bought, cancelled int64) {
	switch n := x.line.Quantity; {
	case bought >= n:
		x.reason = Purchased
	case bought+cancelled >= n:
		x.reason = Cancelled
	default:
		x.line.Quantity = n - bought
	}
}

// restores reports whether a message about an item that is back brings the
// whole cart the item lies in: one whose moment says which lines.
func restores(mo *moments.Moment) bool { return mo.Fact == moments.Sellable && len(mo.Lines) > 0 }

// restore adds to the candidate of the item that is back the other lines of
// the cart it lies in: of several the one changed last.
func (c *Customer) restore(m *Machine, mo *moments.Moment, all []candidate, oldest int64, v *verdict) []candidate {
	item := &all[0]
	product := item.line.SKU // or the one it is a variant of, if that is in the cart
	if in := c.interest(item.line.SKU); in != nil && in.Of != "" {
		product = in.Of
	}
	var cart *Cart
	var units, price int64
	for i := range c.Carts {
		x := &c.Carts[i]
		for j := range x.Lines {
			if l := &x.Lines[j]; (m.calledNow(l.SKU) == item.line.SKU || l.SKU == product) && l.quantity(oldest) > 0 && (cart == nil || x.At > cart.At) {
				cart, units, price = x, l.quantity(oldest), l.Price
			}
		}
	}
	if cart == nil {
		if item.reason == "" && c.tookOut(m, item.line.SKU) {
			item.reason = CartEmptied
		}
		return all
	}
	v.cart = cart.ID
	for _, x := range c.cartCandidates(m, mo, cart, oldest) {
		if x.line.SKU != item.line.SKU && x.line.SKU != product {
			all = append(all, x)
		} else if x.reason == "" {
			units = x.line.Quantity // less what was bought
		}
	}
	if all[0].line.Price == 0 {
		all[0].line.Price = price
	}
	all[0].line.Quantity = max(units, 1)
	return all
}

// tookOut reports whether an item that lies in no cart was only wanted for
// having been put in one.
func (c *Customer) tookOut(m *Machine, sku string) bool {
	in := c.interest(sku)
	return in != nil && !slices.ContainsFunc(in.Wants, func(x Want) bool {
		rule := m.rules.file.Interest(x.Name)
		return x.Until > m.shop.Now && rule != nil && rule.From != ProductAdded.String()
	})
}

// mainOf returns the item that an item is an accessory of, "" for none.
func (m *Machine) mainOf(sku string) string {
	main := m.facts(sku).Product.AccessoryOf
	if main == "" {
		return ""
	}
	return m.calledNow(main)
}
