package shop

import "time"

// good is an item of recorded demand with simulated supply.
type good struct {
	sku     string
	price   int64
	units   int64
	version int64
	recent  int64 // demand, a decaying sum: about that of the last fortnight
	since   int64 // when recent was last brought up to date, microseconds
	lead    int64 // days from order to arrival
	coming  bool
}

const (
	supplyDay  = int64(24 * time.Hour / time.Microsecond)
	fortnight  = 14 * supplyDay
	firstStock = 24
)

// good returns the item of a row. A new one is told with its first stock,
// three times what is bought at first sight.
func (r *Retail) good(x row) *good {
	g := r.goods[x.sku]
	if g != nil {
		if x.price > 0 && x.price != g.price && x.quantity > 0 {
			g.price = x.price
		}
		return g
	}
	h := mixString(r.cfg.Seed, x.sku)
	g = &good{sku: x.sku, price: x.price, since: r.clock, lead: 3 + int64(h%8), units: max(firstStock, 3*x.quantity)}
	r.goods[x.sku] = g
	r.say(Event{Name: ProductUpdated, SKU: g.sku, Price: g.price}, extras{product: len(r.goods), title: "Article " + g.sku, category: "gifts"})
	r.level(g)
	return g
}

// demand counts what was asked for, sold or not.
func (g *good) demand(now, n int64) {
	if gone := now - g.since; gone >= fortnight {
		g.recent = g.recent * fortnight / (gone + fortnight)
		g.since = now
	} else if gone > supplyDay {
		g.recent -= g.recent / 14 * (gone / supplyDay)
		g.since += gone / supplyDay * supplyDay
	}
	g.recent += n
}

// reorder applies the (s, S) rule: when the units would not last the lead time
// at four fifths of the recent demand, order for the lead time and a fortnight.
// That is a little too late on purpose: items sell out.
func (r *Retail) reorder(g *good) {
	if g.coming || g.units > g.recent*g.lead*4/(14*5) {
		return
	}
	g.coming = true
	upTo := max(firstStock, g.recent*(g.lead+14)/14)
	r.later.add(r.clock+g.lead*supplyDay, false, func() (Event, bool) {
		g.coming = false
		g.units += max(1, upTo-g.units)
		r.level(g)
		return Event{}, false
	})
}

// level reports an item's stock. Goods have one location, so one version.
func (r *Retail) level(g *good) {
	g.version++
	r.say(Event{Name: StockLevel, SKU: g.sku, Available: g.units, Location: r.cfg.Location, Version: g.version}, extras{})
}

// Stock returns the simulated stock of an item, false for one not seen yet.
func (r *Retail) Stock(sku string) (int64, bool) {
	g := r.goods[sku]
	if g == nil {
		return 0, false
	}
	return g.units, true
}
