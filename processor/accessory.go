package processor

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"onhand/processor/moments"
)

// What goes with an item: the catalogue says of an accessory what it is for
// (accessory_of), and the item keeps the list of its accessories. A moment per
// item with `lines: [accessories]` speaks of these in its place, to who has the
// item or is about to: never of the item itself, nor of what they, or somebody of
// their household, have already.
//
//	Product Updated of the accessory -> its Item -> AccessoryOfItem -> the main Item: the list
//	   | Facts: to the partitions that watch it, which then watch the accessories
//	   v
//	gate: owned or in the cart, not sent back, not given away; each accessory by itself

// maxAccessories bounds the accessories of one item that are kept.
const maxAccessories = 16

// goesWith tells the main item that this one is an accessory of it, or is not any
// more.
func (it *Item) goesWith(m *Machine, was string) {
	now := it.Product.AccessoryOf
	if was == now {
		return
	}
	if was != "" {
		m.send(was, &Message{Type: AccessoryOfItem, SKU: was, Ref: it.SKU, Park: true})
	}
	if now != "" && now != it.SKU {
		m.send(now, &Message{Type: AccessoryOfItem, SKU: now, Ref: it.SKU})
	}
}

// accessory takes an accessory into the item's list, or out of it.
func (it *Item) accessory(m *Machine, msg *Message) {
	list := slices.DeleteFunc(slices.Collect(it.Product.accessories()), func(s string) bool { return s == msg.Ref })
	if !msg.Park {
		if len(list) >= maxAccessories {
			m.dead("limit", fmt.Sprintf("%s has %d accessories, no more are kept: not %s", it.SKU, maxAccessories, msg.Ref), m.current)
			return
		}
		list = append(list, msg.Ref)
		slices.Sort(list)
	}
	it.Product.Accessories = strings.Join(list, "\n")
}

// accessories returns the items that go with this one.
func (p *ProductFacts) accessories() iter.Seq[string] {
	if p.Accessories == "" {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(p.Accessories, "\n")
}

// accessoriesFor returns what goes with an item, for who has it or is about to,
// or why nothing is to be said. It makes v wait while an accessory has not been
// heard of here.
func (c *Customer) accessoriesFor(m *Machine, sku string, v *verdict) (all []candidate) {
	if c.Member.unheard() { // perhaps somebody else has it
		v.household = c.Member.ID
		*v = v.refuse(Deferred, OrderSourceStale)
		return nil
	}
	sku = m.calledNow(sku)
	why := Reason("")
	if owned, returned := c.ownsAny(m, sku); !owned {
		switch {
		case returned:
			why = Returned
		case c.inCart(sku):
			why = m.facts(sku).why(m.shop.Now)
		default:
			why = GuardFalse // neither had nor about to be
		}
	}
	for s := range m.facts(sku).Product.accessories() {
		if m.watch(s).Facts.At == 0 {
			v.until = m.shop.Now + unitGraceMS
			*v = v.refuse(Deferred, StockStale)
			return nil
		}
		x := candidate{line: ActionLine{SKU: s, Quantity: 1}, reason: why}
		if owned, _ := c.ownsAny(m, s); owned && why == "" {
			x.reason = Purchased
		} else if why == "" && c.Member.has(m, s) {
			x.reason, v.household = Purchased, c.Member.ID
		}
		all = append(all, x)
	}
	if len(all) == 0 {
		*v = v.refuse(Suppressed, GuardFalse) // nothing goes with it
	}
	return all
}

// crossSells reports whether a moment speaks of what goes with its item.
func crossSells(mo *moments.Moment) bool { return slices.Contains(mo.Lines, moments.LineAccessories) }
