package processor

import (
	"cmp"
	"fmt"
	"slices"

	"onhand/processor/moments"
)

// Membership is what a customer knows of their household; see Household. The
// word that holds on it is that of any trait: what they said themselves before
// what was worked out, and then the newest. {household: null} is such a word.
type Membership struct {
	ID string // "" = none any more
	At int64  // of the word

	Provenance Provenance
	Sure       moments.Micro
	Back       int64 // when the customer took their own word back last; 0 = never

	Full   bool   // it has too many people: not one of them
	Heard  bool   // it has told what its people have
	People int64  // who are of it, this one too
	Has    items  // what the others have
	Told   uint64 // what it was told last of what this one has: a hash; 0 = nothing
}

// householdTrait is the trait that names the household.
const householdTrait = "household"

// toldNothing is Told while the rules ask for nothing that is had.
const toldNothing = 1

// households reports whether the rules have to know who lives together.
func (r *rules) households() bool { return r.accessories || len(r.together) > 0 }

// of reports whether the customer is one of a household.
func (x *Membership) of() bool { return x != nil && x.ID != "" && !x.Full }

// unheard reports whether what others of the household have is on its way.
func (x *Membership) unheard() bool { return x.of() && !x.Heard }

// has reports whether somebody else of the household has an item, under any of
// its numbers.
func (x *Membership) has(m *Machine, sku string) bool {
	if !x.of() || x.Has == "" {
		return false
	}
	if x.Has.has(sku) {
		return true
	}
	for old := range m.facts(sku).Product.former() {
		if x.Has.has(old) {
			return true
		}
	}
	return false
}

// word returns what was said of the household as the trait it is.
func (x *Membership) word() *Trait {
	t := &Trait{Name: householdTrait, JSON: "null", At: x.At, Provenance: x.Provenance, Sure: x.Sure, Back: x.Back}
	if x.ID != "" {
		t.JSON = x.ID
	}
	return t
}

// learnHousehold takes what an identify says of the household.
func (c *Customer) learnHousehold(m *Machine, e *Event) {
	if c.Member == nil && !m.rules.households() {
		return
	}
	v := properties(e.Traits).get(householdTrait)
	if len(v) == 0 {
		return
	}
	id := v.text()
	switch {
	case v[0] == '{' || v[0] == '[':
		m.dead("malformed", fmt.Sprintf("customer %s: the trait household must be an id", c.ID), m.current)
		return
	case len(id) > MaxIDBytes:
		m.dead("limit", fmt.Sprintf("customer %s: the id of the household has %d bytes, at most %d are kept", c.ID, len(id), MaxIDBytes), m.current)
		return
	}
	how, sure := e.provenance()
	n := &Membership{ID: id, At: e.At, Provenance: how, Sure: sure}
	if id == "" && how == Explicit {
		n.Back = e.At
	}
	c.livesIn(m, n)
}

// livesIn takes a word on the household, if it holds against the one before.
func (c *Customer) livesIn(m *Machine, n *Membership) {
	x := c.Member
	holds := x == nil || x.word().yields(n.word())
	if x == nil {
		x = &Membership{}
		c.Member = x
	}
	if x.Back = max(x.Back, n.Back); !holds {
		return
	}
	x.At, x.Provenance, x.Sure = n.At, n.Provenance, n.Sure
	switch {
	case x.ID != n.ID:
		c.leaveHousehold(m)
		*x = Membership{ID: clone(n.ID), At: x.At, Provenance: x.Provenance, Sure: x.Sure, Back: x.Back}
	case x.Full:
		x.Full, x.Told = false, 0 // there may be room by now
	}
	c.tellHas(m)
}

// leaveHousehold has the household forget the customer.
func (c *Customer) leaveHousehold(m *Machine) {
	if c.Member == nil || c.Member.ID == "" {
		return
	}
	for i := range c.Occurrences {
		if o := &c.Occurrences[i]; o.more().Reserved != "" {
			c.returnReserved(m, o)
		}
	}
	m.send(c.Member.ID, &Message{Type: LeaveHousehold, Customer: c.ID, Ref: c.Member.ID})
}

// homeEvent tells the household what an event of one of its people changes.
func (c *Customer) homeEvent(m *Machine, k Kind) {
	switch k {
	case OrderCompleted, OrderUpdated, OrderCancelled, OrderRefunded, ReturnReceived:
		c.tellHas(m)
	default:
		if (c.Member.Told == toldNothing) == m.rules.accessories {
			c.tellHas(m) // the rules ask for something else than before
		}
	}
}

