package processor

import (
	"fmt"
	"iter"
	"math"
	"onhand/processor/moments"
	"slices"
	"strings"
)

// A product may come in variants: items of their own, each with its stock, of
// which a customer may want any, or any that agrees with what was asked, as
// every colour in size M.
//
//	Product Updated of a variant -> its Item -> VariantOf -> the product's Item: the list of its variants
//	   | Facts: to the partitions that watch the product, which then watch its variants
//	   v
//	Watch of the product: what can be had of it is what can be had of any variant
//	Interest in the product -> one in each variant that agrees, with a place in its queue
//	   | the first unit that is offered and told
//	   v
//	the places at the other variants are given up: told once, one unit held
//
// The product itself is never offered: nobody can buy it without saying which.

// maxVariants bounds the variants of one product.
const maxVariants = 32

// maxNesting bounds the levels of what consists of other items: a bundle of
// products that come in variants. A catalogue may go in a circle.
const maxNesting = 2

// maxVariantText bounds the attributes of one variant, or of those asked for.
const maxVariantText = 256

// variantGraceMS is how long a unit of one variant waits for those of others
// that come at the same time: the best is told, whichever was first on its way.
const variantGraceMS = 100

// variantOf reads which variant an item is, or which one is asked for: the
// attributes as "colour=white\tsize=M", in the order of their names; of a plain
// text that alone. "" = nothing is said, or too much.
func variantOf(props properties) string {
	v := props.get("variant")
	text := v.text()
	if len(v) > 0 && v[0] == '{' {
		var list []string
		v.each(func(key string, value properties) {
			if s := value.text(); s != "" {
				list = append(list, key+"="+s)
			}
		})
		slices.Sort(list)
		text = strings.Join(list, "\t")
	}
	if len(text) > maxVariantText || strings.Contains(text, "\n") {
		return ""
	}
	return text
}

// agrees reports whether a variant has every attribute that is asked for.
func agrees(variant, asked string) bool {
	if asked == "" {
		return true
	}
	has := strings.Split(variant, "\t")
	for a := range strings.SplitSeq(asked, "\t") {
		if !slices.Contains(has, a) {
			return false
		}
	}
	return true
}

// variants returns the variants of a product that agree with what is asked for,
// by their SKUs.
func (p *ProductFacts) variants(asked string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for rest := p.Variants; rest != ""; {
			var line string
			line, rest, _ = strings.Cut(rest, "\n")
			if sku, variant, _ := strings.Cut(line, "\t"); agrees(variant, asked) && !yield(sku) {
				return
			}
		}
	}
}

// belongs notes of which product the item is which variant, as the catalogue
// says, and tells the product.
func (it *Item) belongs(m *Machine, e *Event) {
	p := &it.Product
	was := *p
	props := properties(e.Properties)
	if parent := props.id("product_id"); parent != "" && parent != it.SKU && it.Said.newest(ofParent, e.At) {
		p.Parent = parent
	}
	if v := variantOf(props); v != "" && it.Said.newest(ofVariant, e.At) {
		p.Variant = v
	}
	if p.Parent == was.Parent && p.Variant == was.Variant || p.Parent == "" {
		return
	}
	if was.Parent != "" && was.Parent != p.Parent {
		m.send(was.Parent, &Message{Type: VariantOf, SKU: was.Parent, Ref: it.SKU, Park: true})
	}
	m.send(p.Parent, &Message{Type: VariantOf, SKU: p.Parent, Ref: it.SKU, Body: []byte(p.Variant)})
}

// variant takes a variant into the product's list, or out of it.
func (it *Item) variant(m *Machine, msg *Message) {
	var list []string
	if it.Product.Variants != "" {
		list = strings.Split(it.Product.Variants, "\n")
	}
	list = slices.DeleteFunc(list, func(l string) bool { sku, _, _ := strings.Cut(l, "\t"); return sku == msg.Ref })
	if !msg.Park {
		if len(list) >= maxVariants {
			m.dead("limit", fmt.Sprintf("%s has %d variants, no more are kept", it.SKU, maxVariants), m.current)
			return
		}
		list = append(list, msg.Ref+"\t"+string(msg.Body))
		slices.Sort(list)
	}
	it.Product.Variants = strings.Join(list, "\n")
}

