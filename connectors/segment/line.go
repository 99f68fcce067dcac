package segment

import (
	"math/bits"
	"slices"
	"strconv"

	"onhand/processor"
)

// lines reads the lines of a cart or order: products, or what stands for it in
// other vocabularies.
func (p *Parser) lines(e *processor.Event, sp *spec, used fieldSet) fieldSet {
	for _, f := range [...]field{fProducts, fContents, fItems, fContentIDs} {
		if !p.seen.has(f) {
			continue
		}
		v := p.props[p.at[f]].v
		if f != fContentIDs && v.form != formArray {
			if sp.own.has(f) {
				p.fault(Invalid, "properties."+fieldNames[f], "must be a list of objects")
				return used
			}
			continue
		}
		faults := len(p.faults)
		if f == fContentIDs {
			p.contentIDs(e, v)
		} else {
			p.products(e, v, fieldNames[f])
		}
		if len(p.faults) > faults && !sp.own.has(f) {
			p.faults, e.Products = p.faults[:faults], e.Products[:0]
			return used // not ours to judge: it stays a property
		}
		if sp.perItem && slices.ContainsFunc(e.Products, func(l processor.Product) bool { return l.Variant != "" || l.ProductID != "" }) {
			return used // an event about one item has no field for these
		}
		return used | 1<<f
	}
	return used
}

// contentIDs reads Meta's list of ids: one of each.
func (p *Parser) contentIDs(e *processor.Event, v value) {
	if p.seen&skuWords != 0 {
		return
	}
	var room [8]string
	ids, why := p.ids(room[:0], v)
	if why != "" {
		p.fault(Invalid, "properties.content_ids", why)
		return
	}
	for _, id := range ids {
		e.Products = append(e.Products, processor.Product{SKU: id, Quantity: 1})
	}
}

// The keys of a line, in the order they are asked for.
const (
	lSKU = iota
	lProductID
	lItemID // GA4
	lID     // Meta
	lVariant
	lItemVariant
	lCategory
	lItemCategory
	lBrand
	lItemBrand
	lPrice
	lItemPrice // Meta
	lQuantity
	lGift
	lineKeys
)

func lineKey(key []byte) int {
	switch string(key) {
	case "sku":
		return lSKU
	case "product_id":
		return lProductID
	case "item_id":
		return lItemID
	case "id":
		return lID
	case "variant":
		return lVariant
	case "item_variant":
		return lItemVariant
	case "category":
		return lCategory
	case "item_category":
		return lItemCategory
	case "brand":
		return lBrand
	case "item_brand":
		return lItemBrand
	case "price":
		return lPrice
	case "item_price":
		return lItemPrice
	case "quantity":
		return lQuantity
	case "gift":
		return lGift
	}
	return -1
}

// products reads a list of lines. What a line says beyond the fields of a
// Product is dropped: titles and pictures come from Product Updated.
func (p *Parser) products(e *processor.Event, list value, path string) {
	digits := minorDigits(e.Currency)
	if e.Currency == "" {
		digits = minorDigits(p.o.Currency)
	}
	s := scanner{b: list.raw}
	sum := uint64(0)
	for ok := s.open(']'); ok; ok = s.more(']') {
		i := len(e.Products)
		if i == processor.MaxProducts {
			p.fault(TooLarge, "properties."+path, "more than %d lines", processor.MaxProducts)
			return
		}
		if s.b[s.i] != '{' {
			p.fault(Invalid, at(path, i, ""), "must be an object")
			return
		}
		var v [lineKeys]value
		for ok := s.open('}'); ok; ok = s.more('}') {
			k := lineKey(p.keyText(s.key()))
			if x := s.value(maxDepth); k >= 0 {
				v[k] = x
			}
		}
		e.Products = append(e.Products, processor.Product{})
		l := &e.Products[i]
		p.line(l, &v, digits, path, i)
		// Neither a line nor the whole may overflow what is computed from it.
		hi, lo := bits.Mul64(uint64(l.Price), uint64(l.Quantity))
		if sum += lo; hi != 0 || lo > 1e18 || sum > 1e18 {
			p.fault(Invalid, at(path, i, "quantity"), "price times quantity is too large")
			return
		}
	}
}

