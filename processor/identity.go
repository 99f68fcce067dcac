package processor

import (
	"fmt"
	"onhand/processor/moments"
	"slices"
)

// Identity is how an id stands to others. Each id, anonymous or known, is an
// entity: a customer, or a forward to the one that keeps what it had. Most have
// nothing to do with another id, and then it is not there.
//
//	keeper                                      the other id
//	  | event with both ids, or alias
//	  |---------------- LinkIdentity ---------------->|
//	  | holds its marketing gates                     | cancels its timers, renames its
//	  |                                               | places in queues (identity_state.go)
//	  |<--------------- StatePart 0..n ---------------|
//	  | takes it over, most restrictive               | forward, for good
//	  | (identity_merge.go), gates again              |
//	  |<------- PassOn: events, outcomes; offers -----|
//
// A question asked of a forward goes to the end of the chain. No chain is ever
// a circle: who already keeps the one that asks stays what it is, and of those
// that wait for each other the one with the smallest id is the keeper: who
// waits gives in to a smaller id only, and has the others wait. What another id
// had asked for is asked for again in the keeper's name.
//
// A device is not a person. An anonymous id belongs to the first user it was
// seen with; when another one turns up on it, it is nobody's from then on.
// Two users become one only by alias.
type Identity struct {
	Forward string // keeper of this id; "" = it stands for itself
	Device  bool   // the link was made by use of a device, not by alias
	Own     bool   // unlinked or shared: what comes from now on is its own
	Shared  bool   // two users were seen on it: no user is ever linked by it again
	Links   []Link // the ids it keeps, or asked for

	// What waits until all that was asked for is here.
	Asked    []Message   // requests for this id
	Held     []Message   // offers
	Parts    []statePart // of states on their way here
	Missing  []string    // items of theirs whose facts are on their way
	SettleAt int64       // when it looks whether all is here; 0 = nothing is new

	Rest []byte // of the state this id still has to send
	Sent int64  // parts of it that were sent
}

// Link is one other id of the same person.
type Link struct {
	ID     string
	State  linkState
	Device bool
	Undone bool // Identity Unlinked: never again by use of a device
}

type linkState uint8

const (
	linkAsked linkState = iota + 1 // the state has not arrived
	linkJoined
	linkRefused
)

// Limits of one identity.
const (
	maxLinks     = 128 // of one keeper: beyond, the oldest device is forgotten as such
	maxQuestions = 64  // that wait until an id's own are answered
	maxHops      = 64  // of a message along a chain of forwards
	linkRetryMS  = 100 // how soon a gate that is held looks again
	linkWord     = "link"
	devicePassed = 1 // LinkIdentity.Tier: on the way was an id that is no user's
	refusedOther = 1 // LinkRefused.Place: it belongs to somebody else
	refusedMany  = 2
)

func (x *Identity) bytes() int {
	if x == nil {
		return 0
	}
	n := 200 + len(x.Forward) + 56*cap(x.Links) + 280*(cap(x.Asked)+cap(x.Held)) + len(x.Rest)
	for i := range x.Links {
		n += len(x.Links[i].ID)
	}
	for i := range x.Parts {
		n += 64 + len(x.Parts[i].Body)
	}
	for i := range x.Missing {
		n += 16 + len(x.Missing[i])
	}
	return n
}

func (x *Identity) encode(w *writer) {
	w.bool(x != nil)
	if x == nil {
		return
	}
	w.str(x.Forward)
	w.u8(flags(x.Device, x.Own, x.Shared))
	w.uint(uint64(len(x.Links)))
	for i := range x.Links {
		l := &x.Links[i]
		w.str(l.ID)
		w.u8(uint8(l.State))
		w.u8(flags(l.Device, l.Undone))
	}
	for _, list := range [...][]Message{x.Asked, x.Held} {
		w.uint(uint64(len(list)))
		for i := range list {
			list[i].encode(w)
		}
	}
	w.uint(uint64(len(x.Parts)))
	for i := range x.Parts {
		w.str(x.Parts[i].ID)
		w.int(x.Parts[i].Next)
		w.bytes(x.Parts[i].Body)
	}
	writeStrings(w, x.Missing)
	w.int(x.SettleAt)
	w.bytes(x.Rest)
	w.int(x.Sent)
}