// gathered returns what is true of a product by what is known here of its
// variants; false while one of them has not been heard of.
func (m *Machine) gathered(own *ItemFacts) (f ItemFacts, ok bool) {
	f = *own
	best := -1
	places, price := []Place(nil), int64(0)
	for sku := range own.Product.variants("") {
		v := m.facts(sku)
		if v.At == 0 {
			return f, false
		}
		rank := slices.Index([]Reason{StockStale, Unpublished, SaleOver, OutOfStock, NotYetOnSale, ""}, v.Why)
		if rank > best {
			best = rank
			f.Sellable, f.Why, f.Open, f.OpensAt, f.ClosesAt, f.LevelAt, f.Available, f.Ahead = v.Sellable, v.Why, v.Open, v.OpensAt, v.ClosesAt, v.LevelAt, v.Available, v.Ahead
			price = 0
		}
		if rank == best {
			f.Available, f.LevelAt, f.Ahead = max(f.Available, v.Available), max(f.LevelAt, v.LevelAt), f.Ahead || v.Ahead
			if v.Price != 0 && (price == 0 || v.Price < price) {
				price = v.Price
				if own.Price == 0 {
					f.Price, f.PriceAt = v.Price, v.PriceAt
				}
			}
		}
		for _, p := range v.Places {
			if !slices.Contains(places, p) {
				places = append(places, p)
			}
		}
	}
	slices.SortFunc(places, func(a, b Place) int { return strings.Compare(a.Location, b.Location) })
	f.Places, f.Low, f.Over = places, false, false
	if own.Open == Unpublished { // the page of all of them was taken down
		f.Sellable, f.Why, f.Open = false, Unpublished, Unpublished
	}
	return f, true
}

// gather works out anew what is true of a product when one of its variants or
// parts, or the product itself, has said something; look and above as for hear.
func (wa *Watch) gather(m *Machine, at int64, look bool, above int) {
	follow := m.gathered
	if wa.Own.Product.Variants == "" {
		follow = m.bundled
	}
	if f, ok := follow(wa.Own); ok {
		wa.hear(m, &f, at, look, above)
	}
}

// wantVariants has an interest in a product be one in each of its variants that
// agrees with what the customer asked for. One waited for by itself goes by what
// was said of it alone, but for an earlier place.
func (c *Customer) wantVariants(m *Machine, sku string) {
	product := c.interest(sku)
	c.giveUp(m, product)
	want := *product // the list it lies in grows below
	if name, _ := want.strongest(m.shop.Now); name == "" || !slices.ContainsFunc(want.Wants, func(x Want) bool { return m.rules.followed(x.Name) }) {
		return
	}
	wanted := slices.Collect(m.facts(sku).Product.variants(want.Variant))
	for _, v := range wanted {
		id := c.boughtAfter(v, max(want.began(), want.latest()))
		if id == 0 {
			continue
		}
		product.Bought = id // before anybody here knew of which product it is
		for i := range c.Interests {
			if in := &c.Interests[i]; in.Of == sku && in.live() {
				c.giveUp(m, in)
				in.Bought = id
			}
		}
		return
	}
	for i := range c.Interests {
		if in := &c.Interests[i]; in.Of == sku && !slices.Contains(wanted, in.SKU) {
			c.giveUp(m, in) // asked for otherwise now, or another product's
			in.isOf("")
			in.Wants = slices.DeleteFunc(in.Wants, func(x Want) bool {
				return slices.ContainsFunc(want.Wants, func(k Want) bool { return k.Name == x.Name })
			})
		}
	}
	for _, v := range wanted {
		in := c.interest(v)
		switch {
		case c.circular(sku, v):
			continue
		case in == nil:
			if in = c.newInterest(m, v, want.Since); in == nil {
				return
			}
			in.Since, in.own().Began = want.Since, want.Began
		case in.Declined && (in.Of == "" || !want.saidSince(in.DeclinedAt)):
			continue // any, but this one
		case !in.live():
			told := in.Told
			*in = in.anew(want.Since)
			p := in.own()
			p.Began, p.Told = want.Began, told
		case in.Of != "" && in.Of != sku:
			continue
		case in.Of == "" && c.waitsFor(m, in):
			c.moveAhead(m, in, &want)
			continue
		case in.Of == "":
			in.Since, in.own().Began = want.Since, want.Began // looked at only
		default:
			c.moveAhead(m, in, &want)
		}
		p := in.own()
		p.Of, p.MaxPrice = want.SKU, want.MaxPrice
		c.Profile.extend(sku, v)
		for _, x := range want.Wants {
			if i := slices.IndexFunc(in.Wants, func(k Want) bool { return k.Name == x.Name }); i >= 0 {
				in.Wants[i] = x
			} else {
				in.Wants = append(in.Wants, x)
			}
		}
		units := want.Quantity
		if in.Asked == want.Asked { // else the terms of a request replace those of a cart
			units = max(units, in.Quantity)
		}
		in.Asked, in.PriceSeen, in.GaveUp = want.Asked, want.PriceSeen, in.GaveUp || want.GaveUp
		if in.Quantity != units || !slices.Equal(in.Locations, want.Locations) {
			in.Quantity, p.Locations = units, want.Locations
			if in.Queued && in.Offer == 0 {
				c.requeue(m, in)
			}
		}
		c.affords(m, in)
		c.queueUp(m, in)
	}
}

