package processor

import (
	"math"
	"slices"
)

// window is one sale of an item: the item cannot be bought before it opens nor
// after it closes, unless another one is open. Cancelling closes it at once, and
// one of so many units is over for everybody once these are sold; see count.
type window struct {
	Sale     string // id
	OpensAt  int64
	ClosesAt int64 // 0 = open until it is cancelled
	Limited  bool  // it is of Quantity units
	Quantity int64
	Sold     int64 // of these, by the times of the orders
	edition
}

// open reports whether a sale is open at a time.
func (x *window) open(at int64) bool { return x.OpensAt <= at && !x.closed(at) }

func (x *window) closed(at int64) bool { return x.ClosesAt != 0 && x.ClosesAt <= at }

// soldOut reports whether all units of a sale are sold.
func (x *window) soldOut() bool { return x.Limited && x.Sold >= x.Quantity }

// left returns the units of a sale that are not sold.
func (x *window) left() int64 {
	if !x.Limited {
		return math.MaxInt64
	}
	return max(0, x.Quantity-x.Sold)
}

// maxWindows bounds the sales of one item that are kept; the one that closed
// first goes.
const maxWindows = 16

func encodeWindows(w *writer, list []window) {
	w.uint(uint64(len(list)))
	for i := range list {
		x := &list[i]
		w.str(x.Sale)
		w.int(x.OpensAt)
		w.int(x.ClosesAt)
		w.bool(x.Limited)
		w.int(x.Quantity)
		w.int(x.Sold)
		w.int(x.Version)
		w.int(x.At)
	}
}

func decodeWindows(r *reader) (list []window) {
	n := r.count(8)
	if n == 0 {
		return nil
	}
	list = make([]window, n)
	for i := range list {
		list[i] = window{r.str(), r.int(), r.int(), r.bool(), r.int(), r.int(), edition{r.int(), r.int()}}
	}
	return list
}

// sale applies Sale Scheduled and Sale Cancelled. It reports false when a newer
// word on the sale is known.
func (it *Item) sale(m *Machine, e *Event) bool {
	i := slices.IndexFunc(it.Windows, func(x window) bool { return x.Sale == e.SaleID })
	ed := editionOf(e)
	if i >= 0 && ed.older(it.Windows[i].edition) {
		return false
	}
	if i < 0 {
		if len(it.Windows) >= maxWindows {
			it.dropWindow()
		}
		it.Windows = append(it.Windows, window{Sale: clone(e.SaleID)})
		i = len(it.Windows) - 1
	}
	x := &it.Windows[i]
	x.edition = ed
	if now := m.shop.Now; e.Kind == SaleCancelled {
		x.OpensAt = min(x.OpensAt, now)
		if x.ClosesAt == 0 || x.ClosesAt > now {
			x.ClosesAt = now
		}
	} else {
		x.OpensAt, x.ClosesAt = e.OpensAt, e.ClosesAt
		x.Limited, x.Quantity = e.HasQty, max(e.Quantity, 0)
	}
	it.countAnew(m)
	return true
}

func (it *Item) dropWindow() {
	end := func(x window) int64 {
		if x.ClosesAt == 0 {
			return 1<<63 - 1
		}
		return x.ClosesAt
	}
	drop := 0
	for i := range it.Windows {
		if end(it.Windows[i]) < end(it.Windows[drop]) {
			drop = i
		}
	}
	it.Windows = slices.Delete(it.Windows, drop, drop+1)
}

// window returns the sale window that counts now: the one that is open and has
// something left, else the next, else one that is sold out, else the last; and
// how many units may be sold in it. 0, 0 = always on sale.
func (it *Item) window(now int64) (opens, closes, left int64) {
	var best *window
	rank := func(x *window) int { // the smaller, the better
		switch {
		case x.closed(now):
			return 3
		case x.OpensAt > now:
			return 1
		case x.soldOut():
			return 2
		}
		return 0
	}
	better := func(x, y *window) bool {
		a, b := rank(x), rank(y)
		switch {
		case a != b:
			return a < b
		case a == 1:
			return x.OpensAt < y.OpensAt
		case a == 3:
			return x.ClosesAt > y.ClosesAt
		}
		return x.ClosesAt == 0 || y.ClosesAt != 0 && x.ClosesAt > y.ClosesAt
	}
	for i := range it.Windows {
		if x := &it.Windows[i]; best == nil || better(x, best) {
			best = x
		}
	}
	if best == nil || rank(best) == 3 {
		left = math.MaxInt64
	} else if left = best.left(); rank(best) == 0 {
		for i := range it.Windows { // it is bought in whichever has most left
			if x := &it.Windows[i]; x.open(now) {
				left = max(left, x.left())
			}
		}
	}
	if best == nil {
		return 0, 0, left
	}
	return best.OpensAt, best.ClosesAt, left
}
