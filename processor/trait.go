package processor

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"onhand/processor/moments"
)

// Traits is what the shop says of a customer and the rules ask for: of all the
// traits an identify brings only those a moment of the file names, be it one
// that is off, so that nothing is kept that nobody reads. A moment that names a
// trait for the first time knows it of who is identified from then on.
//
//	if: customer.traits.vip == true       the trait vip
//	if: customer.value_band == "high"     the trait value_band
//	score: {context: customer.churn}      the trait churn, social_rank likewise
type Traits struct {
	List      []Trait
	Dismissed []Dismissal // by time; see dismissCategory
}

// Trait is the word that holds on one trait.
type Trait struct {
	Name string
	JSON string // as sent; null = taken back
	At   int64  // when it was said

	Provenance Provenance
	Sure       moments.Micro // how sure who said it is, 0 to 1
	Back       int64         // when the customer took their own word back last; 0 = never
}

// Limits of the traits of one customer; what goes beyond is not kept.
const (
	maxTraits     = 32
	maxTraitBytes = 1024
)

// asked is which keys of an object the rules look at.
type asked struct {
	names []string
	all   bool
}

func (a *asked) add(names []string, all bool) {
	a.all = a.all || all
	for _, n := range names {
		if !slices.Contains(a.names, n) {
			a.names = append(a.names, n)
		}
	}
}

// none reports whether nothing is looked at.
func (a *asked) none() bool { return !a.all && len(a.names) == 0 }

// has reports whether a key is looked at.
func (a *asked) has(name string) bool { return a.all || slices.Contains(a.names, name) }

// asksWords notes which traits a moment looks at, and which properties of the
// event that begins it.
func (r *rules) asksWords(mo *moments.Moment) {
	var event asked
	guards := []*moments.Guard{mo.If}
	for i := range mo.Then {
		guards = append(guards, mo.Then[i].If)
	}
	for _, g := range guards {
		if g != nil {
			event.add(g.Reads(moments.EventProperties))
			r.traits.add(g.Reads(moments.CustomerTraits))
		}
	}
	for _, name := range [...]string{"value_band", "churn", "social_rank"} {
		if asks(mo, "customer."+name) {
			r.traits.add([]string{name}, false)
		}
	}
	if event.none() {
		return
	}
	if r.properties == nil {
		r.properties = map[string]*asked{}
	}
	r.properties[mo.Name] = &event
}

// learnTraits takes the traits of an identify that the rules look at.
func (c *Customer) learnTraits(m *Machine, e *Event) {
	if m.rules.traits.none() {
		return
	}
	how, sure := e.provenance()
	passed := "" // why the first one that is not kept is not
	properties(e.Traits).each(func(name string, v properties) {
		if !m.rules.traits.has(name) {
			return
		}
		if c.Traits == nil {
			c.Traits = &Traits{}
		}
		list := c.Traits.List
		i := slices.IndexFunc(list, func(t Trait) bool { return t.Name == name })
		switch {
		case len(name)+len(v) > maxTraitBytes:
			passed = cmp.Or(passed, fmt.Sprintf("customer %s: the trait %s has %d bytes, at most %d are kept", c.ID, name[:min(len(name), MaxIDBytes)], len(name)+len(v), maxTraitBytes))
		case i >= 0:
			list[i].hear(newTrait(list[i].Name, string(v), e.At, how, sure))
		case len(list) >= maxTraits:
			passed = cmp.Or(passed, fmt.Sprintf("customer %s has %d traits, no more are kept: not %s", c.ID, maxTraits, name))
		default:
			c.Traits.List = append(list, newTrait(clone(name), string(v), e.At, how, sure))
		}
	})
	if passed != "" {
		m.dead("limit", passed, m.current)
	}
}

// get returns the value of a trait, nil when it is not known.
func (x *Traits) get(name string) properties {
	if x != nil {
		for i := range x.List {
			if t := &x.List[i]; t.Name == name && t.JSON != "null" {
				return properties(t.JSON)
			}
		}
	}
	return nil
}

// object returns the traits as a JSON object.
func (x *Traits) object() []byte {
	j := object{[]byte{'{'}}
	if x != nil {
		for i := range x.List {
			if t := &x.List[i]; t.JSON != "null" {
				j.raw(t.Name, t.JSON)
			}
		}
	}
	return append(j.b, '}')
}

// raw appends a member whose value is JSON already.
func (j *object) raw(k, v string) {
	j.sep()
	j.b = appendJSONString(j.b, k)
	j.b = append(append(j.b, ':'), v...)
}

// trait answers for what the shop says of a customer.
func (x *env) trait(f moments.Field) moments.Value {
	switch f {
	case moments.CustomerTraits:
		return moments.JSON(x.c.Traits.object())
	case moments.CustomerValueBand:
		if band := x.c.Traits.get("value_band").text(); band != "" {
			return moments.Text(band)
		}
	case moments.CustomerChurn:
		if churn, ok := parseMicro(x.c.Traits.get("churn").text()); ok {
			return moments.Int(int64(churn))
		}
	case moments.CustomerSocialRank:
		if rank, err := strconv.ParseInt(x.c.Traits.get("social_rank").text(), 10, 64); err == nil {
			return moments.Int(rank)
		}
	}
	return moments.Value{}
}