func decodeIdentity(r *reader) *Identity {
	if !r.bool() {
		return nil
	}
	x := &Identity{Forward: r.str()}
	f := r.u8()
	x.Device, x.Own, x.Shared = f&1 != 0, f&2 != 0, f&4 != 0
	if n := r.count(3); n > 0 {
		x.Links = make([]Link, n)
	}
	for i := range x.Links {
		l := &x.Links[i]
		l.ID, l.State = r.str(), linkState(r.u8())
		f := r.u8()
		l.Device, l.Undone = f&1 != 0, f&2 != 0
	}
	for _, list := range [...]*[]Message{&x.Asked, &x.Held} {
		if n := r.count(16); n > 0 {
			*list = make([]Message, n)
		}
		for i := range *list {
			(*list)[i].decode(r)
		}
	}
	if n := r.count(3); n > 0 {
		x.Parts = make([]statePart, n)
	}
	for i := range x.Parts {
		x.Parts[i] = statePart{r.str(), r.int(), r.bytes()}
	}
	x.Missing = readStrings(r)
	x.SettleAt = r.int()
	x.Rest = r.bytes()
	x.Sent = r.int()
	return x
}

func (c *Customer) identity() *Identity {
	if c.Identity == nil {
		c.Identity = &Identity{}
	}
	return c.Identity
}

// forwards reports whether what comes for this id is another one's.
func (c *Customer) forwards() bool {
	return c.Identity != nil && c.Identity.Forward != "" && !c.Identity.Own
}

// awaits reports whether something of another id is on its way here. Nothing
// may be said to this customer until it has arrived, but for what is owed.
func (c *Customer) awaits() bool {
	return c.Identity != nil && (c.Identity.SettleAt != 0 || c.Identity.asking())
}

// heldBack reports whether a moment has to wait for what is on its way.
func (c *Customer) heldBack(mo *moments.Moment) bool {
	return mo.Class.Name != "transactional" && c.awaits()
}

// asking reports whether an id that was asked for has not answered in full.
func (x *Identity) asking() bool {
	return slices.ContainsFunc(x.Links, func(l Link) bool { return l.State == linkAsked })
}

// sending reports whether the id still has state to send.
func (c *Customer) sending() bool {
	return c.Identity != nil && len(c.Identity.Rest) > 0
}

func (x *Identity) link(id string) *Link {
	if x == nil {
		return nil
	}
	for i := range x.Links {
		if x.Links[i].ID == id {
			return &x.Links[i]
		}
	}
	return nil
}

