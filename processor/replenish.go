package processor

import (
	"math/bits"
	"onhand/processor/moments"
	"slices"
	"strings"
)

// What is used up is bought again: when that will be follows from the last
// purchase of the item or of its family, on any channel, from how long one unit
// lasts, and from what was bought that stands for it.

// runsOut returns when what the customer bought last of an item or a family is
// used up, or what a device says it still has.
func (c *Customer) runsOut(m *Machine, mo *moments.Moment, o *Occurrence) int64 {
	sku, family := o.Value, ""
	switch {
	case mo.Per == "family":
		sku, family = "", o.Value
	case m.watch(sku).Facts.At == 0:
		m.watch(sku).stake(m, c.ID, true)
		return dateUnknown
	default:
		family = m.facts(sku).Product.Family
	}
	if t := o.Told; t != nil && t.Capacity > 0 {
		if lasts := m.lasts(sku); lasts > 0 {
			m.watch(sku).own(m, c.ID, true)
			hi, lo := bits.Mul64(uint64(lasts), uint64(min(max(t.Level, 0), t.Capacity)))
			left, _ := bits.Div64(hi, lo, uint64(t.Capacity))
			return t.At + int64(left)
		}
		return dateOver
	}
	_, end := c.lastBought(m, sku, family)
	switch {
	case c.boughtUnheard(m):
		return dateUnknown
	case end == 0:
		return dateOver
	}
	c.owning(m)
	return max(end, c.usedInstead(m, sku, family))
}

// usedInstead returns when is used up what the customer has that stands for the
// item, or for one of its family that was bought; 0 = nothing does.
func (c *Customer) usedInstead(m *Machine, sku, family string) (end int64) {
	for i := range c.Orders {
		order := &c.Orders[i]
		for j := range order.Lines {
			l := &order.Lines[j]
			p := &m.facts(l.SKU).Product
			if p.unique() || order.kept(l) == 0 || l.Gift || l.SKU != sku && (family == "" || p.Family != family) {
				continue
			}
			for s := range p.substitutes() {
				end = max(end, c.usedUpOf(m, s, l.SKU))
			}
		}
	}
	return end
}

// usedUpOf returns when what was bought of an item is used up. One of which nobody
// says how long it lasts does so for as long as the one it stands for.
func (c *Customer) usedUpOf(m *Machine, sku, standsFor string) (end int64) {
	lasts := m.lasts(sku)
	if lasts == 0 {
		lasts = m.lasts(standsFor)
	}
	for i := range c.Orders {
		order, units := &c.Orders[i], int64(0)
		for j := range order.Lines {
			if l := &order.Lines[j]; l.SKU == sku && !l.Gift {
				units += min(order.kept(l), mostLasting)
			}
		}
		if units > 0 && order.Cancelled == 0 {
			end = max(end, order.boughtAt(sku)+units*lasts)
		}
	}
	return end
}

// boughtUnheard reports whether the customer bought something of which nobody here
// knows yet of which family it is, and asks.
func (c *Customer) boughtUnheard(m *Machine) (unheard bool) {
	for i := range c.Orders {
		order := &c.Orders[i]
		for j := range order.Lines {
			if l := &order.Lines[j]; order.kept(l) > 0 && !l.Gift && m.facts(l.SKU).At == 0 {
				m.watch(l.SKU).stake(m, c.ID, true)
				unheard = true
			}
		}
	}
	return unheard
}

// lastBought returns the last order that stands with the item or one of its
// family, and when what was kept of it is used up; 0 when nobody knows.
func (c *Customer) lastBought(m *Machine, sku, family string) (last *Order, end int64) {
	lastAt := int64(0)
	for i := range c.Orders {
		order := &c.Orders[i]
		if order.Cancelled != 0 || last != nil && max(order.At, order.Said) < lastAt {
			continue
		}
		var lasts, at int64
		for j := range order.Lines {
			l := &order.Lines[j]
			if n := order.kept(l); n > 0 && !l.Gift && (l.SKU == sku || family != "" && m.facts(l.SKU).Product.Family == family) {
				lasts += min(n, mostLasting) * m.lasts(l.SKU)
				at = max(at, order.boughtAt(l.SKU))
			}
		}
		if lasts == 0 || last != nil && at < lastAt {
			continue
		}
		if last == nil || at > lastAt || at+lasts > end {
			last, lastAt, end = order, at, at+lasts
		}
	}
	return last, end
}

