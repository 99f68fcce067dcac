package processor

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// An item may get another number, or become one with another item: the shop
// says so of the old number, {sku: old, renamed_to: new}.
//
//	Product Updated of the old number -> its Item -> RenamedItem -> the new Item: what it was called
//	   | Facts: of both, to the partitions that watch them
//	   v
//	who wanted the old one wants the new one: since then, on those terms, with that place
//	carts name it by the new number; what was bought under either is bought
//
// The old number is not on sale any more. A unit that is held under it stays so
// until the hold ends, and an ad that runs for it comes down.

// It is taken back with {renamed_to: null} or its own number, or by the new number
// being called by the old one: {sku: new, renamed_to: old}. Then they are two items
// again, each with what was wanted (see Numbers), sold and reported under its number:
//
//	Product Updated -> its Item -> RenamedItem, not any more -> the other: gives the sales back, MoveSale
//	of the new one  -> its Item -> TakeBackName -> the old one -> the same
//
// Said again it changes nothing. Of words that make a circle the latest loses: it
// takes the other back when they are two, and is refused when they are more.

// maxFormer bounds the old numbers of one item that are kept.
const maxFormer = 8

// maxRenames bounds how often one item is followed from number to number.
const maxRenames = 4

// maxCircle bounds how far a circle of names is looked for.
const maxCircle = 16

// names is what an item remembers of having several numbers.
type names struct {
	At    int64  // when it was said what it is called now, or that it is not
	Undid string // the item that was called by this one's number, until that was taken back by calling this one by its
	// Covered are sales under old numbers that the levels of this one contain, and
	// those of the old ones may not.
	Covered []Sold
}

func (n *names) bytes() int {
	if n == nil {
		return 0
	}
	return 48 + len(n.Undid) + 56*cap(n.Covered)
}

func (n *names) encode(w *writer) {
	if w.bool(n != nil); n == nil {
		return
	}
	w.int(n.At)
	w.str(n.Undid)
	w.uint(uint64(len(n.Covered)))
	for i := range n.Covered {
		n.Covered[i].encode(w)
	}
}

func decodeNames(r *reader) *names {
	if !r.bool() {
		return nil
	}
	n := &names{At: r.int(), Undid: r.str()}
	if k := r.count(12); k > 0 {
		n.Covered = make([]Sold, k)
		for i := range n.Covered {
			n.Covered[i].decode(r)
		}
	}
	return n
}

func (it *Item) names() *names {
	if it.Names == nil {
		it.Names = &names{}
	}
	return it.Names
}

// cover keeps a sale that a level contains, when it was under an old number: were
// that taken back, the level of that one may not contain it.
func (it *Item) cover(s Sold) {
	if s.As != "" {
		n := it.names()
		n.Covered = append(n.Covered[max(0, len(n.Covered)-maxSold+1):], s)
	}
}

// called takes the catalogue's word on what the item is called now.
func (it *Item) called(m *Machine, e *Event) {
	v := properties(e.Properties).get("renamed_to")
	now := v.text()
	if len(v) == 0 || v[0] == '{' || v[0] == '[' || len(now) > MaxIDBytes || strings.Contains(now, "\n") || !it.Said.newest(ofNumber, e.At) {
		return
	}
	if now == it.SKU {
		now = ""
	}
	if now != "" && (now == it.Product.Now || now == it.names().Undid) {
		return // of a circle the first time counts: what is found out of it speaks of that
	}
	it.names().At = e.At
	switch {
	case now != "" && slices.Contains(slices.Collect(it.Product.former()), now):
		it.unname(m)
		it.names().Undid = clone(now)
		m.send(now, &Message{Type: TakeBackName, SKU: now, Ref: it.SKU, At: e.At})
	default:
		it.names().Undid = ""
		if it.unname(m); now != "" {
			it.Product.Now = clone(now)
			m.send(now, &Message{Type: RenamedItem, SKU: now, Ref: it.SKU, Customer: it.SKU, Since: it.names().At})
		}
	}
}

