package processor

import (
	"cmp"
	"slices"
	"strings"

	"onhand/processor/moments"

	"github.com/cespare/xxhash/v2"
)

// Pending is an action that was decided and has no outcome yet. It stays in
// the customer's state, so that what is never delivered is never forgotten,
// and passes the gate again before every attempt but the first.
type Pending struct {
	ID       string // of the action
	Moment   string
	Value    string
	N        int64
	Offer    int64
	Attempt  int   // last attempt let go
	Waiting  bool  // that attempt's outcome is not known
	Due      int64 // the gate put it off until then; 0 = the owner asks
	Expires  int64
	Decision []byte // encoded
	Then     uint8  // which message of its occurrence
	Rules    uint64 // number of the activation that began under
	Told     *told  // what the event that began it said, nil = nothing
	Listens  listening

	read *Decision // what Decision says, nil until somebody asked; never changed
}

// maxPending bounds the actions without an outcome of one customer. While so
// many wait nothing is added to them but what takes something back, of which
// there is at most one for each thing held: what else is to be said is put off,
// and expires in the end.
const maxPending = 256

// crowded reports whether too much waits for its outcome for one more action.
// What is held already is not asked again.
func (c *Customer) crowded(o *Occurrence) bool { return len(c.Pending) >= maxPending && !o.In }

func (p *Pending) encode(w *writer) {
	w.str(p.ID)
	w.str(p.Moment)
	w.str(p.Value)
	w.int(p.N)
	w.int(p.Offer)
	w.int(int64(p.Attempt))
	w.bool(p.Waiting)
	w.int(p.Due)
	w.int(p.Expires)
	w.bytes(p.Decision)
	w.u8(p.Then)
	w.uint(p.Rules)
	p.Told.encode(w)
	w.u8(uint8(p.Listens))
}

func (p *Pending) decode(r *reader) {
	*p = Pending{
		ID: r.str(), Moment: r.word(), Value: r.str(), N: r.int(), Offer: r.int(), Attempt: int(r.int()),
		Waiting: r.bool(), Due: r.int(), Expires: r.int(), Decision: r.bytes(), Then: r.u8(), Rules: r.uint(), Told: decodeTold(r), Listens: listening(r.u8()),
	}
}

// decision returns what was decided. It is read once while the customer is in
// memory: some have hundreds of actions under way, which are looked at often. It
// must not be changed.
func (p *Pending) decision() (*Decision, error) {
	if p.read == nil {
		d, err := ParseDecision(p.Decision)
		if err != nil {
			return nil, err
		}
		p.read = &d
	}
	return p.read, nil
}

// setDecision replaces what was decided.
func (p *Pending) setDecision(d *Decision) {
	w := writer{}
	d.encode(&w)
	p.Decision, p.read = w.b, nil
}

// shortID returns the first 80 bits of a hash of b as 16 letters and digits.
func shortID(b []byte) string {
	const letters = "0123456789abcdefghijklmnopqrstuv"
	h1 := xxhash.Sum64(b)
	h2 := mix(h1^uint64(len(b))) ^ xxhash.Sum64(append(b, 0x9e))
	var id [16]byte
	for i := range id {
		if i < 12 {
			id[i] = letters[h1>>(5*i)&31]
		} else {
			id[i] = letters[h2>>(5*(i-12))&31]
		}
	}
	return string(id[:])
}

// decisionBytes is room for most decisions, encoded.
const decisionBytes = 384

// await keeps a live action until its outcome is known.
func (c *Customer) await(d *Decision, o *Occurrence) {
	if d.Mode != moments.Live || d.Action == nil {
		return
	}
	w := writer{b: make([]byte, 0, decisionBytes)}
	d.encode(&w)
	c.Pending = append(c.Pending, Pending{
		ID: d.Action.ID, Moment: d.Moment, Value: strings.Clone(o.Value), N: o.N, Offer: o.Offer,
		Attempt: 1, Waiting: true, Expires: d.Action.ExpiresAt, Decision: w.b, Then: o.Then, Rules: o.Rules, Told: o.Told,
	})
}

func (c *Customer) pending(id string) int {
	return slices.IndexFunc(c.Pending, func(p Pending) bool { return p.ID == id })
}

