package processor

import (
	"slices"
	"strings"
)

// Item is one SKU: what the catalogue and the stock feeds say of it, what may
// be promised, who waits for it and who holds an offer of it. It lives in one
// partition, because who may be told of the last units is a question of order.
type Item struct {
	*head
	SKU       string
	Product   ProductFacts
	ProductAt int64 // occurred_at of the catalogue's last word
	Published Flag
	Price     int64
	Priced    edition
	Levels    []Level
	Sold      []Sold // not covered by a level yet, oldest first
	Extra     Sold   // those that did not fit, summed; At of the latest
	SaleID    string
	OpensAt   int64 // sale window; 0 = always on sale
	ClosesAt  int64

	SettleAt int64 // log time from which the level has held long enough; 0 = there is none to hold
	Facts    ItemFacts
	Watchers []uint32 // partitions told of facts, ascending
	Queue    Queue
}

// Level is the last stock level of one location. Version or time orders the
// reports of a source: older ones are dropped.
type Level struct {
	Location  string
	Available int64
	Known     bool // false: reported without a number
	Sellable  Flag
	Safety    int64 // -1 = the policy's
	edition
}

// edition orders the reports of one thing: by the source's version when both
// have one, else by time.
type edition struct {
	Version int64
	At      int64 // of the state reported, Unix ms
}

func editionOf(e *Event) edition {
	at := e.At
	if e.UpdatedAt != 0 {
		at = e.UpdatedAt
	}
	return edition{e.Version, at}
}

// older reports whether e is of an earlier state than f.
func (e edition) older(f edition) bool {
	if e.Version != 0 && f.Version != 0 {
		return e.Version < f.Version
	}
	return e.At < f.At
}

// Sold is a line of an order that the last level does not contain yet.
type Sold struct {
	Order    uint64 // hash of order id and line
	Quantity int64
	At       int64
}

// maxSold bounds the lines kept one by one between two levels of an item.
const maxSold = 256

func (it *Item) id() string { return it.SKU }

func (it *Item) bytes() int {
	return 560 + len(it.SKU) + len(it.Product.Title) + len(it.Product.URL) + len(it.Product.Image) +
		96*len(it.Levels) + 24*cap(it.Sold) + it.Queue.bytes()
}

func (it *Item) encode(w *writer) {
	w.str(it.SKU)
	it.Product.encode(w)
	w.int(it.ProductAt)
	w.u8(uint8(it.Published))
	w.int(it.Price)
	w.int(it.Priced.Version)
	w.int(it.Priced.At)
	w.uint(uint64(len(it.Levels)))
	for i := range it.Levels {
		l := &it.Levels[i]
		w.str(l.Location)
		w.int(l.Available)
		w.bool(l.Known)
		w.u8(uint8(l.Sellable))
		w.int(l.Safety)
		w.int(l.Version)
		w.int(l.At)
	}
	w.uint(uint64(len(it.Sold)))
	for _, s := range it.Sold {
		s.encode(w)
	}
	it.Extra.encode(w)
	w.str(it.SaleID)
	w.int(it.OpensAt)
	w.int(it.ClosesAt)
	w.int(it.SettleAt)
	it.Facts.encode(w)
	w.uint(uint64(len(it.Watchers)))
	for _, p := range it.Watchers {
		w.uint(uint64(p))
	}
	it.Queue.encode(w)
}

func (s *Sold) encode(w *writer) {
	w.u64(s.Order)
	w.int(s.Quantity)
	w.int(s.At)
}

func (it *Item) decode(r *reader) {
	it.SKU = r.str()
	it.Product.decode(r)
	it.ProductAt = r.int()
	it.Published = Flag(r.u8())
	it.Price = r.int()
	it.Priced = edition{r.int(), r.int()}
	it.Levels = make([]Level, r.count(7))
	for i := range it.Levels {
		it.Levels[i] = Level{r.str(), r.int(), r.bool(), Flag(r.u8()), r.int(), edition{r.int(), r.int()}}
	}
	it.Sold = make([]Sold, r.count(10))
	for i := range it.Sold {
		it.Sold[i] = Sold{r.u64(), r.int(), r.int()}
	}
	it.Extra = Sold{r.u64(), r.int(), r.int()}
	it.SaleID = r.str()
	it.OpensAt = r.int()
	it.ClosesAt = r.int()
	it.SettleAt = r.int()
	it.Facts.decode(r)
	it.Watchers = make([]uint32, r.count(1))
	for i := range it.Watchers {
		it.Watchers[i] = uint32(r.uint())
	}
	it.Queue.decode(r)
}

// item returns the item of a SKU, made when it is new, ready to be changed.
func (m *Machine) item(sku string) *Item {
	e, at := m.find(ItemKind, sku, Hash(sku))
	if e == nil {
		it := m.create(ItemKind, at).(*Item)
		it.SKU = strings.Clone(sku)
		it.Facts.Why, it.Facts.Open = StockStale, StockStale
		return it
	}
	m.touch(e)
	return e.(*Item)
}

