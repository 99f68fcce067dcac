package processor

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Household is the people who live together, as the shop says by a trait of each
// of them: identify {traits: {household: h1}}. What one of them has is suggested
// to none of the others, and caps may bound what all of them are told together
// (`household: true`). They stay people of their own in everything else.
//
//	identify -> Customer: another household than before?
//	   |-- LeaveHousehold --> the one before
//	   '-- JoinHousehold ---> Household: who is of it, and what each of them has
//	                             '-- TellHousehold --> all of them: what the others have
//
//	candidate, the gate agrees --AskHousehold--> Household: room under its caps?
//	    gated again <--------AnswerHousehold-------'
//	       |   no: frequency_cap; not sent after all: ReturnHousehold, its place is free again
//	       v
//	     sent
//
// It lives where its id hashes to, and goes by the caps in force there. Who is to
// be told asks it one at a time, so that of two at the same instant the second
// knows of the first. What is had is told as a whole, as hashes of items, by an
// order and by whatever takes units of it back, so the last word is what is; see
// member.go for the customer's side.
//
// Each id is a member by itself: one that becomes a forward or is erased leaves,
// with its name and what it had, and its keeper joins. What was said stays
// counted, under the id of the decision: it reached the household. Nothing is
// kept, asked or told for rules without a cap of households and without a moment
// that speaks of what goes with an item.
type Household struct {
	*head
	ID      string
	Members []member  // by id
	Said    []Contact // what its caps count; of a contact the moment, class and channel
}

// member is one customer of a household.
type member struct {
	ID  string
	Has string // what the customer has; see items
}

// Limits of one household.
const (
	maxMembers = 32  // who comes later is refused, and is nobody's
	maxHas     = 128 // items of one member, those bought last
)

// items is a set of items: hashes of their numbers, ascending, 8 bytes each.
type items string

// has reports whether an item is one of the set.
func (x items) has(sku string) bool {
	h := Hash(sku)
	from, to := 0, len(x)/8
	for from < to {
		mid := (from + to) / 2
		switch at := x.at(mid); {
		case at == h:
			return true
		case at < h:
			from = mid + 1
		default:
			to = mid
		}
	}
	return false
}

func (x items) at(i int) uint64 {
	return binary.BigEndian.Uint64([]byte(x[8*i : 8*i+8]))
}

// itemsOf makes a set of hashes, which it sorts.
func itemsOf(hashes []uint64) (b []byte) {
	slices.Sort(hashes)
	for _, h := range slices.Compact(hashes) {
		b = binary.BigEndian.AppendUint64(b, h)
	}
	return b
}

func (h *Household) id() string { return h.ID }

// fire has another look whether there is still something to remember.
func (h *Household) fire(m *Machine) {
	m.touch(h)
	h.rest(m)
}

// rest has the state forget a household that all have left, when no cap counts any
// more what they were told.
func (h *Household) rest(m *Machine) {
	if len(h.Members) > 0 {
		m.arm(h, 0)
		return
	}
	last, memory := int64(0), m.rules.memory()
	h.Said = slices.DeleteFunc(h.Said, func(k Contact) bool { return m.shop.Now-k.At > memory })
	for i := range h.Said {
		last = max(last, h.Said[i].At)
	}
	if len(h.Said) > 0 {
		m.arm(h, last+memory+1)
		return
	}
	m.arm(h, 0)
	h.gone = m.load(HouseholdKind, h.hash+1) == nil // else it would not be found; see find
}

func (h *Household) bytes() int {
	n := 160 + len(h.ID) + 150*cap(h.Said)
	for i := range h.Members {
		n += 48 + len(h.Members[i].ID) + len(h.Members[i].Has)
	}
	return n
}

func (h *Household) encode(w *writer) {
	w.str(h.ID)
	w.uint(uint64(len(h.Members)))
	for i := range h.Members {
		w.str(h.Members[i].ID)
		w.str(h.Members[i].Has)
	}
	w.uint(uint64(len(h.Said)))
	for i := range h.Said {
		h.Said[i].encode(w)
	}
}

func (h *Household) decode(r *reader) {
	h.ID = r.str()
	h.Members = make([]member, r.count(2))
	for i := range h.Members {
		h.Members[i] = member{r.str(), r.str()}
	}
	h.Said = make([]Contact, r.count(8))
	for i := range h.Said {
		h.Said[i].decode(r)
	}
}

// householdMessage applies what a customer tells a household, or asks of it.
func (m *Machine) householdMessage(msg *Message) {
	e, at := m.find(HouseholdKind, msg.Ref, Hash(msg.Ref))
	if e == nil && msg.Type != JoinHousehold {
		if msg.Type == AskHousehold { // on its way when the last one left
			(&Household{ID: msg.Ref}).asked(m, msg)
		}
		return
	}
	if e == nil {
		e = m.create(HouseholdKind, at)
		e.(*Household).ID = strings.Clone(msg.Ref)
	}
	h := e.(*Household)
	m.touch(h)
	h.gone = false
	switch msg.Type {
	case JoinHousehold:
		h.join(m, msg)
	case LeaveHousehold:
		if i, in := h.member(msg.Customer); in {
			h.Members = slices.Delete(h.Members, i, i+1)
			h.tell(m, "")
		}
	case AskHousehold:
		h.asked(m, msg)
	case ReturnHousehold:
		h.Said = slices.DeleteFunc(h.Said, func(k Contact) bool { return k.ID == string(msg.Body) })
	}
	h.rest(m)
}

