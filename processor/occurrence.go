package processor

import (
	"iter"
	"onhand/processor/moments"
	"slices"
)

// Occurrence is a moment that has begun for one value of its `per`: this cart,
// this item. It lives until its candidate is decided for good.
//
//	when --> window --due--> gate --+--> sent, suppressed, expired  (gone)
//	           ^   |                |
//	          when until            +--> deferred --until--> gate
//	                                +--> waiting for a unit --offer--> gate
//	audience: held open, in or out, until it expires
type Occurrence struct {
	Moment   string
	Value    string
	N        int64  // number among the customer's occurrences
	Due      int64  // log time of the next look; 0 = something must arrive first
	Position uint64 // of the event in the log that began or last restarted it
	At       int64  // when that happened
	Expires  int64  // log time; 0 = not fixed yet
	Offer    int64  // number of the open or held offer
	Rules    uint64 // number of the activation it began under
	Told     *told  // what the event said of dates, nil = nothing
	rare     *circumstances
	State    occurrenceState
	Cause    Kind       // of the event
	Said     reasonCode // last refusal said; a repeated one is not said again
	In       bool       // audience: in
	Shut     bool       // audience: a permission is missing, whatever else changes
	Staked   bool       // listed to be told of changes; see listedUnder
	Coded    bool       // a code was given for its message
	Then     uint8      // which entry of `then`, from 1; 0 = the first message
	Quorum   uint8      // audience: whether there are enough for it
}

// circumstances are what few occurrences have, of which a customer may have
// hundreds.
type circumstances struct {
	Name     string // of a Custom event
	OfferAt  int64  // time of the stock level behind the offer
	Place    int64  // in the line for it
	Reserved string // channel for which it has a place under the caps of the household, "" = none
}

// more returns the circumstances of an occurrence.
func (o *Occurrence) more() (x circumstances) {
	if o.rare != nil {
		x = *o.rare
	}
	return x
}

// with sets the circumstances.
func (o *Occurrence) with(x circumstances) {
	if o.rare = nil; x != (circumstances{}) {
		o.rare = &x
	}
}

type occurrenceState uint8

const (
	windowState occurrenceState = iota + 1
	deferredState
	waitingState  // for a unit
	audienceState // held
	openState     // a case that was opened, until it is closed
)

func (o *Occurrence) encode(w *writer) {
	x := o.more()
	w.str(o.Moment)
	w.str(o.Value)
	w.int(o.N)
	w.u8(uint8(o.State))
	w.int(o.Due)
	w.u8(uint8(o.Cause))
	w.str(x.Name)
	w.uint(o.Position)
	w.int(o.At)
	w.int(o.Expires)
	w.int(o.Offer)
	w.int(x.OfferAt)
	w.int(x.Place)
	w.bool(o.In)
	w.str(string(o.Said.reason()))
	w.bool(o.Shut)
	w.bool(o.Staked)
	w.u8(o.Then | o.Quorum<<4) // Then is at most 10
	o.Told.encode(w)
	w.u8(flags(o.Coded, x.Reserved != ""))
	w.uint(o.Rules)
	if x.Reserved != "" {
		w.str(x.Reserved)
	}
}

func (o *Occurrence) decode(r *reader) {
	*o = Occurrence{Moment: r.word(), Value: r.str(), N: r.int(), State: occurrenceState(r.u8()), Due: r.int(), Cause: Kind(r.u8())}
	x := circumstances{Name: r.str()}
	o.Position, o.At, o.Expires, o.Offer = r.uint(), r.int(), r.int(), r.int()
	x.OfferAt, x.Place = r.int(), r.int()
	o.In, o.Said = r.bool(), Reason(r.view()).code()
	o.Shut, o.Staked, o.Then = r.bool(), r.bool(), r.u8()
	o.Told = decodeTold(r)
	f := r.u8()
	o.Coded, o.Rules = f&1 != 0, r.uint()
	if f&2 != 0 {
		x.Reserved = r.word()
	}
	o.with(x)
	o.Then, o.Quorum = o.Then&15, o.Then>>4
}