// mergeTraits keeps the word that holds on each trait.
func (c *Customer) mergeTraits(b *Traits) {
	if b == nil {
		return
	}
	if c.Traits == nil {
		c.Traits = &Traits{}
	}
	for _, y := range b.List {
		i := slices.IndexFunc(c.Traits.List, func(x Trait) bool { return x.Name == y.Name })
		switch {
		case i < 0 && len(c.Traits.List) < maxTraits:
			c.Traits.List = append(c.Traits.List, y)
		case i >= 0:
			c.Traits.List[i].hear(y)
		}
	}
	for _, d := range b.Dismissed {
		c.Traits.dismiss(d)
	}
}

// maxToldBytes bounds what is kept of an event for the guards that look at it.
const maxToldBytes = 2048

// withProperties returns what is told to the gate of an event, with the
// properties a guard looks at. What became a field of the event is given back
// under its own name: amounts in minor units, times in Unix ms.
func (t *told) withProperties(m *Machine, a *asked, e *Event) *told {
	n := told{At: e.At}
	if t != nil {
		n = *t
	}
	j := object{[]byte{'{'}}
	passed := ""
	keep := func(name, value string) {
		if value == "" || !a.has(name) {
			return
		}
		if len(j.b)+len(name)+len(value) > maxToldBytes {
			passed = cmp.Or(passed, name)
			return
		}
		j.raw(name, value)
	}
	e.fields(func(name, text string, number int64) {
		switch {
		case text != "":
			keep(name, string(appendJSONString(nil, text)))
		default:
			keep(name, strconv.FormatInt(number, 10))
		}
	})
	properties(e.Properties).each(func(name string, v properties) { keep(name, string(v)) })
	n.Properties = string(append(j.b, '}'))
	if passed != "" {
		m.dead("limit", fmt.Sprintf("the property %s: of one event %d bytes are kept for guards", passed, maxToldBytes), m.current)
	}
	return &n
}

// fields calls do for each property of an event that became a field: a text,
// or a number.
func (e *Event) fields(do func(name, text string, number int64)) {
	for _, x := range [...]struct{ name, text string }{
		{"sku", e.SKU}, {"cart_id", e.CartID}, {"order_id", e.OrderID}, {"shipment_id", e.ShipmentID}, {"sale_id", e.SaleID},
		{"offer_id", e.OfferID}, {"reward_id", e.RewardID}, {"action_id", e.ActionID}, {"channel", e.Channel}, {"purpose", e.Purpose},
		{"reason", e.Reason}, {"status", e.Status}, {"by", e.By}, {"category", e.Category}, {"brand", e.Brand}, {"family", e.Family},
		{"location", e.Location}, {"currency", e.Currency},
	} {
		if x.text != "" {
			do(x.name, x.text, 0)
		}
	}
	if e.HasPrice || e.Price != 0 {
		do("price", "", e.Price)
	}
	if e.HasQty {
		do("quantity", "", e.Quantity)
	}
	for _, x := range [...]struct {
		name   string
		number int64
	}{
		{"total", e.Total}, {"max_price", e.MaxPrice}, {"opens_at", e.OpensAt}, {"closes_at", e.ClosesAt}, {"expires_at", e.ExpiresAt},
	} {
		if x.number != 0 {
			do(x.name, "", x.number)
		}
	}
	if e.Kind.OfReward() && e.Total != 0 {
		do("amount", "", e.Total)
	}
}

func (x *Traits) bytes() int {
	if x == nil {
		return 0
	}
	n := 48 + 64*cap(x.List) + 24*cap(x.Dismissed)
	for i := range x.List {
		n += len(x.List[i].Name) + len(x.List[i].JSON)
	}
	return n
}

func (x *Traits) encode(w *writer) {
	if x == nil {
		w.uint(0)
		return
	}
	w.uint(uint64(1 + len(x.List)))
	for i := range x.List {
		t := &x.List[i]
		w.str(t.Name)
		w.str(t.JSON)
		w.int(t.At)
		w.u8(uint8(t.Provenance))
		w.int(int64(t.Sure))
		w.int(t.Back)
	}
	w.uint(uint64(len(x.Dismissed)))
	for _, d := range x.Dismissed {
		w.str(d.Category)
		w.int(d.At)
	}
}

func decodeTraits(r *reader) *Traits {
	n := r.count(1)
	if n == 0 {
		return nil
	}
	x := &Traits{List: make([]Trait, n-1)}
	for i := range x.List {
		x.List[i] = Trait{r.str(), r.str(), r.int(), Provenance(r.u8()), moments.Micro(r.int()), r.int()}
	}
	if n := r.count(2); n > 0 {
		x.Dismissed = make([]Dismissal, n)
	}
	for i := range x.Dismissed {
		x.Dismissed[i] = Dismissal{r.str(), r.int()}
	}
	return x
}
