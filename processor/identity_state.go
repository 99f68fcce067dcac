package processor

import "encoding/binary"

// The other id's side of a link: it gives up its places in the lists of its
// partition, hands everything over, and is a forward from then on.

// statePart is what has arrived so far of the state of another id.
type statePart struct {
	ID   string // who sends it
	Next int64  // number of the next part
	Body []byte
}

// statePartBytes bounds one part of a state; each step sends one.
const statePartBytes = 32 << 10

// orderIDsPerPart bounds the order ids in one part.
const orderIDsPerPart = 1024

// What a StatePart holds, in Place.
const (
	partState    = iota // a piece of the encoded customer
	partOrderIDs        // ids of orders applied long ago
)

// joinTo makes this id a forward to a keeper, to which all it has is sent.
func (c *Customer) joinTo(m *Machine, keeper string, device bool) {
	keeper = clone(keeper)
	for i := len(c.Occurrences) - 1; i >= 0; i-- {
		o := &c.Occurrences[i]
		if o.State == windowState && o.Then == 0 {
			c.giveBack(m, o, true) // who keeps the wish is offered it again
		}
		if o.State == audienceState {
			// The platform knows this id; the keeper is added under its own.
			if o.In {
				c.withdraw(m, m.rules.moment(o), o, Superseded)
			}
			c.leaveQuorum(m, o)
			o.In, o.Said = false, 0
		}
	}
	for i := range c.Interests {
		in := &c.Interests[i]
		c.unwatch(m, in.SKU)
		if in.Queued || in.Offer != 0 {
			m.send(in.SKU, &Message{Type: RenameEntry, SKU: in.SKU, Customer: keeper, Ref: c.ID, Since: in.Since, Tier: int64(in.Tier), Offer: in.Offer})
		}
	}
	for i := range c.Occurrences {
		c.unwatch(m, c.Occurrences[i].Value)
		c.Occurrences[i].Staked = false
	}
	if c.usesUp(m) {
		for i := range c.Orders {
			for j := range c.Orders[i].Lines {
				c.unwatch(m, c.Orders[i].Lines[j].SKU)
			}
		}
	}
	c.unlistWishes(m)
	for i := range c.Pending {
		if p := &c.Pending[i]; p.Listens != toNobody {
			c.unwatch(m, p.Value)
			p.Listens, p.Due = toNobody, m.shop.Now // the keeper looks again
		}
	}
	c.unwatch(m, noItem)
	for i := range c.Sales {
		if g := &c.Sales[i]; !g.Gone {
			s := m.saleHere(g.ID)
			s.Registered.remove(m, c.ID)
		}
	}
	c.leaveJourneys(m)
	c.leaveHousehold(m)
	next := &Identity{Forward: keeper, Device: device}
	if x := c.Identity; x != nil {
		next.ErasedAt, next.Old = x.ErasedAt, x.Old
		x.Old = List{}
	}
	w := writer{}
	c.encode(&w)
	*c = Customer{
		head: c.head, ID: c.ID, Known: c.Known, Last: c.Last, recent: c.recent, Count: c.Count, Ordered: c.Ordered,
		Identity: next, Claims: c.Claims, Pixels: c.Pixels,
	}
	next.Rest = w.b
	c.sendState(m)
}

// unwatch takes the customer off the lists of an item, if it is one.
func (c *Customer) unwatch(m *Machine, sku string) {
	if wa, ok := m.get(WatchKind, sku).(*Watch); ok {
		wa.stake(m, c.ID, false)
		wa.interested(m, c.ID, false)
		wa.own(m, c.ID, false)
	}
}

// sendState sends the next part of the state: pieces of what the customer is,
// then the ids of old orders, then the last piece.
func (c *Customer) sendState(m *Machine) {
	x := c.Identity
	msg := Message{Type: StatePart, Customer: x.Forward, Ref: c.ID, Line: x.Sent}
	switch {
	case len(x.Rest) > statePartBytes:
		msg.Body, x.Rest = x.Rest[:statePartBytes], x.Rest[statePartBytes:]
	case c.Ordered.Len() > 0:
		msg.Place, msg.Body = partOrderIDs, takeOrderIDs(m, &c.Ordered)
	default:
		msg.Body, x.Rest, msg.Park = x.Rest, nil, true
	}
	x.Sent++
	m.send(x.Forward, &msg)
	if c.sending() {
		m.arm(c, m.shop.Now+1)
		return
	}
	m.arm(c, 0)
	c.answerAsked(m)
	for i := range c.Identity.Links { // the questions of an id that is its own again
		if l := &c.Identity.Links[i]; l.State == linkAsked {
			c.askFor(m, l)
		}
	}
}

// takeOrderIDs takes the next ids out of a list of old orders.
func takeOrderIDs(m *Machine, list *List) []byte {
	var keys []string
	list.ascend(m, "", func(key, _ string) bool {
		keys = append(keys, key)
		return len(keys) < orderIDsPerPart
	})
	var b []byte
	for _, k := range keys {
		list.remove(m, k)
		b = append(b, k...)
	}
	return b
}

// statePart takes a part of another id's state; the last one completes it.
func (c *Customer) statePart(m *Machine, msg *Message) {
	x := c.identity()
	i := 0
	for i < len(x.Parts) && x.Parts[i].ID != msg.Ref {
		i++
	}
	if i == len(x.Parts) {
		x.Parts = append(x.Parts, statePart{ID: clone(msg.Ref)})
	}
	p := &x.Parts[i]
	if msg.Line != p.Next {
		m.dead(linkWord, "a part of the state of "+msg.Ref+" is missing", m.current)
	}
	p.Next = msg.Line + 1
	if msg.Place == partOrderIDs {
		for b := msg.Body; len(b) >= 8; b = b[8:] {
			if id := binary.BigEndian.Uint64(b); !c.ordered(m, id) {
				c.noteOrder(m, id)
			}
		}
		return
	}
	p.Body = append(p.Body, msg.Body...)
	if !msg.Park {
		return
	}
	other := &Customer{head: &head{kind: CustomerKind}}
	r := reader{b: p.Body, s: string(p.Body)}
	other.decode(&r)
	x.Parts = append(x.Parts[:i], x.Parts[i+1:]...)
	if r.err != nil {
		m.dead("malformed", "state of "+msg.Ref, m.current)
	} else {
		c.merge(m, other)
	}
	c.joined(m, msg.Ref)
	c.answerAsked(m) // some of them were asked of the other one
}
