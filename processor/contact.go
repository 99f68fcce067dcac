package processor

import (
	"onhand/processor/moments"
	"slices"
)

// Contact is one message that was sent to a customer: what caps count, what
// `again` looks back at, and what must not be said twice.
type Contact struct {
	ID      string // of the decision
	At      int64
	Moment  string
	Value   string
	Class   string
	Channel string
	SKUs    []uint64 // hashes
	N       int64    // number of the occurrence
	Then    uint8    // which of its messages

	Delivered, Opened, Clicked bool
	Corrected                  bool // see Correction
}

func (k *Contact) encode(w *writer) {
	w.str(k.ID)
	w.int(k.At)
	w.str(k.Moment)
	w.str(k.Value)
	w.str(k.Class)
	w.str(k.Channel)
	w.uint(uint64(len(k.SKUs)))
	for _, h := range k.SKUs {
		w.u64(h)
	}
	w.int(k.N)
	w.u8(k.Then)
	w.u8(flags(k.Delivered, k.Opened, k.Clicked, k.Corrected))
}

func (k *Contact) decode(r *reader) {
	*k = Contact{
		ID: r.str(), At: r.int(), Moment: r.word(), Value: r.str(),
		Class: r.word(), Channel: r.word(),
	}
	if n := r.count(8); n > 0 {
		k.SKUs = make([]uint64, n)
		for i := range k.SKUs {
			k.SKUs[i] = r.u64()
		}
	}
	k.N, k.Then = r.int(), r.u8()
	f := r.u8()
	k.Delivered, k.Opened, k.Clicked, k.Corrected = f&1 != 0, f&2 != 0, f&4 != 0, f&8 != 0
}

// flags returns truth values as the bits of a byte, the first the lowest.
func flags(list ...bool) (f byte) {
	for i, b := range list {
		if b {
			f |= 1 << i
		}
	}
	return f
}

// contactMemoryMS is how long a contact is remembered, longer only where a cap
// or an `again` of the file looks further back.
const contactMemoryMS = 90 * 24 * 3600_000

// roomForContact makes room for one more contact. The oldest goes of those that
// no cap counts, and only then the oldest of all: a cap counts at most half of
// what is kept.
func (c *Customer) roomForContact(m *Machine) {
	for len(c.Contacts) >= maxContacts {
		i := slices.IndexFunc(c.Contacts, func(k Contact) bool {
			class := m.rules.file.Policy.Class(k.Class)
			return class == nil || !class.Caps
		})
		c.Contacts = slices.Delete(c.Contacts, max(i, 0), max(i, 0)+1)
	}
}

// told remembers what was sent and, when it is live, keeps the action until
// its outcome is known.
func (c *Customer) told(m *Machine, d *Decision, o *Occurrence) {
	a := d.Action
	if a.Kind == kindMessage || a.Kind == moments.DoOrder {
		c.Contacts = slices.DeleteFunc(c.Contacts, func(k Contact) bool { return m.shop.Now-k.At > m.rules.memory() })
		c.roomForContact(m)
		k := Contact{ID: d.ID, At: d.At, Moment: d.Moment, Value: o.Value, Class: a.Class, Channel: a.Channel, N: o.N, Then: o.Then}
		for i := range a.Lines {
			k.SKUs = append(k.SKUs, Hash(a.Lines[i].SKU))
		}
		for i := range a.Data {
			if x := &a.Data[i]; x.Name == rewardDatum && a.Class != "transactional" {
				k.SKUs = append(k.SKUs, rewardKey(x.Text))
			}
		}
		c.Contacts = append(c.Contacts, k)
	}
	c.await(d, o)
	if d.Mode == moments.Live {
		c.audited(m, o, d)
	}
	if mo := m.rules.moment(o); a.Kind == kindMessage && mo != nil && mo.Stock != moments.StockIgnore {
		m.mention(c, d)
	}
}

// forget takes a contact back: the message was not handed over after all, so
// its place under the caps is free again.
func (c *Customer) forget(id string) {
	c.Contacts = slices.DeleteFunc(c.Contacts, func(k Contact) bool { return k.ID == id })
}

