package processor

import (
	"encoding/binary"
	"strconv"
)

// Queue is who waits for an item and who holds an offer of it.
//
//	            serve                 accept                sold, declined,
//	Waiting ---------------> open ------------------> held  hold ran out
//	   ^   ^                  |                         |
//	   |   |  gone            | not now                 v
//	   |   +--(dropped)<------+--------> Parked        (gone)
//	   |       rejoin                      |
//	   +-----------------------------------+
//
// An entry keeps its rank from the first request to the end: a customer who
// cannot be told now gives the unit back and is parked, the next in line is
// served, and who rejoins stands where they stood. An offer is opened only
// while it is covered by stock; sales to others may shrink stock below what is
// open, then nothing new is opened and nothing sent is taken back.
type Queue struct {
	Waiting List  // rank -> entry
	Parked  List  // rank -> entry
	Offers  List  // number -> offer, open and held
	Holds   List  // end of the hold, number -> nothing
	Open    int64 // units in Offers
	Next    int64 // number of the next offer
}

// offersPerStep bounds the offers opened by one step; the wave goes on in the
// next one.
const offersPerStep = 256

func (q *Queue) bytes() int {
	n := 160
	for _, l := range [...]*List{&q.Waiting, &q.Parked, &q.Offers, &q.Holds} {
		n += 64 * len(l.dir)
	}
	return n
}

func (q *Queue) encode(w *writer) {
	q.Waiting.encode(w)
	q.Parked.encode(w)
	q.Offers.encode(w)
	q.Holds.encode(w)
	w.int(q.Open)
	w.int(q.Next)
}

func (q *Queue) decode(r *reader) {
	q.Waiting.decode(r)
	q.Parked.decode(r)
	q.Offers.decode(r)
	q.Holds.decode(r)
	q.Open = r.int()
	q.Next = r.int()
}

// entry is one customer's place.
type entry struct {
	customer string
	quantity int64
}

// rankKey orders a queue: tier, then the beginning of the interest, then the
// customer's id.
func rankKey(tier, since int64, customer string) string {
	b := make([]byte, 0, 9+len(customer))
	b = append(b, byte(tier))
	b = binary.BigEndian.AppendUint64(b, uint64(since))
	return string(append(b, customer...))
}

func parseEntry(key, value string) entry {
	r := reader{b: []byte(value)}
	return entry{customer: key[9:], quantity: r.int()}
}

func (e entry) value() string {
	w := writer{}
	w.int(e.quantity)
	return string(w.b)
}

// offer is a unit held for one customer: open until the customer's side has
// answered, then held until a time.
type offer struct {
	key      string // rank
	quantity int64
	until    int64 // end of the hold by the item's clock; 0 while open
}

func offerKey(n int64) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

func holdKey(until, n int64) string {
	return string(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(until)), uint64(n)))
}

func (o offer) value() string {
	w := writer{}
	w.str(o.key)
	w.int(o.quantity)
	w.int(o.until)
	return string(w.b)
}

func parseOffer(v string) offer {
	r := reader{b: []byte(v)}
	return offer{r.str(), r.int(), r.int()}
}

// OfferID names an offer to users.
func OfferID(sku string, n int64) string { return sku + "~" + strconv.FormatInt(n, 10) }

// free returns the units that may be offered now.
func (q *Queue) free(m *Machine, it *Item, units int64) int64 {
	if !it.Facts.Sellable || m.behind(StockLevelReported.String()) {
		return 0
	}
	stock := m.rules.stock(it)
	return max(units, 0)*int64(stock.Overbook)/1_000_000 - q.Open
}

// serve opens offers to the head of the queue while units are free.
func (q *Queue) serve(m *Machine, it *Item, units int64) {
	if q.Waiting.Len() == 0 {
		return
	}
	free := q.free(m, it, units)
	if free <= 0 {
		return
	}
	each := max(1, m.rules.stock(it).Each)
	hold := m.rules.stock(it).Hold.Milliseconds()
	type grant struct {
		key string
		e   entry
	}
	var grants []grant
	q.Waiting.ascend(m, "", func(key, value string) bool {
		e := parseEntry(key, value)
		e.quantity = min(max(e.quantity, 1), each)
		if e.quantity > free {
			return false
		}
		free -= e.quantity
		grants = append(grants, grant{key, e})
		return len(grants) < offersPerStep
	})
	for _, g := range grants {
		q.Waiting.remove(m, g.key)
		q.Next++
		q.Offers.put(m, it.head, offerKey(q.Next), offer{key: g.key, quantity: g.e.quantity}.value())
		q.Open += g.e.quantity
		m.send(g.e.customer, &Message{
			Type: OfferUnit, SKU: it.SKU, Customer: g.e.customer, Offer: q.Next, Quantity: g.e.quantity,
			Until: hold, At: it.Facts.LevelAt, Place: int64(q.Offers.Len()), Since: it.Facts.Price,
		})
	}
}