// tellHas tells the household what the customer has, unless it knows.
func (c *Customer) tellHas(m *Machine) {
	x := c.Member
	if !x.of() {
		return
	}
	var has []byte
	told := uint64(toldNothing)
	if m.rules.accessories {
		has = c.has()
		told = Hash(string(has)) | 2
	}
	if x.Told == told {
		return
	}
	x.Told = told
	m.send(x.ID, &Message{Type: JoinHousehold, Customer: c.ID, Ref: x.ID, Body: has})
}

// has returns the items the customer has, of more than maxHas those bought last.
func (c *Customer) has() []byte {
	type item struct {
		at   int64
		hash uint64
	}
	var all []item
	for i := range c.Orders {
		o := &c.Orders[i]
		for j := range o.Lines {
			if l := &o.Lines[j]; !l.Gift && o.kept(l) > 0 {
				all = append(all, item{o.At, l.hash})
			}
		}
	}
	slices.SortFunc(all, func(a, b item) int { return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(a.hash, b.hash)) })
	var hashes []uint64
	for _, x := range all {
		if len(hashes) < maxHas && !slices.Contains(hashes, x.hash) {
			hashes = append(hashes, x.hash)
		}
	}
	return itemsOf(hashes)
}

// householdTold takes what others of the household have. What is to be said of
// what goes with an item is looked at again.
func (c *Customer) householdTold(m *Machine, msg *Message) {
	x := c.Member
	if x == nil || x.ID != msg.Ref {
		return // left since
	}
	x.Full, x.Heard, x.People = !msg.Park, true, msg.Quantity
	x.Has = items(msg.Body)
	c.tellHas(m) // who has just learned that it is asked for
	if !m.rules.accessories {
		return
	}
	for i := range backwards(&c.Occurrences) {
		o := &c.Occurrences[i]
		mo := m.rules.moment(o)
		switch {
		case mo == nil || !crossSells(mo):
		case o.State == audienceState:
			c.hold(m, i)
		case o.State == deferredState && o.Said == OrderSourceStale.code():
			o.Due = m.shop.Now
			c.soon(o.Due)
		}
	}
	c.wordCame(m, noItem) // what was decided and waits for it, too
	c.recheckPending(m, "")
}

// mergeMember takes over the household of another id, which has left it.
func (c *Customer) mergeMember(m *Machine, b *Membership) {
	if b != nil {
		c.livesIn(m, b)
	}
	if c.Member != nil {
		c.tellHas(m)
	}
}

// denial is a message that the caps of the household refuse until a time, Unix ms.
type denial struct {
	id    string
	until int64
}

// askHousehold asks, for a candidate the gate lets go, whether the household may
// be told one more message. wait says that the answer is on its way: it is
// waited for as long as the message is of use.
func (c *Customer) askHousehold(m *Machine, mo *moments.Moment, o *Occurrence, v verdict) (_ verdict, wait bool) {
	if reserved := o.more().Reserved; reserved != "" {
		if v.channel == reserved {
			v.household = c.Member.ID
			return v, false
		}
		c.returnReserved(m, o)
	}
	if !c.Member.of() || !mo.Class.Caps || mo.Do != moments.DoMessage && mo.Do != moments.DoOrder || !slices.Contains(m.rules.together, mo.Class.Name) {
		return v, false
	}
	now, id := m.shop.Now, m.decisionID(c, o, verdict{outcome: Sent})
	if m.denied.id == id {
		v.household = c.Member.ID
		if v.until = m.denied.until; o.Expires != 0 && v.until > o.Expires {
			v.until = 0
			return v.refuse(Suppressed, FrequencyCap), false
		}
		return v.refuse(Deferred, FrequencyCap), false
	}
	ends := o.Expires
	if in := c.interest(o.Value); ends == 0 && o.Offer != 0 && in != nil {
		if ends = in.OfferUntil; o.State == waitingState && ends <= now {
			return v.refuse(Expired, OfferEnded), false
		}
	}
	if ends == 0 {
		ends = now + retryMS
	}
	q := question{ID: id, Moment: o.Moment, Class: mo.Class.Name, Channels: []string{v.channel}}
	if loc := c.Profile.location(now); loc != nil {
		q.Zone = loc.String()
	}
	for _, ch := range v.open {
		if ch != v.channel {
			q.Channels = append(q.Channels, ch)
		}
	}
	c.stop(m, o)
	o.State, o.Due = waitingState, ends+1
	c.soon(o.Due)
	m.send(c.Member.ID, &Message{Type: AskHousehold, Customer: c.ID, Ref: c.Member.ID, At: now, Body: q.encode()})
	return v, true
}

