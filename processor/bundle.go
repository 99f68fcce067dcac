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
	if it.Said.newest(ofParts, e.At) {
		it.Product.Parts = strings.Join(list, "\n")
	}
}

// inBundle notes that an item is part of a bundle, so that a change of the one is a
// change of the other.
func (wa *Watch) inBundle(m *Machine, bundle string) {
	if slices.Contains(wa.Bundles, bundle) || len(wa.Bundles) >= maxParts {
		return
	}
	m.touch(wa)
	wa.Bundles = append(wa.Bundles, clone(bundle))
	wa.spread(m, wave{Facts: factRenamed, Was: wa.Facts.Price, Price: wa.Facts.Price}) // who has bought the bundle has this one
	wa.retell(m)
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

// boughtParts ends the wish for the parts of a bundle that was bought. A unit of a
// part that is held for the buyer goes with the sale, nil = that was told before:
// it is not free before it is counted as sold.
func (c *Customer) boughtParts(m *Machine, o *Order, sku string, sale *Message) {
	p := &m.facts(sku).Product
	if p.Parts == "" {
		return // as a rule: a loop over none is not free
	}
	var held []partOffer
	for part := range p.parts() {
		if in := c.interest(part); in != nil && in.live() && c.endedBy(m, in, o.boughtAt(sku)) {
			if in.Offer != 0 && sale != nil {
				held = append(held, partOffer{part, in.Offer})
				in.Queued, in.Offer = false, 0
			}
			c.giveUp(m, in)
			in.Bought = o.ID
		}
	}
	if len(held) > 0 {
		sale.withHeld(held)
	}
}

// sendBehind sends a message to an item by way of bundles that were told of a sale
// before: what they tell the item, as a part of theirs, is there first. A unit that
// goes from an order into a set of the same order is free in no instant.
func (m *Machine) sendBehind(sets []string, msg Message) {
	for _, set := range sets {
		w := writer{}
		msg.encode(&w)
		msg = Message{Type: PassBehind, SKU: set, Body: w.b}
	}
	m.send(msg.SKU, &msg)
}

// passBehind sends on what came by way of this item, or of the number it has now.
func (it *Item) passBehind(m *Machine, msg *Message) {
	if it.Product.Now != "" && msg.From < maxRenames {
		on := *msg
		on.SKU, on.From = it.Product.Now, msg.From+1
		m.send(on.SKU, &on)
		return
	}
	var next Message
	r := reader{b: msg.Body}
	if next.decode(&r); r.err != nil {
		m.dead("malformed", "message by way of "+it.SKU, m.current)
		return
	}
	m.send(next.SKU, &next)
}

// partOffer is an offer of a part of a bundle.
type partOffer struct {
	part  string
	offer int64
}

// withHeld adds to the sale of a bundle the offers of its parts that end with it.
func (m *Message) withHeld(held []partOffer) {
	w := writer{}
	w.bytes(m.Body)
	w.uint(uint64(len(held)))
	for _, h := range held {
		w.str(h.part)
		w.int(h.offer)
	}
	m.Body, m.Park = w.b, true
}

// takeHeld returns them, and leaves what else the sale says.
func (m *Message) takeHeld() (held []partOffer) {
	if !m.Park {
		return nil
	}
	r := reader{b: m.Body}
	m.Body, m.Park = r.bytes(), false
	for range r.count(2) {
		held = append(held, partOffer{r.str(), r.int()})
	}
	return held
}

// wants reports whether the customer wants anything.
func (c *Customer) wants() bool {
	for i := range c.Interests {
		if c.Interests[i].live() {
			return true
		}
	}
	return false
}

// partsCame ends the wish for the parts of an item that was bought, since they
// were wanted last, before anybody here knew that it is a bundle.
func (c *Customer) partsCame(m *Machine, sku string) {
	p := &m.facts(sku).Product
	if p.Parts == "" {
		return
	}
	for part := range p.parts() {
		if in := c.interest(part); in != nil && in.live() {
			if id := c.boughtAfter(sku, max(in.began(), in.latest())); id != 0 {
				c.hadWith(m, in, id)
			}
		}
	}
}

// hadWith ends a wish with an order of which nobody here knew then that it does,
// and what is said of the item with it.
func (c *Customer) hadWith(m *Machine, in *Interest, order uint64) {
	c.giveUp(m, in)
	in.Bought = order
	sku := in.SKU
	c.holdItem(m, sku)
	c.recheckPending(m, sku)
}

// unboughtParts brings that wish back.
func (c *Customer) unboughtParts(m *Machine, o *Order, sku string) {
	for part := range m.facts(sku).Product.parts() {
		if in := c.interest(part); in != nil && in.Bought == o.ID && o.units(part) == 0 {
			c.wantedAgain(m, in)
		}
	}
}
