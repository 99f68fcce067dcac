package processor

import (
	"cmp"
	"slices"
)

// An order may be changed after it was placed, {Order Updated}: what it holds
// more than was reported of it first was bought with the change, not when it was
// placed. So the first report is kept beside the last one.
//
//	10:00 Order Completed  o1: phone           bought at 10:00: phone
//	10:30 a case is put into the cart
//	11:00 Order Updated    o1: phone, case     bought at 11:00: case, and the cart is not reminded of

// OrderUnits is what an order held of one item.
type OrderUnits struct {
	SKU      string
	hash     uint64 // of SKU
	Quantity int64
}

// first takes what a report said of the order, when it is the earliest by its
// own time, whenever it is heard of. It runs before the last one is replaced.
func (o *Order) first(lines []OrderUnits, at int64) {
	if len(lines) == 0 {
		return // a report that names nothing is none of what was in it
	}
	if len(o.First) == 0 {
		last := orderUnits(o.Lines)
		if at == o.Said && slices.Equal(lines, last) {
			return // the same again
		}
		if o.First, o.FirstAt = last, o.Said; len(last) == 0 {
			o.First, o.FirstAt = lines, at
		}
	}
	if at < o.FirstAt || at == o.FirstAt && slices.CompareFunc(lines, o.First, OrderUnits.compare) < 0 {
		o.First, o.FirstAt = lines, at
	}
}

func orderUnits(lines []OrderLine) []OrderUnits {
	list := make([]OrderUnits, len(lines))
	for i := range lines {
		list[i] = OrderUnits{lines[i].SKU, lines[i].hash, lines[i].Quantity}
	}
	return list
}

func (u OrderUnits) compare(k OrderUnits) int {
	return cmp.Or(cmp.Compare(u.SKU, k.SKU), cmp.Compare(u.Quantity, k.Quantity))
}

// settleMore notes of each line the units that the first report did not have.
func (o *Order) settleMore() {
	if len(o.First) == 0 {
		return
	}
	for i := range o.Lines {
		l := &o.Lines[i]
		had := int64(0)
		for j := range o.First {
			if f := &o.First[j]; f.hash == l.hash && f.SKU == l.SKU {
				had += f.Quantity
			}
		}
		for j := range o.Lines[:i] {
			if k := &o.Lines[j]; k.hash == l.hash && k.SKU == l.SKU {
				had -= k.Quantity
			}
		}
		l.more = max(0, l.Quantity-max(0, had))
	}
}

// boughtAt returns when units of an item were bought last: when it was placed, or
// changed.
func (o *Order) boughtAt(sku string) int64 {
	h := Hash(sku)
	for i := range o.Lines {
		if l := &o.Lines[i]; l.more > 0 && l.hash == h && l.SKU == sku {
			return o.Said
		}
	}
	return o.At
}

// changedSince returns the units of an item that came with a change and stand,
// when that was after a time.
func (o *Order) changedSince(sku string, at int64) (n int64) {
	if o.Said < at || len(o.First) == 0 {
		return 0
	}
	h := Hash(sku)
	for i := range o.Lines {
		if l := &o.Lines[i]; l.hash == h && l.SKU == sku {
			n += min(l.more, o.left(l))
		}
	}
	return n
}

// saidLater reports whether the order was reported otherwise than at first, or
// again.
func (o *Order) saidLater() bool { return o.Said != o.At || o.Changes != 0 || len(o.First) > 0 }

func (o *Order) encodeFirst(w *writer) {
	w.int(o.FirstAt)
	w.uint(uint64(len(o.First)))
	for i := range o.First {
		w.str(o.First[i].SKU)
		w.int(o.First[i].Quantity)
	}
}

func (o *Order) decodeFirst(r *reader) {
	o.FirstAt = r.int()
	if n := r.count(2); n > 0 {
		o.First = make([]OrderUnits, n)
	}
	for i := range o.First {
		sku := r.str()
		o.First[i] = OrderUnits{sku, Hash(sku), r.int()}
	}
}
