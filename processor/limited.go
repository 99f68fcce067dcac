package processor

import "slices"

// A sale may be of so many units: {sale_id, sku, opens_at, closes_at, quantity}.
// The item counts what is sold while it is open, to customers and to others, each
// line of an order once and by the order's own time.
//
//	SellItem, ItemSold -> Counted, and Sold of each window open at that time
//	UnsellItem, ItemReturned -> less: the unit is on sale again
//	Sale Scheduled again -> all that is Counted is held against the new times
//	   | sold out: out of stock, for who registered as for everybody
//	   v
//	Facts: what is left, and which sales are sold out; Queue: no more offers than are left
//
// A unit of the item that goes with a bundle is counted, too: the bundle can be
// had while its parts can. In a sale of a product those of its variants count. A
// return is none of it, as for all stock.

// nearSaleMS is how long before it opens and after it closes an order is counted
// as one that the sale might contain, were it moved.
const nearSaleMS = 24 * 3600_000

// maxCounted bounds the lines counted for the sales of one item. Further ones
// are added up, and neither given back nor counted anew.
const maxCounted = 1 << 17

// forgetPerStep bounds the lines forgotten with one sale when no sale is near.
const forgetPerStep = 16

// limited reports whether a sale of the item is of so many units.
func (it *Item) limited() bool {
	return slices.ContainsFunc(it.Windows, func(x window) bool { return x.Limited })
}

// nearSale reports whether something sold at a time may be in a sale of so many
// units.
func (it *Item) nearSale(at int64) bool {
	return slices.ContainsFunc(it.Windows, func(x window) bool {
		return x.Limited && at >= x.OpensAt-nearSaleMS && !x.closed(at-nearSaleMS)
	})
}

// counted is a line that is counted, as it is kept.
func (s *Sold) counted() string {
	w := writer{}
	w.int(s.Quantity)
	w.int(s.At)
	w.str(s.As)
	return string(w.b)
}

func parseCounted(key, value string) Sold {
	k, r := reader{b: []byte(key)}, reader{b: []byte(value)}
	return Sold{Order: k.u64(), Quantity: r.int(), At: r.int(), As: r.str()}
}

func countedKey(order uint64) string { return offerKey(int64(order)) }

// count counts a line that was sold, once.
func (it *Item) count(m *Machine, s *Sold) { it.countUnder(m, s, 0) }

// countUnder is count of a line that came from so many variants below.
func (it *Item) countUnder(m *Machine, s *Sold, below int64) {
	it.tellProduct(m, s.Order, s.Quantity, s.At, s.As, below)
	if !it.nearSale(s.At) {
		for range forgetPerStep {
			key, _, ok := it.Counted.first(m, "")
			if !ok || it.nearSale(m.shop.Now) {
				return
			}
			it.Counted.remove(m, key)
		}
		return
	}
	if _, ok := it.Counted.get(m, countedKey(s.Order)); ok {
		return
	}
	if it.Counted.Len() < maxCounted {
		it.Counted.put(m, it.head, countedKey(s.Order), s.counted())
	}
	it.sold(s.At, s.Quantity)
}

// sold adds units sold at a time to the sales open then.
func (it *Item) sold(at, n int64) {
	for i := range it.Windows {
		if x := &it.Windows[i]; x.Limited && x.open(at) {
			x.Sold = max(0, x.Sold+n)
		}
	}
}

// uncount takes back n units of what an order took under a number of the item,
// the last ones first. The line stays, so that it is not counted again.
func (it *Item) uncount(m *Machine, order uint64, n int64, as string, below int64) {
	it.tellProduct(m, order, -n, 0, as, below)
	var lines []Sold
	it.Counted.ascend(m, countedKey(order), func(key, value string) bool {
		s := parseCounted(key, value)
		if s.Order&^saleLine != order {
			return false
		}
		if s.As == as {
			lines = append(lines, s)
		}
		return true
	})
	for _, s := range slices.Backward(lines) {
		less := min(n, s.Quantity)
		if less <= 0 {
			continue
		}
		n -= less
		s.Quantity -= less
		it.Counted.put(m, it.head, countedKey(s.Order), s.counted())
		it.sold(s.At, -less)
	}
}

