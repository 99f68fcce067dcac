package processor

import (
	"slices"
	"strings"
)

// Numbers is what a customer wanted under which number of an item that has
// several: were they one by mistake, each wish goes back to the item it was for.
// nil for who wants nothing of the kind.
//
//	wanted by the old number  --> one wish, for the new one <-- wanted by the new number
//	taken back: the old one's wish <--'     '--> the new one's own
//
// Each keeps its own day and terms. What was taken back, declined or told meanwhile
// was so for all of them; bought is what was bought under its number.
type Numbers struct{ Wishes []wish }

// wish is what was wanted under one number.
type wish struct {
	Interest
	Path []string // the numbers it was renamed to since, the last is the one it has; none: its own
}

// maxWishes bounds the wishes kept of one customer by their numbers; of the oldest
// it is forgotten that it had another one.
const maxWishes = 64

// at returns the number a wish has now.
func (w *wish) at() string {
	if n := len(w.Path); n > 0 {
		return w.Path[n-1]
	}
	return w.SKU
}

// passes returns how many steps after its first number a wish had another one, -1
// = it never had, or has it still.
func (w *wish) passes(sku string) int {
	if len(w.Path) > 0 && w.SKU == sku {
		return 0
	}
	if i := slices.Index(w.Path, sku); i >= 0 && i < len(w.Path)-1 {
		return i + 1
	}
	return -1
}

func (x *Numbers) bytes() int {
	if x == nil {
		return 0
	}
	return 24 + 320*cap(x.Wishes)
}

func (x *Numbers) encode(w *writer) {
	if w.bool(x != nil); x == nil {
		return
	}
	w.uint(uint64(len(x.Wishes)))
	for i := range x.Wishes {
		x.Wishes[i].Interest.encode(w)
		writeStrings(w, x.Wishes[i].Path)
	}
}

func decodeNumbers(r *reader) *Numbers {
	if !r.bool() {
		return nil
	}
	x := &Numbers{}
	if n := r.count(8); n > 0 {
		x.Wishes = make([]wish, n)
		for i := range x.Wishes {
			x.Wishes[i].decode(r)
			x.Wishes[i].Path = readStrings(r)
		}
	}
	return x
}

// wished returns an interest by itself: without its place, and sharing nothing.
func wished(in *Interest) Interest {
	f := *in
	f.Wants = slices.Clone(in.Wants)
	f.Queued, f.Parked, f.Dear, f.Apart, f.Claimed, f.Offer, f.OfferUntil = false, false, false, false, false, 0, 0
	f.liesIn("")
	return f
}

// add adds what was wanted under a number to what was before.
func (x *Numbers) add(w wish) {
	i := slices.IndexFunc(x.Wishes, func(k wish) bool { return k.SKU == w.SKU })
	switch {
	case i < 0:
		x.Wishes = append(room(x.Wishes, maxWishes, func(k *wish) int64 { return k.Since }), w)
	case x.Wishes[i].live() && w.live():
		x.Wishes[i].join(&w.Interest)
	default:
		x.Wishes[i] = w
	}
}

// join makes one wish of two.
func (in *Interest) join(f *Interest) {
	in.union(f)
	in.Since, in.Tier = min(in.Since, f.Since), min(in.Tier, f.Tier)
}

// now returns the number that what was wanted under another one has, that itself
// when nothing was.
func (x *Numbers) now(sku string) string {
	if x != nil {
		for i := range x.Wishes {
			if w := &x.Wishes[i]; w.SKU == sku {
				return w.at()
			}
		}
	}
	return sku
}

// of returns the wishes that have a number now.
func (x *Numbers) of(sku string) (list []wish) {
	if x == nil {
		return nil
	}
	for i := range x.Wishes {
		if x.Wishes[i].at() == sku {
			list = append(list, x.Wishes[i])
		}
	}
	return list
}

// combined makes one wish for an item of several.
func combined(list []wish, sku string) Interest {
	f := wished(&list[0].Interest)
	for i := 1; i < len(list); i++ {
		g := wished(&list[i].Interest)
		if f.live() && g.live() {
			f.join(&g)
		} else if g.live() {
			f = g
		}
	}
	f.SKU, f.hash = sku, Hash(sku)
	return f
}

