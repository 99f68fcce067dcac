package processor

import (
	"onhand/processor/moments"
	"slices"
)

// factSet is the facts of an item that became true together.
type factSet uint8

const (
	factSellable factSet = 1 << iota
	factSoldOut
	factPrice // it changed; whether down or up each customer's own price says
	factLowStock
	factBlocked  // it cannot be had: who may wait for it takes a place in the queue
	factVariants // it comes in other variants: who wants any of them waits at each
	factRenamed  // it has another number, or had: who wants it by the old one wants it by the new
	factRanked   // it is another kind of item, which may be queued for in another order
)

// factOf returns the set a fact of the moments file belongs to.
func factOf(f moments.Fact) factSet {
	switch f {
	case moments.Sellable:
		return factSellable
	case moments.SoldOut:
		return factSoldOut
	case moments.PriceDown, moments.PriceUp:
		return factPrice
	case moments.LowStock:
		return factLowStock
	}
	return 0
}

// wave is a change of an item's facts on its way through the partition's
// customers who want the item: it starts and ends moments. It says what became
// true, whatever becomes true meanwhile, so that who is reached late is told
// the same. Waves of an item follow each other.
type wave struct {
	Facts factSet
	First bool     // the item's first word here: no news but to who asked to be told
	Was   int64    // price before
	Price int64    // price now
	Up    []string // places that have it now and had not, "" = the web shop; with factSellable
	Down  []string // places that had it and have not any more; with factSoldOut
	Pre   bool     // it can be ordered ahead now, and could not
	Next  string   // customer to go on with
}

// maxWaves bounds the waves of one item that wait; a further change joins the
// last one.
const maxWaves = 16

func (v *wave) encode(w *writer) {
	w.u8(uint8(v.Facts))
	w.bool(v.First)
	w.int(v.Was)
	w.int(v.Price)
	writeStrings(w, v.Up)
	writeStrings(w, v.Down)
	w.bool(v.Pre)
	w.str(v.Next)
}

func (v *wave) decode(r *reader) {
	*v = wave{factSet(r.u8()), r.bool(), r.int(), r.int(), readStrings(r), readStrings(r), r.bool(), r.str()}
}

// waveOf returns what became true of an item between two words of it.
func waveOf(was, f *ItemFacts) wave {
	v := wave{First: was.At == 0, Was: was.Price, Price: f.Price}
	places := func(f, g *ItemFacts) (list []string) { // that have it by f and not by g
		if f.Sellable && !g.Sellable {
			list = append(list, "")
		}
		for _, p := range f.Places {
			if !g.isAt(p.Location) {
				list = append(list, p.Location)
			}
		}
		return list
	}
	v.Up, v.Down = places(f, was), places(was, f)
	v.Pre = f.Ahead && !was.Ahead && !was.Sellable
	if f.blocks() && !was.blocks() {
		v.Facts |= factBlocked
	}
	if len(v.Up) > 0 || v.Pre {
		v.Facts |= factSellable
	}
	if len(v.Down) > 0 {
		v.Facts |= factSoldOut
	}
	if was.Price != 0 && f.Price != 0 && was.Price != f.Price {
		v.Facts |= factPrice
	}
	if f.Low && !was.Low && was.Sellable {
		v.Facts |= factLowStock
	}
	if was.Product.Variants != f.Product.Variants {
		v.Facts |= factVariants
	}
	if was.Product.Now != f.Product.Now || was.Product.Was != f.Product.Was {
		v.Facts |= factRenamed
	}
	if p, q := &was.Product, &f.Product; p.Category != q.Category || p.Brand != q.Brand || p.Family != q.Family {
		v.Facts |= factRanked
	}
	return v
}

// spread begins to tell what became true to everybody here who wants the item,
// as far as a moment asks for it.
func (wa *Watch) spread(m *Machine, v wave) {
	v.Facts &= m.rules.facts
	if v.Facts == 0 && !v.First || wa.Interested.Len() == 0 {
		return
	}
	if n := len(wa.Waves); n == maxWaves {
		last := &wa.Waves[n-1]
		last.Facts |= v.Facts
		last.Price, last.Up, last.Down, last.Next = v.Price, v.Up, v.Down, ""
		return
	}
	wa.Waves = append(wa.Waves, v)
	if len(wa.Waves) == 1 {
		wa.roll(m)
	}
}

// roll tells the next customers of the oldest wave.
func (wa *Watch) roll(m *Machine) {
	if len(wa.Waves) == 0 {
		return
	}
	v := wa.Waves[0]
	ids := make([]string, 0, min(wa.Interested.Len(), customersPerStep))
	more := false
	wa.Interested.ascend(m, v.Next, func(customer, _ string) bool {
		if len(ids) == customersPerStep {
			wa.Waves[0].Next, more = customer, true
			return false
		}
		ids = append(ids, customer)
		return true
	})
	for _, id := range ids {
		if c, ok := m.get(CustomerKind, id).(*Customer); ok {
			m.touch(c)
			c.reached(m, wa, &v)
			c.ready(m)
		}
	}
	if !more {
		wa.Waves = slices.Delete(wa.Waves, 0, 1)
	}
	if len(wa.Waves) > 0 {
		m.arm(wa, m.shop.Now+1)
	}
}