// before orders the occurrences that are due together.
func (o *Occurrence) before(p *Occurrence) bool {
	if o.Due != p.Due {
		return o.Due < p.Due
	}
	return o.N < p.N
}

// is reports whether two are the same occurrence, at the same of its messages.
func (o *Occurrence) is(p *Occurrence) bool { return o.N == p.N && o.Then == p.Then }

// place returns where an occurrence is now, -1 when it is gone.
func (c *Customer) place(o *Occurrence) int {
	return slices.IndexFunc(c.Occurrences, func(p Occurrence) bool { return p.is(o) })
}

// values returns the values of `per` that an event carries; one that is longer
// than an id may be is none.
func values(m *Machine, per string, e *Event, into []string) []string {
	add := func(v string) {
		if v != "" && !slices.Contains(into, v) {
			into = append(into, v)
		}
	}
	switch per {
	case "customer":
		return append(into, "")
	case "cart_id":
		if e.CartID == "" {
			return append(into, "default")
		}
		add(e.CartID)
	case "sku":
		add(e.SKU)
		if e.Kind == Custom { // its properties are the sender's own
			add(properties(e.Properties).id("sku"))
		}
		for i := range e.Products {
			add(e.Products[i].SKU)
		}
	case "family":
		add(e.Family)
		if e.SKU != "" {
			add(m.facts(e.SKU).Product.Family)
		}
		for i := range e.Products {
			add(m.facts(e.Products[i].SKU).Product.Family)
		}
	case "order_id":
		add(e.OrderID)
	case "shipment_id":
		add(e.ShipmentID)
	case "sale_id":
		add(e.SaleID)
	case "reward_id":
		add(e.RewardID)
	default:
		add(properties(e.Properties).id(per))
	}
	return into
}

// startOccurrences begins, or begins again, the windows an event opens. What
// needs no window is decided when all of it has begun: it competes.
func (c *Customer) startOccurrences(m *Machine, e *Event) {
	m.atOnce = m.atOnce[:0]
	for _, mo := range m.rules.starts(e) {
		if mo.Mode == moments.Off || !matches(mo.Where, e) {
			continue
		}
		if mo.Per == "family" {
			c.startFamilies(m, mo, e)
			continue
		}
		m.values = values(m, mo.Per, e, m.values[:0])
		for _, v := range m.values {
			c.start(m, mo, v, e)
		}
	}
	c.decideAtOnce(m)
}

func (c *Customer) start(m *Machine, mo *moments.Moment, value string, e *Event) {
	c.startAs(m, mo, value, e, 0)
}

