package processor

import (
	"fmt"
	"math"
	"slices"
)

// Interest says that a customer wants an item: from which events, how
// strongly, since when, at what price seen, on what terms. The customer's side
// holds all of it; the item's queue holds the place.
type Interest struct {
	SKU       string
	hash      uint64 // of SKU: most comparisons end here
	Wants     []Want
	Since     int64 // the earliest, which keeps the place
	PriceSeen int64 // what the customer saw, minor units
	Quantity  int64
	*particulars

	Offer      int64
	OfferUntil int64  // end of the hold by the customer's clock; 0 = not told yet
	Bought     uint64 // order that ended it; a cancellation brings it back

	Tier     uint8
	Queued   bool // has a place in the item's queue
	Parked   bool // the place waits for the customer's side
	Declined bool
	Asked    bool // on the customer's own terms: the request's quantity holds
	Claimed  bool // the customer said that the unit offered is taken
	Took     bool // what was put into the cart were the last units
	GaveUp   bool // the place was given up: the next one is a new one
	Unseen   bool // put into a cart when nothing was known here of the item
	Dear     bool // parked for what the catalogue says: a price above the limit, a country it is not sold in
	Apart    bool // parked until the parts of the bundle can be had
}

// Want is one source of an interest, by its name in the moments file.
type Want struct {
	Name     string
	Strength uint8
	Quantity uint32 // units asked for when it was last said
	Since    int64
	Until    int64 // log time at which it ends
	Said     int64 // when it was last said, by the event itself; 0 = only hinted at
}

// say notes that so many units were asked for at a time.
func (x *Want) say(at int64, units uint32) {
	if at > x.Said {
		x.Said, x.Quantity = at, 0
	}
	if at == x.Said {
		x.Quantity = max(x.Quantity, units)
	}
}

// sight is one event towards an interest that takes several: which item and
// interest (hashed together), and when.
type sight struct {
	key uint64
	at  int64
}

// maxSights bounds the sights kept of one customer; the oldest go first.
const maxSights = 64

// often notes one more sight and reports whether there are enough of them.
func (c *Customer) often(now int64, d *interestRule, sku string) bool {
	key := Hash(sku) ^ Hash(d.Name)
	n := 1
	for _, s := range c.Sights {
		if s.key == key && now-s.at <= d.Within.Milliseconds() {
			n++
		}
	}
	if n >= d.Times {
		c.Sights = slices.DeleteFunc(c.Sights, func(s sight) bool { return s.key == key })
		return true
	}
	if len(c.Sights) >= maxSights {
		c.Sights = c.Sights[:copy(c.Sights, c.Sights[1:])]
	}
	c.Sights = append(c.Sights, sight{key, now})
	return false
}

func (in *Interest) encode(w *writer) {
	w.str(in.SKU)
	w.uint(uint64(len(in.Wants)))
	for i := range in.Wants {
		x := &in.Wants[i]
		w.str(x.Name)
		w.u8(x.Strength | uint8(bit(x.Said != 0, 0x80)))
		w.int(x.Since)
		w.int(x.Until)
		if x.Said != 0 {
			w.int(x.Said - x.Since)
			w.uint(uint64(x.Quantity))
		}
	}
	w.int(in.Since)
	w.int(in.PriceSeen)
	w.int(in.MaxPrice)
	w.int(in.Quantity)
	writeStrings(w, in.Locations)
	w.u8(in.Tier)
	w.bool(in.Queued)
	w.bool(in.Parked)
	w.int(in.Offer)
	w.int(in.OfferUntil)
	w.u64(in.Bought)
	w.bool(in.Declined)
	w.u8(uint8(bit(in.Asked, 1) | bit(in.Began != 0, 2) | bit(in.Told != 0, 4) | bit(in.Dear, 8) | bit(in.Apart, 16)))
	w.u8(uint8(bit(in.Claimed, 1) | bit(in.Took, 2) | bit(in.GaveUp, 4) | bit(in.Store != "", 8) | bit(in.DeclinedAt != 0, 16) |
		bit(in.Of != "", 32) | bit(in.Variant != "", 64) | bit(in.Unseen, 128)))
	if in.Store != "" {
		w.str(in.Store)
	}
	if in.DeclinedAt != 0 {
		w.int(in.DeclinedAt)
	}
	if in.Of != "" {
		w.str(in.Of)
	}
	if in.Variant != "" {
		w.str(in.Variant)
	}
	if in.Began != 0 {
		w.int(in.Since - in.Began)
	}
	if in.Told != 0 {
		w.int(in.Told)
	}
}