// lastOfFamily returns an item of the family as it was bought last.
func (c *Customer) lastOfFamily(m *Machine, family string) (sku string, ok bool) {
	last, _ := c.lastBought(m, "", family)
	if last == nil {
		return "", false
	}
	for i := range last.Lines {
		if l := &last.Lines[i]; last.kept(l) > 0 && !l.Gift && m.facts(l.SKU).Product.Family == family {
			return l.SKU, true
		}
	}
	return "", false
}

// Limits of what is reckoned with, so that no date is beyond what a number
// holds: a unit that lasts for longer, or more units in a line, mean the same.
const (
	longestLasting = 100 * 365 * 24 * 3600_000 // ms
	mostLasting    = 1000
)

// lasts returns in how many ms one unit of an item is used up, as the catalogue
// or the policy says; 0 = it is not used up.
func (m *Machine) lasts(sku string) int64 {
	lasts := m.facts(sku).Product.Lasts
	if lasts == 0 {
		lasts = m.stockOf(sku).Lasts.Milliseconds()
	}
	return min(max(lasts, 0), longestLasting)
}

// stockOf returns how the stock of an item is counted, by what is known of it
// here.
func (m *Machine) stockOf(sku string) *moments.Stock {
	return m.rules.stock(&Item{SKU: sku, Product: m.facts(sku).Product})
}

// unknownFamily stands before an item in the value of an occurrence per family
// while the item's family is not known here yet.
const unknownFamily = "?"

// startFamilies begins an occurrence for the family of each item of an event.
// The first a partition hears of an item does not know its family yet: then it
// begins with the item's first word. Each item takes a number, so that numbers
// do not depend on what was known when.
func (c *Customer) startFamilies(m *Machine, mo *moments.Moment, e *Event) {
	if e.Family != "" {
		c.start(m, mo, e.Family, e)
	}
	item := func(sku string) {
		c.Count++
		n := c.Count
		wa := m.watch(sku)
		if wa.Facts.At != 0 {
			if family := wa.Facts.Product.Family; family != "" {
				c.startAs(m, mo, family, e, n)
			}
			return
		}
		wa.stake(m, c.ID, true)
		i := c.occurrence(mo.Name, unknownFamily+sku)
		if i < 0 {
			i = c.beginOccurrence(m, mo.Name, unknownFamily+sku, n)
		}
		o := &c.Occurrences[i]
		o.Cause, o.Position, o.At, o.Rules = e.Kind, m.shop.Position, max(o.At, e.At), m.shop.Activations
		if e.Kind == Custom {
			x := o.more()
			x.Name = clone(e.Name)
			o.with(x)
		}
	}
	if e.SKU != "" {
		item(e.SKU)
	}
	for i := range e.Products {
		item(e.Products[i].SKU)
	}
}

// factsCame goes on with what waited for the first word of an item.
func (c *Customer) factsCame(m *Machine, sku string) {
	if !m.rules.families && len(m.rules.dated) == 0 || m.facts(sku).At == 0 {
		return // the catalogue told of a bundle it is in, before its own word
	}
	m.atOnce = m.atOnce[:0]
	for i := range backwards(&c.Occurrences) {
		o := &c.Occurrences[i]
		if v, ok := strings.CutPrefix(o.Value, unknownFamily); !ok || v != sku || o.State != windowState || o.Due != 0 {
			continue
		}
		e, n, activation := Event{Kind: o.Cause, Name: o.more().Name, At: o.At}, o.N, o.Rules
		mo, family := m.rules.moment(o), m.facts(sku).Product.Family
		c.removeOccurrence(i)
		if mo != nil && mo.Per == "family" && family != "" {
			c.startAs(m, mo, family, &e, n)
			if i := c.occurrence(mo.Name, family); i >= 0 {
				c.Occurrences[i].Rules = activation
			}
		}
	}
	c.decideAtOnce(m)
	c.redateBy(m, true)
}

// familyLines returns what was bought last of a family, to buy again.
func (c *Customer) familyLines(m *Machine, family string) (lines []ActionLine) {
	last, _ := c.lastBought(m, "", family)
	for i := 0; last != nil && i < len(last.Lines); i++ {
		l := &last.Lines[i]
		n := last.kept(l)
		if n == 0 || l.Gift || m.facts(l.SKU).Product.Family != family {
			continue
		}
		if j := slices.IndexFunc(lines, func(x ActionLine) bool { return x.SKU == l.SKU }); j >= 0 {
			lines[j].Quantity += n
			continue
		}
		lines = append(lines, ActionLine{SKU: l.SKU, Quantity: n})
	}
	return lines
}
