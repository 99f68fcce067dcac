package processor

// particulars are what few interests have, of which a customer may have hundreds.
// Those that have none share theirs, so they are read as fields of the interest and
// changed through own.
type particulars struct {
	MaxPrice   int64    // 0 = any
	Locations  []string // accepted places, none = the web shop
	DeclinedAt int64    // of the latest decline, also one before it was wanted again
	Store      string   // where the unit offered lies, "" = the web shop
	Of         string   // the product any variant of which is wanted, and this is one; "" = wanted for itself
	Variant    string   // of a product: which variants are wanted; see variantOf
	Told       int64    // the last offer the customer was told of
	Began      int64    // when it was first wanted, if that gives no place: heard of too late, or that place was given up; 0 = Since
}

var noParticulars particulars

// none reports whether there is nothing in them.
func (p *particulars) none() bool {
	return p.MaxPrice == 0 && len(p.Locations) == 0 && p.DeclinedAt == 0 && p.Store == "" && p.Of == "" && p.Variant == "" && p.Told == 0 && p.Began == 0
}

// interestIn returns an interest without reasons or particulars.
func interestIn(sku string, hash uint64, since int64) Interest {
	return Interest{SKU: sku, hash: hash, Since: since, particulars: &noParticulars}
}

// own returns the particulars of an interest to be changed: a copy, since who has
// copied the interest has the same.
func (in *Interest) own() *particulars {
	p := *in.particulars
	in.particulars = &p
	return &p
}

// anew returns an interest in the same item that begins now, of which only what
// was declined is known.
func (in *Interest) anew(since int64) Interest {
	f := interestIn(in.SKU, in.hash, since)
	if in.DeclinedAt != 0 {
		f.own().DeclinedAt = in.DeclinedAt
	}
	return f
}

// isOf notes as a variant of which product it is wanted.
func (in *Interest) isOf(product string) {
	if in.Of != product {
		in.own().Of = product
	}
}

// liesIn notes in which store the unit offered is.
func (in *Interest) liesIn(store string) {
	if in.Store != store {
		in.own().Store = store
	}
}
