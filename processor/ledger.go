package processor

import (
	"fmt"
	"strings"
	"time"
)

// Ledger is a reward at the place its id hashes to, where a till can ask for it
// without knowing whose it is. It and the reward of its customer are told the
// same facts, so they say the same:
//
//	an event or an order of the customer -> Reward --RewardSaid--> Ledger
//	a certificate used at a till -> Ledger --RewardTold--> Reward
//
// What is heard here before anybody knows whose the reward is, waits here.
type Ledger struct {
	*head
	Reward
	Customer string // "" = not known yet
}

func (l *Ledger) id() string    { return l.ID }
func (l *Ledger) fire(*Machine) {}
func (l *Ledger) bytes() int    { return 180 + len(l.ID) + len(l.Customer) + 80*cap(l.Uses) }

func (l *Ledger) encode(w *writer) {
	l.Reward.encode(w)
	w.str(l.Customer)
}

func (l *Ledger) decode(r *reader) {
	l.Reward.decode(r)
	l.Customer = r.str()
}

// ledger returns the ledger of a reward, made when it is new, ready to be
// changed.
func (m *Machine) ledger(id string) *Ledger {
	e, at := m.find(RewardKind, id, Hash(id))
	if e != nil {
		m.touch(e)
		return e.(*Ledger)
	}
	l := m.create(RewardKind, at).(*Ledger)
	l.ID = strings.Clone(id)
	return l
}

// StatusIfValid is the status of a Reward Redeemed that asks first: it is
// applied only to a reward that can be used, and has that much left.
const StatusIfValid = "if_valid"

// ledgerEvent applies an event that names a reward and no customer.
func (m *Machine) ledgerEvent(e *Event) {
	l := m.ledger(e.RewardID)
	if e.MessageID != "" && m.repeated(l.hash, e) {
		return // the copy may have another time, which would be another use
	}
	if e.Kind == RewardRedeemed && e.Status == StatusIfValid {
		if left, _ := l.left(); l.State(m.shop.Now) != RewardValid || l.Amount > 0 && e.Total > left {
			return
		}
	}
	n := rewardOf(e)
	l.hear(m, &n)
	if why := l.full(&n); why != "" {
		m.dead("limit", why, m.current)
		return
	}
	if l.Customer != "" {
		n.ID = l.ID
		m.send(l.Customer, &Message{Type: RewardTold, Customer: l.Customer, Ref: l.ID, Body: n.body()})
	}
}

// DoubleUse is the reason of the dead letter of a reward that was used for more
// than it is worth.
const DoubleUse = "double_use"

// hear adds what is said of the reward. A use of what was used already, as by
// two tills that reached nobody, is a dead letter that names them all: somebody
// has to look at it.
func (l *Ledger) hear(m *Machine, n *Reward) (changed bool) {
	_, was := l.left()
	was = was && l.IssuedAt != 0
	uses := len(l.Uses)
	changed = l.merge(n)
	if _, is := l.left(); is && l.IssuedAt != 0 && (!was || len(l.Uses) > uses) {
		m.dead(DoubleUse, l.double(), m.current)
	}
	return changed
}

// double says who used the reward for how much, in words.
func (l *Ledger) double() string {
	var uses []string
	for _, u := range l.Uses {
		if u.void() {
			continue
		}
		where := "with an order"
		if u.Store != "" {
			where = "at " + u.Store
		}
		uses = append(uses, fmt.Sprintf("%s on %s for %d", where, time.UnixMilli(u.At).UTC().Format(time.RFC3339), u.Amount))
	}
	return "the reward " + l.ID + " was used for more than it is worth: " + strings.Join(uses, ", ")
}

