package processor

import (
	"math"
	"slices"

	"onhand/processor/moments"
)

// Level is the last stock level of one location. Version or time orders the
// reports of a source: older ones are dropped.
type Level struct {
	Location  string
	Available int64
	Known     bool // false: reported without a number
	Sellable  Flag
	Safety    int64 // -1 = the policy's
	edition
	// SettleAt is, of a store, the log time from which its level has held long
	// enough; 0 = there is none to hold. The web shop's is the item's.
	SettleAt int64
}

func (l *Level) encode(w *writer) {
	w.str(l.Location)
	w.int(l.Available)
	w.bool(l.Known)
	w.u8(uint8(l.Sellable))
	w.int(l.Safety)
	w.int(l.Version)
	w.int(l.At)
	w.int(l.SettleAt)
}

func (l *Level) decode(r *reader) {
	*l = Level{r.str(), r.int(), r.bool(), Flag(r.u8()), r.int(), edition{r.int(), r.int()}, r.int()}
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
	Order    uint64 // which line of which order; see saleKey
	Quantity int64
	At       int64
	Store    string // where, "" = the web shop
	As       string // the item's number it was sold under, "" = the one it has
}

// maxSold bounds the lines kept one by one between two levels of an item.
const maxSold = 256

func (s *Sold) encode(w *writer) {
	w.u64(s.Order)
	w.int(s.Quantity)
	w.int(s.At)
	w.str(s.Store)
	w.str(s.As)
}

func (s *Sold) decode(r *reader) { *s = Sold{r.u64(), r.int(), r.int(), r.str(), r.str()} }

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

// sell counts a sale that the levels may not contain yet, once.
func (it *Item) sell(m *Machine, key uint64, n, at int64, store string) {
	it.sellUnder(m, key, n, at, store, "")
}

// sellUnder is sell of a sale under an old number of the item.
func (it *Item) sellUnder(m *Machine, key uint64, n, at int64, store, as string) {
	it.count(m, &Sold{Order: key, Quantity: n, At: at, As: as})
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
	it.Sold = append(it.Sold, Sold{key, n, at, clone(store), clone(as)})
}

// unsell takes back n units of what an order took under a number of the item, ""
// = the one it has, the last ones first: who cancels does not say which line it
// was, nor with which change it came. What it took otherwise stays sold: it may
// be told in any order.
func (it *Item) unsell(m *Machine, ref string, n int64, as string) {
	order := saleKey(ref, 0)
	it.uncount(m, order, n, as, 0)
	take := func(list []Sold) []Sold {
		for i := len(list) - 1; i >= 0 && n > 0; i-- {
			if s := &list[i]; s.Order&^saleLine == order && s.As == as {
				less := min(n, s.Quantity)
				s.Quantity -= less
				n -= less
			}
		}
		return slices.DeleteFunc(list, func(s Sold) bool { return s.Quantity == 0 })
	}
	it.Sold = take(it.Sold)
	if it.Names != nil {
		it.Names.Covered = take(it.Names.Covered)
	}
}

// soldWith returns the units an order took under a number of the item, as far as
// they are counted here.
func (it *Item) soldWith(m *Machine, ref, as string) int64 {
	order := saleKey(ref, 0)
	var uncontained, counted int64
	add := func(n *int64, s *Sold) {
		if s.Order&^saleLine == order && s.As == as {
			*n += s.Quantity
		}
	}
	for i := range it.Sold {
		add(&uncontained, &it.Sold[i])
	}
	if it.Names != nil {
		for i := range it.Names.Covered {
			add(&uncontained, &it.Names.Covered[i])
		}
	}
	it.Counted.ascend(m, countedKey(order), func(key, value string) bool {
		s := parseCounted(key, value)
		add(&counted, &s)
		return s.Order&^saleLine == order
	})
	return max(uncontained, counted)
}

// safety returns the units of a level that are never promised, and whether the
// source said so.
func (l *Level) safety(stock *moments.Stock) (int64, bool) {
	if l.Safety >= 0 {
		return l.Safety, true
	}
	return stock.Safety, false
}