// itemEvent applies an event about an item.
func (m *Machine) itemEvent(e *Event) {
	it := m.item(e.SKU)
	switch e.Kind {
	case StockLevelReported:
		it.level(e)
	case PriceChanged:
		if ed := editionOf(e); !ed.older(it.Priced) {
			it.Price, it.Priced = e.Price, ed
		}
	case ProductUpdated:
		it.update(e)
	case ProductDiscontinued:
		if e.At >= it.ProductAt {
			it.ProductAt, it.Published = e.At, No
		}
	case SaleScheduled:
		announceSale(m, e)
		it.SaleID, it.OpensAt, it.ClosesAt = clone(e.SaleID), e.OpensAt, e.ClosesAt
	case SaleCancelled:
		announceSale(m, e)
		if it.SaleID == e.SaleID {
			// Cancelled before it opened: the item stays off sale.
			it.ClosesAt = m.shop.Now
			if it.OpensAt > m.shop.Now {
				it.OpensAt = m.shop.Now
			}
		}
	case ItemSold:
		if !it.duplicate(m, e) {
			it.sell(saleKey(e.OrderID, e.Line), quantity(e), e.At)
		}
	case ItemReturned:
		if !it.duplicate(m, e) {
			it.unsell(saleKey(e.OrderID, e.Line), 0)
		}
	}
	it.settle(m)
}

func quantity(e *Event) int64 {
	if e.HasQty {
		return e.Quantity
	}
	return 1
}

func saleKey(orderID string, line int64) uint64 {
	return mix(Hash(orderID) + uint64(line)*0x9e3779b97f4a7c15)
}

// level applies a stock level, unless a newer one is known.
func (it *Item) level(e *Event) {
	i := slices.IndexFunc(it.Levels, func(l Level) bool { return l.Location == e.Location })
	if i < 0 {
		if len(it.Levels) >= maxLocations {
			return
		}
		it.Levels = append(it.Levels, Level{Location: clone(e.Location)})
		i = len(it.Levels) - 1
	}
	l := &it.Levels[i]
	ed := editionOf(e)
	if ed.older(l.edition) {
		return
	}
	l.edition = ed
	l.Available, l.Known, l.Sellable, l.Safety = e.Available, e.HasLevel, e.Sellable, -1
	if e.HasSafety {
		l.Safety = e.Safety
	}
}

// maxLocations bounds the locations of one item; levels of further ones are
// not applied.
const maxLocations = 1024

func (it *Item) update(e *Event) {
	if e.At < it.ProductAt {
		return
	}
	it.ProductAt = e.At
	p := &it.Product
	set := func(dst *string, v string) {
		if v != "" && *dst != v {
			*dst = clone(v)
		}
	}
	set(&p.Category, e.Category)
	set(&p.Brand, e.Brand)
	set(&p.Family, e.Family)
	set(&p.AccessoryOf, e.AccessoryOf)
	props := properties(e.Properties)
	set(&p.Title, props.str("title"))
	set(&p.URL, props.str("url"))
	set(&p.Image, props.str("image_url"))
	if e.Lasts != 0 {
		p.Lasts = e.Lasts
	}
	if e.Published != Unset {
		it.Published = e.Published
	}
	if ed := (edition{At: e.At}); e.HasPrice && !ed.older(it.Priced) {
		it.Price, it.Priced = e.Price, ed
	}
}

// sell counts a sale that the levels may not contain yet, once.
func (it *Item) sell(key uint64, n, at int64) {
	for _, s := range it.Sold {
		if s.Order == key {
			return
		}
	}
	if len(it.Sold) >= maxSold {
		it.Extra.Quantity += it.Sold[0].Quantity
		it.Extra.At = max(it.Extra.At, it.Sold[0].At)
		it.Sold = slices.Delete(it.Sold, 0, 1)
	}
	it.Sold = append(it.Sold, Sold{key, n, at})
}

// unsell takes back units of a sale; n = 0 takes all.
func (it *Item) unsell(key uint64, n int64) {
	it.Sold = slices.DeleteFunc(it.Sold, func(s Sold) bool { return s.Order == key && (n == 0 || n >= s.Quantity) })
	for i := range it.Sold {
		if it.Sold[i].Order == key {
			it.Sold[i].Quantity -= n
		}
	}
}