// due returns when the queue has something to do: the next hold ends, or a
// wave goes on.
func (q *Queue) due(m *Machine, it *Item) int64 {
	if q.Waiting.Len() > 0 {
		if units, _ := it.expected(m); q.free(m, it, units) > 0 {
			key, value, _ := q.Waiting.first(m, "")
			if min(max(parseEntry(key, value).quantity, 1), max(1, m.rules.stock(it).Each)) <= q.free(m, it, units) {
				return m.shop.Now + 1
			}
		}
	}
	var due int64
	if key, _, ok := q.Holds.first(m, ""); ok {
		due = int64(binary.BigEndian.Uint64([]byte(key)))
	}
	if retry := m.shop.Now + staleRetryMS; q.Waiting.Len() > 0 && it.Facts.Sellable && m.behind(StockLevelReported.String()) && (due == 0 || retry < due) {
		due = retry // nobody says when the feed has caught up
	}
	return due
}

// join takes a place, or keeps the earlier one.
func (q *Queue) join(m *Machine, it *Item, msg *Message) {
	key := rankKey(msg.Tier, msg.Since, msg.Customer)
	if _, ok := q.Parked.get(m, key); ok {
		return
	}
	q.Waiting.put(m, it.head, key, entry{quantity: msg.Quantity}.value())
}

// leave gives up the place and any open offer.
func (q *Queue) leave(m *Machine, msg *Message) {
	key := rankKey(msg.Tier, msg.Since, msg.Customer)
	q.Waiting.remove(m, key)
	q.Parked.remove(m, key)
	if msg.Offer != 0 {
		q.close(m, msg.Offer)
	}
}

// rejoin brings a parked entry back to its rank.
func (q *Queue) rejoin(m *Machine, it *Item, msg *Message) {
	key := rankKey(msg.Tier, msg.Since, msg.Customer)
	if v, ok := q.Parked.remove(m, key); ok {
		q.Waiting.put(m, it.head, key, v)
	}
}

// rename makes the place of one id that of its keeper, at the same rank, and
// likewise the offer it holds. An offer on its way is passed on to the keeper.
func (q *Queue) rename(m *Machine, it *Item, msg *Message) {
	was, now := rankKey(msg.Tier, msg.Since, msg.Ref), rankKey(msg.Tier, msg.Since, msg.Customer)
	if v, ok := q.Offers.get(m, offerKey(msg.Offer)); ok && msg.Offer != 0 {
		o := parseOffer(v)
		o.key = now
		q.Offers.put(m, it.head, offerKey(msg.Offer), o.value())
	}
	if v, ok := q.Parked.remove(m, was); ok {
		q.Parked.put(m, it.head, now, v)
	}
	if v, ok := q.Waiting.remove(m, was); ok {
		q.Parked.remove(m, now)
		q.Waiting.put(m, it.head, now, v)
	}
}

// accept begins the hold: the customer was told. It ends a little later here
// than there, since the two clocks differ.
func (q *Queue) accept(m *Machine, it *Item, msg *Message) {
	v, ok := q.Offers.get(m, offerKey(msg.Offer))
	if !ok {
		return // closed meanwhile, by a purchase
	}
	o := parseOffer(v)
	if msg.Until == 0 { // told without holding
		q.close(m, msg.Offer)
		return
	}
	o.until = max(m.shop.Now, msg.At) + msg.Until + holdMarginMS
	q.Offers.put(m, it.head, offerKey(msg.Offer), o.value())
	q.Holds.put(m, it.head, holdKey(o.until, msg.Offer), "")
}

const holdMarginMS = 1000

// giveBack returns the unit of an open or held offer.
func (q *Queue) giveBack(m *Machine, it *Item, msg *Message) {
	o, ok := q.close(m, msg.Offer)
	if !ok || msg.Since != 0 {
		// The hold ended while this was on its way, or the place is another
		// one since two profiles became one.
		o.key = rankKey(msg.Tier, msg.Since, msg.Customer)
	}
	if msg.Park && (ok || msg.Since != 0) {
		q.Parked.put(m, it.head, o.key, entry{quantity: msg.Quantity}.value())
	}
}

// close ends an offer.
func (q *Queue) close(m *Machine, n int64) (offer, bool) {
	v, ok := q.Offers.remove(m, offerKey(n))
	if !ok {
		return offer{}, false
	}
	o := parseOffer(v)
	q.Open -= o.quantity
	if o.until != 0 {
		q.Holds.remove(m, holdKey(o.until, n))
	}
	return o, true
}

// sold ends the offer a buyer held and the place they had.
func (q *Queue) sold(m *Machine, msg *Message) {
	if msg.Offer != 0 {
		q.close(m, msg.Offer)
	}
	if msg.Since != 0 {
		key := rankKey(msg.Tier, msg.Since, msg.Customer)
		q.Waiting.remove(m, key)
		q.Parked.remove(m, key)
	}
}

// endHolds ends the holds that ran out; the place is given up.
func (q *Queue) endHolds(m *Machine, it *Item) {
	for range offersPerStep {
		key, _, ok := q.Holds.first(m, "")
		if !ok {
			return
		}
		until := int64(binary.BigEndian.Uint64([]byte(key)))
		if until > m.shop.Now {
			return
		}
		n := int64(binary.BigEndian.Uint64([]byte(key)[8:]))
		if o, ok := q.close(m, n); ok {
			customer := o.key[9:]
			m.send(customer, &Message{Type: EndOffer, SKU: it.SKU, Customer: customer, Offer: n})
		}
	}
}