// startAs starts an occurrence whose number is taken already; 0 = the next.
func (c *Customer) startAs(m *Machine, mo *moments.Moment, value string, e *Event, n int64) {
	now := m.shop.Now
	i := c.occurrence(mo.Name, value)
	if i >= 0 && c.Occurrences[i].State != windowState && c.Occurrences[i].State != audienceState {
		// A candidate is waiting. What happened since is read when it is
		// gated again.
		return
	}
	outside := c.outsideHours(m, mo, e.At)
	if i >= 0 && outside != "" {
		return // it does not count
	}
	switch {
	case i < 0 && n == 0:
		i = c.addOccurrence(m, mo.Name, value)
		if mo.Per == "sku" && mo.Stock != moments.StockIgnore {
			m.watch(value) // whether it can be had is asked when the window ends
		}
	case i < 0:
		i = c.beginOccurrence(m, mo.Name, value, n)
	}
	o := &c.Occurrences[i]
	o.Cause, o.Position, o.At, o.Rules = e.Kind, m.shop.Position, max(o.At, e.At), m.shop.Activations
	if e.Kind == Custom {
		x := o.more()
		x.Name = clone(e.Name)
		o.with(x)
	}
	if len(mo.UntilFacts) > 0 && (mo.Per == "sku" || mo.Per == "customer") && e.SKU != "" {
		m.watch(e.SKU).interested(m, c.ID, true)
	}
	if a := m.rules.properties[mo.Name]; a != nil {
		o.Told = o.Told.withProperties(m, a, e)
	}
	if mo.Do == moments.DoAudience {
		o.State = audienceState
		o.Expires = now + mo.Expires.After.Milliseconds()
		o.Due = o.Expires
		c.soon(o.Due)
		c.hold(m, i)
		return
	}
	o.Due, o.Expires = now+mo.Due.After.Milliseconds(), 0
	if m.rules.dated[mo.Name] || mo.Do == moments.DoCase {
		if t := c.toldBy(m, e); t != nil {
			if o.Told != nil {
				t.Properties = o.Told.Properties
			}
			o.Told = t
		}
	}
	if e.Kind == CheckoutFailed && mo.Per == "cart_id" && len(e.Products) > 0 && c.findCart(value) == nil {
		o.Told = o.Told.withLines(m, e)
	}
	switch {
	case outside != "":
		c.conclude(m, i, verdict{outcome: Suppressed, reason: outside, stockAge: -1})
	case mo.Due.After > 0:
		c.soon(o.Due)
	case c.dated(m, i, mo):
		c.soon(c.Occurrences[i].Due)
		m.atOnce = append(m.atOnce, c.Occurrences[i].N)
	}
}

// occurrence returns the place of the open occurrence of a moment for a value,
// -1 when there is none. What follows a message that was sent is not meant.
func (c *Customer) occurrence(moment, value string) int {
	if len(c.Occurrences) >= manyOccurrences {
		if c.occurrentAt == nil {
			c.occurrentAt = make(map[uint64]int32, 2*len(c.Occurrences))
			for i := range c.Occurrences {
				c.occurrentAt[c.Occurrences[i].key()] = int32(i)
			}
		}
		i, ok := c.occurrentAt[occurrenceKey(moment, value)]
		if !ok {
			return -1
		}
		if o := &c.Occurrences[i]; o.Moment == moment && o.Value == value && o.Then == 0 {
			return int(i)
		}
	}
	return slices.IndexFunc(c.Occurrences, func(o Occurrence) bool { return o.Moment == moment && o.Value == value && o.Then == 0 })
}

// manyOccurrences is from how many on they are found by an index.
const manyOccurrences = 16

func occurrenceKey(moment, value string) uint64 { return mix(Hash(moment)) ^ Hash(value) }

func (o *Occurrence) key() uint64 { return occurrenceKey(o.Moment, o.Value) ^ uint64(o.Then)<<32 }

// addOccurrence begins an occurrence and returns its place.
func (c *Customer) addOccurrence(m *Machine, moment, value string) int {
	c.Count++
	return c.beginOccurrence(m, moment, value, c.Count)
}

func (c *Customer) beginOccurrence(m *Machine, moment, value string, n int64) int {
	if len(c.Occurrences) >= maxOccurrences {
		c.dropOccurrence(m)
	}
	return c.putOccurrence(Occurrence{Moment: moment, Value: clone(value), N: n, State: windowState, Rules: m.shop.Activations})
}

func (c *Customer) putOccurrence(o Occurrence) int {
	c.Occurrences = add(c.Occurrences, o)
	i := len(c.Occurrences) - 1
	if c.occurrentAt != nil {
		c.occurrentAt[o.key()] = int32(i)
	}
	return i
}

// removeOccurrence forgets the occurrence at i; the last one takes its place.
func (c *Customer) removeOccurrence(i int) {
	last := len(c.Occurrences) - 1
	if c.occurrentAt != nil {
		delete(c.occurrentAt, c.Occurrences[i].key())
		if i != last {
			c.occurrentAt[c.Occurrences[last].key()] = int32(i)
		}
	}
	c.Occurrences[i] = c.Occurrences[last]
	c.Occurrences[last] = Occurrence{}
	c.Occurrences = c.Occurrences[:last]
}

