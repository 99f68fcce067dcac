package processor

import "slices"

// ItemFacts is what is true of an item and matters to those who want it. The
// item tells it to the partitions that have interested customers whenever it
// changes; each keeps the last word in its Watch.
type ItemFacts struct {
	Version  uint64 // grows with each change; position in the item's log
	At       int64  // log time of the item when it was said
	LevelAt  int64  // time of the stock level that made it so, not of those that changed nothing; 0 = none was ever reported
	Sellable bool
	Why      Reason // when not sellable: out_of_stock, not_yet_on_sale, sale_over, unpublished, stock_stale
	// Available is what may be promised (expected - safety), counted up to
	// availableCap: more makes no difference to anybody.
	Available int64
	Price     int64 // minor units; 0 = not told
	PriceAt   int64
	OpensAt   int64
	ClosesAt  int64
	Product   ProductFacts
	Places    []Place // of the stores, those that have it
	// Open is Why while the item is on sale: a sale opens at its second
	// everywhere, before the item's own word of it can arrive.
	Open Reason
	// Low says that what is available has sunk to the item's low level, and
	// not risen since.
	Low bool
	// Ahead says that the shop takes orders though there is none: a preorder or
	// a backorder.
	Ahead bool
	// Over says that more of the web shop's units are in offers than there are:
	// what was not handed over yet is taken back.
	Over bool
	// SoldOut is the sales, by id, of which all units are sold.
	SoldOut []string
}

// onSale reports whether the item is published and in its sale window.
func (f *ItemFacts) onSale() bool {
	return f.Why != Unpublished && f.Why != NotYetOnSale && f.Why != SaleOver
}

// blocks reports whether it is known that the item cannot be had.
func (f *ItemFacts) blocks() bool { return f.At != 0 && !f.Sellable && f.Why != StockStale }

// isAt reports whether a store has it.
func (f *ItemFacts) isAt(store string) bool {
	return slices.ContainsFunc(f.Places, func(p Place) bool { return p.Location == store })
}

// why returns why the item cannot be bought at a time; "" = it can.
func (f *ItemFacts) why(now int64) Reason {
	switch {
	case f.Open == StockStale || f.Open == Unpublished:
		return f.Open
	case f.OpensAt > now:
		return NotYetOnSale
	case f.ClosesAt != 0 && f.ClosesAt <= now:
		return SaleOver
	}
	return f.Open
}

const availableCap = 20

// Place is a store that has an item. How many makes no difference to anybody
// but the item, and a store's level would be news all day.
type Place struct{ Location string }

// ProductFacts is what the catalogue says of an item.
type ProductFacts struct {
	Title, URL, Image       string
	Category, Brand, Family string
	AccessoryOf             string
	Lasts                   int64
	Margin                  int64 // on one unit, minor units; 0 = not told
	// Substitutes are the items the shop calls as good as this one, best first,
	// one after the other with a line end between them.
	Substitutes string
	Parent      string // the product this is a variant of
	Variant     string // which variant of it; see variantOf
	Variants    string // of a product: its variants, by SKU, each with what it is; see Item.variant
	Parts       string // of a bundle: the items it consists of, with a line end between them
	Now         string // the number it has now; see Item.renamed
	Was         string // the numbers it had before, with a line end between them
	Accessories string // the items that go with it, with a line end between them
	SoldIn      string // the countries it is sold in, with a space between them; "" = all
}

func (f *ItemFacts) encode(w *writer) {
	w.uint(f.Version)
	w.int(f.At)
	w.int(f.LevelAt)
	w.bool(f.Sellable)
	w.str(string(f.Why))
	w.int(f.Available)
	w.int(f.Price)
	w.int(f.PriceAt)
	w.int(f.OpensAt)
	w.int(f.ClosesAt)
	f.Product.encode(w)
	w.uint(uint64(len(f.Places)))
	for _, p := range f.Places {
		w.str(p.Location)
	}
	w.str(string(f.Open))
	w.bool(f.Low)
	w.bool(f.Ahead)
	w.bool(f.Over)
	writeStrings(w, f.SoldOut)
}

func (f *ItemFacts) decode(r *reader) {
	f.Version, f.At, f.LevelAt, f.Sellable, f.Why, f.Available = r.uint(), r.int(), r.int(), r.bool(), Reason(r.word()), r.int()
	f.Price, f.PriceAt, f.OpensAt, f.ClosesAt = r.int(), r.int(), r.int(), r.int()
	f.Product.decode(r)
	f.Places = nil
	if n := r.count(1); n > 0 {
		f.Places = make([]Place, n)
		for i := range f.Places {
			f.Places[i].Location = r.str()
		}
	}
	f.Open = Reason(r.word())
	f.Low, f.Ahead, f.Over = r.bool(), r.bool(), r.bool()
	f.SoldOut = readStrings(r)
}

func (p *ProductFacts) encode(w *writer) {
	known := *p != ProductFacts{}
	if w.bool(known); !known {
		return // as of most items of a shop that sends no catalogue
	}
	for _, s := range [...]string{p.Title, p.URL, p.Image, p.Category, p.Brand, p.Family, p.AccessoryOf} {
		w.str(s)
	}
	w.int(p.Lasts)
	w.int(p.Margin)
	w.str(p.Substitutes)
	w.str(p.Parent)
	w.str(p.Variant)
	w.str(p.Variants)
	w.str(p.Parts)
	w.str(p.Now)
	w.str(p.Was)
	w.str(p.Accessories)
	w.str(p.SoldIn)
}

func (p *ProductFacts) decode(r *reader) {
	if !r.bool() {
		*p = ProductFacts{}
		return
	}
	for _, s := range [...]*string{&p.Title, &p.URL, &p.Image, &p.Category, &p.Brand, &p.Family, &p.AccessoryOf} {
		*s = r.str()
	}
	p.Lasts = r.int()
	p.Margin = r.int()
	p.Substitutes = r.str()
	p.Parent, p.Variant, p.Variants, p.Parts = r.str(), r.str(), r.str(), r.str()
	p.Now, p.Was, p.Accessories, p.SoldIn = r.str(), r.str(), r.str(), r.word()
}

// same reports whether nothing changed that anybody would act on.
func (f *ItemFacts) same(g *ItemFacts) bool {
	if f.Sellable != g.Sellable || f.Why != g.Why || f.Open != g.Open || f.Low != g.Low || f.Ahead != g.Ahead || f.Over != g.Over || f.Available != g.Available || f.Price != g.Price ||
		f.OpensAt != g.OpensAt || f.ClosesAt != g.ClosesAt || f.Product != g.Product || len(f.Places) != len(g.Places) ||
		(f.LevelAt == 0) != (g.LevelAt == 0) || !slices.Equal(f.SoldOut, g.SoldOut) {
		return false
	}
	for i := range f.Places {
		if f.Places[i] != g.Places[i] {
			return false
		}
	}
	return true
}