func (p *Parser) line(l *processor.Product, v *[lineKeys]value, digits int, path string, i int) {
	first := func(keys ...int) (value, int) {
		for _, k := range keys {
			if f := v[k].form; f != formNone && f != formNull && (f != formText || len(v[k].raw) != 2) {
				return v[k], k
			}
		}
		return value{}, keys[0]
	}
	names := [lineKeys]string{"sku", "product_id", "item_id", "id", "variant", "item_variant", "category", "item_category",
		"brand", "item_brand", "price", "item_price", "quantity", "gift"}
	fault := func(k int, why string) {
		if why != "" {
			p.fault(Invalid, at(path, i, names[k]), why)
		}
	}
	var why string
	sku, k := first(lSKU, lProductID, lItemID, lID)
	if sku.form == formNone {
		p.fault(Missing, at(path, i, "sku"), "required, or product_id")
		l.Quantity = 1
		return
	}
	l.SKU, why = p.id(sku)
	fault(k, why)
	if k == lSKU {
		other, k := first(lProductID)
		l.ProductID, why = p.id(other)
		fault(k, why)
		if l.ProductID == l.SKU {
			l.ProductID = ""
		}
	}
	// What only describes a line is left out when it is not a word.
	word := func(keys ...int) string {
		x, _ := first(keys...)
		s, _ := p.id(x)
		return s
	}
	l.Variant = word(lVariant, lItemVariant)
	l.Category = word(lCategory, lItemCategory)
	l.Brand = word(lBrand, lItemBrand)
	if x, k := first(lPrice, lItemPrice); x.form != formNone {
		l.Price, why = p.amount(x, digits, 0)
		fault(k, why)
	}
	l.Quantity = 1
	if x, k := first(lQuantity); x.form != formNone {
		l.Quantity, why = p.count(x, 1)
		fault(k, why)
	}
	l.Gift = v[lGift].form == formTrue || p.seen.has(fGift) && p.props[p.at[fGift]].v.form == formTrue
}

// at returns the path of a key of line i of this property, "" for the line.
func at(path string, i int, key string) string {
	path = "properties." + path + "[" + strconv.Itoa(i) + "]"
	if key != "" {
		path += "." + key
	}
	return path
}

// split makes one event per line of dst[n] where its lines go different ways.
func (p *Parser) split(dst []processor.Event, n int) []processor.Event {
	e := &dst[n]
	sp := &specs[e.Kind]
	switch {
	case sp.perItem && e.SKU == "":
		if len(e.Products) == 0 {
			p.fault(Missing, "properties.sku", "required, or product_id")
			return dst
		}
		if l := &e.Products[0]; len(e.Products) == 1 && !e.HasPrice && l.Price == 0 && l.Quantity == 1 && e.Total > 0 {
			// Meta and GA4 tell the value of the whole, which is this line's.
			l.Price = e.Total
		}
		return p.perLine(dst, n, e.Kind)
	case sp.public && e.Customer() == "" && e.Kind == processor.OrderCompleted:
		return p.perLine(dst, n, processor.ItemSold)
	case sp.public && e.Customer() == "" && e.Kind == processor.OrderRefunded && e.Reason == processor.ReasonChargeback:
		p.fault(Missing, "userId", "required for a chargeback, which brings no goods back")
	case sp.public && e.Customer() == "":
		return p.perLine(dst, n, processor.ItemReturned)
	}
	return dst
}

// perLine replaces dst[n] by one event of this kind per line of it. The line's
// number is appended to the message id, unless the one line is the whole.
func (p *Parser) perLine(dst []processor.Event, n int, kind processor.Kind) []processor.Event {
	whole := dst[n]
	lines := whole.Products
	for i := range lines {
		if i > 0 {
			dst = grow(dst)
		}
		e := &dst[n+i]
		// Each event keeps arrays of its own, or the next use would mix them.
		products, locations, tags := e.Products[:0], e.Locations[:0], e.Tags[:0]
		*e = whole
		e.Products, e.Locations, e.Tags = products, append(locations, whole.Locations...), append(tags, whole.Tags...)
		e.Kind = kind
		if i > 0 {
			e.Total = 0 // of the whole: told once
		}
		foldLine(e, &lines[i])
		if kind == whole.Kind && len(lines) == 1 {
			break
		}
		if kind != whole.Kind {
			e.Line = int64(i)
		}
		if whole.MessageID == "" {
			continue
		}
		if e.MessageID = p.numbered(whole.MessageID, i); len(e.MessageID) > processor.MaxIDBytes {
			p.fault(TooLarge, "messageId", "is too long to number the lines; at most 252 bytes")
			break
		}
	}
	return dst
}

// foldLine makes an event about one line of it.
func foldLine(e *processor.Event, l *processor.Product) {
	e.SKU = l.SKU
	e.Quantity, e.HasQty = l.Quantity, true
	if l.Price != 0 {
		e.Price, e.HasPrice = l.Price, true
	}
	if l.Category != "" {
		e.Category = l.Category
	}
	if l.Brand != "" {
		e.Brand = l.Brand
	}
}

func (p *Parser) numbered(id string, i int) string {
	p.reserve(len(id) + 4)
	start := len(p.arena)
	p.arena = strconv.AppendInt(append(append(p.arena, id...), '#'), int64(i), 10)
	return text(p.arena[start:])
}