// goesOn notes that a wish is one for another number from now on.
func (c *Customer) goesOn(m *Machine, in *Interest, now string) {
	there, before := c.interest(now), c.Numbers.of(now)
	if there != nil && !there.live() {
		c.forgetWishes(m, now) // they ended with it
	}
	if c.Numbers == nil {
		c.Numbers = &Numbers{}
	}
	x := c.Numbers
	own := slices.IndexFunc(before, func(w wish) bool { return len(w.Path) == 0 })
	switch {
	case there == nil || len(x.of(now)) > 0:
	case len(before) == 0:
		x.add(wish{wished(there), nil})
	case own >= 0 && c.wantsStill(m, &before[own].Interest, there): // what ended it may have been of another number
		x.add(before[own])
	}
	came := false
	for i := range x.Wishes {
		if w := &x.Wishes[i]; w.at() == in.SKU {
			w.Path, came = append(slices.Clone(w.Path), now), true
		}
	}
	if !came {
		x.add(wish{wished(in), []string{now}})
	}
	m.watch(in.SKU).interested(m, c.ID, true)
}

// forgetWishes forgets under which numbers an item was wanted.
func (c *Customer) forgetWishes(m *Machine, sku string) {
	if c.Numbers == nil {
		return
	}
	gone := c.Numbers.of(sku)
	c.Numbers.Wishes = slices.DeleteFunc(c.Numbers.Wishes, func(w wish) bool { return w.at() == sku })
	for i := range gone {
		c.unlistWish(m, &gone[i])
	}
	c.tidyWishes()
}

// unlistWish takes the customer off the lists of the numbers a wish had, as far as
// nothing else needs them.
func (c *Customer) unlistWish(m *Machine, w *wish) {
	for _, sku := range append([]string{w.SKU}, w.Path...) {
		if c.interest(sku) == nil && (c.Numbers == nil || !slices.ContainsFunc(c.Numbers.Wishes, func(k wish) bool { return k.passes(sku) >= 0 })) {
			m.watch(sku).interested(m, c.ID, false)
		}
	}
}

// tidyWishes forgets the wishes that are all there is under their number.
func (c *Customer) tidyWishes() {
	x := c.Numbers
	x.Wishes = slices.DeleteFunc(x.Wishes, func(w wish) bool { return len(w.Path) == 0 && len(x.of(w.SKU)) == 1 })
	if len(x.Wishes) == 0 {
		c.Numbers = nil
	}
}

// saidUnder notes what was wanted by the number that others were renamed to.
func (c *Customer) saidUnder(m *Machine, in *Interest, e *Event, x Want, n int64) {
	if len(c.Numbers.of(in.SKU)) == 0 {
		return
	}
	f := interestIn(in.SKU, in.hash, c.rank(m.shop.Now, e.At))
	f.Wants, f.PriceSeen, f.Quantity, f.Asked, f.Tier = []Want{x}, in.PriceSeen, n, e.Kind == BackInStockRequested, in.Tier
	p := f.own()
	p.MaxPrice = e.MaxPrice
	if len(e.Locations) > 0 {
		p.Locations = in.Locations
	}
	if f.Asked {
		p.Variant = in.Variant
	}
	c.Numbers.add(wish{f, nil})
}

// takenBack parts what was wanted under an item's own number from what it was
// renamed to.
func (c *Customer) takenBack(m *Machine, sku string) {
	if c.Numbers == nil {
		return
	}
	next := m.facts(sku).Product.Now
	var back []wish
	from := ""
	for i := range c.Numbers.Wishes {
		w := &c.Numbers.Wishes[i]
		if n := w.passes(sku); n >= 0 && w.Path[n] != next {
			from = w.at()
			w.Path = slices.Clone(w.Path[:n])
			back = append(back, *w)
		}
	}
	if len(back) == 0 {
		return
	}
	cur := c.interest(from)
	if cur == nil {
		for i := range back { // room was made for other wishes
			c.Numbers.Wishes = slices.DeleteFunc(c.Numbers.Wishes, func(w wish) bool { return w.SKU == back[i].SKU })
		}
		c.tidyWishes()
		return
	}
	was := wished(cur)
	c.keepsOwn(m, cur, &was, c.Numbers.of(from))
	if f := combined(back, sku); c.wantsStill(m, &f, &was) {
		c.settleInterest(m, &f, max(f.began(), f.latest()))
		m.watch(sku)
		c.mergeInterest(m, &f)
	}
	c.tidyWishes()
	c.holdItem(m, from) // an order of the old number does not end it any more
	if next != "" {
		c.wantsRenamed(m, sku)
		return
	}
	c.queueAnew(m, sku)
	for _, name := range m.rules.audiences { // what was bought may be wanted again
		c.recheckItem(m, name, sku)
	}
}

