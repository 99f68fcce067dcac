package processor

import (
	"encoding/binary"
	"onhand/processor/moments"
	"slices"
	"strconv"
	"strings"
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
	Open    int64 // units of the web shop in Offers
	Next    int64 // number of the next offer
	// Seed, in a lottery, decides the ranks together with the customers' ids. It
	// is drawn when the first one joins, and published. It hangs on the time and
	// not on who that is: many join at once when an item is sold out, in any order.
	Seed   string
	Pickup *pickup // who takes the item from stores; nil when nobody does
	// Accounts is nil when no offer is open to a customer with an address.
	Accounts *accounts
}

// offersPerStep bounds the offers opened by one step; the wave goes on in the
// next one. triesPerStep bounds the entries looked at: one that wants more than
// there is lets the others go first.
const (
	offersPerStep = 256
	triesPerStep  = 1024
)

func (q *Queue) bytes() int {
	n := 160
	for _, l := range [...]*List{&q.Waiting, &q.Parked, &q.Offers, &q.Holds} {
		n += l.bytes()
	}
	if q.Pickup != nil {
		n += q.Pickup.bytes()
	}
	return n + q.Accounts.bytes()
}

func (q *Queue) encode(w *writer) {
	q.Waiting.encode(w)
	q.Parked.encode(w)
	q.Offers.encode(w)
	q.Holds.encode(w)
	w.int(q.Open)
	w.int(q.Next)
	w.str(q.Seed)
	q.Pickup.encode(w)
	q.Accounts.encode(w)
}

func (q *Queue) decode(r *reader) {
	q.Waiting.decode(r)
	q.Parked.decode(r)
	q.Offers.decode(r)
	q.Holds.decode(r)
	q.Open = r.int()
	q.Next = r.int()
	q.Seed = r.str()
	q.Pickup = decodePickup(r)
	q.Accounts = decodeAccounts(r)
}

// entry is one customer's place. since and stores are stored when the key does
// not tell, or there are some.
type entry struct {
	customer string
	quantity int64
	since    int64
	stores   []string // accepted besides the web shop, or instead
	web      bool     // the web shop is accepted
	// addresses the customer is known by, 8 bytes each; see accounts
	addresses []string
}

// rankKey orders a queue: tier, then the beginning of the interest, then the
// customer's id.
func rankKey(tier, since int64, customer string) string {
	b := make([]byte, 0, 9+len(customer))
	b = append(b, byte(tier))
	b = binary.BigEndian.AppendUint64(b, uint64(since))
	return string(append(b, customer...))
}

// ticketKey orders a lottery: everybody can work out from the published seed
// that the ticket is theirs.
func (q *Queue) ticketKey(customer string) string {
	return rankKey(0, int64(Hash(q.Seed+"/"+customer)), customer)
}

// key returns where a customer stands, or stood before the policy changed.
func (q *Queue) key(m *Machine, tier, since int64, customer string) string {
	key := rankKey(tier, since, customer)
	if q.Seed == "" {
		return key
	}
	ticket := q.ticketKey(customer)
	for _, l := range [...]*List{&q.Waiting, &q.Parked} {
		if _, ok := l.get(m, ticket); ok {
			return ticket
		}
		if _, ok := l.get(m, key); ok {
			return key
		}
	}
	if q.Pickup != nil {
		if _, ok := q.Pickup.Waiting.get(m, key); ok {
			return key
		}
	}
	return ticket
}

func parseEntry(key, value string) entry {
	r := reader{b: []byte(value)}
	e := entry{customer: key[9:], quantity: r.int(), web: true}
	if r.left() > 0 {
		e.since, e.stores, e.web = r.int(), readStrings(&r), r.bool()
		e.addresses = readAddresses(&r)
	}
	if e.since == 0 {
		e.since = int64(binary.BigEndian.Uint64([]byte(key[1:9])))
	}
	return e
}

func (e entry) value() string {
	w := writer{}
	w.int(e.quantity)
	if e.since != 0 || len(e.stores)+len(e.addresses) > 0 {
		w.int(e.since)
		writeStrings(&w, e.stores)
		w.bool(e.web)
		for _, a := range e.addresses {
			w.b = append(w.b, a...)
		}
	}
	return string(w.b)
}

// entryOf returns the entry that a customer's message asks for.
func (q *Queue) entryOf(m *Machine, it *Item, msg *Message) entry {
	stock := m.rules.stock(it)
	e := entry{customer: msg.Customer, quantity: msg.Quantity}
	r := reader{b: msg.Body}
	for _, l := range readStrings(&r) {
		if stock.IsOnline(l) {
			e.web = true
		} else {
			e.stores = append(e.stores, l)
		}
	}
	e.addresses = readAddresses(&r)
	if e.web = e.web || len(e.stores) == 0; q.Seed != "" {
		e.since = msg.Since
	}
	return e
}

