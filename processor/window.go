package processor

import "slices"

// window is one sale of an item: the item cannot be bought before it opens nor
// after it closes, unless another one is open. Cancelling closes it at once.
type window struct {
	Sale     string // id
	OpensAt  int64
	ClosesAt int64 // 0 = open until it is cancelled
	edition
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
		w.int(x.Version)
		w.int(x.At)
	}
}

func decodeWindows(r *reader) (list []window) {
	n := r.count(5)
	if n == 0 {
		return nil
	}
	list = make([]window, n)
	for i := range list {
		list[i] = window{r.str(), r.int(), r.int(), edition{r.int(), r.int()}}
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
	}
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

// window returns the sale window that counts now: the one that is open, else
// the next, else the last. 0, 0 = always on sale.
func (it *Item) window(now int64) (opens, closes int64) {
	var best *window
	rank := func(x *window) int { // the smaller, the better
		switch {
		case x.ClosesAt != 0 && x.ClosesAt <= now:
			return 2
		case x.OpensAt > now:
			return 1
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
		case a == 2:
			return x.ClosesAt > y.ClosesAt
		}
		return x.ClosesAt == 0 || y.ClosesAt != 0 && x.ClosesAt > y.ClosesAt
	}
	for i := range it.Windows {
		if x := &it.Windows[i]; best == nil || better(x, best) {
			best = x
		}
	}
	if best == nil {
		return 0, 0
	}
	return best.OpensAt, best.ClosesAt
}
