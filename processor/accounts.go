package processor

import (
	"slices"
	"strings"
)

// accounts keeps one person with many accounts from holding many units: of the
// customers with one mail address or telephone number (see Claims) at most one
// has an open offer of an item. The others are passed over, are told so
// (combined: it was said to them under another id), and come back to their place
// when that offer ends.
//
//	serve: the next in line, but a unit is held for their address already
//	   |-- HeldElsewhere --> their customer's side: combined
//	   '-> Parked, noted in Aside; back in line when the offer ends
//
// The item knows an address by a hash of its id, which comes with the place asked
// for, wherever the customer lives. Who claims none is nobody else.
type accounts struct {
	Taken List // address -> number of the open offer
	Aside List // address, rank -> nothing: who waits for that offer to end
}

// asidesPerStep bounds the places that come back when an offer ends. The others of
// an address with more accounts come with the next one, or when units are free
// that none of those took; see recall.
const asidesPerStep = 64

// addressBytes is the length of an address, a hash.
const addressBytes = 8

// pastAll is greater than every key of a place.
var pastAll = strings.Repeat("\xff", 9+MaxIDBytes)

// terms says in a message on which terms a customer waits: the places accepted,
// and the addresses they are known by.
func (c *Customer) terms(m *Machine, in *Interest) []byte {
	b := c.places(m, in)
	if c.Claims == nil {
		return b
	}
	w := writer{b: b}
	if len(b) == 0 {
		writeStrings(&w, nil)
	}
	for _, k := range [...]*claim{&c.Claims.Email, &c.Claims.Phone} {
		if k.ID != "" {
			w.u64(Hash(k.ID))
		}
	}
	return w.b
}

// heldElsewhere tells the customer that a unit is held for them under another id.
func (c *Customer) heldElsewhere(m *Machine, msg *Message) {
	in := c.interest(msg.SKU)
	if in == nil || !in.Queued || in.Offer != 0 {
		return
	}
	name, _ := in.strongest(m.shop.Now)
	mo := c.offerMoment(m, name, msg.SKU)
	if name == "" || mo == nil || c.occurrence(mo.Name, msg.SKU) >= 0 {
		return
	}
	i := c.addOccurrence(m, mo.Name, msg.SKU)
	c.Occurrences[i].Cause, c.Occurrences[i].At = StockLevelReported, m.shop.Now
	why := Combined
	if _, r := c.permitted(m, mo, &c.Occurrences[i]); r != ConsentPending && slices.Contains(strength, r) {
		why = r // which is asked before, and would have been said of a unit of their own
	}
	c.conclude(m, i, verdict{outcome: Suppressed, reason: why, stockAge: -1})
}

// heldFor returns the address of an entry for which an offer is open, be it one
// of this step; false when there is none.
func (q *Queue) heldFor(m *Machine, e entry, opened map[string]bool) (string, bool) {
	for _, a := range e.addresses {
		if opened[a] {
			return a, true
		}
		if q.Accounts != nil {
			if _, ok := q.Accounts.Taken.get(m, a); ok {
				return a, true
			}
		}
	}
	return "", false
}

// took notes the offer that is opened for an entry.
func (q *Queue) took(m *Machine, it *Item, e entry, n int64) {
	if len(e.addresses) == 0 {
		return
	}
	if q.Accounts == nil {
		q.Accounts = &accounts{}
	}
	for _, a := range e.addresses {
		q.Accounts.Taken.put(m, it.head, a, offerKey(n))
	}
}

// setAside parks an entry until the offer to its address has ended.
func (q *Queue) setAside(m *Machine, it *Item, key, address string) {
	e, _ := q.remove(m, key)
	q.Parked.put(m, it.head, key, e.value())
	q.Accounts.Aside.put(m, it.head, address+key, "")
	m.send(e.customer, &Message{Type: HeldElsewhere, SKU: it.SKU, Customer: e.customer})
}

// asideFor returns the address of a parked entry whose offer it waits for to end;
// false when it waits for something else.
func (q *Queue) asideFor(m *Machine, key, value string) (string, bool) {
	if q.Accounts == nil {
		return "", false
	}
	for _, a := range parseEntry(key, value).addresses {
		if _, ok := q.Accounts.Aside.get(m, a+key); ok {
			return a, true
		}
	}
	return "", false
}

// unpark takes a place out of those that are parked, for whatever reason it is.
func (q *Queue) unpark(m *Machine, key string) {
	if v, ok := q.Parked.get(m, key); ok {
		if a, aside := q.asideFor(m, key, v); aside {
			q.Accounts.Aside.remove(m, a+key)
		}
		q.Parked.remove(m, key)
	}
}

// release brings back who waited for an offer to end that has.
func (q *Queue) release(m *Machine, it *Item, o offer, n int64) {
	if q.Accounts == nil || o.entry == "" {
		return
	}
	for _, a := range parseEntry(o.key, o.entry).addresses {
		if v, ok := q.Accounts.Taken.get(m, a); !ok || v != offerKey(n) {
			continue
		}
		q.Accounts.Taken.remove(m, a)
		q.comeBack(m, it, a, asidesPerStep)
	}
	if q.Accounts.Taken.Len() == 0 && q.Accounts.Aside.Len() == 0 {
		q.Accounts = nil
	}
}

// comeBack brings back up to n places of an address, and returns how many it
// looked at: of a place that was given up meanwhile nothing is left.
func (q *Queue) comeBack(m *Machine, it *Item, address string, n int) int {
	for i := range n {
		aside, _, ok := q.Accounts.Aside.first(m, address)
		key, here := strings.CutPrefix(aside, address)
		if !ok || !here {
			return i
		}
		q.Accounts.Aside.remove(m, aside)
		if v, ok := q.Parked.remove(m, key); ok {
			q.put(m, it, key, parseEntry(key, v))
		}
	}
	return n
}

// recall brings back places that were set aside for an offer which has ended: of
// those that came back then nobody may be left. It reports whether some did, to
// be served in the next step.
func (q *Queue) recall(m *Machine, it *Item) (more bool) {
	x := q.Accounts
	from := ""
	for range triesPerStep {
		aside, _, ok := x.Aside.first(m, from)
		if !ok {
			break
		}
		address := aside[:addressBytes]
		if _, held := x.Taken.get(m, address); !held {
			more = q.comeBack(m, it, address, asidesPerStep) > 0
			break
		}
		from = address + pastAll
	}
	if x.Taken.Len() == 0 && x.Aside.Len() == 0 {
		q.Accounts = nil
	}
	return more
}

func (x *accounts) bytes() int {
	if x == nil {
		return 0
	}
	return 80 + x.Taken.bytes() + x.Aside.bytes()
}

func (x *accounts) encode(w *writer) {
	w.bool(x != nil)
	if x != nil {
		x.Taken.encode(w)
		x.Aside.encode(w)
	}
}

func decodeAccounts(r *reader) *accounts {
	if !r.bool() {
		return nil
	}
	x := &accounts{}
	x.Taken.decode(r)
	x.Aside.decode(r)
	return x
}