// expected returns the units that should be there now: the last levels of the
// web shop's locations less the sales they cannot contain, less safety.
// levelAt is the time of the oldest level used, 0 when none is known.
func (it *Item) expected(m *Machine) (units, levelAt int64) {
	stock := m.rules.stock(it)
	var newest, told int64
	saysSafety, uncounted, closed := false, false, true
	for i := range it.Levels {
		l := &it.Levels[i]
		if !stock.IsOnline(l.Location) || !l.Known && l.Sellable == Unset {
			continue
		}
		if levelAt == 0 || l.At < levelAt {
			levelAt = l.At
		}
		newest = max(newest, l.At)
		if n, says := l.safety(stock); says {
			told, saysSafety = told+n, true
		}
		if l.Sellable == No {
			continue // whatever lies there
		}
		closed = false
		units += l.Available
		uncounted = uncounted || l.Sellable == Yes && !l.Known
	}
	it.forgetSold(newest, stock)
	if levelAt == 0 {
		return 0, 0
	}
	safety := stock.Safety
	if saysSafety {
		safety = told
	}
	for i := range it.Sold {
		if it.Sold[i].Store == "" {
			units -= it.Sold[i].Quantity
		}
	}
	units -= it.Extra.Quantity + safety
	switch {
	case closed:
		return min(units, 0), levelAt
	case uncounted:
		return max(units, 1), levelAt // sold without a count, or ahead of it
	}
	return units, levelAt
}

// forgetSold drops the sales that the levels contain by now. newest is the
// time of the newest level of the web shop.
func (it *Item) forgetSold(newest int64, stock *moments.Stock) {
	settle := stock.Settle.Milliseconds()
	kept := 0
	for i := range it.Sold {
		s := &it.Sold[i]
		until := newest
		if s.Store != "" {
			until = math.MaxInt64 // its levels are not known
			if l := it.levelOf(s.Store); l >= 0 {
				until = it.Levels[l].At
			}
		}
		switch {
		case s.At > until-settle:
			if kept < i {
				it.Sold[kept] = *s
			}
			kept++
		case s.As != "":
			it.cover(*s)
		}
	}
	clear(it.Sold[kept:])
	it.Sold = it.Sold[:kept]
	if it.Extra.At <= newest-settle {
		it.Extra = Sold{}
	}
}

func (it *Item) levelOf(location string) int {
	return slices.IndexFunc(it.Levels, func(l Level) bool { return l.Location == location })
}

// settling returns when units that are there have been there long enough. since
// is what it returned last.
func (it *Item) settling(m *Machine, since, units int64) int64 {
	switch {
	case units <= 0:
		return 0
	case since == 0:
		return m.shop.Now + m.rules.stock(it).Settle.Milliseconds()
	}
	return since
}

// promised returns the units of a store that may be promised there.
func (it *Item) promised(m *Machine, l *Level) int64 {
	if !l.Known || l.Sellable == No {
		return 0
	}
	safety, _ := l.safety(m.rules.stock(it))
	units := l.Available - safety
	for i := range it.Sold {
		if it.Sold[i].Store == l.Location {
			units -= it.Sold[i].Quantity
		}
	}
	return units
}

// inStore returns the units that may be promised in a store now, 0 before they
// have been there long enough.
func (it *Item) inStore(m *Machine, l *Level) int64 {
	if l.SettleAt == 0 || l.SettleAt > m.shop.Now {
		return 0
	}
	return max(it.promised(m, l), 0)
}

// places returns the stores that have it.
func (it *Item) places(m *Machine) (list []Place) {
	stock := m.rules.stock(it)
	for i := range it.Levels {
		l := &it.Levels[i]
		if stock.IsOnline(l.Location) {
			continue
		}
		if l.SettleAt = it.settling(m, l.SettleAt, it.promised(m, l)); it.inStore(m, l) > 0 {
			list = append(list, Place{l.Location})
		}
	}
	return list
}

// ahead reports whether the shop takes orders though there is nothing: a level
// of the web shop says so.
func (it *Item) ahead(m *Machine) bool {
	stock := m.rules.stock(it)
	return slices.ContainsFunc(it.Levels, func(l Level) bool {
		return l.Sellable == Yes && l.Known && l.Available <= 0 && stock.IsOnline(l.Location)
	})
}

// sink notes what may be promised now and reports whether it is low: it has
// sunk to the item's low level, and not to nothing.
func (it *Item) sink(f *ItemFacts, units int64) bool {
	was := it.Units
	it.Units = 0
	if f.Sellable {
		it.Units = units
	}
	switch {
	case it.Low == 0 || it.Units <= 0 || it.Units > it.Low:
		return false
	case was > it.Low:
		return true
	}
	return it.Facts.Low
}