// backwards yields the places in a list, the last one first. What is done about
// one may take it out of the list, and others with it.
func backwards[T any](list *[]T) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := len(*list) - 1; i >= 0; i = min(i, len(*list)) - 1 {
			if !yield(i) {
				return
			}
		}
	}
}

// dropOccurrence makes room by ending an old one: the oldest of a few.
func (c *Customer) dropOccurrence(m *Machine) {
	n := len(c.Occurrences)
	drop := int(c.Count) % n
	for i := range min(n, 16) {
		if j := (drop + i) % n; c.Occurrences[j].N < c.Occurrences[drop].N {
			drop = j
		}
	}
	if s := c.Occurrences[drop].State; s == audienceState || s == openState {
		c.finish(m, drop, Superseded)
		return
	}
	c.conclude(m, drop, verdict{outcome: Suppressed, reason: Superseded})
}

// endOccurrences ends what an `until` event ends.
func (c *Customer) endOccurrences(m *Machine, e *Event) {
	c.endUnder(m, m.rules, e)
	for _, k := range m.rules.kept {
		c.endUnder(m, k, e)
	}
}

// endUnder ends what some rules end of what goes by them.
func (c *Customer) endUnder(m *Machine, r *rules, e *Event) {
	for _, mo := range r.ends(e) {
		m.values = values(m, mo.Per, e, m.values[:0])
		if c.hasOccurrence(mo, m.values) {
			c.endOpen(m, r, mo, e)
		}
		if !c.partly(m, mo, e) {
			c.endPending(m, r, mo, m.values, Ended)
		}
	}
}

// hasOccurrence reports whether there may be an occurrence of a moment for one
// of the values; no is certain.
func (c *Customer) hasOccurrence(mo *moments.Moment, values []string) bool {
	return len(c.Occurrences) < manyOccurrences || len(mo.Then) > 0 ||
		slices.ContainsFunc(values, func(value string) bool { return c.occurrence(mo.Name, value) >= 0 })
}

// endOpen ends the occurrences of a moment that an event ends.
func (c *Customer) endOpen(m *Machine, r *rules, mo *moments.Moment, e *Event) {
	for i := range backwards(&c.Occurrences) {
		o := &c.Occurrences[i]
		if o.Moment != mo.Name || m.rules.of(o.Rules) != r || !slices.Contains(m.values, o.Value) || c.partly(m, mo, e) {
			continue
		}
		why := Ended
		if step := m.rules.moment(o); step != nil && (o.State == deferredState || o.State == waitingState) {
			if v := c.gate(m, step, o, false); v.outcome == Suppressed {
				why = v.reason // section 5 may have an exact word
			}
		}
		c.finish(m, i, why)
	}
}

// windowEnded counts a window that ends before there is a candidate: nothing is
// decided, and so nothing else tells of it. It is no part of the state.
func (m *Machine) windowEnded(moment string) {
	if m.ended == nil {
		m.ended = map[string]uint64{}
	}
	m.ended[moment]++
}

// TakeEnded calls fn with how many windows have ended before there was a
// candidate since it was called last, by moment, in no order.
func (m *Machine) TakeEnded(fn func(moment string, n uint64)) {
	for moment, n := range m.ended {
		fn(moment, n)
	}
	clear(m.ended)
}

// endPending takes back what was decided by a moment of some rules about one of
// the values and has not gone, or stands on the site.
func (c *Customer) endPending(m *Machine, r *rules, mo *moments.Moment, values []string, why Reason) {
	c.endShown(m, r, mo, values, why)
	for i := range backwards(&c.Pending) {
		if p := &c.Pending[i]; p.Moment == mo.Name && m.rules.of(p.Rules) == r && slices.Contains(values, p.Value) && !p.Waiting {
			if d, err := ParseDecision(p.Decision); err == nil && !takesBack(d.Action.Kind) {
				c.retract(m, i, &d, why)
			}
		}
	}
}