// contact returns the message of that id, nil when it is not remembered.
func (c *Customer) contact(id string) *Contact {
	for i := range c.Contacts {
		if id != "" && c.Contacts[i].ID == id {
			return &c.Contacts[i]
		}
	}
	return nil
}

// toldSince reports whether the moment of an occurrence told the customer
// something else since a time.
func (c *Customer) toldSince(o *Occurrence, since int64) bool {
	return slices.ContainsFunc(c.Contacts, func(k Contact) bool { return k.Moment == o.Moment && k.At > since && !k.own(o) })
}

// Kinds of action.
const (
	kindMessage        = "message"
	kindAudienceAdd    = "audience_add"
	kindAudienceRemove = "audience_remove"
)

// record makes the decision record of a verdict and puts it out.
func (c *Customer) record(m *Machine, mo *moments.Moment, o *Occurrence, v verdict) *Decision {
	m.shop.Decided++
	file := m.rules.of(o.Rules).file
	d := &Decision{
		ID: m.decisionID(c, o, v), At: m.shop.Now, Customer: c.ID, Moment: o.Moment,
		Cause:   Cause{Value: o.Value, N: o.N, Event: o.Cause.String()},
		Outcome: v.outcome, Step: v.reason.Step(), Reason: v.reason, Until: v.until,
		Mode: moments.Live, Version: file.Hash,
		Evidence: Evidence{
			Position: m.shop.Position, Step: m.shop.Step, StockAgeMS: v.stockAge, Facts: v.facts, Rules: file.Hash,
			Place: o.more().Place, Score: v.score, Factors: v.factors, LostTo: v.lostTo, Dropped: v.dropped,
			PriceAgeMS: age(v.priceAt, m.shop.Now), ConsentAgeMS: age(c.consentAt(m, mo, o, &v), m.shop.Now),
			Household: v.household,
		},
	}
	if o.Cause == Custom {
		d.Cause.Event = o.more().Name
	}
	if o.Offer != 0 {
		d.Cause.Offer = OfferID(o.Value, o.Offer)
	}
	if mo != nil {
		if mo.Due.After > 0 {
			d.Cause.Timer = "after " + moments.FormatDuration(mo.Due.After)
		} else if !mo.Due.At.IsZero() {
			d.Cause.Timer = "at " + mo.Due.At.String()
		}
		if mo.Mode == moments.Shadow {
			d.Mode = moments.Shadow
		}
		if v.outcome == Sent {
			d.Action = c.action(m, mo, o, d.ID, &v)
		}
	}
	m.emitDecision(d)
	return d
}

// action says what a sent decision asks of its channel.
func (c *Customer) action(m *Machine, mo *moments.Moment, o *Occurrence, id string, v *verdict) *Action {
	a := &Action{
		ID: id, Kind: kindMessage, Channel: v.channel, Class: mo.Class.Name, Template: mo.Send, Customer: c.ID,
		Lines: v.lines, Total: v.total, Currency: m.rules.file.Currency, ExpiresAt: o.Expires,
	}
	if mo.Do == moments.DoAudience {
		a.Kind = kindAudienceAdd
	} else if mo.Do != moments.DoMessage {
		a.Kind = mo.Do
	}
	if a.CartID = v.cart; mo.Per == "cart_id" {
		a.CartID = o.Value
	}
	a.Data = c.afterData(m, mo, o)
	if o.Cause == MessageCorrected {
		a.Data = append(a.Data, c.regretted()...)
	}
	if mo.Do == moments.DoAudience && mo.Spend > 0 {
		a.Data = append(a.Data, Datum{"budget", "", mo.Spend}) // for the platform to keep
	}
	if mo.Do == moments.DoAudience {
		a.Data = append(a.Data, m.platform...)
	}
	if mo.Code.Valid > 0 {
		a.Data = append(a.Data, m.codeData(mo, id)...)
	}
	if mo.Do == moments.DoCase {
		a.Data = append(a.Data, c.caseData(m, mo, o)...)
	}
	if o.Offer != 0 {
		a.OfferID = OfferID(o.Value, o.Offer)
		if hold := m.holdFor(o.Value); hold > 0 {
			a.HoldUntil = m.shop.Now + hold
		}
		if in := c.interest(o.Value); in != nil {
			if o.Then != 0 {
				a.HoldUntil = in.OfferUntil
			}
			if in.Store != "" {
				a.Data = append(a.Data, Datum{"location", in.Store, 0})
			}
		}
		if mo.Expires.At.Name == moments.OfferEnds && a.HoldUntil != 0 { // of use as long as the item is there where nothing is held
			a.ExpiresAt = a.HoldUntil + mo.Expires.At.Offset.Milliseconds()
		}
	}
	return a
}