// readAddresses reads the addresses that end an entry, or what is said of one.
func readAddresses(r *reader) (list []string) {
	for r.left() >= 8 {
		list = append(list, offerKey(int64(r.u64())))
	}
	return list
}

// put has a customer wait.
func (q *Queue) put(m *Machine, it *Item, key string, e entry) {
	if e.web {
		q.Waiting.put(m, it.head, key, e.value())
	}
	if len(e.stores) > 0 {
		if q.Pickup == nil {
			q.Pickup = &pickup{}
		}
		q.Pickup.put(m, it, key, e)
	}
}

// remove ends a customer's waiting, wherever it was.
func (q *Queue) remove(m *Machine, key string) (e entry, ok bool) {
	value, ok := q.Waiting.remove(m, key)
	if q.Pickup != nil {
		if v, found := q.Pickup.remove(m, key); found {
			value, ok = v, true
			if q.Pickup.empty() {
				q.Pickup = nil
			}
		}
	}
	if ok {
		e = parseEntry(key, value)
	}
	return e, ok
}

// waiting returns the number of customers who wait.
func (q *Queue) waiting() int {
	if q.Pickup == nil {
		return q.Waiting.Len()
	}
	return q.Waiting.Len() + q.Pickup.Only
}

// offer is a unit held for one customer: open until the customer's side has
// answered, then held until a time.
type offer struct {
	key      string // rank
	quantity int64
	until    int64  // end of the hold by the item's clock; 0 while open
	store    string // where the unit lies, "" = the web shop
	entry    string // the place it is offered for
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
	w.str(o.store)
	w.str(o.entry)
	return string(w.b)
}

func parseOffer(v string) offer {
	r := reader{b: []byte(v)}
	return offer{r.str(), r.int(), r.int(), r.str(), r.str()}
}

// OfferID names an offer to users.
func OfferID(sku string, n int64) string { return sku + "~" + strconv.FormatInt(n, 10) }

// parseOfferID takes an offer's id apart.
func parseOfferID(id string) (sku string, n int64, ok bool) {
	i := strings.LastIndexByte(id, '~')
	n, err := strconv.ParseInt(id[i+1:], 10, 64)
	return id[:max(i, 0)], n, i > 0 && err == nil
}

// free returns the units of a store, "" = the web shop, that may be offered
// now, of those that may be promised there.
func (q *Queue) free(m *Machine, it *Item, store string, units int64) int64 {
	if it.Product.Variants != "" {
		return 0 // its variants are offered
	}
	if store != "" && m.closedUntil(store) != 0 {
		return 0 // the hold would run out before anybody could fetch it
	}
	if it.inSets() && store == "" {
		if !m.watch(it.SKU).Facts.Sellable || m.behind(StockLevelReported.String()) {
			return 0
		}
		return min(units-q.Open, q.leftOfSale(m, it))
	}
	if store == "" && !it.Facts.Sellable || !it.Facts.onSale() || m.behind(StockLevelReported.String()) {
		return 0
	}
	return min(q.most(m, it, units)-q.open(store), q.leftOfSale(m, it))
}

// most returns how many of these units may be in offers. A shop may report
// any number for what never ends.
func (q *Queue) most(m *Machine, it *Item, units int64) int64 {
	return min(max(units, 0), 1_000_000_000) * min(int64(m.rules.stock(it).Overbook), 1_000*int64(moments.One)) / int64(moments.One)
}

// open returns the units of a store in offers.
func (q *Queue) open(store string) int64 {
	if store == "" {
		return q.Open
	}
	if q.Pickup == nil {
		return 0
	}
	return q.Pickup.open(store)
}

// hold counts units of a store into offers, or out of them.
func (q *Queue) hold(store string, n int64) {
	if store == "" {
		q.Open += n
		return
	}
	if q.Pickup == nil {
		q.Pickup = &pickup{}
	}
	if q.Pickup.hold(store, n); q.Pickup.empty() {
		q.Pickup = nil
	}
}