// reached starts and ends what depends on facts of an item that changed.
func (c *Customer) reached(m *Machine, wa *Watch, v *wave) {
	in := c.interest(wa.SKU)
	if v.First && in != nil {
		// What the item was like when it was first wanted here; a wish of another
		// id, which came later, began before.
		if in.PriceSeen == 0 && wa.Facts.PriceAt <= in.began()+clockGraceMS {
			in.PriceSeen = v.Price
		}
		if in.Unseen {
			in.Unseen = false
			in.took(&wa.Facts)
		}
		c.inDismissed(m, in)
		in = c.interest(wa.SKU)
	}
	e := Event{Kind: StockLevelReported, SKU: wa.SKU, Family: wa.Facts.Product.Family, At: m.shop.Now}
	if v.Facts&factPrice != 0 {
		e.Kind = PriceChanged
	}
	c.endByFacts(m, m.rules, wa, v, in, &e)
	for _, k := range m.rules.kept {
		c.endByFacts(m, k, wa, v, in, &e)
	}
	if v.Facts&factRenamed != 0 && c.Numbers != nil {
		c.takenBack(m, wa.SKU)
		in = c.interest(wa.SKU)
	}
	if len(c.Sales) > 0 {
		c.registeredReached(m, wa, v, in, &e)
		in = c.interest(wa.SKU)
	}
	if in == nil {
		return
	}
	if v.Facts&factRanked != 0 {
		tier, _ := c.tier(m, in)
		c.stand(m, in, tier, "")
	}
	if v.Facts&factRenamed != 0 && wa.Facts.Product.Now != "" {
		c.wantsRenamed(m, wa.SKU)
		return
	}
	if v.Facts&factRenamed != 0 {
		c.formerCame(m, wa.SKU)
		c.formerWent(m, wa)
	}
	if v.Facts&factVariants != 0 {
		c.wantVariants(m, wa.SKU)
	}
	if in = c.interest(wa.SKU); in == nil {
		return // it made room for its variants
	}
	if v.Facts&factBlocked != 0 && wa.Facts.blocks() && !c.awaits() {
		c.queueIfBlocked(m, in)
		if in = c.interest(wa.SKU); in == nil {
			return
		}
	}
	if in.Of != "" {
		c.variantReached(m, wa, v, in, e)
		return
	}
	m.atOnce = m.atOnce[:0]
	for _, mo := range m.rules.factStarts {
		if wa.Own != nil && wa.Own.Product.Variants != "" && mo.Fact == moments.Sellable && (v.Facts&factVariants == 0 || in.cannotHave(m, &wa.Facts) != "") {
			continue // its variants tell
		}
		if in.wantedBy(mo, m.shop.Now) && v.holds(m, mo.Fact, wa, in, mo) && (!v.First || in.Asked) {
			m.values = values(m, mo.Per, &e, m.values[:0])
			for _, value := range c.salesOf(m, mo, mo.Fact, wa.SKU, m.values) {
				c.start(m, mo, value, &e)
			}
		}
	}
	c.decideAtOnce(m)
}

// registeredReached starts what a fact starts per sale for who registered for one
// of the item's sales and does not want the item besides: registering is asking.
func (c *Customer) registeredReached(m *Machine, wa *Watch, v *wave, in *Interest, e *Event) {
	if v.First {
		return
	}
	m.atOnce = m.atOnce[:0]
	for _, mo := range m.rules.factStarts {
		if mo.Per != "sale_id" || len(mo.Interests) > 0 || in != nil && in.wantedBy(mo, m.shop.Now) || !v.holds(m, mo.Fact, wa, in, mo) {
			continue
		}
		for _, value := range c.salesOf(m, mo, mo.Fact, wa.SKU, nil) {
			c.start(m, mo, value, e)
		}
	}
	c.decideAtOnce(m)
}

// variantReached starts what depends on any variant of a product being there,
// of which this one is the first.
func (c *Customer) variantReached(m *Machine, wa *Watch, v *wave, in *Interest, e Event) {
	product := c.interest(in.Of)
	if product == nil || v.First || v.Facts&factSellable == 0 || c.hasOther(m, in) {
		return
	}
	e.SKU = product.SKU
	m.atOnce = m.atOnce[:0]
	for _, mo := range m.rules.factStarts {
		if mo.Fact == moments.Sellable && product.wantedBy(mo, m.shop.Now) && v.holds(m, mo.Fact, wa, in, mo) {
			m.values = values(m, mo.Per, &e, m.values[:0])
			for _, value := range c.salesOf(m, mo, mo.Fact, e.SKU, m.values) {
				c.start(m, mo, value, &e)
			}
		}
	}
	c.decideAtOnce(m)
}