// withdrawal says that what is held is taken back.
func (c *Customer) withdrawal(m *Machine, o *Occurrence, why Reason) *Decision {
	sent := m.decisionID(c, o, verdict{outcome: Sent})
	return &Decision{
		ID: m.decisionID(c, o, verdict{outcome: Retracted, reason: why}), At: m.shop.Now, Customer: c.ID, Moment: o.Moment,
		Cause: Cause{Value: o.Value, N: o.N, Event: o.Cause.String()}, Outcome: Retracted, Step: why.Step(), Reason: why, Retracts: sent,
		Mode: moments.Live, Version: m.rules.of(o.Rules).file.Hash,
		Evidence: m.evidence(),
	}
}

// withdraw takes back what is held: a place in an audience, an open case.
func (c *Customer) withdraw(m *Machine, mo *moments.Moment, o *Occurrence, why Reason) {
	d := c.withdrawal(m, o, why)
	if f := m.facts(o.Value); f.LevelAt != 0 {
		d.Evidence.StockAgeMS, d.Evidence.Facts = m.shop.Now-f.LevelAt, f.Version
	}
	if i := c.pending(d.Retracts); i >= 0 {
		waiting := c.Pending[i].Waiting
		c.Pending = slices.Delete(c.Pending, i, i+1)
		if !waiting {
			// Not handed over yet: taking it back is enough. One that was let go may
			// have arrived.
			m.emitDecision(d)
			o.In = false
			for j := range c.Pending {
				// The removal before, when it is not known to have arrived, has its turn.
				if p := &c.Pending[j]; p.Moment == o.Moment && p.Value == o.Value && p.Due != 0 {
					p.Due = m.shop.Now
					c.soon(p.Due)
				}
			}
			return
		}
	}
	template, class, channel := o.Moment, "marketing", "ads"
	if o.State == openState {
		class, channel = "transactional", "desk"
	}
	if mo != nil {
		template, class, channel = mo.Send, mo.Class.Name, mo.Channels[0]
	}
	d.Action = &Action{ID: d.ID, Channel: channel, Class: class, Template: template, Customer: c.ID, Currency: m.rules.file.Currency}
	if o.State == openState {
		d.Action.Kind, d.Action.Data = kindCaseClose, []Datum{{"conversation_id", o.Value, 0}}
	} else {
		d.Action.Kind, d.Action.Lines = kindAudienceRemove, []ActionLine{{SKU: o.Value, Quantity: 1}}
	}
	m.emitDecision(d)
	o.In = false
	c.supersede(m, o.Moment, o.Value, o.N, true)
	c.await(d, o)
}

// decisionID derives a decision's id from its cause, so that the same log
// gives the same ids however it is partitioned.
func (m *Machine) decisionID(c *Customer, o *Occurrence, v verdict) string {
	w := &m.body
	w.b = w.b[:0]
	w.str(c.ID)
	w.str(o.Moment)
	w.str(o.Value)
	w.int(o.N)
	w.u8(uint8(v.outcome))
	if o.Then != 0 {
		w.u8(o.Then)
	}
	if v.outcome == Deferred {
		w.str(string(v.reason))
		w.int(m.shop.Now)
	}
	return shortID(w.b)
}

func (m *Machine) emitDecision(d *Decision) {
	w := &m.body
	w.b = w.b[:0]
	d.encode(w)
	m.emit(DecisionOutput)
}