// expected returns the units that should be there now: the last levels of the
// web shop's locations less the sales they cannot contain, less safety.
// levelAt is the time of the oldest level used, 0 when none is known.
func (it *Item) expected(m *Machine) (units, levelAt int64) {
	stock := m.rules.stock(it)
	var newest int64
	safety := stock.Safety
	sellable := true
	for i := range it.Levels {
		l := &it.Levels[i]
		if !m.rules.online(l.Location) || !l.Known && l.Sellable == Unset {
			continue
		}
		units += l.Available
		if l.Sellable == No {
			sellable = false
		}
		if l.Sellable == Yes && !l.Known {
			units = max(units, safety+1) // sold without a count, or ahead of it
		}
		if l.Safety >= 0 {
			safety = l.Safety
		}
		if levelAt == 0 || l.At < levelAt {
			levelAt = l.At
		}
		newest = max(newest, l.At)
	}
	if levelAt == 0 {
		return 0, 0
	}
	since := newest - stock.Settle.Milliseconds()
	kept := it.Sold[:0]
	for _, s := range it.Sold {
		if s.At > since {
			kept = append(kept, s)
			units -= s.Quantity
		}
	}
	it.Sold = kept
	if it.Extra.At > since {
		units -= it.Extra.Quantity
	} else {
		it.Extra = Sold{}
	}
	if !sellable {
		return 0, levelAt
	}
	return units - safety, levelAt
}

// settle works out what is true of the item now, tells those who watch it, and
// offers what is free. The way down is immediate; the way up waits until the
// level has held for the policy's settle time.
func (it *Item) settle(m *Machine) {
	now := m.shop.Now
	units, levelAt := it.expected(m)
	switch {
	case levelAt == 0 || units <= 0:
		it.SettleAt = 0
	case it.SettleAt == 0:
		it.SettleAt = now + m.rules.stock(it).Settle.Milliseconds()
	}
	var open Reason // why it cannot be had though it is on sale
	switch {
	case levelAt == 0:
		open = StockStale
	case it.Published == No:
		open = Unpublished
	case units <= 0:
		open = OutOfStock
	case it.SettleAt > now && it.Facts.Open == StockStale:
		open = StockStale
	case it.SettleAt > now:
		open = OutOfStock
	}
	f := ItemFacts{
		At: now, LevelAt: levelAt, Open: open, Available: min(max(units, 0), availableCap),
		Price: it.Price, PriceAt: it.Priced.At, OpensAt: it.OpensAt, ClosesAt: it.ClosesAt, Product: it.Product,
	}
	for i := range it.Levels {
		if l := &it.Levels[i]; l.Known && !m.rules.online(l.Location) {
			f.Places = append(f.Places, Place{l.Location, min(max(l.Available, 0), availableCap)})
		}
	}
	f.Why = f.why(now)
	f.Sellable = f.Why == ""
	if !f.same(&it.Facts) {
		f.Version = m.shop.Position
		it.Facts = f
		it.announce(m)
	} else {
		it.Facts.LevelAt = levelAt
	}
	it.Queue.serve(m, it, units)
	it.rearm(m)
}

// announce tells the facts to every partition that watches the item.
func (it *Item) announce(m *Machine) {
	if len(it.Watchers) == 0 {
		return
	}
	w := writer{}
	it.Facts.encode(&w)
	for _, p := range it.Watchers {
		m.sendTo(int(p), &Message{Type: Facts, SKU: it.SKU, Body: w.b})
	}
}

// rearm sets the next time the item has something to do.
func (it *Item) rearm(m *Machine) {
	now := m.shop.Now
	due := it.Queue.due(m, it)
	for _, t := range [...]int64{it.SettleAt, it.OpensAt, it.ClosesAt} {
		if t > now && (due == 0 || t < due) {
			due = t
		}
	}
	m.arm(it, due)
}

// fire ends holds that ran out, then looks at the item afresh: the stock may
// have settled, a sale opened, or a wave has more to offer.
func (it *Item) fire(m *Machine) {
	it.Queue.endHolds(m, it)
	it.settle(m)
}

// itemMessage applies what a customer's partition tells an item.
func (m *Machine) itemMessage(msg *Message) {
	it := m.item(msg.SKU)
	switch msg.Type {
	case WatchItem:
		p := uint32(msg.From)
		i, ok := slices.BinarySearch(it.Watchers, p)
		if !ok {
			it.Watchers = slices.Insert(it.Watchers, i, p)
		}
		f := it.Facts
		f.At = m.shop.Now // nothing known is an answer, too
		w := writer{}
		f.encode(&w)
		m.sendTo(int(p), &Message{Type: Facts, SKU: it.SKU, Body: w.b})
		return
	case JoinQueue:
		it.Queue.join(m, it, msg)
	case LeaveQueue:
		it.Queue.leave(m, msg)
	case RejoinQueue:
		it.Queue.rejoin(m, it, msg)
	case AcceptOffer:
		it.Queue.accept(m, it, msg)
	case ReturnOffer:
		it.Queue.giveBack(m, it, msg)
	case SellItem:
		it.Queue.sold(m, msg)
		it.sell(saleKey(msg.Ref, msg.Line), msg.Quantity, msg.At)
	case UnsellItem:
		it.unsell(saleKey(msg.Ref, msg.Line), msg.Quantity)
	}
	it.settle(m)
}