// ledgerMessage takes what a customer's side says of a reward. It is the
// customer's who was told of its issue, or as long as nobody was, of who spoke
// last; another one may have used it. The one whose it is now is told what was
// heard here before, if only that it was nothing: who tells of the issue waits
// for that before anything calls the reward to mind.
func (m *Machine) ledgerMessage(msg *Message) {
	n, err := parseReward(msg.Body)
	if err != nil {
		m.dead("malformed", "reward "+msg.Ref, m.current)
		return
	}
	l := m.ledger(msg.Ref)
	ask := n.IssuedAt != 0 && !n.Heard
	tell := ask || l.ExpiredAt != 0 || len(l.Uses) > 0
	theirs := l.IssuedAt == 0 || n.IssuedAt != 0 || msg.Customer == l.Customer
	changed := l.hear(m, &n)
	switch {
	case !theirs:
		tell = changed
	case msg.Customer == l.Customer:
		tell = ask
	default:
		l.Customer = strings.Clone(msg.Customer)
	}
	if tell && l.Customer != "" {
		m.send(l.Customer, &Message{Type: RewardTold, Customer: l.Customer, Ref: l.ID, Body: l.body()})
	}
}

func (w *Reward) body() []byte {
	to := writer{}
	w.encode(&to)
	return to.b
}

func parseReward(b []byte) (w Reward, err error) {
	r := reader{b: b}
	w.decode(&r)
	return w, r.err
}

// saySo tells the reward's ledger what the customer's side knows of it.
func (c *Customer) saySo(m *Machine, id string, n *Reward) {
	m.send(id, &Message{Type: RewardSaid, Customer: c.ID, Ref: id, Body: n.body()})
}

// rewardTold takes what a till said of a reward, as an event of the customer.
func (c *Customer) rewardTold(m *Machine, msg *Message) {
	n, err := parseReward(msg.Body)
	if err != nil {
		m.dead("malformed", "reward "+msg.Ref, m.current)
		return
	}
	if c.After == nil && c.Identity != nil && c.Identity.ErasedAt != 0 {
		return
	}
	c.voidUses(&n)
	n.Heard = n.IssuedAt != 0 // else a till spoke of it before anybody told of the issue
	w := c.afterOrder().reward(msg.Ref)
	first, was := n.Heard && !w.Heard, w.State(m.shop.Now)
	if !w.merge(&n) {
		if first {
			c.redate(m)
		}
		return
	}
	e := Event{Kind: RewardIssued, RewardID: msg.Ref, At: n.IssuedAt}
	switch {
	case len(n.Uses) > 0:
		e.Kind, e.At = RewardRedeemed, n.Uses[len(n.Uses)-1].At
		c.saySo(m, msg.Ref, &n) // one of them may be in an order that was cancelled
	case n.ExpiredAt != 0:
		e.Kind, e.At = RewardExpired, n.ExpiredAt
	}
	if was == RewardUsed && e.Kind == RewardRedeemed {
		c.notUsedUp(m, w)
	}
	c.endOccurrences(m, &e)
	c.startOccurrences(m, &e)
	if first || m.rules.moves[e.Kind] {
		c.redate(m)
	}
	c.recheck(m, &e, false, false)
	c.tooLate(m, &e)
}

// LedgerView is a reward as a till sees it.
type LedgerView struct {
	RewardView
	Customer string  `json:"customer,omitempty"`
	Currency string  `json:"currency,omitempty"` // of the amounts
	Position uint64  `json:"position"`
	AsOf     Instant `json:"as_of"`
}

// RewardView returns what is known of a reward. One that nobody spoke of is
// unknown, which is an answer, too.
func (m *Machine) RewardView(id string) LedgerView {
	v := LedgerView{RewardView: RewardView{ID: id, State: RewardUnknown}, Position: m.shop.Position, AsOf: Instant(m.shop.Now)}
	if l, ok := m.get(RewardKind, id).(*Ledger); ok {
		v.RewardView, v.Customer, v.Currency = l.view(m.shop.Now), l.Customer, m.rules.file.Currency
	}
	return v
}

// Redeemed reports whether an event that redeems a reward was applied.
func (m *Machine) Redeemed(e *Event) bool {
	l, ok := m.get(RewardKind, e.RewardID).(*Ledger)
	if !ok {
		return false
	}
	key := rewardOf(e).Uses[0].Key
	for _, u := range l.Uses {
		if u.Key == key && !u.void() {
			return true
		}
	}
	return false
}