// unname takes back that the item is called otherwise. It is on sale again like
// one that has just arrived, so that those who waited are in line before it is.
func (it *Item) unname(m *Machine) {
	if was := it.Product.Now; was != "" {
		it.Product.Now, it.SettleAt = "", 0
		m.send(was, &Message{Type: RenamedItem, SKU: was, Ref: it.SKU, Park: true, Body: []byte(it.Product.Was)})
	}
}

// wasCalled notes an old number of the item, or that it is none, and looks for a
// circle of names that is closed by it.
func (it *Item) wasCalled(m *Machine, msg *Message) {
	former := slices.Collect(it.Product.former())
	switch {
	case msg.Park:
		if msg.From == 0 {
			former = slices.DeleteFunc(former, func(s string) bool { return s == msg.Ref })
			it.Product.Was = strings.Join(former, "\n")
		}
		it.returnSales(m, msg)
		return
	case msg.From > 0 || it.Product.Now == msg.Ref || slices.Contains(former, msg.Ref):
	case len(former) >= maxFormer:
		m.dead("limit", fmt.Sprintf("%s has had %d numbers before, no more are kept: not %s", it.SKU, maxFormer, msg.Ref), m.current)
	default:
		it.Product.Was = strings.Join(append(former, msg.Ref), "\n")
	}
	if it.names().Undid == msg.Ref {
		it.names().Undid = ""
	}
	if it.Product.Now == "" {
		return
	}
	latest, at := msg.Customer, msg.Since
	if it.names().At > at || it.names().At == at && it.SKU > latest {
		latest, at = clone(it.SKU), it.names().At
	}
	switch {
	case it.Product.Now != msg.Ref && msg.From < maxCircle:
		m.send(it.Product.Now, &Message{Type: RenamedItem, SKU: it.Product.Now, Ref: msg.Ref, Customer: latest, Since: at, From: msg.From + 1})
	case it.Product.Now != msg.Ref:
	case msg.From > 0:
		m.dead("rename", fmt.Sprintf("%s is called by another number that leads back to it: it keeps its own", latest), m.current)
		m.send(latest, &Message{Type: TakeBackName, SKU: latest, At: at, Park: true})
	default: // of two: who said it last took it back
		it.unname(m)
		back := Message{Type: TakeBackName, SKU: msg.Ref, Ref: it.SKU, At: at}
		if latest == it.SKU {
			it.names().Undid = clone(msg.Ref)
		} else {
			back.Line = 1
		}
		m.send(msg.Ref, &back)
	}
}

// tookBack is told that the item keeps its number: by the one it was called by,
// or, with Park, because its word closed a circle.
func (it *Item) tookBack(m *Machine, msg *Message) {
	switch {
	case msg.Park && it.names().At == msg.At, !msg.Park && it.Product.Now == msg.Ref && it.names().At <= msg.At:
		it.unname(m)
	}
	if msg.Line == 1 {
		it.names().Undid = clone(msg.Ref)
	}
}

// returnSales gives the sales that were counted here under a number to the item
// that has it. Where this one has another number too, they were counted there.
func (it *Item) returnSales(m *Machine, msg *Message) {
	under := append(strings.Split(string(msg.Body), "\n"), msg.Ref)
	theirs := func(s Sold) bool {
		if s.As == "" || !slices.Contains(under, s.As) {
			return false
		}
		it.moveSale(m, msg.Ref, &s, 0, false)
		return true
	}
	it.Sold = slices.DeleteFunc(it.Sold, theirs)
	it.uncountUnder(m, under)
	if n := it.Names; n != nil {
		n.Covered = slices.DeleteFunc(n.Covered, theirs)
	}
	if it.Product.Now != "" && msg.From < maxRenames {
		on := *msg
		on.SKU, on.From = it.Product.Now, msg.From+1
		m.send(on.SKU, &on)
	}
}

// parted reports whether a number that something was sold under here is none of
// the item's: it was taken back, and whoever told of the sale had not heard of it.
// Or it is of a number before the one before, as that one knows.
func (it *Item) parted(as string) bool {
	if as == "" {
		return false
	}
	for old := range it.Product.former() {
		if old == as {
			return false
		}
	}
	return true
}

