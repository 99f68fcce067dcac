package processor

import (
	"slices"
	"strings"
)

// Watch is an item as this partition's customers see it: the last facts told
// by the item, and the customers here who must hear of a change at once. A
// reminder or an ad is thus decided where the customer's state is, without a
// round trip.
type Watch struct {
	*head
	SKU   string
	Facts ItemFacts
	// Stake is who has something to gain or lose when the facts change.
	// Customers who merely have an interest read the facts when they need them.
	Stake List
	// Interested is every customer here who has an Interest in the item, alive
	// or not: the map of customers and items, read from the item's side.
	Interested List
	// Main says that other items are accessories of this one, Stands that this
	// one is a substitute of another.
	Main, Stands bool
	// Fan says that a change is being told, to the customers from Next on.
	Fan  bool
	Next string
	// Waves is what became true and is being told to everybody interested.
	Waves []wave
	// Mentions are the messages of late that spoke of the item; see Correction.
	Mentions []Mention
	// Own is what a product with variants, or a bundle, says of itself; Facts is
	// what follows from its variants or parts. nil for all others.
	Own *ItemFacts
	// Bundles are those the item is a part of.
	Bundles []string
	// Most is the most units that anybody in an audience of the item wants, when
	// that is more than one: how many there are matters below it.
	Most int64
	// Roster is whom to wake with what holds for the whole shop; nil for all but
	// no item.
	Roster *roster
	// Owners is whom to tell how long the item lasts; nil when nobody asks.
	Owners *owners
}

// noItem is under which those are listed who have something at stake that hangs
// on no item, but may end with what holds for the whole shop.
const noItem = ""

// customersPerStep bounds the customers told of a change by one step.
const customersPerStep = 128

func (wa *Watch) id() string { return wa.SKU }

func (wa *Watch) bytes() int {
	return 440 + 2*len(wa.SKU) + 120*len(wa.Waves) + wa.Stake.bytes() + wa.Interested.bytes() + 64*cap(wa.Mentions) + wa.Roster.bytes() + wa.Owners.bytes()
}

func (wa *Watch) encode(w *writer) {
	w.str(wa.SKU)
	wa.Facts.encode(w)
	wa.Stake.encode(w)
	wa.Interested.encode(w)
	w.bool(wa.Main)
	w.bool(wa.Stands)
	w.bool(wa.Fan)
	w.str(wa.Next)
	w.uint(uint64(len(wa.Waves)))
	for i := range wa.Waves {
		wa.Waves[i].encode(w)
	}
	w.uint(uint64(len(wa.Mentions)))
	for i := range wa.Mentions {
		wa.Mentions[i].encode(w)
	}
	if w.bool(wa.Own != nil); wa.Own != nil {
		wa.Own.encode(w)
	}
	writeStrings(w, wa.Bundles)
	w.int(wa.Most)
	wa.Roster.encode(w)
	wa.Owners.encode(w)
}

func (wa *Watch) decode(r *reader) {
	wa.SKU = r.str()
	wa.Facts.decode(r)
	wa.Stake.decode(r)
	wa.Interested.decode(r)
	wa.Main = r.bool()
	wa.Stands = r.bool()
	wa.Fan = r.bool()
	wa.Next = r.str()
	if n := r.count(8); n > 0 {
		wa.Waves = make([]wave, n)
		for i := range wa.Waves {
			wa.Waves[i].decode(r)
		}
	}
	if n := r.count(3); n > 0 {
		wa.Mentions = make([]Mention, n)
		for i := range wa.Mentions {
			wa.Mentions[i] = Mention{r.int(), r.str(), r.str()}
		}
	}
	if r.bool() {
		wa.Own = &ItemFacts{}
		wa.Own.decode(r)
	}
	wa.Bundles = readStrings(r)
	wa.Most = r.int()
	wa.Roster = decodeRoster(r)
	wa.Owners = decodeOwners(r)
}

// watch returns the partition's view of an item. The first to ask makes the
// item tell this partition its facts from now on.
func (m *Machine) watch(sku string) *Watch {
	e, at := m.find(WatchKind, sku, Hash(sku))
	if e != nil {
		return e.(*Watch)
	}
	wa := m.create(WatchKind, at).(*Watch)
	wa.SKU = strings.Clone(sku)
	wa.Facts.Why, wa.Facts.Open = StockStale, StockStale
	if sku == noItem {
		return wa
	}
	m.send(wa.SKU, &Message{Type: WatchItem, SKU: wa.SKU, From: int64(m.partition)})
	return wa
}

// facts returns what is known here of an item, whether or not it is watched.
func (m *Machine) facts(sku string) *ItemFacts {
	if e := m.get(WatchKind, sku); e != nil {
		return &e.(*Watch).Facts
	}
	return &noFacts
}

var noFacts = ItemFacts{Why: StockStale, Open: StockStale}

// stake lists a customer to be told of changes, or takes it off the list.
func (wa *Watch) stake(m *Machine, customer string, in bool) {
	if _, ok := wa.Stake.get(m, customer); ok == in {
		return
	}
	m.touch(wa)
	if in {
		wa.Stake.put(m, wa.head, customer, "")
	} else {
		wa.Stake.remove(m, customer)
	}
	if n := wa.Stake.Len(); wa.Owners == nil && (n == 0 || n == 1 && in) {
		wa.onRoster(m, in)
	}
}

// wants notes how many units somebody in an audience of the item wants.
func (wa *Watch) wants(m *Machine, units int64) {
	if units > max(wa.Most, 1) {
		m.touch(wa)
		wa.Most = units
	}
}

