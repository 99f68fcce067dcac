package processor

import (
	"slices"
	"strconv"
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
	Sold      []Sold   // not covered by a level yet, oldest first
	Extra     Sold     // those that did not fit, summed; At of the latest
	Windows   []window // when it is on sale; none = always
	Counted   List     // what was sold around sales of so many units; see count
	Low       int64    // level at which it is running low; 0 = not told
	Units     int64    // what may be promised, as of the last step; 0 while it cannot be bought

	SettleAt int64 // log time from which the level has held long enough; 0 = there is none to hold
	Facts    ItemFacts
	Watchers []uint32 // partitions told of facts, ascending
	Queue    Queue
	Held     *partsHeld // of a bundle that nobody counts: units of its parts
	Names    *names     // nil for who has one number

	Said said // occurred_at of the catalogue's last word on each thing, never after ProductAt
}

func (it *Item) id() string { return it.SKU }

func (it *Item) bytes() int {
	return 688 + len(it.SKU) + len(it.Product.Title) + len(it.Product.URL) + len(it.Product.Image) +
		96*len(it.Levels) + 24*cap(it.Sold) + it.Counted.bytes() + it.Queue.bytes() + it.Held.bytes() + it.Names.bytes()
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
		it.Levels[i].encode(w)
	}
	w.uint(uint64(len(it.Sold)))
	for _, s := range it.Sold {
		s.encode(w)
	}
	it.Extra.encode(w)
	encodeWindows(w, it.Windows)
	it.Counted.encode(w)
	w.int(it.Low)
	w.int(it.Units)
	w.int(it.SettleAt)
	it.Facts.encode(w)
	w.uint(uint64(len(it.Watchers)))
	for _, p := range it.Watchers {
		w.uint(uint64(p))
	}
	it.Queue.encode(w)
	it.Held.encode(w)
	it.Names.encode(w)
	it.Said.encode(w, it.ProductAt)
}