// moveSale has a sale counted at another item; asked says that the number it was
// sold under has been asked where that is.
func (it *Item) moveSale(m *Machine, to string, s *Sold, hops int64, asked bool) {
	body := []byte(s.Store)
	if s.As != to {
		body = soldAs(body, s.As)
	}
	m.send(to, &Message{Type: MoveSale, SKU: to, Ref: it.SKU, Since: int64(s.Order), Quantity: s.Quantity, At: s.At, From: hops, Park: asked, Body: body})
}

// movedSale counts a sale that was counted elsewhere, here or under the number
// that the item has by now.
func (it *Item) movedSale(m *Machine, msg *Message) {
	store, as := soldIn(msg.Body)
	s := Sold{uint64(msg.Since), msg.Quantity, msg.At, string(store), as}
	switch now := it.Product.Now; {
	case !msg.Park && it.parted(as):
		it.moveSale(m, as, &s, msg.From+1, true)
		return
	case now != "" && msg.From < maxRenames:
		if s.As == "" {
			s.As = it.SKU
		}
		it.moveSale(m, now, &s, msg.From+1, msg.Park)
		return
	}
	it.sellUnder(m, s.Order, s.Quantity, s.At, s.Store, s.As)
}

// soldAs says of a sale where it was, and under which number of the item.
func soldAs(store []byte, sku string) []byte {
	return append(append(slices.Clone(store), '\n'), sku...)
}

// soldIn reads what soldAs wrote, and a store alone.
func soldIn(body []byte) (store []byte, as string) {
	store, number, _ := bytes.Cut(body, []byte{'\n'})
	return store, string(number)
}

// passOn tells the number the item has now what was told to this one, and
// reports whether it did. A catalogue may rename in a circle.
func (it *Item) passOn(m *Machine, msg *Message) bool {
	if it.Product.Now == "" || msg.From >= maxRenames {
		return false
	}
	passed := *msg
	passed.SKU, passed.Since, passed.From = it.Product.Now, 0, msg.From+1
	if _, as := soldIn(msg.Body); !msg.Park && as == "" {
		passed.Body = soldAs(msg.Body, it.SKU)
	}
	m.send(passed.SKU, &passed)
	return true
}

// sendBack gives a sale to the number it was made under, when that is none of
// this item's, and reports whether it did. What it gets back is its own.
func (it *Item) sendBack(m *Machine, msg *Message) bool {
	store, as := soldIn(msg.Body)
	if msg.From > 0 || msg.Park || !it.parted(as) {
		return false
	}
	back := *msg
	back.SKU, back.Body, back.Offer, back.Since, back.From = as, store, 0, 0, 1
	m.send(as, &back)
	return true
}

