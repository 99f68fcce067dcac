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
	N        int64 // number among the customer's occurrences
	State    occurrenceState
	Cause    Kind       // of the event that began or last restarted it
	Said     reasonCode // last refusal said; a repeated one is not said again
	In       bool       // audience: in
	Shut     bool       // audience: a permission is missing, whatever else changes
	Staked   bool       // audience: listed under the item to be told of changes
	Due      int64      // log time of the next look; 0 = something must arrive first
	Name     string     // of a Custom event
	Position uint64     // of that event in the log
	At       int64      // when it happened
	Expires  int64      // log time; 0 = not fixed yet
	Offer    int64      // number of the open or held offer
	OfferAt  int64      // time of the stock level behind it
	Place    int64
	Told     *told  // what the event said of dates, nil = nothing
	Coded    bool   // a code was given for its message
	Then     uint8  // which entry of `then`, from 1; 0 = the first message
	Quorum   uint8  // audience: whether there are enough for it
	Rules    uint64 // number of the activation it began under
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
	w.str(o.Moment)
	w.str(o.Value)
	w.int(o.N)
	w.u8(uint8(o.State))
	w.int(o.Due)
	w.u8(uint8(o.Cause))
	w.str(o.Name)
	w.uint(o.Position)
	w.int(o.At)
	w.int(o.Expires)
	w.int(o.Offer)
	w.int(o.OfferAt)
	w.int(o.Place)
	w.bool(o.In)
	w.str(string(o.Said.reason()))
	w.bool(o.Shut)
	w.bool(o.Staked)
	w.u8(o.Then | o.Quorum<<4) // Then is at most 10
	o.Told.encode(w)
	w.bool(o.Coded)
	w.uint(o.Rules)
}

func (o *Occurrence) decode(r *reader) {
	*o = Occurrence{
		Moment: r.word(), Value: r.str(), N: r.int(), State: occurrenceState(r.u8()), Due: r.int(), Cause: Kind(r.u8()),
		Name: r.str(), Position: r.uint(), At: r.int(), Expires: r.int(), Offer: r.int(), OfferAt: r.int(), Place: r.int(),
		In: r.bool(), Said: Reason(r.view()).code(),
		Shut: r.bool(), Staked: r.bool(), Then: r.u8(),
		Told: decodeTold(r), Coded: r.bool(), Rules: r.uint(),
	}
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

// decideAtOnce decides what began since m.atOnce was emptied and needs no
// window.
func (c *Customer) decideAtOnce(m *Machine) {
	for _, n := range m.atOnce {
		if i := c.place(&Occurrence{N: n}); i >= 0 && c.Occurrences[i].State == windowState {
			c.occur(m, i)
		}
	}
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
		o.Name = clone(e.Name)
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
	c.Occurrences = append(c.Occurrences, o)
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
		for i := range backwards(&c.Occurrences) {
			o := &c.Occurrences[i]
			if o.Moment != mo.Name || m.rules.of(o.Rules) != r || !slices.Contains(m.values, o.Value) {
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
		c.endPending(m, r, mo, m.values, Ended)
	}
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

// occur looks at an occurrence whose time has come.
func (c *Customer) occur(m *Machine, i int) {
	o := &c.Occurrences[i]
	inForce := m.under(o.Rules)
	defer func() { m.rules = inForce }()
	mo := m.rules.moment(o)
	if mo == nil || mo.Mode == moments.Off {
		if o.State == windowState {
			o.State = deferredState // its time has come: it is said that nothing is
		}
		c.finish(m, i, SwitchedOff)
		return
	}
	switch o.State {
	case audienceState:
		c.hold(m, i)
		return
	case openState:
		c.finish(m, i, ExpiredReason)
		return
	}
	if !c.dated(m, i, mo) {
		return
	}
	if o.Expires == 0 && mo.Expires.At.IsZero() {
		o.Expires = o.Due + mo.Expires.After.Milliseconds()
	}
	if c.heldBack(mo) {
		o.Due = m.shop.Now + linkRetryMS
		c.soon(o.Due)
		return
	}
	for range maxAhead {
		j := c.better(m, i)
		if j < 0 {
			break
		}
		own := c.Occurrences[i]
		if c.occur(m, j); c.place(&own) < 0 {
			return // that one was told
		}
		i = c.place(&own)
	}
	v, i := c.arbitrate(m, mo, i)
	if i < 0 {
		return
	}
	if o = &c.Occurrences[i]; v.outcome == Sent && mo.Stock == moments.StockOffer && o.Offer == 0 {
		c.awaitUnit(m, mo, o, v)
		return
	}
	c.decide(m, i, mo, v)
}

// decide carries out the gate's verdict on a candidate.
func (c *Customer) decide(m *Machine, i int, mo *moments.Moment, v verdict) {
	o := &c.Occurrences[i]
	if v.outcome == Sent && counted(mo) && !o.Coded {
		c.askCode(m, o, mo)
		return
	}
	switch v.outcome {
	case Deferred:
		if o.Expires != 0 && m.shop.Now > o.Expires {
			c.conclude(m, i, v.refuse(Expired, ExpiredReason))
			return
		}
		o.State, o.Due = deferredState, v.until
		c.soon(v.until)
		if o.Due == 0 && o.Expires != 0 {
			o.Due = o.Expires + 1 // unless what is missing arrives first
			c.soon(o.Due)
		}
		if code := v.reason.code(); o.Said != code {
			o.Said = code
			c.record(m, mo, o, v)
		}
		if o.Coded {
			c.returnCode(m, o.Moment, o.Rules)
			o.Coded = false
		}
		if o.Then == 0 {
			c.giveBack(m, o, true)
		}
	default:
		c.conclude(m, i, v)
	}
}

// conclude records the final outcome of a candidate and forgets the
// occurrence.
func (c *Customer) conclude(m *Machine, i int, v verdict) {
	o := c.Occurrences[i]
	c.removeOccurrence(i)
	mo := m.rules.moment(&o)
	if v.outcome != Sent {
		c.record(m, mo, &o, v)
		if o.Coded {
			c.returnCode(m, o.Moment, o.Rules)
		}
		if o.Then != 0 {
			if v.reason.Step() != StepWanted {
				c.follow(m, &o, false)
			}
			return // the unit is held, whatever more is said of it
		}
		if in := c.interest(o.Value); o.Offer == 0 && mo != nil && mo.Stock == moments.StockOffer && in != nil && in.Parked && !m.facts(o.Value).Sellable {
			c.rejoinOne(m, in) // asleep until it was gone: next time at the old place
		}
		if v.reason == PriceAboveLimit || v.reason.Step() == StepAvailable && m.facts(o.Value).Product.Parts != "" {
			c.stake(m, &o, true)
		}
		c.giveBack(m, &o, parks(v.reason))
		if in := c.interest(o.Value); in != nil && v.reason == PriceAboveLimit {
			in.Dear = true
		}
		return
	}
	d := c.record(m, mo, &o, v)
	if o.Offer != 0 && o.Then == 0 {
		c.acceptOffer(m, &o)
	}
	c.told(m, d, &o)
	c.follow(m, &o, true)
	if mo.Do == moments.DoCase && o.Then == 0 {
		c.open(m, &o)
	}
}

// parks reports whether a customer who was refused for a reason keeps the
// place in the queue: what is missing may still come.
func parks(r Reason) bool {
	switch r.Step() {
	case StepPermitted, StepTimely:
		return r != Erased
	}
	return r == OutOfStock || r == TooFew || r == PriceAboveLimit || r == StockStale || r == PriceStale || r == Combined || r == LostArbitration || r == BetterIsComing
}