// member returns the place of a member, or where it would be.
func (h *Household) member(id string) (int, bool) {
	return slices.BinarySearchFunc(h.Members, id, func(x member, id string) int { return strings.Compare(x.ID, id) })
}

// join takes a customer in, or what one of its members has now.
func (h *Household) join(m *Machine, msg *Message) {
	i, in := h.member(msg.Customer)
	switch {
	case in && h.Members[i].Has == string(msg.Body):
		h.answer(m, i)
	case in:
		h.Members[i].Has = string(msg.Body)
		h.tell(m, msg.Customer)
	case len(h.Members) >= maxMembers:
		m.dead("limit", fmt.Sprintf("household %s has %d people, no more are kept: not %s", h.ID, maxMembers, msg.Customer), m.current)
		m.send(msg.Customer, &Message{Type: TellHousehold, Customer: msg.Customer, Ref: h.ID})
	default:
		h.Members = slices.Insert(h.Members, i, member{strings.Clone(msg.Customer), string(msg.Body)})
		h.tell(m, "")
	}
}

// tell tells the members what the others have; but is who need not be told.
func (h *Household) tell(m *Machine, but string) {
	for i := range h.Members {
		if h.Members[i].ID != but {
			h.answer(m, i)
		}
	}
}

// answer tells a member what the others have.
func (h *Household) answer(m *Machine, i int) {
	var all []uint64
	for j := range h.Members {
		if x := items(h.Members[j].Has); j != i {
			for k := range len(x) / 8 {
				all = append(all, x.at(k))
			}
		}
	}
	id := h.Members[i].ID
	m.send(id, &Message{Type: TellHousehold, Customer: id, Ref: h.ID, Quantity: int64(len(h.Members)), Body: itemsOf(all), Park: true})
}

// question is what a customer asks before a message is sent.
type question struct {
	ID       string   // of the decision
	Moment   string   // what it is of
	Class    string   // whose caps are asked
	Zone     string   // of the customer, for caps that go by the calendar; "" = not known
	Channels []string // on which it may be sent, the first before the others
}

func (q *question) encode() []byte {
	w := writer{}
	w.str(q.ID)
	w.str(q.Moment)
	w.str(q.Class)
	w.str(q.Zone)
	writeStrings(&w, q.Channels)
	return w.b
}

// asked says on which channel one more message may be sent, or until when none
// may. Whoever is asked again says the same again. Who is no member any more is
// not counted here.
func (h *Household) asked(m *Machine, msg *Message) {
	r := reader{b: msg.Body, s: string(msg.Body)}
	q := question{r.str(), r.str(), r.str(), r.str(), readStrings(&r)}
	if r.err != nil || len(q.Channels) == 0 {
		m.dead("malformed", "question to household "+h.ID, m.current)
		return
	}
	again := int64(0)
	say := func(channel string, until int64) {
		w := writer{}
		w.str(q.ID)
		w.str(channel)
		m.send(msg.Customer, &Message{Type: AnswerHousehold, Customer: msg.Customer, Ref: h.ID, Park: channel != "", Line: again, Until: until, Body: w.b})
	}
	if _, in := h.member(msg.Customer); !in {
		if !msg.Park {
			say(q.Channels[0], 0)
		}
		return
	}
	h.Said = slices.DeleteFunc(h.Said, func(k Contact) bool { return msg.At-k.At > m.rules.memory() })
	if i := slices.IndexFunc(h.Said, func(k Contact) bool { return k.ID == q.ID }); i >= 0 {
		if again = 1; !msg.Park {
			say(h.Said[i].Channel, 0)
		}
		return
	}
	take := func(channel string) {
		if len(h.Said) >= maxContacts {
			h.Said = slices.Delete(h.Said, 0, 1) // a cap counts at most half of what is kept
		}
		h.Said = append(h.Said, Contact{ID: q.ID, At: msg.At, Moment: q.Moment, Class: q.Class, Channel: channel})
	}
	if msg.Park {
		take(q.Channels[0])
		return
	}
	profile, until := Profile{Zone: Stated{Value: q.Zone}}, int64(0)
	zone := func() *time.Location { return profile.location(m.shop.Now) }
	for _, ch := range q.Channels {
		t := m.rules.capped(true, h.Said, nil, q.Class, ch, msg.At, zone)
		if t == 0 {
			take(ch)
			say(ch, 0)
			return
		}
		until = earliest(until, t)
	}
	say("", until)
}
