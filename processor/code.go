package processor

import (
	"crypto/hmac"
	"crypto/sha256"
	"onhand/processor/moments"
	"slices"
)

// A code goes with one message and can be used once: `code: {valid, units}`.
// There are so many for the whole shop, so they are counted in one place. So is
// what the messages of a moment cost, when it may not spend more than so much:
// `spend`. Each is counted with the cost of the dearest channel it may take.
//
//	candidate, the gate agrees --AskCode--> partition 0: one left?
//	    gated again <--------GiveCode------------'
//	       |   refused: ReturnCode, its unit is free again
//	       v
//	     sent, with the code and its end
//
// The code derives from the action's id, so every attempt carries the same,
// and from a secret that came into the log with the moments file, so that
// nobody who knows the customer can work it out.

// CodeCount is how many codes of a moment are given out, in partition 0.
type CodeCount struct {
	Moment string
	Given  int64
	Spent  int64 // millionths of a minor unit
}

// counted reports whether the messages of a moment are counted for the shop.
func counted(mo *moments.Moment) bool { return mo.Code.Valid > 0 || mo.Spend > 0 }

// cost returns what one message of a moment costs at most, in millionths of a
// minor unit.
func (r *rules) cost(mo *moments.Moment) (most int64) {
	if mo == nil || mo.Spend == 0 {
		return 0
	}
	for _, name := range mo.Channels {
		if ch := r.file.Policy.Channel(name); ch != nil {
			most = max(most, int64(ch.Cost))
		}
	}
	return most
}

// codeText returns the code of an action: 12 characters that are not taken for
// one another, 60 bits.
func codeText(secret, action string) string {
	const letters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(action))
	code := mac.Sum(nil)[:12]
	for i, b := range code {
		code[i] = letters[b&31]
	}
	return string(code)
}

// askCode asks for a code for a candidate that may be sent.
func (c *Customer) askCode(m *Machine, o *Occurrence, mo *moments.Moment) {
	c.stop(m, o)
	o.State, o.Due = waitingState, 0
	m.sendTo(0, &Message{
		Type: AskCode, Ref: o.Moment, SKU: o.Value, Customer: c.ID, Line: int64(o.Then), Quantity: mo.Code.Units,
		MaxPrice: mo.Spend * int64(moments.One), Place: m.rules.cost(mo),
	})
}

// returnCode gives a code back that was not sent, and what was counted for the
// message by the rules that it began under.
func (c *Customer) returnCode(m *Machine, moment string, activation uint64) {
	r := m.rules.of(activation)
	m.sendTo(0, &Message{Type: ReturnCode, Ref: moment, Customer: c.ID, Place: r.cost(r.file.Moment(moment))})
}

// codeMessage counts codes, in partition 0.
func (m *Machine) codeMessage(msg *Message) {
	s := &m.shop
	i := slices.IndexFunc(s.Codes, func(n CodeCount) bool { return n.Moment == msg.Ref })
	if i < 0 {
		s.Codes = append(s.Codes, CodeCount{Moment: clone(msg.Ref)})
		i = len(s.Codes) - 1
	}
	n := &s.Codes[i]
	if msg.Type == ReturnCode {
		n.Given, n.Spent = max(0, n.Given-1), max(0, n.Spent-msg.Place)
		return
	}
	given := (msg.Quantity == 0 || n.Given < msg.Quantity) && (msg.MaxPrice == 0 || n.Spent+msg.Place <= msg.MaxPrice)
	if given {
		n.Given, n.Spent = n.Given+1, n.Spent+msg.Place
	}
	m.send(msg.Customer, &Message{Type: GiveCode, Ref: msg.Ref, SKU: msg.SKU, Customer: msg.Customer, Line: msg.Line, Place: msg.Place, Park: given})
}

// asksCode returns the place of the candidate that an answer is for, -1 when there
// is none any more.
func (c *Customer) asksCode(msg *Message) int {
	return slices.IndexFunc(c.Occurrences, func(o Occurrence) bool {
		return o.State == waitingState && o.Moment == msg.Ref && o.Value == msg.SKU && int64(o.Then) == msg.Line && !o.Coded
	})
}

// othersDue reports whether another message, with which a candidate is not
// compared, is due to the customer as well. It may say what the candidate would, so
// it is decided before a code is asked for: what is given back in the same instant
// may have been refused to somebody meanwhile.
func (c *Customer) othersDue(m *Machine, o *Occurrence, mo *moments.Moment) bool {
	return slices.ContainsFunc(c.Occurrences, func(p Occurrence) bool {
		if p.is(o) || p.State != windowState && p.State != deferredState || p.Due == 0 || p.Due > m.shop.Now {
			return false
		}
		x := m.rules.moment(&p)
		return x != nil && x.Do == moments.DoMessage && x.Mode == moments.Live && !counted(x) && (!x.Class.Arbitration || !mo.Class.Arbitration)
	})
}

// codeGiven goes on with the candidate that asked for a code, when there still
// is one. Park says that there was a code left. Who gets none may be told nothing
// for another reason by now, which is said then.
func (c *Customer) codeGiven(m *Machine, msg *Message) {
	i := c.asksCode(msg)
	switch {
	case i < 0 && msg.Park:
		m.sendTo(0, &Message{Type: ReturnCode, Ref: msg.Ref, Customer: c.ID, Place: msg.Place})
	case i >= 0:
		o := &c.Occurrences[i]
		o.Coded, o.State, o.Due = msg.Park, deferredState, m.shop.Now
		if !msg.Park {
			m.spent = m.decisionID(c, o, verdict{outcome: Sent})
		}
		c.occur(m, i)
		m.spent = ""
	}
}

// codeData returns the code of a message and when it ends.
func (m *Machine) codeData(mo *moments.Moment, action string) []Datum {
	return []Datum{{"code", codeText(m.shop.Secret, action), 0}, {codeEnd, "", m.shop.Now + mo.Code.Valid.Milliseconds()}}
}

// codeEnd names the end of a code in the data of an action.
const codeEnd = "code_ends_at"

// coded returns when the code of an action ends; 0 = it has none.
func (a *Action) coded() int64 {
	for i := range a.Data {
		if a.Data[i].Name == codeEnd {
			return a.Data[i].Number
		}
	}
	return 0
}
