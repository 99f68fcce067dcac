package shop

import (
	"math"
	"sort"
	"time"
)

// Book is the truth: what the shop said, when the collector had accepted it.
// Everything is kept in the order of acceptance. It is not safe for concurrent
// use.
type Book struct {
	policy Policy
	people map[string]*life
	items  map[string]*shelf
	acks   []int64 // by Seq: when accepted, Unix ms; 0 = not
	slow   int64   // ms from when an event was sent until it was accepted, at most
	count  int
	first  int64
	last   int64
}

// NewBook returns an empty book. Of the policy it needs what says how stock is
// counted: locations and settle.
func NewBook(p Policy) *Book {
	return &Book{policy: p.withDefaults(), people: map[string]*life{}, items: map[string]*shelf{}}
}

// Acked tells that the collector accepted an event at a time. Copies of what
// was accepted before change nothing. Events should be told in the order of
// their acceptance; small disorder (less than the grace) does no harm.
func (b *Book) Acked(e Event, at time.Time) {
	now := max(at.UnixMilli(), b.last)
	b.count++
	if b.first == 0 {
		b.first = now
	}
	b.last = now
	for len(b.acks) <= e.Seq {
		b.acks = append(b.acks, 0)
	}
	if b.acks[e.Seq] != 0 {
		return
	}
	b.acks[e.Seq] = now
	if !e.At.IsZero() {
		b.slow = max(b.slow, now-e.At.UnixMilli())
	}
	switch e.Name {
	case ProductViewed: // the earliest interest keeps the place
		if e.Customer != "" {
			b.shelf(e.SKU).asked(e.Customer, now, false)
		}
		return
	case ProductUpdated, PriceChanged:
		b.shelf(e.SKU).priced(e.Price)
		return
	}
	e.JSON = nil
	n := note{now, &e}
	if e.Customer != "" {
		l := b.people[e.Customer]
		if l == nil {
			l = &life{}
			b.people[e.Customer] = l
		}
		l.notes = append(l.notes, n)
	}
	switch e.Name {
	case StockLevel:
		if b.policy.online(e.Location) {
			b.shelf(e.SKU).level(n, b.policy.Settle)
		}
	case OrderCompleted:
		for _, l := range e.Lines {
			s := b.shelf(l.SKU)
			s.sold(n, l.Quantity, b.policy.Settle)
			s.stopped(e.Customer, now)
		}
	case OrderCancelled, OrderRefunded:
		for _, l := range e.Lines {
			b.shelf(l.SKU).cancelled(n, b.policy.Settle)
		}
	case Requested:
		b.shelf(e.SKU).asked(e.Customer, now, true)
	case AddedToWishlist:
		b.shelf(e.SKU).asked(e.Customer, now, false)
	case ProductAdded, CheckoutFailed:
		for _, l := range e.Lines {
			b.shelf(l.SKU).priced(l.Price)
			b.shelf(l.SKU).asked(e.Customer, now, false)
		}
	case RequestCancelled, OfferDeclined:
		b.shelf(e.SKU).stopped(e.Customer, now)
	}
}

// Events returns the number of events accepted, copies counted.
func (b *Book) Events() int { return b.count }

// AckedAt returns when the event of a message id was accepted, and false when
// it is not known to be.
func (b *Book) AckedAt(messageID string) (time.Time, bool) {
	n := seqOf(messageID)
	if n < 0 || n >= len(b.acks) || b.acks[n] == 0 {
		return time.Time{}, false
	}
	return time.UnixMilli(b.acks[n]), true
}

func (b *Book) shelf(sku string) *shelf {
	s := b.items[sku]
	if s == nil {
		s = &shelf{sku: sku, levels: map[string]level{}, wants: map[string]*want{}}
		b.items[sku] = s
	}
	return s
}

func (b *Book) person(id string) *life {
	if l := b.people[id]; l != nil {
		return l
	}
	return &life{}
}

// note is an event and when it was accepted.
type note struct {
	at int64
	e  *Event
}