// interested notes that a customer has an interest in the item, or none at all
// any more.
func (wa *Watch) interested(m *Machine, customer string, in bool) {
	m.touch(wa)
	if in {
		wa.Interested.put(m, wa.head, customer, "")
	} else {
		wa.Interested.remove(m, customer)
	}
}

// watchMessage takes the item's word.
func (m *Machine) watchMessage(msg *Message) {
	f := &m.heard
	r := reader{b: msg.Body}
	f.decode(&r)
	wa := m.watch(msg.SKU)
	if r.err != nil || f.Version < wa.Facts.Version {
		return
	}
	if !f.Product.unique() {
		for s := range f.Product.substitutes() {
			if other := m.watch(s); !other.Stands {
				m.touch(other)
				other.Stands = true
			}
		}
	}
	if m.rules.accessories {
		for s := range f.Product.accessories() {
			m.watch(s)
		}
	}
	if f.Product.AccessoryOf != "" {
		main := m.watch(f.Product.AccessoryOf) // it is worth as much as what it is for
		if !main.Main {
			m.touch(main)
			main.Main = true
		}
	}
	m.touch(wa)
	wa.unbundle(m, wa.Own, f.Product.Parts)
	if known := wa.Own != nil && wa.Own.Product.Parts == f.Product.Parts; f.Product.Parts != "" && !known {
		wa.Mentions = nil // said of an item that was none of parts then
	}
	if wa.Own = nil; f.Product.Variants != "" || f.Product.Parts != "" {
		wa.Own = new(ItemFacts)
		*wa.Own = *f
		for sku := range f.Product.variants("") {
			m.watch(sku)
		}
		for sku := range f.Product.parts() {
			m.watch(sku).inBundle(m, wa.SKU)
		}
		wa.gather(m, msg.At, true, maxNesting)
		return
	}
	wa.hear(m, f, msg.At, false, maxNesting)
}

// hear takes what is true of the item now; look has those with a stake look
// again in any case. above is how many levels of products and bundles it is in
// hear of it.
func (wa *Watch) hear(m *Machine, f *ItemFacts, at int64, look bool, above int) {
	was := wa.Facts
	changed := look || was.At == 0 || f.Sellable != was.Sellable || f.Why != was.Why || f.Price != was.Price || f.Ahead != was.Ahead ||
		f.Available != was.Available && min(f.Available, was.Available) < wa.Most || f.Product.SoldIn != was.Product.SoldIn ||
		f.Product.Was != was.Product.Was || f.Product.AccessoryOf != was.Product.AccessoryOf || f.Product.Family != was.Product.Family || !slices.Equal(f.Places, was.Places)
	if was.At != 0 && f.Product.Category != was.Product.Category && len(m.shop.Crises)+len(m.shop.Tags) > 0 {
		changed = true
		m.recategorized(wa.SKU)
	}
	wa.Facts = *f
	if f.Product.Parent != "" && above > 0 {
		if product, ok := m.get(WatchKind, f.Product.Parent).(*Watch); ok && product.Own != nil {
			m.touch(product)
			product.gather(m, at, changed, above-1) // first: who is told of the variant asks the product
		}
	}
	if above > 0 {
		for _, b := range wa.Bundles {
			if bundle, ok := m.get(WatchKind, b).(*Watch); ok && bundle.Own != nil {
				m.touch(bundle)
				bundle.gather(m, at, changed, above-1)
			}
		}
	}
	if changed && f.Product.Parts != "" {
		if it, ok := m.get(ItemKind, wa.SKU).(*Item); ok && it.inSets() {
			m.touch(it)
			it.settle(m) // the bundle lives here, and may be offered now
		}
	}
	if m.rules.facts != 0 || was.At == 0 {
		wa.spread(m, waveOf(&was, f))
	}
	if was.Sellable && !f.Sellable && f.Why != StockStale && len(wa.Mentions) > 0 { // not to know is not to have been told wrong
		wa.soldOutBefore(m, f.Why, at)
	}
	if f.Price > was.Price && len(wa.Mentions) > 0 {
		wa.roseBefore(m, f)
	}
	if changed {
		wa.retell(m)
	}
	if wa.Owners != nil && f.Product.lastsOtherwise(&was.Product) {
		wa.callOwners(m)
	}
}

// retell has everybody with a stake in the item look again.
func (wa *Watch) retell(m *Machine) {
	if wa.Stake.Len() > 0 {
		wa.Fan, wa.Next = true, ""
		wa.tell(m)
	}
}

func (wa *Watch) fire(m *Machine) {
	wa.roll(m)
	wa.tell(m)
	wa.tellOwners(m)
	if wa.SKU == noItem {
		wa.call(m)
		m.fellSilent()
	}
}

// tell tells the next customers of the change. A change that comes meanwhile
// starts again from the first: each is told of the latest facts.
func (wa *Watch) tell(m *Machine) {
	if !wa.Fan {
		return
	}
	told := make([]string, 0, min(wa.Stake.Len(), customersPerStep))
	more := false
	wa.Stake.ascend(m, wa.Next, func(customer, _ string) bool {
		if len(told) == customersPerStep {
			wa.Next, more = customer, true
			return false
		}
		told = append(told, customer)
		return true
	})
	for _, id := range told {
		if e := m.get(CustomerKind, id); e != nil {
			c := e.(*Customer)
			m.touch(c)
			if wa.SKU == noItem && wa.Roster != nil && wa.Roster.Moved != nil {
				c.recategorized(m, wa.Roster.Moved)
			} else {
				c.factsChanged(m, wa.SKU)
			}
			c.ready(m)
		}
	}
	if wa.Fan = more; more {
		m.arm(wa, m.shop.Now+1)
	} else if wa.Roster != nil {
		wa.Roster.Moved = nil
	}
}