// serve opens offers to the head of the queue while units are free, in the web
// shop and in each store. It reports whether the wave has to go on.
func (q *Queue) serve(m *Machine, it *Item, units int64) (more bool) {
	if q.Waiting.Len() > 0 {
		more = q.serveFrom(m, it, "", units)
	}
	if q.Accounts != nil && q.free(m, it, "", units) > 0 {
		more = q.recall(m, it) || more
	}
	if q.Pickup == nil {
		return more
	}
	for _, p := range it.Facts.Places {
		if q.Pickup != nil {
			more = q.serveFrom(m, it, p.Location, it.inStore(m, &it.Levels[it.levelOf(p.Location)])) || more
		}
	}
	return more
}

func (q *Queue) serveFrom(m *Machine, it *Item, store string, units int64) (more bool) {
	free := q.free(m, it, store, units)
	if free <= 0 {
		return false
	}
	stock := m.rules.stock(it)
	each := max(1, stock.Each)
	hold := stock.Hold.Milliseconds()
	type grant struct {
		key string
		n   int64
	}
	type aside struct{ key, address string }
	var grants []grant
	var asides []aside
	var opened map[string]bool // the addresses of grants
	tries := 0
	q.ascend(m, store, func(key string, e entry) bool {
		tries++
		if a, ok := q.heldFor(m, e, opened); ok {
			asides = append(asides, aside{key, a})
		} else if n := min(max(e.quantity, 1), each); n <= free {
			free -= n
			grants = append(grants, grant{key, n})
			for _, a := range e.addresses {
				if opened == nil {
					opened = map[string]bool{}
				}
				opened[a] = true
			}
		}
		return free > 0 && len(grants) < offersPerStep && tries < triesPerStep
	})
	for _, g := range grants {
		e, _ := q.remove(m, g.key)
		q.Next++
		q.Offers.put(m, it.head, offerKey(q.Next), offer{key: g.key, quantity: g.n, store: store, entry: e.value()}.value())
		q.hold(store, g.n)
		q.took(m, it, e, q.Next)
		m.send(e.customer, &Message{
			Type: OfferUnit, SKU: it.SKU, Customer: e.customer, Offer: q.Next, Quantity: g.n, Ref: store,
			Until: hold, At: it.Facts.LevelAt, Place: int64(q.Offers.Len()), Since: it.Facts.Price,
		})
	}
	for _, x := range asides {
		q.setAside(m, it, x.key, x.address)
	}
	return free > 0 && (len(grants) == offersPerStep || tries == triesPerStep && len(asides) > 0)
}

// ascend calls fn for who waits for a unit of a store, best rank first.
func (q *Queue) ascend(m *Machine, store string, fn func(key string, e entry) bool) {
	if store != "" {
		q.Pickup.ascend(m, store, fn)
		return
	}
	q.Waiting.ascend(m, "", func(key, value string) bool { return fn(key, parseEntry(key, value)) })
}

// due returns when the queue has something to do: the next hold ends, or a
// wave goes on.
func (q *Queue) due(m *Machine, it *Item, more bool) int64 {
	if more {
		return m.shop.Now + 1
	}
	var due int64
	if key, _, ok := q.Holds.first(m, ""); ok {
		due = int64(binary.BigEndian.Uint64([]byte(key)))
	}
	if q.Pickup != nil {
		for _, p := range it.Facts.Places {
			if opens := m.closedUntil(p.Location); opens != 0 && (due == 0 || opens < due) {
				due = opens
			}
		}
	}
	if q.waiting() > 0 && it.Facts.Sellable && m.behind(StockLevelReported.String()) {
		due = earliest(due, m.nextLook(it.SKU)) // no word wakes items when the feed has caught up
	}
	return due
}

// join takes a place, or keeps the earlier one with the terms asked for now.
func (q *Queue) join(m *Machine, it *Item, msg *Message) {
	switch lottery := m.rules.stock(it).Queue == moments.Lottery; {
	case !lottery && q.waiting()+q.Parked.Len()+q.Offers.Len() == 0:
		q.Seed = ""
	case lottery && q.Seed == "":
		q.Seed = shortID([]byte(it.SKU + "/" + strconv.FormatInt(m.shop.Now, 10)))
	}
	key, e := q.key(m, msg.Tier, msg.Since, msg.Customer), q.entryOf(m, it, msg)
	if v, ok := q.Parked.get(m, key); ok {
		if a, aside := q.asideFor(m, key, v); !aside || slices.Contains(e.addresses, a) {
			q.Parked.put(m, it.head, key, e.value())
			return
		}
		q.unpark(m, key) // that offer is somebody else's by now
	}
	q.remove(m, key)
	q.put(m, it, key, e)
}

// leave gives up the place and any open offer.
func (q *Queue) leave(m *Machine, it *Item, msg *Message) {
	key := q.key(m, msg.Tier, msg.Since, msg.Customer)
	q.remove(m, key)
	q.unpark(m, key)
	if msg.Offer != 0 {
		q.close(m, it, msg.Offer)
	}
}