// shelf is what is known of an item.
type shelf struct {
	sku    string
	levels map[string]level // by location
	sales  []sale           // those that may count against the levels
	views  []view
	wants  map[string]*want // by customer
	order  []*want          // by first request

	low, high int64 // of the prices ever told
}

type level struct{ version, units, at int64 }

type sale struct {
	order     string
	at, units int64 // at: when it happened
	cancelled bool
}

// view is what could be known of an item's stock from an instant on: at most
// hi and at least lo units are expected to be there. They differ because a
// sale near the time of a level may or may not be in it.
type view struct{ at, hi, lo int64 }

// want is a customer's interest in an item.
type want struct {
	customer string
	first    int64 // earliest interest of any kind
	asks     []ask // requests to be told
}

// ask is a request, from when it was accepted until the customer ended it.
type ask struct{ from, to int64 }

const forever = math.MaxInt64 / 4

func (s *shelf) priced(price int64) {
	if price <= 0 {
		return
	}
	if s.low == 0 || price < s.low {
		s.low = price
	}
	s.high = max(s.high, price)
}

func (s *shelf) level(n note, settle time.Duration) {
	e := n.e
	if old, ok := s.levels[e.Location]; ok && old.version >= e.Version {
		return
	}
	s.levels[e.Location] = level{e.Version, e.Available, e.Occurred.UnixMilli()}
	s.see(n.at, settle)
}

func (s *shelf) sold(n note, units int64, settle time.Duration) {
	s.sales = append(s.sales, sale{order: n.e.Order, at: n.e.Occurred.UnixMilli(), units: units})
	s.see(n.at, settle)
}

func (s *shelf) cancelled(n note, settle time.Duration) {
	for i := range s.sales {
		if s.sales[i].order == n.e.Order {
			s.sales[i].cancelled = true
		}
	}
	s.see(n.at, settle)
}

func (s *shelf) see(now int64, settle time.Duration) {
	if len(s.levels) == 0 {
		return
	}
	oldest, newest, units := int64(forever), int64(0), int64(0)
	for _, l := range s.levels {
		oldest, newest = min(oldest, l.at), max(newest, l.at)
		units += l.units
	}
	oldest -= settle.Milliseconds()
	v := view{at: now, hi: units, lo: units}
	kept := s.sales[:0]
	for _, x := range s.sales {
		if x.at <= oldest {
			continue
		}
		kept = append(kept, x)
		v.lo -= x.units
		if x.at > newest && !x.cancelled {
			v.hi -= x.units
		}
	}
	s.sales = kept
	s.views = append(s.views, v)
}

// most returns the largest number of units that could be expected at some
// instant from a to b; forever when nothing was known yet.
func (s *shelf) most(a, b int64) int64 {
	i := s.at(a)
	if i < 0 {
		return forever
	}
	m := s.views[i].hi
	for i++; i < len(s.views) && s.views[i].at <= b; i++ {
		m = max(m, s.views[i].hi)
	}
	return m
}

// least returns the smallest number of units at any instant from a to b, 0
// when nothing was known yet.
func (s *shelf) least(a, b int64) int64 {
	i := s.at(a)
	if i < 0 {
		return 0
	}
	m := s.views[i].lo
	for i++; i < len(s.views) && s.views[i].at <= b; i++ {
		m = min(m, s.views[i].lo)
	}
	return m
}

// at returns the index of the view in force at t, -1 before the first.
func (s *shelf) at(t int64) int {
	return sort.Search(len(s.views), func(i int) bool { return s.views[i].at > t }) - 1
}

func (s *shelf) asked(customer string, now int64, told bool) {
	w := s.wants[customer]
	if w == nil {
		w = &want{customer: customer, first: now}
		s.wants[customer] = w
	}
	if !told {
		return
	}
	if len(w.asks) == 0 {
		s.order = append(s.order, w)
	}
	if n := len(w.asks); n == 0 || w.asks[n-1].to != forever {
		w.asks = append(w.asks, ask{now, forever})
	}
}

func (s *shelf) stopped(customer string, now int64) {
	if w := s.wants[customer]; w != nil && len(w.asks) > 0 {
		if a := &w.asks[len(w.asks)-1]; a.to == forever {
			a.to = now
		}
	}
}