// moveAhead gives a variant the place of its product, when that was asked for
// earlier than was known.
func (c *Customer) moveAhead(m *Machine, in, product *Interest) {
	if product.Since < in.Since && in.Offer == 0 && !product.GaveUp && !in.GaveUp && in.Began == 0 {
		c.move(m, in, product.Since)
	}
}

// byItself has a variant that was wanted as one of a product be waited for by
// itself, on terms of its own: being told of another variant does not end that,
// and being told of it ends the product's wish. A unit on offer stays what it was
// asked for.
func (in *Interest) byItself(m *Machine) {
	in.isOf("")
	if in.Offer != 0 {
		return
	}
	in.Wants = slices.DeleteFunc(in.Wants, func(x Want) bool { return m.rules.offered(x.Name) }) // all of it the product's
	in.Asked, in.Quantity = false, 0
	p := in.own()
	p.MaxPrice, p.Locations = 0, nil
}

// asOneOf has a variant that is not waited for by itself any more be wanted as one
// of its product, if that is.
func (c *Customer) asOneOf(m *Machine, sku string) {
	in := c.interest(sku)
	if in == nil {
		return
	}
	if product := c.productOf(m, in); product != nil && product.live() {
		c.queueUp(m, product)
	}
}

// waitsFor reports whether an interest would have a place in the item's line of
// its own accord.
func (c *Customer) waitsFor(m *Machine, in *Interest) bool {
	return in.Queued || in.Offer != 0 || slices.ContainsFunc(in.Wants, func(x Want) bool { return x.Until > m.shop.Now && m.rules.offered(x.Name) })
}

// circular reports whether a product is wanted as one of an item that is to be a
// variant of it, or came down more levels than are followed.
func (c *Customer) circular(product, variant string) bool {
	for range maxNesting {
		if product == variant {
			return true
		}
		in := c.interest(product)
		if in == nil || in.Of == "" {
			return false
		}
		product = in.Of
	}
	return true
}

// extend has what was granted for one item hold for another one, too.
func (p *Profile) extend(from, to string) {
	for i := range p.Consents {
		if k := p.Consents[i]; k.Scope == from {
			k.Scope = to
			p.setConsent(k)
		}
	}
}

// followed reports whether anything is said to those with an interest when an
// item can be had again.
func (r *rules) followed(name string) bool {
	return r.offered(name) || slices.ContainsFunc(r.factStarts, func(mo *moments.Moment) bool {
		return factOf(mo.Fact) == factSellable && (len(mo.Interests) == 0 || slices.Contains(mo.Interests, name))
	})
}

// productOf returns the customer's interest in the product that an item is a
// variant of, nil when there is none.
func (c *Customer) productOf(m *Machine, in *Interest) *Interest {
	product := in.Of
	if product == "" {
		product = m.facts(in.SKU).Product.Parent
	}
	if product == "" {
		return nil
	}
	return c.interest(product)
}

// lacksAll reports whether no variant of a product that the customer wants can
// be had.
func (c *Customer) lacksAll(m *Machine, product string) bool {
	why := c.interest(product).cannotHave(m, m.facts(product))
	return why != "" && why != StockStale
}

