package processor

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// An item may get another number, or become one with another item: the shop
// says so of the old number, {sku: old, renamed_to: new}.
//
//	Product Updated of the old number -> its Item -> RenamedItem -> the new Item: what it was called
//	   | Facts: of both, to the partitions that watch them
//	   v
//	who wanted the old one wants the new one: since then, on those terms, with that place
//	carts name it by the new number; what was bought under either is bought
//
// The old number is not on sale any more. A unit that is held under it stays so
// until the hold ends, and an ad that runs for it comes down.

// maxFormer bounds the old numbers of one item that are kept.
const maxFormer = 8

// maxRenames bounds how often one item is followed from number to number.
const maxRenames = 4

// renamed notes the number an item has now, as the catalogue says.
func (it *Item) renamed(m *Machine, e *Event) {
	now := properties(e.Properties).id("renamed_to")
	if now == "" || now == it.SKU || strings.Contains(now, "\n") || it.Product.Now == now {
		return
	}
	it.Product.Now = clone(now)
	it.Published = No
	m.send(now, &Message{Type: RenamedItem, SKU: now, Ref: it.SKU})
}

// wasCalled notes an old number of the item.
func (it *Item) wasCalled(m *Machine, old string) {
	former := slices.Collect(it.Product.former())
	switch {
	case slices.Contains(former, old):
	case len(former) >= maxFormer:
		m.dead("limit", fmt.Sprintf("%s has had %d numbers before, no more are kept: not %s", it.SKU, maxFormer, old), m.current)
	default:
		it.Product.Was = strings.Join(append(former, old), "\n")
	}
}

// passOn tells the number the item has now what was told to this one, and
// reports whether it did. A catalogue may rename in a circle.
func (it *Item) passOn(m *Machine, msg *Message) bool {
	if it.Product.Now == "" || msg.From >= maxRenames {
		return false
	}
	passed := *msg
	passed.SKU, passed.Since, passed.From = it.Product.Now, 0, msg.From+1
	m.send(passed.SKU, &passed)
	return true
}

// former returns the item's old numbers.
func (p *ProductFacts) former() iter.Seq[string] {
	if p.Was == "" {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(p.Was, "\n")
}

// calledNow returns the number an item has now.
func (m *Machine) calledNow(sku string) string {
	for range maxRenames {
		now := m.facts(sku).Product.Now
		if now == "" {
			break
		}
		sku = now
	}
	return sku
}

// wantsRenamed has a wish for an old number be one for the new.
func (c *Customer) wantsRenamed(m *Machine, old string) {
	for range maxRenames {
		in, now := c.interest(old), m.facts(old).Product.Now
		if in == nil || now == "" || in.Offer != 0 {
			return
		}
		c.endWaiting(m, old, Superseded)
		c.giveUp(m, in)
		f := *in
		f.SKU, f.hash = now, Hash(now)
		i := slices.IndexFunc(c.Interests, func(x Interest) bool { return x.SKU == old })
		c.Interests = slices.Delete(c.Interests, i, i+1)
		c.itemAt = nil
		m.watch(old).interested(m, c.ID, false)
		c.Profile.extend(old, now)
		wa := m.watch(now)
		c.mergeInterest(m, &f)
		if in = c.interest(now); in != nil && in.live() && !in.Queued && (in.Asked || wa.Facts.At != 0 && !wa.Facts.Sellable && wa.Facts.Why != StockStale) {
			c.queueUp(m, in)
		}
		old = now
	}
}

// ownsAny is owns of an item under any of its numbers.
func (c *Customer) ownsAny(m *Machine, sku string) (owned, returned bool) {
	owned, returned = c.owns(sku)
	for old := range m.facts(sku).Product.former() {
		o, r := c.owns(old)
		owned, returned = owned || o, returned || r
	}
	return owned, returned && !owned
}

// silencedBy reports whether a purchase since a time, of the item under any of
// its numbers or of its family, leaves the customer alone.
func (c *Customer) silencedBy(m *Machine, f *ItemFacts, sku string, since int64, gifts bool) bool {
	if c.boughtSince(m, sku, f.Product.Family, since, gifts) {
		return true
	}
	for old := range f.Product.former() {
		if c.boughtSince(m, old, "", since, gifts) {
			return true
		}
	}
	return false
}
