package processor

import (
	"iter"
	"onhand/processor/moments"
	"slices"
	"strings"
)

// A substitute is an item the shop calls as good as another one: whoever bought
// it does not want the other any more, and where the other is gone it is
// offered in its place, openly.

// maxSubstitutes bounds the substitutes of one item that are kept.
const maxSubstitutes = 8

// substitutes returns what stands for the item, best first: the number it has
// now, its substitutes, and the numbers it had before.
func (p *ProductFacts) substitutes() iter.Seq[string] {
	if p.unique() {
		return func(func(string) bool) {}
	}
	return func(yield func(string) bool) {
		for _, list := range [...]string{p.Now, p.Substitutes, p.Was} {
			if list == "" {
				continue
			}
			for s := range strings.SplitSeq(list, "\n") {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// unique reports whether an item has no substitutes.
func (p *ProductFacts) unique() bool { return p.Substitutes == "" && p.Now == "" && p.Was == "" }

// boughtInstead ends the interests in items that the one bought stands for.
func (c *Customer) boughtInstead(m *Machine, o *Order, sku string) {
	wa, ok := m.get(WatchKind, sku).(*Watch)
	if !ok || !wa.Stands {
		return
	}
	for i := range c.Interests {
		in := &c.Interests[i]
		if in.SKU == sku || !in.live() || !c.standsFor(m, in.SKU, sku) || !c.endedBy(m, in, o.boughtAt(sku)) {
			continue
		}
		if in.Queued || in.Offer != 0 {
			m.send(in.SKU, &Message{Type: LeaveQueue, SKU: in.SKU, Customer: c.ID, Since: in.Since, Tier: int64(in.Tier), Offer: in.Offer})
		}
		in.Bought = o.ID
		in.Queued, in.Parked, in.Offer, in.OfferUntil = false, false, 0, 0
	}
}

// unboughtInstead brings those interests back.
func (c *Customer) unboughtInstead(m *Machine, o *Order, sku string) {
	wa, ok := m.get(WatchKind, sku).(*Watch)
	if !ok || !wa.Stands {
		return
	}
	for i := range c.Interests {
		if in := &c.Interests[i]; in.SKU != sku && in.Bought == o.ID && o.units(in.SKU) == 0 && c.standsFor(m, in.SKU, sku) {
			c.wantedAgain(m, in)
		}
	}
}

// standsFor reports whether the second item is a substitute of the first.
func (c *Customer) standsFor(m *Machine, sku, substitute string) bool {
	for s := range m.facts(sku).Product.substitutes() {
		if s == substitute {
			return true
		}
	}
	return false
}

// purchasesOf counts the purchases of an item, of its substitutes, its variants and the bundles
// it is a part of, since a time, as purchases does.
func (c *Customer) purchasesOf(m *Machine, sku string, since int64) (bought, cancelled int64) {
	bought, cancelled = c.purchases(sku, since)
	wa, ok := m.get(WatchKind, sku).(*Watch)
	if !ok {
		return bought, cancelled
	}
	if p := &wa.Facts.Product; !p.unique() || p.Variants != "" {
		b, x := c.purchasesFor(p, since)
		bought, cancelled = bought+b, cancelled+x
	}
	for _, s := range wa.Bundles {
		b, x := c.purchases(s, since)
		bought, cancelled = bought+b, cancelled+x
	}
	return bought, cancelled
}

// purchasesFor counts the purchases of an item's substitutes and variants.
func (c *Customer) purchasesFor(p *ProductFacts, since int64) (bought, cancelled int64) {
	for s := range p.substitutes() {
		b, x := c.purchases(s, since)
		bought, cancelled = bought+b, cancelled+x
	}
	for s := range p.variants("") {
		b, x := c.purchases(s, since)
		bought, cancelled = bought+b, cancelled+x
	}
	return bought, cancelled
}

// replace returns the line with the first substitute that this customer can
// have in place of an item that is gone; false when there is none.
func (c *Customer) replace(m *Machine, mo *moments.Moment, l ActionLine, taken []ActionLine) (ActionLine, bool) {
	for s := range m.facts(l.SKU).Product.substitutes() {
		f := m.facts(s)
		if c.available(m, f, c.interest(s), mo) != "" || slices.ContainsFunc(taken, func(x ActionLine) bool { return x.SKU == s }) {
			continue
		}
		return ActionLine{
			SKU: s, Quantity: l.Quantity, Price: f.Price, Title: f.Product.Title, URL: f.Product.URL, Image: f.Product.Image, Replaces: l.SKU,
		}, true
	}
	return l, false
}
