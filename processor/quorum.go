package processor

import (
	"strings"

	"onhand/processor/moments"
)

// Quorum is the place where it is counted who would be in an audience: an ad
// platform takes no audience below a minimum (`channels.NAME.minimum`), and one
// that sinks below it reaches nobody and gives single people away.
//
//	customer, the gate agrees --JoinAudience--> Quorum: enough of them?
//	   ^                                           |
//	   |<-- TellAudience: yes: in; no: suppressed -'
//	   |
//	customer, the gate refuses --LeaveAudience--> too few now: all others are
//	                                              told, and come out: retracted
//
// The audience of a moment per sku is that of the item: each is counted for
// itself. It lives where its id hashes to and goes by the rules in force there,
// a new minimum holds from the next that joins or leaves.
type Quorum struct {
	*head
	ID      string // see quorumID
	Moment  string
	Value   string
	Members List // who would be in, by customer id
	Open    bool // there are enough of them
	// Fan says that a change is being told, to the members from Next on.
	Fan  bool
	Next string
}

// What an audience occurrence knows of its quorum.
const (
	quorumNone  = iota // not asked
	quorumAsked        // the answer is on its way
	quorumBelow
	quorumOpen
)

// quorumID names the quorum of an audience.
func quorumID(moment, value string) string { return moment + "\n" + value }

func (q *Quorum) id() string { return q.ID }
func (q *Quorum) bytes() int { return 200 + 2*len(q.ID) + 64*len(q.Members.dir) }

func (q *Quorum) encode(w *writer) {
	w.str(q.Moment)
	w.str(q.Value)
	q.Members.encode(w)
	w.bool(q.Open)
	w.bool(q.Fan)
	w.str(q.Next)
}

func (q *Quorum) decode(r *reader) {
	q.Moment, q.Value = r.str(), r.str()
	q.ID = quorumID(q.Moment, q.Value)
	q.Members.decode(r)
	q.Open, q.Fan, q.Next = r.bool(), r.bool(), r.str()
}

// minimum returns how many there must be for an audience of a moment; 0 = any.
func (r *rules) minimum(mo *moments.Moment) int {
	if !r.minimums || mo == nil {
		return 0
	}
	if ch := r.file.Policy.Channel(mo.Channels[0]); ch != nil {
		return ch.Minimum
	}
	return 0
}

// least is minimum of a moment by its name, which only a kept file may have: the
// newest of them holds.
func (r *rules) least(moment string) int {
	mo := r.file.Moment(moment)
	for i := len(r.kept) - 1; mo == nil && i >= 0; i-- {
		r = r.kept[i]
		mo = r.file.Moment(moment)
	}
	return r.minimum(mo)
}

// quorumMessage counts who joins or leaves, and tells who must know.
func (m *Machine) quorumMessage(msg *Message) {
	id := quorumID(msg.Ref, msg.SKU)
	e, at := m.find(QuorumKind, id, Hash(id))
	if e == nil {
		if msg.Type == LeaveAudience {
			return
		}
		e = m.create(QuorumKind, at)
		q := e.(*Quorum)
		q.Moment, q.Value, q.ID = strings.Clone(msg.Ref), strings.Clone(msg.SKU), id
	}
	q := e.(*Quorum)
	m.touch(q)
	if msg.Type == JoinAudience {
		q.Members.put(m, q.head, msg.Customer, "")
	} else {
		q.Members.remove(m, msg.Customer)
	}
	was := q.Open
	q.Open = q.Members.Len() >= max(m.rules.least(q.Moment), 1)
	switch {
	case q.Open != was:
		q.Fan, q.Next = true, ""
		q.tell(m)
	case msg.Type == JoinAudience:
		q.answer(m, msg.Customer)
	}
}

func (q *Quorum) answer(m *Machine, customer string) {
	m.send(customer, &Message{Type: TellAudience, Ref: q.Moment, SKU: q.Value, Customer: customer, Park: q.Open})
}

func (q *Quorum) fire(m *Machine) { q.tell(m) }

// tell tells the next members whether there are enough. A change that comes
// meanwhile starts again from the first.
func (q *Quorum) tell(m *Machine) {
	if !q.Fan {
		return
	}
	told, more := 0, false
	q.Members.ascend(m, q.Next, func(customer, _ string) bool {
		if told == customersPerStep {
			q.Next, more = strings.Clone(customer), true
			return false
		}
		told++
		q.answer(m, customer)
		return true
	})
	if q.Fan = more; more {
		m.arm(q, m.shop.Now+1)
	}
}

// quorum asks, for a customer whom the gate lets into an audience, whether
// there are enough. wait says that the answer is on its way.
func (c *Customer) quorum(m *Machine, mo *moments.Moment, o *Occurrence, v verdict) (_ verdict, wait bool) {
	if v.outcome != Sent || m.rules.minimum(mo) == 0 {
		c.leaveQuorum(m, o)
		return v, false
	}
	switch o.Quorum {
	case quorumNone:
		o.Quorum = quorumAsked
		m.send(quorumID(o.Moment, o.Value), &Message{Type: JoinAudience, Ref: o.Moment, SKU: o.Value, Customer: c.ID})
		return v, true
	case quorumAsked:
		return v, true
	case quorumBelow:
		return v.refuse(Suppressed, BelowMinimum), false
	}
	return v, false
}

// leaveQuorum takes the customer out of those who would be in.
func (c *Customer) leaveQuorum(m *Machine, o *Occurrence) {
	if o.Quorum != quorumNone {
		o.Quorum = quorumNone
		m.send(quorumID(o.Moment, o.Value), &Message{Type: LeaveAudience, Ref: o.Moment, SKU: o.Value, Customer: c.ID})
	}
}

// quorumTold takes the answer. Who has left meanwhile does not mind it.
func (c *Customer) quorumTold(m *Machine, msg *Message) {
	i := c.occurrence(msg.Ref, msg.SKU)
	if i < 0 || c.Occurrences[i].State != audienceState || c.Occurrences[i].Quorum == quorumNone {
		return
	}
	o := &c.Occurrences[i]
	if o.Quorum = quorumBelow; msg.Park {
		o.Quorum = quorumOpen
	}
	c.hold(m, i)
}