// tellProduct tells the product that the item is a variant of what was sold of
// it, or was not after all.
func (it *Item) tellProduct(m *Machine, order uint64, n, at int64, as string, below int64) {
	if it.Product.Parent == "" || n == 0 || below >= maxNesting {
		return
	}
	under := it.SKU
	if as != "" {
		under += "\n" + as
	}
	m.send(it.Product.Parent, &Message{
		Type: CountVariant, SKU: it.Product.Parent, Since: int64(order), Quantity: n, At: at, From: below + 1, Body: []byte(under),
	})
}

// countVariant counts what was sold of a variant, or not after all.
func (it *Item) countVariant(m *Machine, msg *Message) {
	if msg.Quantity < 0 {
		it.uncount(m, uint64(msg.Since), -msg.Quantity, string(msg.Body), msg.From)
		return
	}
	it.countUnder(m, &Sold{Order: uint64(msg.Since), Quantity: msg.Quantity, At: msg.At, As: string(msg.Body)}, msg.From)
}

// uncountUnder forgets what was sold under numbers that are not the item's any
// more: it is counted where they are.
func (it *Item) uncountUnder(m *Machine, under []string) {
	var gone []Sold
	it.Counted.ascend(m, "", func(key, value string) bool {
		if s := parseCounted(key, value); s.As != "" && slices.Contains(under, s.As) {
			gone = append(gone, s)
		}
		return true
	})
	for _, s := range gone {
		it.Counted.remove(m, countedKey(s.Order))
		it.sold(s.At, -s.Quantity)
	}
}

// countAnew holds what was sold against the sales as they are now, also what was
// sold before anybody said of how many units they are.
func (it *Item) countAnew(m *Machine) {
	if !it.limited() && it.Counted.Len() == 0 {
		return
	}
	known := it.Sold
	if it.Names != nil {
		known = append(slices.Clone(known), it.Names.Covered...)
	}
	for i := range known {
		s := &known[i]
		if _, ok := it.Counted.get(m, countedKey(s.Order)); !ok && it.nearSale(s.At) && it.Counted.Len() < maxCounted {
			it.Counted.put(m, it.head, countedKey(s.Order), s.counted())
		}
	}
	for i := range it.Windows {
		it.Windows[i].Sold = 0
	}
	var far []string
	it.Counted.ascend(m, "", func(key, value string) bool {
		s := parseCounted(key, value)
		if it.sold(s.At, s.Quantity); !it.nearSale(s.At) {
			far = append(far, key)
		}
		return true
	})
	for _, key := range far {
		it.Counted.remove(m, key)
	}
}

// soldOut returns the sales of which all units are sold, but for those that are
// over.
func (it *Item) soldOut(now int64) (list []string) {
	for i := range it.Windows {
		if x := &it.Windows[i]; x.soldOut() && !x.closed(now) {
			list = append(list, x.Sale)
		}
	}
	return list
}

// leftOfSale returns how many more units may be in offers, in whatever place, of
// those left in the sale that counts now.
func (q *Queue) leftOfSale(m *Machine, it *Item) int64 {
	_, _, left := it.window(m.shop.Now)
	if q.Pickup != nil {
		for _, h := range q.Pickup.Held {
			left -= h.Units
		}
	}
	return left - q.Open
}

// soldOut reports whether it is known here that all units of a sale are sold.
func (m *Machine) soldOut(f *SaleFacts, id string) bool {
	wa, ok := m.get(WatchKind, f.SKU).(*Watch)
	switch {
	case !ok:
		return false
	case wa.Own != nil:
		return slices.Contains(wa.Own.SoldOut, id)
	}
	return slices.Contains(wa.Facts.SoldOut, id)
}
