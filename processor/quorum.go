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
// a new minimum holds from the next that joins or leaves. Where the moment has
// steps, its members wait until all of these stand; see Setup.
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
	// Setup is what stands for it on the platform; nil for a moment without steps.
	Setup *Setup
}

// What an audience occurrence knows of its quorum.
const (
	quorumNone  = iota // not asked
	quorumAsked        // the answer is on its way
	quorumBelow
	quorumOpen
	quorumRefused
)

// quorumID names the quorum of an audience.
func quorumID(moment, value string) string { return moment + "\n" + value }

// isQuorumID reports whether an id is that of an audience.
func isQuorumID(id string) bool { return strings.Contains(id, "\n") }

func (q *Quorum) id() string { return q.ID }
func (q *Quorum) bytes() int { return 200 + 2*len(q.ID) + q.Members.bytes() + q.Setup.bytes() }

func (q *Quorum) encode(w *writer) {
	w.str(q.Moment)
	w.str(q.Value)
	q.Members.encode(w)
	w.bool(q.Open)
	w.bool(q.Fan)
	w.str(q.Next)
	q.Setup.encode(w)
}

func (q *Quorum) decode(r *reader) {
	q.Moment, q.Value = r.str(), r.str()
	q.ID = quorumID(q.Moment, q.Value)
	q.Members.decode(r)
	q.Open, q.Fan, q.Next = r.bool(), r.bool(), r.str()
	q.Setup = decodeSetup(r)
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

// latest returns a moment by its name, which only a kept file may have: the
// newest of them holds. least is its minimum.
func (r *rules) latest(moment string) (mo *moments.Moment, least int) {
	mo = r.file.Moment(moment)
	for i := len(r.kept) - 1; mo == nil && i >= 0; i-- {
		r = r.kept[i]
		mo = r.file.Moment(moment)
	}
	return mo, r.minimum(mo)
}

// enough reports whether there are enough for the audience, and what the moment
// says of it.
func (q *Quorum) enough(m *Machine) (*moments.Moment, bool) {
	mo, least := m.rules.latest(q.Moment)
	return mo, q.Members.Len() >= max(least, 1)
}

// weigh works out anew whether the audience is open. When that is another
// answer than before, all are told, and it reports so.
func (q *Quorum) weigh(m *Machine, was uint8) bool {
	mo, enough := q.enough(m)
	if q.Open = q.stands(m, mo, enough) && enough; q.state(m) == was {
		return false
	}
	q.Fan, q.Next = true, ""
	q.tell(m)
	return true
}

// state returns what its members are to know.
func (q *Quorum) state(m *Machine) uint8 {
	_, enough := q.enough(m)
	switch {
	case q.Open:
		return quorumOpen
	case !enough:
		return quorumBelow
	case q.Setup != nil && q.Setup.Retry == 0:
		return quorumAsked // they wait while it is set up
	case q.Setup != nil:
		return quorumRefused
	}
	return quorumBelow
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
	was := q.state(m)
	if msg.Type == JoinAudience {
		q.Members.put(m, q.head, msg.Customer, "")
	} else {
		q.Members.remove(m, msg.Customer)
	}
	if !q.weigh(m, was) && msg.Type == JoinAudience {
		q.answer(m, msg.Customer)
	}
}

// answer tells a member whether it is in; who must wait hears later.
func (q *Quorum) answer(m *Machine, customer string) {
	state := q.state(m)
	if state == quorumAsked {
		return
	}
	msg := Message{Type: TellAudience, Ref: q.Moment, SKU: q.Value, Customer: customer, Line: int64(state)}
	if q.Open && q.Setup != nil {
		w := writer{}
		for _, x := range q.Setup.Stand {
			w.str(x.Step)
			w.str(x.Ref)
		}
		msg.Body = w.b
	}
	m.send(customer, &msg)
}

func (q *Quorum) fire(m *Machine) {
	q.tell(m)
	if q.Setup != nil && !q.Fan {
		q.weigh(m, q.state(m))
	}
}

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
	if v.outcome != Sent || m.rules.minimum(mo) == 0 && len(mo.Steps) == 0 {
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
	case quorumRefused:
		return v.refuse(Suppressed, NotSetUp), false
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
	o.Quorum = uint8(msg.Line)
	m.platform = nil
	for r := (reader{b: msg.Body}); r.left() > 0 && r.err == nil; {
		if x := (Datum{r.str(), r.str(), 0}); x.Text != "" {
			m.platform = append(m.platform, x)
		}
	}
	c.hold(m, i)
	m.platform = nil
}