// hasOther reports whether another variant than this one could be had before.
func (c *Customer) hasOther(m *Machine, in *Interest) bool {
	return slices.ContainsFunc(c.Interests, func(x Interest) bool {
		return x.Of == in.Of && x.SKU != in.SKU && len(x.Wants) > 0 && x.cannotHave(m, m.facts(x.SKU)) == ""
	})
}

// better returns the place of the occurrence whose unit of another variant is
// better than the one of the occurrence at i, -1 when none is: the cheaper one.
func (c *Customer) better(m *Machine, i int) int {
	o := &c.Occurrences[i]
	in := c.interest(o.Value)
	if in == nil || in.Of == "" || o.Offer == 0 || o.Then != 0 {
		return -1
	}
	price := func(sku string) int64 {
		if p := m.facts(sku).Price; p != 0 {
			return p
		}
		return 1 << 62
	}
	best := i
	for j := range c.Occurrences {
		p := &c.Occurrences[j]
		if p.Offer == 0 || p.Then != 0 || p.State != windowState {
			continue
		}
		other := c.interest(p.Value)
		if other == nil || other.Of != in.Of {
			continue
		}
		b := &c.Occurrences[best]
		if x, y := price(p.Value), price(b.Value); x < y || x == y && p.Value < b.Value {
			best = j
		}
	}
	if best == i {
		return -1
	}
	return best
}

// toldOfVariant gives up what the customer still waited for of the product one
// variant of which they were told is kept for them.
func (c *Customer) toldOfVariant(m *Machine, in *Interest) {
	product := c.productOf(m, in)
	if product == nil {
		return
	}
	for i := range c.Interests {
		x := &c.Interests[i]
		if x.SKU == in.SKU || x.SKU != product.SKU && x.Of != product.SKU {
			continue
		}
		c.giveUp(m, x)
		c.closeOffer(m, x, math.MaxInt64)
		for j := len(c.Occurrences) - 1; j >= 0; j-- {
			o := &c.Occurrences[j]
			if o.Value != x.SKU || o.Then != 0 {
				continue
			}
			if mo := m.rules.moment(o); mo == nil || mo.Stock != moments.StockOffer {
				continue
			}
			o.Offer = 0
			if o.State == windowState && o.Said == 0 {
				c.removeOccurrence(j) // no candidate has formed
				continue
			}
			c.conclude(m, j, verdict{outcome: Suppressed, reason: Combined, stockAge: -1})
		}
	}
}

// boughtVariant ends the wish for any variant of a product when one of them was
// bought, and that for each of them when all that is known is the product.
func (c *Customer) boughtVariant(m *Machine, o *Order, sku string) {
	product := m.productOf(sku)
	if product == "" || c.interest(product) == nil {
		return
	}
	for i := range c.Interests {
		in := &c.Interests[i]
		if in.SKU == sku || in.SKU != product && in.Of != product || !in.live() || !c.endedBy(m, in, o.boughtAt(sku)) {
			continue
		}
		c.giveUp(m, in)
		in.Bought = o.ID
	}
}

// unboughtVariant brings that wish back.
func (c *Customer) unboughtVariant(m *Machine, o *Order, sku string) {
	product := m.productOf(sku)
	if product == "" {
		return
	}
	if in := c.interest(product); in == nil || in.Bought != o.ID {
		return
	}
	for i := range c.Interests {
		if in := &c.Interests[i]; (in.SKU == product || in.Of == product) && in.Bought == o.ID && o.units(in.SKU) == 0 {
			in.Bought = 0
		}
	}
	c.queueUp(m, c.interest(product)) // and so each that is not bought by another order
}

// productOf returns the product an item is, or is a variant of; "" = none.
func (m *Machine) productOf(sku string) string {
	p := &m.facts(sku).Product
	if p.Variants != "" {
		return sku
	}
	return p.Parent
}

// endsWith reports whether buying an item ends the interest, be it as a variant of
// the product that is wanted.
func (in *Interest) endsWith(m *Machine, sku string) bool {
	if in.SKU == sku || in.Of == sku && sku != "" {
		return true
	}
	parent := m.facts(sku).Product.Parent
	return parent != "" && (parent == in.SKU || parent == in.Of)
}

// variantsWanted calls fn for each variant that is wanted as one of a product.
func (c *Customer) variantsWanted(product string, fn func(sku string)) {
	for i := range c.Interests {
		if c.Interests[i].Of == product {
			fn(c.Interests[i].SKU)
		}
	}
}