// asks returns the candidate that asked the household under a decision's id, -1
// when there is none.
func (c *Customer) asks(m *Machine, id string) int {
	return slices.IndexFunc(c.Occurrences, func(o Occurrence) bool {
		return o.State == waitingState && m.decisionID(c, &o, verdict{outcome: Sent}) == id
	})
}

// answeredID returns the id of the decision that a household answers for.
func answeredID(msg *Message) string {
	r := reader{b: msg.Body}
	return r.str()
}

// householdAnswered goes on with the candidate that asked. Where there is none
// any more, or it asked a household that was left since, the place is free again.
// Who was gated again meanwhile has asked twice: the first answer says what becomes
// of the place.
func (c *Customer) householdAnswered(m *Machine, msg *Message) {
	r := reader{b: msg.Body}
	id, channel := r.str(), r.str()
	i := c.asks(m, id)
	if of := c.Member.of() && c.Member.ID == msg.Ref; i < 0 || !of {
		if msg.Park && msg.Line == 0 {
			c.returnPlace(m, msg.Ref, id)
		}
		msg.Park = false
	} else if msg.Park {
		c.Occurrences[i].reserve(clone(channel))
	} else {
		m.denied = denial{id, msg.Until}
	}
	if i >= 0 {
		o := &c.Occurrences[i]
		o.State, o.Due = deferredState, m.shop.Now
		c.occur(m, i)
	}
	m.denied = denial{}
}

// reserve notes for which channel an occurrence has a place under the caps of the
// household, "" = none any more.
func (o *Occurrence) reserve(channel string) {
	x := o.more()
	x.Reserved = channel
	o.with(x)
}

// returnReserved gives the place under the household's caps back that a
// candidate has and does not use.
func (c *Customer) returnReserved(m *Machine, o *Occurrence) {
	o.reserve("")
	c.returnPlace(m, c.Member.ID, m.decisionID(c, o, verdict{outcome: Sent}))
}

// returnPlace gives back the place under the caps of a household, "" = none, of a
// message that was not sent. The household may have been left since.
func (c *Customer) returnPlace(m *Machine, household, decision string) {
	if household != "" {
		m.send(household, &Message{Type: ReturnHousehold, Customer: c.ID, Ref: household, Body: []byte(decision)})
	}
}

// countPlace counts a message that was sent after all.
func (c *Customer) countPlace(m *Machine, k *Contact) {
	if c.Member.of() && slices.Contains(m.rules.together, k.Class) {
		q := question{ID: k.ID, Moment: k.Moment, Class: k.Class, Channels: []string{k.Channel}}
		m.send(c.Member.ID, &Message{Type: AskHousehold, Customer: c.ID, Ref: c.Member.ID, At: k.At, Park: true, Body: q.encode()})
	}
}

func (x *Membership) bytes() int {
	if x == nil {
		return 0
	}
	return 128 + len(x.ID) + len(x.Has)
}

func (x *Membership) encode(w *writer) {
	w.bool(x != nil)
	if x == nil {
		return
	}
	w.str(x.ID)
	w.int(x.At)
	w.u8(uint8(x.Provenance))
	w.int(int64(x.Sure))
	w.int(x.Back)
	w.u8(flags(x.Full, x.Heard))
	w.int(x.People)
	w.str(string(x.Has))
	w.u64(x.Told)
}

func decodeMembership(r *reader) *Membership {
	if !r.bool() {
		return nil
	}
	x := &Membership{ID: r.str(), At: r.int(), Provenance: Provenance(r.u8()), Sure: moments.Micro(r.int()), Back: r.int()}
	f := r.u8()
	x.Full, x.Heard = f&1 != 0, f&2 != 0
	x.People, x.Has, x.Told = r.int(), items(r.str()), r.u64()
	return x
}

// HouseholdView is what a customer knows of their household.
type HouseholdView struct {
	ID         string  `json:"id"`
	Since      Instant `json:"since"` // of the latest word on it
	Provenance string  `json:"provenance"`
	Confidence RawJSON `json:"confidence"`
	People     int64   `json:"people"`         // who are of it, this one too
	Items      int     `json:"items"`          // that the others have
	Full       bool    `json:"full,omitempty"` // it has too many people, this one is none of them
}

func (x *Membership) view() *HouseholdView {
	if x == nil || x.ID == "" {
		return nil
	}
	return &HouseholdView{x.ID, Instant(x.At), x.Provenance.String(), RawJSON(decimal(x.Sure)), x.People, len(x.Has) / 8, x.Full}
}