// rejoin brings a parked entry back to its rank.
func (q *Queue) rejoin(m *Machine, it *Item, msg *Message) {
	key := q.key(m, msg.Tier, msg.Since, msg.Customer)
	if v, ok := q.Parked.remove(m, key); ok {
		q.put(m, it, key, parseEntry(key, v))
	}
}

// rename makes the place of one id that of its keeper, at the same rank, and
// likewise the offer it holds. An offer on its way is passed on to the keeper.
func (q *Queue) rename(m *Machine, it *Item, msg *Message) {
	was, now := q.key(m, msg.Tier, msg.Since, msg.Ref), rankKey(msg.Tier, msg.Since, msg.Customer)
	if q.Seed != "" && was == q.ticketKey(msg.Ref) {
		now = q.ticketKey(msg.Customer)
	}
	if v, ok := q.Offers.get(m, offerKey(msg.Offer)); ok && msg.Offer != 0 {
		o := parseOffer(v)
		o.key = now
		q.Offers.put(m, it.head, offerKey(msg.Offer), o.value())
	}
	q.move(m, it, was, now)
}

// retier moves a place into another tier. One of which the unit is offered is
// nowhere to be found: who gives it back says where it stands by then.
func (q *Queue) retier(m *Machine, it *Item, msg *Message) {
	for _, id := range [...]string{msg.Ref, msg.Customer} {
		was, now := q.key(m, msg.Tier, msg.Since, id), rankKey(msg.Line, msg.Since, msg.Customer)
		if id != "" && (q.Seed == "" || was != q.ticketKey(id)) {
			q.move(m, it, was, now)
		}
	}
}

// move has a place, be it parked, stand elsewhere.
func (q *Queue) move(m *Machine, it *Item, was, now string) {
	if v, ok := q.Parked.get(m, was); ok {
		address, aside := q.asideFor(m, was, v)
		q.unpark(m, was)
		q.Parked.put(m, it.head, now, v)
		if aside {
			q.Accounts.Aside.put(m, it.head, address+now, "")
		}
	}
	if e, ok := q.remove(m, was); ok {
		q.Parked.remove(m, now)
		q.remove(m, now)
		q.put(m, it, now, e)
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
		q.close(m, it, msg.Offer)
		return
	}
	o.until = max(m.shop.Now, msg.At) + msg.Until + holdMarginMS
	q.Offers.put(m, it.head, offerKey(msg.Offer), o.value())
	q.Holds.put(m, it.head, holdKey(o.until, msg.Offer), "")
}

const holdMarginMS = 1000

// giveBack returns the unit of an open or held offer.
func (q *Queue) giveBack(m *Machine, it *Item, msg *Message) {
	o, ok := q.close(m, it, msg.Offer)
	if !ok || msg.Since != 0 {
		// The hold ended while this was on its way, or the place is another
		// one since two profiles became one.
		o.key = q.key(m, msg.Tier, msg.Since, msg.Customer)
	}
	if msg.Park && (ok || msg.Since != 0) {
		q.Parked.put(m, it.head, o.key, q.entryOf(m, it, msg).value())
	}
}

// heldUnits returns the units of an offer, 0 when there is none of that number.
func (q *Queue) heldUnits(m *Machine, n int64) int64 {
	if n == 0 {
		return 0
	}
	v, ok := q.Offers.get(m, offerKey(n))
	if !ok {
		return 0
	}
	return parseOffer(v).quantity
}

// close ends an offer.
func (q *Queue) close(m *Machine, it *Item, n int64) (offer, bool) {
	v, ok := q.Offers.remove(m, offerKey(n))
	if !ok {
		return offer{}, false
	}
	o := parseOffer(v)
	q.hold(o.store, -o.quantity)
	if o.until != 0 {
		q.Holds.remove(m, holdKey(o.until, n))
	}
	q.release(m, it, o, n)
	return o, true
}

// sold ends the offer a buyer held and the place they had.
func (q *Queue) sold(m *Machine, it *Item, msg *Message) {
	if msg.Offer != 0 {
		q.close(m, it, msg.Offer)
	}
	if msg.Since != 0 {
		key := q.key(m, msg.Tier, msg.Since, msg.Customer)
		q.remove(m, key)
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
		if o, ok := q.close(m, it, n); ok {
			customer := o.key[9:]
			m.send(customer, &Message{Type: EndOffer, SKU: it.SKU, Customer: customer, Offer: n})
		}
	}
}