// wantsStill leaves of what was wanted under one number what is wanted still by the
// wish that was one with it, and reports whether that is anything. An order of the
// other number does not end it any more; where it had, before the two were one wish,
// nothing was taken from it since.
func (c *Customer) wantsStill(m *Machine, in, one *Interest) bool {
	in.own().DeclinedAt = max(in.DeclinedAt, one.DeclinedAt)
	in.Declined = in.Declined || one.Declined
	if o := c.order(in.Bought); o != nil && !o.closes(in.SKU) && !slices.ContainsFunc(strings.Split(m.facts(in.SKU).Product.Substitutes, "\n"), o.closes) {
		in.Bought = 0
		return len(in.Wants) > 0
	}
	in.Wants = slices.DeleteFunc(in.Wants, func(x Want) bool {
		return !slices.ContainsFunc(one.Wants, func(k Want) bool { return k.Name == x.Name })
	})
	return len(in.Wants) > 0
}

// keepsOwn leaves to the number that others were renamed to what was wanted under
// itself. was is what it was for all of them.
func (c *Customer) keepsOwn(m *Machine, cur, was *Interest, own []wish) {
	f := cur.anew(cur.Since)
	f.Declined = cur.Declined
	if len(own) > 0 {
		f = combined(own, cur.SKU)
		if c.wantsStill(m, &f, was) {
			c.settleInterest(m, &f, max(f.began(), f.latest()))
		}
	}
	if held := cur.Offer != 0 && cur.OfferUntil != 0; !held && (len(f.Wants) == 0 || !f.live()) {
		c.endWaiting(m, cur.SKU, Superseded)
		if cur = c.interest(f.SKU); cur == nil {
			return
		}
		c.giveUp(m, cur)
		if len(f.Wants) > 0 {
			*cur = f
			return
		}
		i := slices.IndexFunc(c.Interests, func(x Interest) bool { return x.SKU == f.SKU })
		c.Interests = slices.Delete(c.Interests, i, i+1)
		c.itemAt = nil
		m.watch(f.SKU).interested(m, c.ID, false)
		return
	}
	since := f.Since
	f.Since, f.Tier, f.Queued, f.Parked, f.Offer, f.OfferUntil = cur.Since, cur.Tier, cur.Queued, cur.Parked, cur.Offer, cur.OfferUntil
	f.Claimed, f.GaveUp, f.Dear, f.Apart, f.Took = cur.Claimed, cur.GaveUp, cur.Dear, cur.Apart, cur.Took
	p := f.own()
	p.Store, p.Told = cur.Store, cur.Told
	*cur = f
	switch {
	case cur.Offer != 0:
	case cur.Queued && since != cur.Since:
		c.move(m, cur, since)
	case cur.Queued:
		c.requeue(m, cur)
	default:
		cur.Since = since
		c.queueAnew(m, cur.SKU)
	}
}

// queueAnew has a wish that came from another number wait, where it asks for that
// or has to.
func (c *Customer) queueAnew(m *Machine, sku string) {
	f := m.facts(sku)
	if in := c.interest(sku); in != nil && in.live() && !in.Queued && (in.Asked || f.blocks()) {
		c.queueUp(m, in)
	}
}

// mergeNumbers takes over what another id wanted under which numbers. It is done
// before the wishes themselves are made one.
func (c *Customer) mergeNumbers(m *Machine, b *Customer) {
	if c.Numbers == nil && b.Numbers == nil {
		return
	}
	if c.Numbers == nil {
		c.Numbers = &Numbers{}
	}
	var wishes []wish
	if b.Numbers != nil {
		wishes = b.Numbers.Wishes
	}
	own := func(of, with *Customer) { // what one wants under no other number, and the other does
		for i := range of.Interests {
			in := &of.Interests[i]
			if len(with.Numbers.of(in.SKU)) > 0 && len(of.Numbers.of(in.SKU)) == 0 {
				wishes = append(wishes, wish{wished(in), nil})
			}
		}
	}
	own(b, c)
	own(c, b)
	for _, w := range wishes {
		c.Numbers.add(w)
		for _, sku := range append([]string{w.SKU}, w.Path...) {
			m.watch(sku).interested(m, c.ID, true)
		}
	}
	c.tidyWishes()
}

// unlistWishes takes the customer off the lists of all those numbers.
func (c *Customer) unlistWishes(m *Machine) {
	if c.Numbers == nil {
		return
	}
	for i := range c.Numbers.Wishes {
		w := &c.Numbers.Wishes[i]
		for _, sku := range append([]string{w.SKU}, w.Path...) {
			c.unwatch(m, sku)
		}
	}
}
