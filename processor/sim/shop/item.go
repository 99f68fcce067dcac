package shop

import (
	"fmt"
	"slices"
	"time"
)

// item is one thing the shop sells. Its units are the truth; levels are what
// the stock system says about them, a little later.
type item struct {
	n         int
	sku       string
	price     int64
	prices    int64   // version of the price
	at        []stock // by location
	reporting bool    // a level is about to be reported
	coming    bool    // a restock is on its way
	empty     int     // place in Shop.empty, -1 while there are units
}

type stock struct {
	location string
	units    int64
	version  int64
}

func newItem(cfg Config, n int) item {
	h := mix(cfg.Seed ^ mix(uint64(n)+1e6))
	it := item{n: n, sku: nameOf("sku-", n), price: 500 + int64(h%200)*100 + 99, empty: -1}
	places := cfg.Locations
	if h>>8%4 != 0 { // most items lie in one place only
		p := h >> 16 % uint64(len(places))
		places = places[p : p+1]
	}
	for _, l := range places {
		it.at = append(it.at, stock{location: l, units: 3 + int64(h>>24%40)})
	}
	return it
}

func (it *item) units() (sum int64) {
	for _, p := range it.at {
		sum += p.units
	}
	return sum
}

// storeLevels is the number of items whose store level is reported once.
func (s *Shop) storeLevels() int {
	if s.cfg.Store == "" {
		return 0
	}
	return len(s.items) / 10
}

// catalogue tells of each item that it exists and how many there are. With a
// Store, some items also have units there, which the web shop cannot sell.
func (s *Shop) catalogue() Event {
	n := s.product
	s.product++
	if n >= 2*len(s.items) {
		it := &s.items[n-2*len(s.items)]
		e, _ := s.say(Event{Name: StockLevel, SKU: it.sku, Available: 25, Location: s.cfg.Store, Version: 1}, extras{})
		return e
	}
	it := &s.items[n/2]
	if n%2 == 0 {
		e, _ := s.say(Event{Name: ProductUpdated, SKU: it.sku, Price: it.price},
			extras{product: it.n, title: fmt.Sprintf("Thing No. %d", it.n), category: categories[it.n%len(categories)]})
		return e
	}
	for i := 1; i < len(it.at); i++ {
		s.after(0, true, func() (Event, bool) { return s.level(it, i) })
	}
	e, _ := s.level(it, 0)
	return e
}

// level reports the units of an item in one location. Now and then the report
// is held up on its way and a younger one overtakes it.
func (s *Shop) level(it *item, place int) (Event, bool) {
	p := &it.at[place]
	p.version++
	e, _ := s.say(Event{Name: StockLevel, SKU: it.sku, Available: p.units, Location: p.location, Version: p.version}, extras{})
	if p.version > 1 && !s.ending() && s.dice.chance(3) {
		s.after(s.dice.between(2*time.Millisecond, 50*time.Millisecond), true, func() (Event, bool) { return s.level(it, place) })
		s.after(s.dice.between(100*time.Millisecond, 900*time.Millisecond), true, func() (Event, bool) { return e, true })
		return Event{}, false
	}
	return e, true
}

// sell takes units out of stock. Nothing is taken and false returned when
// there are too few of any line: the shop never sells what it does not have.
func (s *Shop) sell(lines []Line) bool {
	for _, l := range lines {
		if s.items[s.bySKU[l.SKU]].units() < l.Quantity {
			return false
		}
	}
	for _, l := range lines {
		it := &s.items[s.bySKU[l.SKU]]
		left := l.Quantity
		for i := range it.at {
			n := min(left, it.at[i].units)
			it.at[i].units -= n
			left -= n
		}
		s.changed(it)
	}
	return true
}

// putBack returns units to stock: a restock or a cancelled order.
func (s *Shop) putBack(it *item, n int64) {
	it.at[s.dice.IntN(len(it.at))].units += n
	s.changed(it)
}

// changed has the levels of an item reported soon, in one go for all changes
// until then, and orders more when it is sold out.
func (s *Shop) changed(it *item) {
	units := it.units()
	switch {
	case units == 0 && it.empty < 0:
		it.empty = len(s.empty)
		s.empty = append(s.empty, it.n)
	case units > 0 && it.empty >= 0:
		last := s.empty[len(s.empty)-1]
		s.empty[it.empty] = last
		s.items[last].empty = it.empty
		s.empty = s.empty[:len(s.empty)-1]
		it.empty = -1
	}
	if units == 0 && !it.coming {
		it.coming = true
		s.after(s.dice.between(s.cfg.Timing.AbandonAfter/3, 2*s.cfg.Timing.AbandonAfter), false, func() (Event, bool) { return s.restock(it) })
	}
	// While there is plenty not every sale makes the stock system speak.
	if it.reporting || units > 12 && s.dice.chance(70) {
		return
	}
	it.reporting = true
	s.after(s.dice.between(time.Millisecond, 150*time.Millisecond), true, func() (Event, bool) {
		it.reporting = false
		for i := 1; i < len(it.at); i++ {
			s.after(0, true, func() (Event, bool) { return s.level(it, i) })
		}
		return s.level(it, 0)
	})
}

// restock brings units of a sold-out item. One in seven times it flaps: a
// bulk buyer takes them all before the level has settled.
func (s *Shop) restock(it *item) (Event, bool) {
	it.coming = false
	n := int64(1 + s.dice.IntN(3))
	if s.dice.chance(50) {
		n = int64(4 + s.dice.IntN(30))
	}
	s.putBack(it, n)
	if s.dice.chance(14) {
		settle := s.cfg.Timing.Settle
		s.after(s.dice.between(settle/8, settle/2), true, func() (Event, bool) {
			return s.publicSale(it, it.units())
		})
	}
	return Event{}, false
}

// publicSale sells to somebody the shop does not know.
func (s *Shop) publicSale(it *item, n int64) (Event, bool) {
	lines := []Line{{SKU: it.sku, Quantity: n, Price: it.price}}
	if n <= 0 || !s.sell(lines) {
		return Event{}, false
	}
	return s.say(Event{Name: OrderCompleted, Order: s.orderID(), Lines: lines}, extras{total: true})
}

func (s *Shop) orderID() string {
	s.orders++
	return nameOf("o-", s.orders)
}

func (s *Shop) priceChange(it *item) (Event, bool) {
	it.prices++
	it.price = max(199, it.price*int64(85+s.dice.IntN(31))/100)
	return s.say(Event{Name: PriceChanged, SKU: it.sku, Price: it.price, Version: it.prices}, extras{})
}

// soldOut picks an item nobody can buy, -1 when there is none.
func (s *Shop) soldOut() int {
	if len(s.empty) == 0 {
		return -1
	}
	return s.empty[s.dice.IntN(len(s.empty))]
}

func (c *customer) waits(item int) bool { return slices.Contains(c.waiting, item) }