// Outbox calls fn for every action that was decided and has no outcome: after
// a restart its owner asks for release again.
func (m *Machine) Outbox(fn func(customer, action string, attempt int)) error {
	var hashes []uint64
	m.memory.places.all(CustomerKind, func(e *place) {
		if e.live && m.memory.places.live[e.at].waits() {
			hashes = append(hashes, e.hash)
		} else if !e.live {
			if f, _ := m.memory.at(e); f.flags&waitsFlag != 0 {
				hashes = append(hashes, e.hash)
			}
		}
	})
	err := m.store.Scan(uint8(OutboxKind), func(hash uint64, _ []byte) error {
		hashes = append(hashes, hash)
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(hashes)
	for _, hash := range slices.Compact(hashes) {
		c := m.load(CustomerKind, hash).(*Customer)
		for i := range c.Pending {
			if p := &c.Pending[i]; p.Due == 0 {
				fn(c.ID, p.ID, p.Attempt+1)
			}
		}
	}
	return nil
}

// AppendOutcome appends the entry that says what became of an attempt.
func AppendOutcome(dst []byte, customer, action string, attempt int, delivery Delivery, code string) []byte {
	w := writer{b: append(dst, byte(OutcomeEntry))}
	w.str(customer)
	w.str(action)
	w.uint(uint64(attempt))
	w.u8(uint8(delivery))
	w.str(code)
	return w.b
}

// OutcomeIn returns what an entry says became of an attempt; false when it says
// nothing of the kind.
func OutcomeIn(entry []byte) (Delivery, bool) {
	if len(entry) == 0 || EntryType(entry[0]) != OutcomeEntry {
		return 0, false
	}
	r := reader{b: entry[1:]}
	r.view()
	r.view()
	r.uint()
	d := Delivery(r.u8())
	return d, r.err == nil
}

// AppendReleaseRequest appends the entry that asks for one more attempt.
// attempt is its number; idempotent says that the receiver honours the
// action's id, so that an attempt without an outcome may be made again.
func AppendReleaseRequest(dst []byte, customer, action string, attempt int, idempotent bool) []byte {
	w := writer{b: append(dst, byte(ReleaseEntry))}
	w.str(customer)
	w.str(action)
	w.uint(uint64(attempt))
	w.bool(idempotent)
	return w.b
}

// AppendEffective appends to an outcome entry from when the action holds on the
// platform, in Unix ms: an ad is shown, or not shown any more, some time after
// the platform took the word.
func AppendEffective(dst []byte, at int64) []byte {
	w := writer{b: dst}
	w.int(at)
	return w.b
}

// AppendReference appends to an outcome entry with AppendEffective, where 0 is
// not told, what the platform calls what it made: the id of its ad set.
func AppendReference(dst []byte, ref string) []byte {
	w := writer{b: dst}
	w.str(ref)
	return w.b
}

// applyOutcome takes what became of an attempt. keeper is the id that an entry
// for another one was passed on to, "" when it was not.
func (m *Machine) applyOutcome(body, entry []byte, keeper string) {
	r := reader{b: body}
	id, action, attempt, delivery, code := r.str(), r.str(), int(r.uint()), Delivery(r.u8()), r.str()
	effective, ref := int64(0), ""
	if r.err == nil && r.left() > 0 {
		effective = r.int()
	}
	if r.err == nil && r.left() > 0 {
		ref = r.str()
	}
	if r.err != nil || delivery < Delivered || delivery > Retry {
		m.dead("malformed", "outcome", entry)
		return
	}
	c, i := m.actionOf(cmp.Or(keeper, id), action, entry)
	if c == nil {
		return
	}
	if i < 0 {
		c.deliveredAfterAll(m, action, attempt, delivery, code) // unless it was known already
		return
	}
	m.touch(c)
	p := &c.Pending[i]
	d, err := ParseDecision(p.Decision)
	if err != nil {
		m.dead("malformed", "pending decision: "+err.Error(), entry)
		return
	}
	c.deliveryAt(m, &d, attempt, delivery, code, effective)
	if isStep(d.Action.Kind) && delivery != Retry {
		c.Pending = slices.Delete(c.Pending, i, i+1)
		m.stepped(&d, delivery, ref)
		return
	}
	if delivery != Retry {
		i = c.supersedeBy(m, i, &d)
	}
	switch p = &c.Pending[i]; delivery {
	case Delivered, Unknown:
		if delivery == Delivered {
			c.handedOver(action)
		}
		shown := *p
		c.Pending = slices.Delete(c.Pending, i, i+1)
		c.show(m, shown, &d)
	case Retry:
		if attempt >= p.Attempt {
			p.Waiting = false
		}
	case Failed:
		if takesBack(d.Action.Kind) {
			c.Pending = slices.Delete(c.Pending, i, i+1)
			break
		}
		c.failed(m, i, &d)
	default:
		c.Pending = slices.Delete(c.Pending, i, i+1)
	}
	if delivery == Delivered && (d.Action.Kind == kindAudienceAdd || d.Action.Kind == kindAudienceRemove) {
		c.took(m, &d, effective)
	}
	c.ready(m)
}

// supersedeBy drops the removals that an addition to the audience replaces once
// it is known what became of it, or that it will never be known. It returns
// where the addition is now.
func (c *Customer) supersedeBy(m *Machine, i int, d *Decision) int {
	p := c.Pending[i]
	if d.Action.Kind != kindAudienceAdd {
		return i
	}
	c.supersede(m, p.Moment, p.Value, p.N, false)
	return c.pending(p.ID)
}

// supersede drops the removals from an audience that are older than n: a newer
// membership has had its answer, or a newer removal says the same. With off
// only those that were put off, so that the others still tell what became of
// them.
func (c *Customer) supersede(m *Machine, moment, value string, n int64, off bool) {
	for i := len(c.Pending) - 1; i >= 0; i-- {
		p := &c.Pending[i]
		if p.Moment != moment || p.Value != value || p.N >= n || off && p.Due == 0 {
			continue
		}
		if d, err := ParseDecision(p.Decision); err == nil && d.Action.Kind == kindAudienceRemove {
			c.delivery(m, &d, p.Attempt, Failed, string(Superseded))
			c.Pending = slices.Delete(c.Pending, i, i+1)
		}
	}
}

// failed ends an action that will not be handed over: its place under the caps
// is free again, and so is the unit it spoke of.
func (c *Customer) failed(m *Machine, i int, d *Decision) {
	p := c.Pending[i]
	c.Pending = slices.Delete(c.Pending, i, i+1)
	c.forget(p.ID)
	c.returnPlace(m, d.Evidence.Household, p.ID)
	if mo := m.rules.of(p.Rules).file.Moment(p.Moment); mo != nil && counted(mo) {
		c.returnCode(m, p.Moment, p.Rules)
	}
	c.unfollow(m, p.Moment, p.Value, p.N)
	if j := c.place(&Occurrence{N: p.N}); j >= 0 && p.Then == 0 && c.Occurrences[j].State == openState {
		c.removeOccurrence(j) // nobody heard of the case: the next message opens one
	}
	if in := c.interest(p.Value); p.Offer != 0 && p.Then == 0 && in != nil && in.Offer == p.Offer {
		o := Occurrence{Value: p.Value, Offer: p.Offer}
		c.giveBack(m, &o, true)
	}
}

// delivery records what became of an attempt.
func (c *Customer) delivery(m *Machine, d *Decision, attempt int, delivery Delivery, code string) {
	c.deliveryAt(m, d, attempt, delivery, code, 0)
}

// deliveryAt also records from when it holds on the platform; 0 = not told.
func (c *Customer) deliveryAt(m *Machine, d *Decision, attempt int, delivery Delivery, code string, effective int64) {
	lag := int64(-1)
	if effective != 0 {
		lag = max(0, effective-d.At)
	}
	w := &m.body
	w.b = w.b[:0]
	x := DeliveryRecord{m.shop.Now, c.ID, d.Action.ID, d.Moment, d.Action.Channel, attempt, delivery, code, lag}
	x.encode(w)
	m.emit(DeliveryOutput)
}

// actionOf returns the customer of an id, nil when there is none, and where a
// pending action stands with them, -1 when it does not: the entry about it is
// then passed on to whom the action went.
func (m *Machine) actionOf(id, action string, entry []byte) (*Customer, int) {
	e := m.get(CustomerKind, id)
	if e == nil {
		return nil, -1
	}
	c := e.(*Customer)
	i := c.pending(action)
	if i < 0 {
		c.passAction(m, entry)
	}
	return c, i
}

// applyReleaseRequest asks the gate whether a pending action may go now.
func (m *Machine) applyReleaseRequest(body, entry []byte, keeper string) {
	r := reader{b: body}
	id, action, attempt, idempotent := r.str(), r.str(), int(r.uint()), r.bool()
	if r.err != nil {
		m.dead("malformed", "release request", entry)
		return
	}
	c, i := m.actionOf(cmp.Or(keeper, id), action, entry)
	if i < 0 {
		return
	}
	if attempt <= c.Pending[i].Attempt {
		return
	}
	m.touch(c)
	p := &c.Pending[i]
	if p.Waiting && !idempotent {
		// It was let go and nobody knows what became of it. A second copy
		// would be worse than none.
		if d, err := ParseDecision(p.Decision); err == nil {
			c.delivery(m, &d, p.Attempt, Unknown, "no_outcome")
			if i = c.supersedeBy(m, i, &d); isStep(d.Action.Kind) {
				c.Pending = slices.Delete(c.Pending, i, i+1)
				m.stepped(&d, Unknown, "")
				return
			}
			shown := c.Pending[i]
			c.Pending = slices.Delete(c.Pending, i, i+1)
			c.show(m, shown, &d) // it may stand there
			return
		}
		c.Pending = slices.Delete(c.Pending, i, i+1)
		return
	}
	p.Attempt = attempt
	c.release(m, i)
	c.ready(m)
}

// release lets a pending action go, puts it off, or takes it back.
func (c *Customer) release(m *Machine, i int) {
	p := &c.Pending[i]
	d, err := ParseDecision(p.Decision)
	if err != nil {
		m.dead("malformed", "pending decision: "+err.Error(), p.Decision)
		c.Pending = slices.Delete(c.Pending, i, i+1)
		return
	}
	v := c.regate(m, p, &d)
	switch {
	case v.outcome == Deferred && listens(v.reason):
		v.until = c.awaitWord(m, p, &v)
	case v.reason == CaseOpen:
		v.until = m.shop.Now + retryMS // asked again: nobody says that it is over
	}
	switch {
	case v.outcome == Sent:
		p.Due, p.Waiting = 0, true
		if d.Action.Kind == kindMessage && len(v.lines) > 0 && !slices.Equal(v.lines, d.Action.Lines) {
			// What was bought or sold out meanwhile is left out.
			d.Action.Lines, d.Action.Total = v.lines, v.total
			p.setDecision(&d)
		}
		c.audited(m, &Occurrence{Moment: p.Moment, Value: p.Value, N: p.N, Then: p.Then, Rules: p.Rules}, &d)
		w := &m.body
		w.b = w.b[:0]
		w.uint(uint64(p.Attempt))
		d.encode(w)
		m.emit(ReleaseOutput)
	case v.outcome == Deferred && v.until > m.shop.Now && (p.Expires == 0 || v.until < p.Expires):
		p.Due, p.Waiting = v.until, false
		c.soon(v.until)
	default:
		c.retract(m, i, &d, v.reason)
	}
}

// regate asks the gate about an action that was decided before.
func (c *Customer) regate(m *Machine, p *Pending, d *Decision) verdict {
	if p.Expires != 0 && m.shop.Now > p.Expires {
		return verdict{outcome: Expired, reason: ExpiredReason}
	}
	inForce := m.under(p.Rules)
	defer func() { m.rules = inForce }()
	o := Occurrence{Moment: p.Moment, Value: p.Value, N: p.N, Then: p.Then, Rules: p.Rules, Offer: p.Offer, Cause: KindOf(d.Cause.Event), At: d.At, Expires: p.Expires, Told: p.Told}
	if in := c.interest(p.Value); p.Offer != 0 && !p.Waiting && in != nil && in.Store == "" && m.facts(p.Value).Over {
		return verdict{outcome: Suppressed, reason: OutOfStock} // sold to others before it was said
	}
	mo := m.rules.moment(&o)
	if end := d.Action.coded(); end != 0 && end <= m.shop.Now {
		return verdict{outcome: Expired, reason: OfferEnded}
	}
	if d.Action.Kind == kindAudienceRemove {
		if i := c.occurrence(p.Moment, p.Value); i >= 0 && c.Occurrences[i].In {
			// In again since. It stays until the platform was told so; should the
			// customer leave before that, it is what has to be said.
			return verdict{outcome: Deferred, reason: Superseded, until: m.shop.Now + retryMS}
		}
	}
	if takesBack(d.Action.Kind) || isStep(d.Action.Kind) {
		return verdict{outcome: Sent} // leaving is always allowed, and a step is brought to its end
	}
	if mo == nil || mo.Mode == moments.Off {
		return verdict{outcome: Suppressed, reason: SwitchedOff}
	}
	if c.heldBack(mo) {
		return verdict{outcome: Deferred, reason: ExpiredReason, until: m.shop.Now + linkRetryMS}
	}
	return c.gate(m, mo, &o, true)
}

// retract takes a pending action back.
func (c *Customer) retract(m *Machine, i int, d *Decision, why Reason) {
	p := c.Pending[i]
	j := slices.IndexFunc(c.Occurrences, func(o Occurrence) bool {
		return o.In && o.Moment == p.Moment && o.Value == p.Value && o.N == p.N
	})
	if j >= 0 && c.Occurrences[j].State == openState {
		c.finish(m, j, why)
		return
	}
	if j >= 0 {
		// The membership ends with it, and may begin again at once.
		o := &c.Occurrences[j]
		c.withdraw(m, m.rules.moment(o), o, why)
		o.Said = why.code()
		c.hold(m, j)
		return
	}
	o := Occurrence{Moment: p.Moment, Value: p.Value, N: p.N, Then: p.Then, Rules: p.Rules}
	r := &Decision{
		ID: m.decisionID(c, &o, verdict{outcome: Retracted, reason: why}), At: m.shop.Now, Customer: c.ID, Moment: p.Moment,
		Cause: d.Cause, Outcome: Retracted, Step: why.Step(), Reason: why, Retracts: d.ID,
		Mode: moments.Live, Version: m.rules.of(p.Rules).file.Hash, Evidence: m.evidence(),
	}
	if p.Waiting && d.Action.Kind == kindMessage && d.Action.Channel == onSite {
		r.Action = removal(r.ID, d.Action) // it may stand there already
	}
	m.emitDecision(r)
	c.await(r, &o)
	if p.Waiting {
		c.takeBack(m, p.ID, why)
	}
	c.failed(m, i, d)
	if in := c.interest(p.Value); why == OutOfStock && in != nil && in.Parked {
		c.rejoinOne(m, in) // sold out before it was said: in line again for when it is back
	}
}

// thinPending takes the oldest actions back when two ids that became one have
// more of them than one customer may have; what itself takes something back
// stays.
func (c *Customer) thinPending(m *Machine) {
	for i := 0; i < len(c.Pending) && len(c.Pending) > maxPending; {
		n := len(c.Pending)
		d, err := ParseDecision(c.Pending[i].Decision)
		if err == nil && !takesBack(d.Action.Kind) && !isStep(d.Action.Kind) {
			c.retract(m, i, &d, Superseded)
		}
		if len(c.Pending) >= n {
			i++ // it stays, or another one took its place
		}
	}
}

// recheckPending takes back what may not go any more, before it goes. Only
// what speaks of sku is looked at; "" = all.
func (c *Customer) recheckPending(m *Machine, sku string) { c.recheckPendingBy(m, sku, nil) }

// recheckPendingBy leaves out what an event about a cart or an order cannot have
// changed; nil = anything may have. What was owed while something of another id is
// on its way waits for that, in which order it may come.
func (c *Customer) recheckPendingBy(m *Machine, sku string, e *Event) {
	for i := range backwards(&c.Pending) {
		p := &c.Pending[i]
		d, err := p.decision()
		if err != nil || d.Action.Kind != kindMessage && d.Action.Kind != moments.DoOrder {
			continue
		}
		if d.Action.Class == "transactional" && (c.awaits() || e != nil && p.ofAnotherOrder(m, e)) {
			continue
		}
		if sku != "" && !slices.ContainsFunc(d.Action.Lines, func(l ActionLine) bool { return l.SKU == sku }) {
			continue
		}
		if v := c.regate(m, p, d); v.outcome == Suppressed || v.outcome == Expired {
			c.retract(m, i, d, v.reason)
		}
	}
	c.recheckShown(m, sku)
}

// ofAnotherOrder reports whether a transactional message is about an order that
// an event does not name, and about nothing else: who orders every minute is not
// asked for all confirmations each time.
func (p *Pending) ofAnotherOrder(m *Machine, e *Event) bool {
	switch e.Kind {
	case ProductAdded, ProductRemoved, CartUpdated, CartViewed, CheckoutStarted, OrderCompleted, OrderUpdated:
	default:
		return false
	}
	if e.OrderID == p.Value || p.Then != 0 || p.Expires != 0 && m.shop.Now > p.Expires {
		return false
	}
	mo := m.rules.of(p.Rules).file.Moment(p.Moment)
	return mo != nil && mo.Per == "order_id" && mo.If == nil && len(mo.Lines)+len(mo.Until) == 0
}

// firePending releases what the gate had put off until now.
func (c *Customer) firePending(m *Machine) {
	for i := range backwards(&c.Pending) {
		if p := &c.Pending[i]; p.Due != 0 && p.Due <= m.shop.Now {
			c.release(m, i)
		}
	}
}