// linked returns the other ids of the same person.
func (x *Identity) linked() (ids []string) {
	for i := range x.Links {
		if l := &x.Links[i]; l.State == linkJoined && !l.Undone {
			ids = append(ids, l.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// addLink notes another id, false when there are too many.
func (x *Identity) addLink(l Link) bool {
	if len(x.Links) >= maxLinks {
		i := slices.IndexFunc(x.Links, func(l Link) bool { return l.Device && l.State == linkJoined && !l.Undone })
		if i < 0 {
			return false
		}
		x.Links = slices.Delete(x.Links, i, i+1)
	}
	x.Links = append(x.Links, l)
	return true
}

// identityEvent looks at what an event says of who is who.
func (c *Customer) identityEvent(m *Machine, e *Event) {
	switch e.Kind {
	case Alias:
		c.ask(m, e.PreviousID, false)
	case IdentityUnlinked:
		c.unlink(m, e.PreviousID)
		return
	}
	if e.UserID != "" && e.AnonymousID != "" && e.AnonymousID != c.ID {
		c.ask(m, e.AnonymousID, true)
	}
}

// ask asks for what another id of the same person has.
func (c *Customer) ask(m *Machine, id string, device bool) {
	if id == c.ID {
		m.dead(linkWord, fmt.Sprintf("%s is itself, or keeps %s already: a circle", id, id), m.current)
		return
	}
	x := c.identity()
	l := x.link(id)
	if l != nil && (device || l.State != linkRefused && !l.Undone) {
		return
	}
	if l == nil {
		if !x.addLink(Link{ID: clone(id)}) {
			m.dead(linkWord, fmt.Sprintf("%s has %d ids, no more are kept", c.ID, maxLinks), m.current)
			return
		}
		l = &x.Links[len(x.Links)-1]
	}
	l.State, l.Device, l.Undone = linkAsked, device, false
	c.askFor(m, l)
}

func (c *Customer) askFor(m *Machine, l *Link) {
	m.send(l.ID, &Message{Type: LinkIdentity, Customer: l.ID, Ref: c.ID, SKU: l.ID, Park: l.Device})
}

// unlink undoes a link for what comes after. What was taken over stays here:
// nobody can tell it apart any more.
func (c *Customer) unlink(m *Machine, id string) {
	l := c.Identity.link(id)
	if l == nil || l.State == linkRefused {
		m.dead(linkWord, fmt.Sprintf("%s is not linked to %s", id, c.ID), m.current)
		return
	}
	if l.Undone {
		return
	}
	l.Undone = true
	m.send(l.ID, &Message{Type: DetachIdentity, Customer: l.ID, Ref: c.ID})
	c.regateAll(m)
}

// asked answers another id that asks for this one: yes, by becoming its
// forward, no, or later.
func (c *Customer) asked(m *Machine, msg *Message) {
	if c.forwards() {
		next := *msg
		if c.Identity.Device || !c.Known {
			next.Tier = devicePassed
		}
		c.passMessage(m, &next)
		return
	}
	device, by := msg.Park, msg.Ref
	refuse := func(why int64) {
		m.send(by, &Message{Type: LinkRefused, Customer: by, Ref: msg.SKU, Place: why})
	}
	switch l := c.Identity.link(by); {
	case by == c.ID, l != nil && l.State == linkJoined:
		// The one that asks is this one, or kept by it: so is what it asks for.
		if msg.SKU == c.ID {
			m.dead(linkWord, fmt.Sprintf("%s keeps %s already: a circle", c.ID, by), m.current)
		} else {
			c.joined(m, msg.SKU)
		}
	case device && c.ID != msg.SKU, !device && msg.Tier == devicePassed:
		// A second user on a device of somebody else's.
		m.send(msg.SKU, &Message{Type: DetachIdentity, Customer: msg.SKU, Ref: c.ID, Park: true})
		refuse(refusedOther)
	case device && (c.Known || c.Identity != nil && c.Identity.Shared):
		refuse(refusedOther)
	case c.sending(), c.awaits() && by > c.ID:
		x := c.identity()
		if len(x.Asked) >= maxQuestions {
			refuse(refusedMany)
			return
		}
		later := *msg
		later.SKU, later.Customer, later.Ref = clone(msg.SKU), clone(msg.Customer), clone(msg.Ref)
		x.Asked = append(x.Asked, later)
	default:
		c.joinTo(m, by, device)
	}
}

// refused is told that another id will not be this one's.
func (c *Customer) refused(m *Machine, msg *Message) {
	l := c.Identity.link(msg.Ref)
	if l == nil || l.State != linkAsked {
		return
	}
	l.State = linkRefused
	if !l.Device {
		why := "it belongs to somebody else"
		if msg.Place == refusedMany {
			why = fmt.Sprintf("%d others have asked for it", maxQuestions)
		}
		m.dead(linkWord, fmt.Sprintf("%s cannot be joined to %s: %s", l.ID, c.ID, why), m.current)
	}
	c.settleSoon(m)
}

// joined notes that another id is this one's now.
func (c *Customer) joined(m *Machine, id string) {
	x := c.identity()
	l := x.link(id)
	if l == nil {
		x.addLink(Link{ID: clone(id), State: linkJoined})
	} else {
		l.State = linkJoined
	}
	c.settleSoon(m)
}

// settleSoon goes on with what waited, a moment later: the facts of items that
// are new here need a moment to arrive.
func (c *Customer) settleSoon(m *Machine) {
	if x := c.Identity; !x.asking() {
		x.SettleAt = m.shop.Now + 1
		c.soon(x.SettleAt)
	}
}

// settle goes on with what waited for other ids, when all of it is here.
func (c *Customer) settle(m *Machine) {
	x := c.Identity
	if x.asking() {
		x.SettleAt = 0 // the last answer looks again
		return
	}
	x.Missing = slices.DeleteFunc(x.Missing, func(sku string) bool { return m.watch(sku).Facts.At != 0 })
	if len(x.Missing) > 0 {
		x.SettleAt = m.shop.Now + linkRetryMS
		return
	}
	x.SettleAt, x.Missing = 0, nil
	c.regateAll(m)
	held := x.Held
	x.Held = nil
	for i := range held {
		c.offered(m, &held[i])
	}
	c.answerAsked(m)
}

// holdOffer keeps an offer until it can be answered; its item waits for that.
func (c *Customer) holdOffer(msg *Message) {
	own := *msg
	own.SKU, own.Customer, own.Ref = clone(msg.SKU), clone(msg.Customer), clone(msg.Ref)
	c.Identity.Held = append(c.Identity.Held, own)
}

// due returns when the identity has something to do, 0 when it has not.
func (x *Identity) due(now int64) int64 {
	if len(x.Rest) > 0 {
		return now + 1
	}
	return x.SettleAt
}

// fireIdentity does what is due.
func (c *Customer) fireIdentity(m *Machine) {
	if c.sending() {
		c.sendState(m)
	}
	if at := c.Identity.SettleAt; at != 0 && at <= m.shop.Now {
		c.settle(m)
	}
}

// answerAsked answers the requests that had to wait.
func (c *Customer) answerAsked(m *Machine) {
	asked := c.Identity.Asked
	c.Identity.Asked = nil
	for i := range asked {
		c.asked(m, &asked[i])
	}
}

// detach is told that what comes from now on is this id's own.
func (c *Customer) detach(msg *Message) {
	x := c.identity()
	x.Own = x.Forward != ""
	x.Shared = x.Shared || msg.Park
}

// regateAll looks again at everything that is open: who is asked has changed.
func (c *Customer) regateAll(m *Machine) {
	c.redate(m)
	for i := len(c.Occurrences) - 1; i >= 0; i-- {
		switch o := &c.Occurrences[i]; o.State {
		case audienceState:
			c.hold(m, i) // at most this one goes
		case deferredState, waitingState:
			o.Due = m.shop.Now
			c.soon(o.Due)
		}
	}
	c.recheckPending(m, "")
	c.rejoin(m)
}

// passEvent passes an event on to the keeper; false when it is this id's own.
func (c *Customer) passEvent(m *Machine, e *Event) bool {
	if !c.forwards() {
		return false
	}
	if c.Identity.Device && e.UserID == c.ID {
		c.Identity.Own = true // what looked like a device is a user
		return false
	}
	if e.MessageID != "" && c.duplicate(m, e) {
		return true
	}
	c.Last = max(c.Last, e.Stamp)
	c.passEntry(m, AppendEvent([]byte{byte(EventEntry)}, e))
	return true
}

// passEntry passes an entry of the log on to the keeper.
func (c *Customer) passEntry(m *Machine, entry []byte) {
	c.passMessage(m, &Message{Type: PassOn, Customer: c.ID, Body: entry})
}

// passAction passes on what is said of an action that is not this id's any
// more.
func (c *Customer) passAction(m *Machine, entry []byte) {
	if c.Identity != nil && c.Identity.Forward != "" {
		c.passEntry(m, entry)
	}
}

// passMessage passes a message on to the keeper.
func (c *Customer) passMessage(m *Machine, msg *Message) {
	next := *msg
	next.Customer = c.Identity.Forward
	if next.From++; next.From > maxHops {
		m.dead(linkWord, fmt.Sprintf("a message for %s passed through %d ids", next.Customer, maxHops), m.current)
		return
	}
	m.send(next.Customer, &next)
}

// relay passes a message on that is meant for the keeper; false when it is
// this id's own.
func (c *Customer) relay(m *Machine, msg *Message) bool {
	x := c.Identity
	if x == nil || x.Forward == "" {
		return false
	}
	own := false
	switch msg.Type {
	case LinkIdentity, DetachIdentity:
		return false
	case OfferUnit:
		in := c.interest(msg.SKU)
		own = in != nil && in.Queued
	case EndOffer:
		in := c.interest(msg.SKU)
		own = in != nil && in.Offer == msg.Offer
	case StatePart, LinkRefused:
		own = x.link(msg.Ref) != nil
	case PassOn:
		own = x.Own
	}
	if !own {
		c.passMessage(m, msg)
	}
	return !own
}

// passedOn applies an entry that came by way of another id.
func (c *Customer) passedOn(m *Machine, msg *Message) {
	if len(msg.Body) == 0 {
		return
	}
	m.current = msg.Body
	body := msg.Body[1:]
	switch EntryType(msg.Body[0]) {
	case EventEntry:
		if err := DecodeEvent(body, &m.event); err != nil {
			m.dead("malformed", err.Error(), msg.Body)
			return
		}
		c.event(m, &m.event)
	case OutcomeEntry:
		m.applyOutcome(body, msg.Body, c.ID)
	case ReleaseEntry:
		m.applyReleaseRequest(body, msg.Body, c.ID)
	}
}