// former returns the item's old numbers.
func (p *ProductFacts) former() iter.Seq[string] {
	if p.Was == "" {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(p.Was, "\n")
}

// calledNow returns the number an item has now.
func (m *Machine) calledNow(sku string) string {
	for range maxRenames {
		now := m.facts(sku).Product.Now
		if now == "" {
			break
		}
		sku = now
	}
	return sku
}

// wantsRenamed has a wish for an old number be one for the new.
func (c *Customer) wantsRenamed(m *Machine, old string) {
	for range maxRenames {
		in, now := c.interest(old), m.facts(old).Product.Now
		if in == nil || now == "" || in.Offer != 0 {
			return
		}
		c.hadUnder(m, now, old)
		in = c.interest(old)
		c.goesOn(m, in, now)
		c.endWaiting(m, old, Superseded)
		c.giveUp(m, in)
		f := *in
		f.SKU, f.hash = now, Hash(now)
		i := slices.IndexFunc(c.Interests, func(x Interest) bool { return x.SKU == old })
		c.Interests = slices.Delete(c.Interests, i, i+1)
		c.itemAt = nil
		c.Profile.extend(old, now)
		m.watch(now)
		c.settleInterest(m, &f, max(f.began(), f.latest())) // bought since under its new number
		c.mergeInterest(m, &f)
		c.queueAnew(m, now)
		c.holdItem(m, now) // as many as were wanted of both
		old = now
	}
}

// hadUnder ends the wish for an item that was bought, since it was wanted last, by
// an old number. What is wanted by that one since is another wish.
func (c *Customer) hadUnder(m *Machine, sku, old string) {
	if in := c.interest(sku); in != nil && in.live() && !c.wantsByOld(in, old) {
		if id := c.boughtAfter(old, max(in.began(), in.latest())); id != 0 {
			c.hadWith(m, in, id)
		}
	}
}

// wantsByOld reports whether a unit is held of an item that is wanted by an old
// number as well: who bought it by that has it for the wish they have since.
func (c *Customer) wantsByOld(in *Interest, old string) bool {
	f := c.interest(old)
	return in.Offer != 0 && f != nil && f.live()
}

// formerCame ends the wish for an item that was bought, since it was wanted last,
// under a number, or with a set, of which nobody here knew then that it was one
// of its.
func (c *Customer) formerCame(m *Machine, sku string) {
	if in := c.interest(sku); in != nil && in.live() {
		for old := range m.facts(sku).Product.former() {
			if c.wantsByOld(in, old) {
				return
			}
		}
		if id, _ := c.broughtBy(m, sku, max(in.began(), in.latest())); id != 0 {
			c.hadWith(m, in, id)
		}
	}
}

// formerWent brings back the wish for an item that an order of another number
// had ended, which is none of its any more. Of who wanted that one, too, takenBack
// knows.
func (c *Customer) formerWent(m *Machine, wa *Watch) {
	in := c.interest(wa.SKU)
	if in == nil || in.Bought == 0 || in.Declined || len(c.Numbers.of(wa.SKU)) > 0 {
		return
	}
	o := c.order(in.Bought)
	if o == nil {
		return
	}
	another := ""
	for i := range o.Lines {
		l := &o.Lines[i]
		if !o.closes(l.SKU) {
			continue
		}
		if wa.brings(m, l.SKU) || in.endsWith(m, l.SKU) {
			return
		}
		another = cmp.Or(another, l.SKU)
	}
	if another == "" {
		return
	}
	c.wantedAgain(m, in)
	for _, name := range m.rules.audiences {
		c.recheckItem(m, name, wa.SKU)
	}
}

// brings reports whether who buys an item has this one, under one of its numbers,
// as one of its variants, by what stands for it or as a part of it.
func (wa *Watch) brings(m *Machine, sku string) bool {
	p := &wa.Facts.Product
	is := func(sku string) bool {
		return sku == wa.SKU || slices.Contains(slices.Collect(p.former()), sku) || slices.Contains(slices.Collect(p.substitutes()), sku)
	}
	if is(sku) || slices.Contains(slices.Collect(p.variants("")), sku) || slices.Contains(wa.Bundles, sku) {
		return true
	}
	for range maxRenames {
		if sku = m.facts(sku).Product.Now; sku == "" || sku == wa.SKU { // that it has this number now was taken back, and is on its way
			return false
		}
		if is(sku) {
			return true
		}
	}
	return false
}

// ownsAny is owns of an item under any of its numbers.
func (c *Customer) ownsAny(m *Machine, sku string) (owned, returned bool) {
	owned, returned = c.owns(sku)
	for old := range m.facts(sku).Product.former() {
		o, r := c.owns(old)
		owned, returned = owned || o, returned || r
	}
	return owned, returned && !owned
}

// silencedBy reports whether a purchase since a time, of the item under any of
// its numbers or of its family, leaves the customer alone.
func (c *Customer) silencedBy(m *Machine, f *ItemFacts, sku string, since int64, gifts bool) bool {
	if c.boughtSince(m, sku, f.Product.Family, since, gifts) {
		return true
	}
	if f.Product.Was == "" { // nearly always: nothing is made to walk over nothing
		return false
	}
	for old := range f.Product.former() {
		if c.boughtSince(m, old, "", since, gifts) {
			return true
		}
	}
	return false
}