func (it *Item) decode(r *reader) {
	it.SKU = r.str()
	it.Product.decode(r)
	it.ProductAt = r.int()
	it.Published = Flag(r.u8())
	it.Price = r.int()
	it.Priced = edition{r.int(), r.int()}
	it.Levels = resize(it.Levels, r.count(8))
	for i := range it.Levels {
		it.Levels[i].decode(r)
	}
	it.Sold = resize(it.Sold, r.count(11))
	for i := range it.Sold {
		it.Sold[i].decode(r)
	}
	it.Extra.decode(r)
	it.Windows = decodeWindows(r)
	it.Counted.decode(r)
	it.Low, it.Units = r.int(), r.int()
	it.SettleAt = r.int()
	it.Facts.decode(r)
	it.Watchers = resize(it.Watchers, r.count(1))
	for i := range it.Watchers {
		it.Watchers[i] = uint32(r.uint())
	}
	it.Queue.decode(r)
	it.Held = decodePartsHeld(r)
	it.Names = decodeNames(r)
	it.Said.decode(r, it.ProductAt)
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
func (m *Machine) itemEvent(sku string, e *Event) {
	it := m.item(sku)
	m.happened = e.At
	if e.UpdatedAt != 0 {
		m.happened = e.UpdatedAt
	}
	switch e.Kind {
	case StockLevelReported:
		it.level(e)
	case PriceChanged:
		if ed := editionOf(e); e.HasPrice && !ed.older(it.Priced) {
			it.Price, it.Priced = e.Price, ed
		}
	case ProductUpdated:
		it.belongs(m, e)
		it.consists(m, e)
		it.soldIn(m, e)
		main := it.Product.AccessoryOf
		it.update(e)
		it.goesWith(m, main)
		it.called(m, e)
	case ProductDiscontinued:
		it.ProductAt = max(it.ProductAt, e.At)
		it.publish(No, e.At)
		it.called(m, e)
	case SaleScheduled, SaleCancelled:
		news := it.sale(m, e)
		it.settle(m)
		if news {
			announceSale(m, it, e)
		}
		return
	case OfferClaimed, OfferDeclined:
		it.Queue.answer(m, it.SKU, e)
		return
	case ItemSold:
		ref := orderRef(Hash(e.OrderID))
		switch {
		case m.repeated(it.hash, e):
		case it.Product.Now != "" && it.passOn(m, &Message{
			Type: SellItem, Ref: ref, Line: e.Line, Quantity: quantity(e), At: e.At, Body: []byte(e.Location),
		}):
		case it.inSets():
			it.count(m, &Sold{Order: saleKey(ref, e.Line), Quantity: quantity(e), At: e.At})
			it.soldSets(m, ref, e.Line, quantity(e), e.At, 0, []byte(e.Location), nil)
		default:
			it.sell(m, saleKey(ref, e.Line), quantity(e), e.At, m.rules.stock(it).Store(e.Location))
		}
	case ItemReturned:
		if !m.repeated(it.hash, e) {
			ref := orderRef(Hash(e.OrderID))
			it.passOn(m, &Message{Type: UnsellItem, Ref: ref, Quantity: quantity(e)})
			it.unsell(m, ref, quantity(e), "")
			it.unsoldSets(m, UnsellItem, ref, quantity(e))
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

// saleKey names a line of an order: the order in the upper bits, the line in
// the lower ones.
func saleKey(ref string, line int64) uint64 {
	return Hash(ref)&^saleLine | uint64(line)&saleLine
}

// orderRef is by what items are told of an order, whose id itself is not kept.
func orderRef(id uint64) string { return strconv.FormatUint(id, 36) }

const saleLine = 1<<20 - 1

// maxProductText bounds a text of the catalogue, such as the title; of a longer
// one nothing is kept.
const maxProductText = 4096

// publish takes a word on whether the item has a page, said at that time.
func (it *Item) publish(f Flag, at int64) {
	if f != Unset && it.Said.newest(ofPublished, at) {
		it.Published = f
	}
}

// update takes what the catalogue says of the item itself.
func (it *Item) update(e *Event) {
	it.ProductAt = max(it.ProductAt, e.At)
	it.publish(e.Published, e.At)
	p := &it.Product
	set := func(on subject, dst *string, v string) {
		if v != "" && len(v) <= maxProductText && it.Said.newest(on, e.At) && *dst != v {
			*dst = clone(v)
		}
	}
	number := func(on subject, dst *int64, v int64) {
		if v != 0 && it.Said.newest(on, e.At) {
			*dst = v
		}
	}
	set(ofCategory, &p.Category, e.Category)
	set(ofBrand, &p.Brand, e.Brand)
	set(ofFamily, &p.Family, e.Family)
	set(ofAccessory, &p.AccessoryOf, e.AccessoryOf)
	props := properties(e.Properties)
	set(ofTitle, &p.Title, props.str("title"))
	set(ofURL, &p.URL, props.str("url"))
	set(ofImage, &p.Image, props.str("image_url"))
	number(ofLasts, &p.Lasts, e.Lasts)
	if len(e.Locations) > 0 {
		set(ofSubstitutes, &p.Substitutes, strings.Join(e.Locations[:min(len(e.Locations), maxSubstitutes)], "\n"))
	}
	number(ofLow, &it.Low, e.Low)
	number(ofMargin, &p.Margin, e.Margin)
	if ed := (edition{At: e.At}); e.HasPrice && !ed.older(it.Priced) {
		it.Price, it.Priced = e.Price, ed
	}
}

// settle works out what is true of the item now, tells those who watch it, and
// offers what is free. The way down is immediate; the way up waits until the
// level has held for the policy's settle time.
func (it *Item) settle(m *Machine) {
	now := m.shop.Now
	units, levelAt := it.expected(m)
	opens, closes, left := it.window(now)
	units = min(units, left)
	it.SettleAt = it.settling(m, it.SettleAt, units)
	var open Reason // why it cannot be had though it is on sale
	switch {
	case it.Published == No || it.Product.Now != "":
		open = Unpublished
	case left == 0:
		open = OutOfStock // whether or not anybody counts what is there
	case levelAt == 0:
		open = StockStale
	case units <= 0:
		open = OutOfStock
	case it.SettleAt > now && it.Facts.Open == StockStale, !it.Facts.Sellable && m.behind(StockLevelReported.String()):
		open = StockStale
	case it.SettleAt > now:
		open = OutOfStock
	}
	f := ItemFacts{
		At: now, LevelAt: levelAt, Open: open, Available: min(max(units, 0), availableCap),
		Price: it.Price, PriceAt: it.Priced.At, Product: it.Product, Ahead: open == OutOfStock && left > 0 && it.ahead(m),
		OpensAt: opens, ClosesAt: closes, SoldOut: it.soldOut(now),
	}
	f.Over = it.Queue.Open > it.Queue.most(m, it, it.offerable(units)) || it.Queue.leftOfSale(m, it) < 0
	if f.Places = it.places(m); left == 0 {
		f.Places = nil
	}
	f.Why = f.why(now)
	f.Sellable = f.Why == ""
	f.Low = it.sink(&f, units)
	if !f.same(&it.Facts) {
		f.Version = m.shop.Position
		it.Facts = f
		it.announce(m)
	}
	it.reserve(m)
	it.rearm(m, it.Queue.serve(m, it, it.offerable(units)))
}

// serveSoon serves the queue in a while. Many wake at the same instant, and their
// messages come in any order: the best rank is served, not the first message.
func (it *Item) serveSoon(m *Machine) {
	if due := m.shop.Now + rejoinGraceMS; it.due == 0 || due < it.due {
		m.arm(it, due)
	}
}

// rejoinGraceMS is how long the item waits for others who wake at the same
// time before it serves who rejoined.
const rejoinGraceMS = 100

// factsBytes is room for the facts of most items, encoded.
const factsBytes = 160

// announce tells the facts to every partition that watches the item.
func (it *Item) announce(m *Machine) {
	if len(it.Watchers) == 0 {
		return
	}
	w := writer{b: make([]byte, 0, factsBytes)}
	it.Facts.encode(&w)
	for _, p := range it.Watchers {
		m.sendTo(int(p), &Message{Type: Facts, SKU: it.SKU, At: m.happened, Body: w.b})
	}
}

// rearm sets the next time the item has something to do. more says that a wave
// of offers has to go on.
func (it *Item) rearm(m *Machine, more bool) {
	now := m.shop.Now
	due := it.Queue.due(m, it, more)
	at := func(t int64) {
		if t > now && (due == 0 || t < due) {
			due = t
		}
	}
	if it.Facts.Open == StockStale && it.Facts.LevelAt != 0 && it.SettleAt <= now && len(it.Watchers) > 0 {
		at(m.nextLook(it.SKU)) // the feed is behind, and no word wakes items when it has caught up
	}
	if it.Held != nil {
		at(it.Held.RetryAt)
	}
	at(it.SettleAt)
	at(it.Facts.OpensAt)
	at(it.Facts.ClosesAt)
	if it.limited() { // another sale may be the one that counts
		for i := range it.Windows {
			at(it.Windows[i].OpensAt)
			at(it.Windows[i].ClosesAt)
		}
	}
	for i := range it.Levels {
		at(it.Levels[i].SettleAt)
	}
	m.arm(it, due)
}

// fire ends holds that ran out, then looks at the item afresh: the stock may
// have settled, a sale opened, or a wave has more to offer.
func (it *Item) fire(m *Machine) {
	m.happened = m.shop.Now
	it.Queue.endHolds(m, it)
	it.settle(m)
}

// itemMessage applies what a customer's partition tells an item.
func (m *Machine) itemMessage(msg *Message) {
	it := m.item(msg.SKU)
	m.happened = m.shop.Now
	switch msg.Type {
	case WatchItem:
		p := uint32(msg.From)
		i, ok := slices.BinarySearch(it.Watchers, p)
		first := len(it.Watchers) == 0
		if !ok {
			it.Watchers = slices.Insert(it.Watchers, i, p)
		}
		if first && it.Facts.Open == StockStale && len(it.Levels) > 0 {
			it.settle(m) // the feed may have caught up; while anybody watches the item looks again by itself
		}
		f := it.Facts
		f.At = m.shop.Now // nothing known is an answer, too
		w := writer{b: make([]byte, 0, factsBytes)}
		f.encode(&w)
		m.sendTo(int(p), &Message{Type: Facts, SKU: it.SKU, Body: w.b})
		return
	case VariantOf:
		it.variant(m, msg)
	case AccessoryOfItem:
		it.accessory(m, msg)
	case RenamedItem:
		it.wasCalled(m, msg)
	case TakeBackName:
		it.tookBack(m, msg)
	case MoveSale:
		it.movedSale(m, msg)
	case CountVariant:
		m.happened = msg.At
		it.countVariant(m, msg)
	case JoinQueue:
		it.Queue.join(m, it, msg)
		if msg.Park && msg.Since < m.shop.Now-rejoinGraceMS {
			it.serveSoon(m) // it may have turned out just now to be what many have long waited for
			return
		}
	case LeaveQueue:
		it.Queue.leave(m, it, msg)
	case RejoinQueue:
		it.Queue.rejoin(m, it, msg)
		it.serveSoon(m)
		return
	case RenameEntry:
		it.Queue.rename(m, it, msg)
	case MoveEntry:
		it.Queue.retier(m, it, msg)
	case AcceptOffer:
		it.Queue.accept(m, it, msg)
	case ReturnOffer:
		it.Queue.giveBack(m, it, msg)
	case SellItem:
		m.happened = msg.At
		if it.sendBack(m, msg) || msg.Offer == 0 && it.passOn(m, msg) {
			it.Queue.sold(m, it, msg)
			break
		}
		held, ofParts := it.Queue.heldUnits(m, msg.Offer), msg.takeHeld()
		it.Queue.sold(m, it, msg)
		store, as := soldIn(msg.Body)
		if it.inSets() {
			it.count(m, &Sold{Order: saleKey(msg.Ref, msg.Line), Quantity: msg.Quantity, At: msg.At, As: as})
			it.soldSets(m, msg.Ref, msg.Line, msg.Quantity, msg.At, held, store, ofParts)
			break
		}
		returnParts(m, ofParts)
		it.sellUnder(m, saleKey(msg.Ref, msg.Line), msg.Quantity, msg.At, m.rules.stock(it).Store(string(store)), as)
	case UnsellItem:
		it.passOn(m, msg)
		_, as := soldIn(msg.Body)
		it.unsell(m, msg.Ref, msg.Quantity, as)
		it.unsoldSets(m, UnsellItem, msg.Ref, msg.Quantity)
	case KeepSold:
		it.passOn(m, msg)
		_, as := soldIn(msg.Body)
		if n := it.soldWith(m, msg.Ref, as) - msg.Quantity; n > 0 {
			it.unsell(m, msg.Ref, n, as)
		}
		it.unsoldSets(m, KeepSold, msg.Ref, msg.Quantity)
	case PassBehind:
		it.passBehind(m, msg)
		return
	case ReservePart:
		it.settle(m) // its own line first
		it.spare(m, msg)
	case PartReserved:
		it.reserved(m, msg)
	}
	it.settle(m)
}