func (in *Interest) decode(r *reader) {
	wants := in.Wants
	sku := r.str()
	*in = interestIn(sku, Hash(sku), 0)
	in.Wants = resize(wants, r.count(4))
	for i := range in.Wants {
		x := &in.Wants[i]
		x.Name = r.word()
		strength := r.u8()
		x.Strength = strength & 0x7f
		x.Since = r.int()
		x.Until = r.int()
		x.Said, x.Quantity = 0, 0
		if strength&0x80 != 0 {
			x.Said = x.Since + r.int()
			x.Quantity = uint32(r.uint())
		}
	}
	in.Since = r.int()
	in.PriceSeen = r.int()
	p := particulars{MaxPrice: r.int()}
	in.Quantity = r.int()
	p.Locations = readStrings(r)
	in.Tier = r.u8()
	in.Queued = r.bool()
	in.Parked = r.bool()
	in.Offer = r.int()
	in.OfferUntil = r.int()
	in.Bought = r.u64()
	in.Declined = r.bool()
	asked := r.u8()
	in.Asked, in.Dear, in.Apart = asked&1 != 0, asked&8 != 0, asked&16 != 0
	flags := r.u8()
	in.Claimed, in.Took, in.GaveUp, in.Unseen = flags&1 != 0, flags&2 != 0, flags&4 != 0, flags&128 != 0
	if flags&8 != 0 {
		p.Store = r.str()
	}
	if flags&16 != 0 {
		p.DeclinedAt = r.int()
	}
	if flags&32 != 0 {
		p.Of = r.str()
	}
	if flags&64 != 0 {
		p.Variant = r.str()
	}
	if asked&2 != 0 {
		p.Began = in.Since - r.int()
	}
	if asked&4 != 0 {
		p.Told = r.int()
	}
	if !p.none() {
		*in.own() = p
	}
}

// strongest returns the name and strength of the strongest live want; "" when
// the interest is not alive.
func (in *Interest) strongest(now int64) (name string, strength uint8) {
	if in.Bought != 0 || in.Declined {
		return "", 0
	}
	for i := range in.Wants {
		if x := &in.Wants[i]; x.Strength > strength && x.Until > now {
			name, strength = x.Name, x.Strength
		}
	}
	return name, strength
}

// began returns when the item was first wanted, as the customer's side tells
// it: what was bought since ends the interest, however late either is heard of.
func (in *Interest) began() int64 {
	if in.Began != 0 {
		return min(in.Began, in.Since)
	}
	return in.Since
}

// over returns the reason for which an interest that ended is not spoken of.
func (in *Interest) over() Reason {
	if in.Bought != 0 {
		return Purchased
	}
	return Declined
}

// saidSince reports whether the item was asked for, and not only hinted at, after
// a time.
func (in *Interest) saidSince(at int64) bool {
	return slices.ContainsFunc(in.Wants, func(x Want) bool { return x.Said > at })
}

// ends returns the log time at which the last want ends.
func (in *Interest) ends() (at int64) {
	for i := range in.Wants {
		at = max(at, in.Wants[i].Until)
	}
	return at
}

// has reports whether the interest is alive under a name.
func (in *Interest) has(name string, now int64) bool {
	return in != nil && in.Bought == 0 && !in.Declined &&
		slices.ContainsFunc(in.Wants, func(x Want) bool { return x.Name == name && x.Until > now })
}

func (c *Customer) interest(sku string) *Interest {
	h := Hash(sku)
	if len(c.Interests) >= manyInterests {
		if c.itemAt == nil {
			c.itemAt = make(map[uint64]int32, 2*len(c.Interests))
			for i := range c.Interests {
				c.itemAt[c.Interests[i].hash] = int32(i)
			}
		}
		i, ok := c.itemAt[h]
		if !ok {
			return nil
		}
		if in := &c.Interests[i]; in.SKU == sku {
			return in
		}
	}
	for i := range c.Interests {
		if in := &c.Interests[i]; in.hash == h && in.SKU == sku {
			return in
		}
	}
	return nil
}

// manyInterests is from how many on they are found by an index.
const manyInterests = 16