// endByFacts ends what some rules end, of what goes by them, for what became
// true.
func (c *Customer) endByFacts(m *Machine, r *rules, wa *Watch, v *wave, in *Interest, e *Event) {
	for _, mo := range r.factEnds {
		for _, f := range mo.UntilFacts {
			if v.holds(m, f, wa, in, nil) {
				c.endByFact(m, r, mo, f, e)
				break
			}
		}
	}
}

// wantedBy reports whether an interest is alive under one of the names a
// moment asks for.
func (in *Interest) wantedBy(mo *moments.Moment, now int64) bool {
	if len(mo.Interests) == 0 {
		name, _ := in.strongest(now)
		return name != ""
	}
	return slices.ContainsFunc(mo.Interests, func(name string) bool { return in.has(name, now) })
}

// holds reports whether a fact became true for a customer with this interest,
// nil for none: the price is compared with the one this customer saw, and a
// place counts when this customer accepts it. starts is the moment it would
// start, nil when it ends one: a price that is back where it was ends what a
// lower one started and is no news by itself, and that an item can be ordered
// ahead is news to moments that do not ask for stock.
func (v *wave) holds(m *Machine, f moments.Fact, wa *Watch, in *Interest, starts *moments.Moment) bool {
	if v.Facts&factOf(f) == 0 {
		return false
	}
	accepts := func(place string) bool { return in.accepts(m, place) }
	seen := v.Was
	if in != nil && in.PriceSeen != 0 {
		seen = in.PriceSeen
	}
	switch f {
	case moments.PriceDown:
		return v.Price < v.Was && v.Price < seen
	case moments.PriceUp:
		return v.Price > v.Was && (v.Price > seen || starts == nil && v.Price == seen)
	case moments.Sellable:
		return slices.ContainsFunc(v.Up, accepts) || v.Pre && starts != nil && starts.Stock == moments.StockIgnore && accepts("")
	case moments.SoldOut:
		return slices.ContainsFunc(v.Down, accepts) && (in == nil || len(in.Locations) == 0 || in.cannotHave(m, &wa.Facts) != "")
	}
	return true
}

// salesOf returns the values a fact of an item carries: with per: sale_id the
// sales of the item that the customer is registered for. What is sold out because
// a sale is, is so to who registered for that one.
func (c *Customer) salesOf(m *Machine, mo *moments.Moment, fact moments.Fact, sku string, carried []string) []string {
	if mo.Per != "sale_id" {
		return carried
	}
	var ids, gone []string
	for _, g := range c.Sales {
		if f := m.sale(g.ID); !g.Gone && f != nil && f.SKU == sku {
			if ids = append(ids, g.ID); fact == moments.SoldOut && m.soldOut(f, g.ID) {
				gone = append(gone, g.ID)
			}
		}
	}
	if len(gone) > 0 {
		return gone
	}
	return ids
}

// endByFact ends what an `until` fact ends: what has not been decided, and
// what was decided and has not gone.
func (c *Customer) endByFact(m *Machine, r *rules, mo *moments.Moment, f moments.Fact, e *Event) {
	why := Ended
	switch f {
	case moments.PriceUp:
		why = PriceRose
	case moments.SoldOut:
		why = OutOfStock
	}
	m.values = values(m, mo.Per, e, m.values[:0])
	carried := c.salesOf(m, mo, f, e.SKU, m.values)
	for i := range backwards(&c.Occurrences) {
		o := &c.Occurrences[i]
		if o.Moment != mo.Name || m.rules.of(o.Rules) != r || !slices.Contains(carried, o.Value) {
			continue
		}
		c.finish(m, i, why)
	}
	c.endPending(m, r, mo, carried, why)
}

// asksFacts notes which facts a moment asks for.
func (r *rules) asksFacts(mo *moments.Moment) {
	if mo.Mode == moments.Off {
		return
	}
	if mo.Fact != "" && mo.Stock != moments.StockOffer {
		r.factStarts = append(r.factStarts, mo)
		r.facts |= factOf(mo.Fact)
	}
	if len(mo.UntilFacts) > 0 {
		r.factEnds = append(r.factEnds, mo)
		for _, f := range mo.UntilFacts {
			r.facts |= factOf(f)
		}
	}
}

// startSellable starts the moments of an item that can be had, for a customer
// who asks for it while it can.
func (c *Customer) startSellable(m *Machine, in *Interest) {
	e := Event{Kind: StockLevelReported, SKU: in.SKU, Family: m.facts(in.SKU).Product.Family, At: m.shop.Now}
	m.atOnce = m.atOnce[:0]
	for _, mo := range m.rules.factStarts {
		if mo.Fact == moments.Sellable && in.wantedBy(mo, m.shop.Now) {
			m.values = values(m, mo.Per, &e, m.values[:0])
			for _, value := range c.salesOf(m, mo, mo.Fact, in.SKU, m.values) {
				c.start(m, mo, value, &e)
			}
		}
	}
	c.decideAtOnce(m)
}
