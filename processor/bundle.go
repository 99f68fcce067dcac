package processor

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// A bundle is an item that consists of others: it can be had while every part
// can, and by its own count where the shop counts bundles, and whoever bought
// it has bought its parts. Where the shop counts its bundles they are offered by
// that count, once every part is there as well, and no unit of a part is held;
// where it does not, by the units its parts give it (reserve.go).

// maxParts bounds the parts of one bundle, and the bundles of one item that
// count.
const maxParts = 16

// parts returns the items a bundle consists of.
func (p *ProductFacts) parts() iter.Seq[string] {
	if p.Parts == "" {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(p.Parts, "\n")
}

// consists notes the items of a bundle, as the catalogue says.
func (it *Item) consists(m *Machine, e *Event) {
	raw := properties(e.Properties).get("parts")
	var list []string
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return
	}
	slices.Sort(list)
	list = slices.DeleteFunc(slices.Compact(list), func(s string) bool {
		return s == "" || s == it.SKU || len(s) > MaxIDBytes || strings.Contains(s, "\n")
	})
	if len(list) > maxParts {
		m.dead("limit", fmt.Sprintf("%s has %d parts, no more than %d are kept", it.SKU, len(list), maxParts), m.current)
		return
	}
	it.Product.Parts = strings.Join(list, "\n")
}

// inBundle notes that an item is part of a bundle, so that a change of the one is a
// change of the other.
func (wa *Watch) inBundle(m *Machine, bundle string) {
	if slices.Contains(wa.Bundles, bundle) || len(wa.Bundles) >= maxParts {
		return
	}
	m.touch(wa)
	wa.Bundles = append(wa.Bundles, clone(bundle))
}

// unbundle notes that what was part of a bundle, nil = nothing was known, is not
// any more.
func (wa *Watch) unbundle(m *Machine, was *ItemFacts, parts string) {
	if was == nil || was.Product.Parts == parts {
		return
	}
	is := ProductFacts{Parts: parts}
	for sku := range was.Product.parts() {
		gone := true
		for s := range is.parts() {
			gone = gone && s != sku
		}
		if part, ok := m.get(WatchKind, sku).(*Watch); ok && gone {
			m.touch(part)
			part.Bundles = slices.DeleteFunc(part.Bundles, func(b string) bool { return b == wa.SKU })
		}
	}
}

// bundled returns what is true of a bundle by what is known here of its parts;
// false while one of them has not been heard of.
func (m *Machine) bundled(own *ItemFacts) (f ItemFacts, ok bool) {
	f = *own
	counted := own.LevelAt != 0
	if !counted && own.Open == StockStale {
		f.Sellable, f.Why, f.Open, f.Available = true, "", "", availableCap
	}
	for sku := range own.Product.parts() {
		p := m.facts(sku)
		if p.At == 0 {
			return f, false
		}
		f.Available = min(f.Available, p.Available)
		if f.LevelAt == 0 || p.LevelAt < f.LevelAt {
			f.LevelAt = p.LevelAt
		}
		if f.Sellable && !p.Sellable {
			f.Sellable, f.Why, f.Open, f.OpensAt, f.ClosesAt, f.Ahead = false, p.Why, p.Open, p.OpensAt, p.ClosesAt, false
		}
		if !counted {
			f.Places = nil
		} else {
			f.Places = slices.DeleteFunc(slices.Clone(f.Places), func(x Place) bool { return !p.isAt(x.Location) })
		}
	}
	return f, true
}

// boughtParts ends the wish for the parts of a bundle that was bought.
func (c *Customer) boughtParts(m *Machine, o *Order, sku string) {
	p := &m.facts(sku).Product
	if p.Parts == "" {
		return // as a rule: a loop over none is not free
	}
	for part := range p.parts() {
		if in := c.interest(part); in != nil && in.live() && o.At >= in.began()-clockGraceMS {
			c.giveUp(m, in)
			in.Bought = o.ID
		}
	}
}

// inLine reports whether the customer has a place in a queue.
func (c *Customer) inLine() bool {
	return slices.ContainsFunc(c.Interests, func(in Interest) bool { return in.Queued })
}

// partsCame ends the wish for the parts of an item that was bought before
// anybody here knew that it is a bundle.
func (c *Customer) partsCame(m *Machine, sku string) {
	if m.facts(sku).Product.Parts == "" {
		return
	}
	for i := range c.Orders {
		if o := &c.Orders[i]; o.Placed && o.units(sku) > 0 {
			c.boughtParts(m, o, sku)
		}
	}
}

// unboughtParts brings that wish back.
func (c *Customer) unboughtParts(m *Machine, o *Order, sku string) {
	for part := range m.facts(sku).Product.parts() {
		if in := c.interest(part); in != nil && in.Bought == o.ID && o.units(part) == 0 {
			in.Bought = 0
			c.queueUp(m, in)
		}
	}
}
