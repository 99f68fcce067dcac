package processor

import (
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
	Held     []Message   // offers, and pixel events
	Parts    []statePart // of states on their way here
	Missing  []string    // items of theirs whose facts are on their way
	Dropped  []dropped   // what orders of both turned out to have no more
	SettleAt int64       // when it looks whether all is here; 0 = nothing is new

	Rest []byte // of the state this id still has to send
	Sent int64  // parts of it that were sent

	ErasedAt int64 // nothing that happened until then is taken; 0 = never erased
	Erasing  bool  // what was asked for is erased when it has arrived
	Old      List  // ids of orders of before that are still to be forgotten
}

// Link is one other id of the same person.
type Link struct {
	ID     string
	State  linkState
	Device bool
	Undone bool // Identity Unlinked: never again by use of a device
}

// dropped is an item that one id knew in an order and another took out of it. Whose
// wish that ended is asked when the facts of all of theirs are here.
type dropped struct {
	Order uint64
	SKU   string
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
	ifKept       = 1 // DetachIdentity.Tier: unless it is kept by another id
	refusedOther = 1 // LinkRefused.Place: it belongs to somebody else
	refusedMany  = 2
	refusedFar   = 3
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
	for i := range x.Dropped {
		n += 24 + len(x.Dropped[i].SKU)
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
	w.uint(uint64(len(x.Dropped)))
	for i := range x.Dropped {
		w.u64(x.Dropped[i].Order)
		w.str(x.Dropped[i].SKU)
	}
	w.int(x.SettleAt)
	w.bytes(x.Rest)
	w.int(x.Sent)
	w.int(x.ErasedAt)
	w.bool(x.Erasing)
	x.Old.encode(w)
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
	if n := r.count(9); n > 0 {
		x.Dropped = make([]dropped, n)
	}
	for i := range x.Dropped {
		x.Dropped[i] = dropped{r.u64(), r.str()}
	}
	x.SettleAt = r.int()
	x.Rest = r.bytes()
	x.Sent = r.int()
	x.ErasedAt, x.Erasing = r.int(), r.bool()
	x.Old.decode(r)
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
	return c.Identity != nil && mo.Class.Name != "transactional" && c.awaits()
}

// asking reports whether an id that was asked for has not answered in full.
func (x *Identity) asking() bool {
	return slices.ContainsFunc(x.Links, func(l Link) bool { return l.State == linkAsked })
}

// sending reports whether the id still has state to send.
func (c *Customer) sending() bool {
	return c.Identity != nil && len(c.Identity.Rest) > 0
}

// receives reports whether a part of the state of an id has arrived, and not all
// of it.
func (x *Identity) receives(id string) bool {
	return slices.ContainsFunc(x.Parts, func(p statePart) bool { return p.ID == id })
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