// showInterest notes what the event says the customer wants.
func (c *Customer) showInterest(m *Machine, e *Event) {
	for _, d := range m.rules.interestsOf[e.Kind] {
		if !matches(d.Where, e) {
			continue
		}
		if e.SKU != "" {
			c.want(m, d, e, e.SKU, e.Price, quantity(e))
			continue
		}
		for i := range e.Products {
			p := &e.Products[i]
			c.want(m, d, e, p.SKU, p.Price, p.Quantity)
		}
	}
}

// want records one interest in one item.
func (c *Customer) want(m *Machine, d *interestRule, e *Event, sku string, price, n int64) {
	now := m.shop.Now
	lasts := d.Lasts.Milliseconds()
	if now-e.At > lasts {
		return // over before it was heard of
	}
	if c.overlooks(m, e, sku) {
		return
	}
	in := c.interest(sku)
	if d.Times > 1 && !in.has(d.Name, now) && !c.often(now, d, sku) {
		return
	}
	bought := c.boughtAfter(sku, e.At)
	switch {
	case in != nil && e.At <= in.DeclinedAt:
		return // declined since
	case in == nil && e.At <= c.dismissedAt(m, sku):
		if in = c.newInterest(m, sku, e.At); in != nil {
			in.Declined, in.own().DeclinedAt = true, c.dismissedAt(m, sku)
		}
		return
	case in == nil:
		if in = c.newInterest(m, sku, e.At); in == nil {
			return
		}
		in.Bought = bought
	case bought != 0 && (in.Bought != bought || in.Declined):
		return // bought since, and perhaps wanted again after that
	case bought == 0 && (in.Bought != 0 || in.Declined):
		// Wanted again: a new interest, with a new place. What was to be said of
		// the old one ends with it.
		if o := c.order(in.Bought); o != nil && e.At <= o.At || in.Declined && e.Kind.implicit() {
			return
		}
		c.endWaiting(m, sku, in.over())
		c.forgetWishes(m, sku)
		*in = in.anew(c.rank(now, e.At))
	}
	// What is waited for as one of a product counts from when that was asked for.
	if looked := in.Of != "" && !d.offered; !looked {
		if since := c.rank(now, e.At); since < in.Since {
			c.beganBefore(m, in, since)
		}
		if bought == 0 && e.At < in.began() {
			in.own().Began = e.At
		}
	}
	quantity, places := in.Quantity, in.Locations
	itself := d.offered && in.Of != ""
	if itself {
		in.byItself(m) // whichever was heard of first
	}
	i := slices.IndexFunc(in.Wants, func(x Want) bool { return x.Name == d.Name })
	if i < 0 {
		in.Wants = append(in.Wants, Want{Name: d.Name, Since: now})
		i = len(in.Wants) - 1
	}
	x := &in.Wants[i]
	x.Strength = uint8(d.Strength)
	x.Until = max(x.Until, now+lasts)
	if !e.Kind.implicit() {
		x.say(min(e.At, now+clockGraceMS), uint32(min(max(n, 1), math.MaxUint32))) // by its clock: it may be taken back by the same
	}
	if e.ExpiresAt != 0 {
		x.Until = min(now+lasts, e.ExpiresAt) // the customer's own word
	}
	if price != 0 && (in.PriceSeen == 0 || e.Stamp >= c.Last) {
		in.PriceSeen = price
	} else if in.PriceSeen == 0 {
		in.PriceSeen = m.facts(sku).Price
	}
	if asked := e.Kind == BackInStockRequested; asked || !in.Asked {
		if asked && !in.Asked || itself {
			in.Quantity = 0 // the terms of a request replace those of a cart, those of an item those of its product
		}
		in.Asked, in.Took, in.Unseen = asked, in.Took && !asked, in.Unseen && !asked // who asks does not count on the unit in the cart
		in.Quantity = max(in.Quantity, n)
	}
	if e.MaxPrice != 0 {
		in.own().MaxPrice = e.MaxPrice
	}
	if e.Kind == BackInStockRequested {
		in.own().Variant = variantOf(e.Properties)
	}
	if len(e.Locations) > 0 {
		p := in.own()
		p.Locations = nil
		for _, l := range e.Locations {
			p.Locations = append(p.Locations, clone(l))
		}
	}
	if c.Numbers != nil && bought == 0 {
		c.saidUnder(m, in, e, *x, n)
	}
	if p := m.rules.grantedBy(e.Kind); p != "" {
		c.Profile.setConsent(Consent{Channel: e.Channel, Purpose: p, Scope: sku, Granted: true, Confirmed: true, At: e.At})
	}
	wa := m.watch(sku)
	if e.Kind == BackInStockRequested && bought == 0 && m.rules.facts&factSellable != 0 && wa.Facts.At != 0 && in.cannotHave(m, &wa.Facts) == "" {
		c.startSellable(m, in) // asked from a page that was a second old
	}
	if in.Queued && in.Offer == 0 && (in.Quantity != quantity || !slices.Equal(in.Locations, places)) {
		c.requeue(m, in)
	}
	if quantity != 0 && in.Quantity != quantity {
		c.wordCame(m, sku) // there may be enough now, or more is waited for
	}
	c.affords(m, in)
	blocked := wa.Facts.blocks() && !c.awaits()
	if e.Kind == ProductAdded && !wa.Facts.blocks() {
		in.took(&wa.Facts)
		in.Unseen = wa.Facts.At == 0
	}
	if wa.Facts.Product.Now != "" {
		c.wantsRenamed(m, sku)
		return
	}
	if bought == 0 && (wa.Facts.Product.Variants != "" || d.offered && (e.Kind == BackInStockRequested || blocked)) {
		c.queueUp(m, in) // of a product at each variant, as when it is heard of later that it is one
	}
}

// took notes whether what was put into the cart were the last units.
func (in *Interest) took(f *ItemFacts) { in.Took = f.Sellable && f.Available <= in.Quantity }

// beganBefore takes an event that is earlier than all heard of the interest so
// far: the place is that of the earliest. What was bought or declined since is
// another interest, which has ended.
func (c *Customer) beganBefore(m *Machine, in *Interest, since int64) {
	if bought, _ := c.purchases(in.SKU, since); bought == 0 && since > in.DeclinedAt && in.Offer == 0 {
		c.move(m, in, since)
	}
}

// move has an interest count from another time, and so its place.
func (c *Customer) move(m *Machine, in *Interest, since int64) {
	was := *in
	in.Since = since
	if was.Queued && was.Offer == 0 {
		// The new place before the old one goes: between the two the next in line
		// would be served.
		in.Queued = false
		c.queueUp(m, in)
		c.giveUp(m, &was)
	}
}

// rank is the time that keeps the place: when it happened, by a clock that may
// be wrong by a little.
func (c *Customer) rank(now, at int64) int64 {
	return max(min(at, now), now-clockGraceMS)
}

// newInterest adds an interest in an item; nil when there is no room.
func (c *Customer) newInterest(m *Machine, sku string, at int64) *Interest {
	now := m.shop.Now
	if !c.dropInterest(m, now) {
		m.dead("limit", fmt.Sprintf("customer %s waits for %d items, no more are kept", c.ID, maxInterests), m.current)
		return nil
	}
	c.Interests = add(c.Interests, interestIn(clone(sku), Hash(sku), c.rank(now, at)))
	in := &c.Interests[len(c.Interests)-1]
	if c.itemAt != nil {
		c.itemAt[in.hash] = int32(len(c.Interests) - 1)
	}
	m.watch(sku).interested(m, c.ID, true)
	return in
}

// boughtAfter returns an order that stands and brought the item at a time or
// later; 0 = there is none.
func (c *Customer) boughtAfter(sku string, at int64) uint64 {
	if c.newestOrder(Hash(sku)) < at {
		return 0
	}
	for i := range c.Orders {
		if o := &c.Orders[i]; o.Placed && (o.At >= at && o.closes(sku) || o.changedSince(sku, at) > 0) {
			return o.ID
		}
	}
	return 0
}

// dropInterest makes room for one more interest: what is not alive goes first,
// then the oldest that holds no place. It reports whether there is room: a
// place in a queue is never given up for another wish.
func (c *Customer) dropInterest(m *Machine, now int64) bool {
	if len(c.Interests) < maxInterests {
		return true
	}
	drop, dead := -1, false
	for i := range c.Interests {
		in := &c.Interests[i]
		if in.Queued || in.Offer != 0 {
			continue
		}
		name, _ := in.strongest(now)
		if over := name == ""; drop < 0 || over && !dead || over == dead && in.Since < c.Interests[drop].Since {
			drop, dead = i, over
		}
	}
	if drop < 0 {
		return false
	}
	c.removeInterest(m, drop)
	return true
}

// removeInterest forgets the interest at i, which has no place.
func (c *Customer) removeInterest(m *Machine, i int) {
	m.watch(c.Interests[i].SKU).interested(m, c.ID, false)
	c.Interests = slices.Delete(c.Interests, i, i+1)
	c.itemAt = nil
}
