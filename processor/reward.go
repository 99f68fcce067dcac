package processor

import (
	"fmt"
	"onhand/processor/moments"
	"slices"
)

// Reward is money or a favour a customer may use once, or bit by bit until it
// is spent: on line, with an order, or as a paper certificate at a till.
//
//	Reward Issued ---> valid --- Reward Redeemed, an order with it ---> used
//	                    |  ^                                             |
//	     Reward Expired |  +-------------- the order is cancelled -------+
//	     or its date    v
//	                  expired
//
// It is a set of facts: what it is worth as said last, and its uses, each once.
// What is left of it follows from them, whatever the order of their arrival.
type Reward struct {
	ID        string
	Amount    int64 // minor units; 0 = not an amount of money, used as a whole
	IssuedAt  int64 // 0 = nobody told of its issue
	ExpiresAt int64 // Unix ms; 0 = never
	ExpiredAt int64 // said to be expired since then; 0 = not said
	Said      int64 // when Amount and ExpiresAt were said
	Restored  int64 // log time at which a cancelled order last gave it back
	Uses      []RewardUse
	Heard     bool // its ledger has answered since it was issued: what others said of it before is known
}

// RewardUse is one use of a reward.
type RewardUse struct {
	Key    uint64 // the same for all who tell of it: of the order, or of the store and the time
	Order  uint64 // hash of the order id; 0 = none
	At     int64
	Amount int64  // minor units; 0 = all that was left
	Turns  uint64 // how often its order gave it back, or took it again: odd = it is given back
	Store  string
}

// RewardState says whether a reward can be used.
type RewardState string

// The states of a reward.
const (
	RewardUnknown RewardState = "unknown"
	RewardValid   RewardState = "valid"
	RewardUsed    RewardState = "used"
	RewardPast    RewardState = "expired"
)

// maxUses bounds the uses of one reward that are kept. A further one changes
// nothing and is a dead letter.
const maxUses = 32

// full returns what to say of a use that found no room among those of a reward
// after n was merged into it, "" when each has.
func (w *Reward) full(n *Reward) string {
	if len(w.Uses) < maxUses {
		return ""
	}
	for _, u := range n.Uses {
		if !slices.ContainsFunc(w.Uses, func(k RewardUse) bool { return k.Key == u.Key }) {
			return fmt.Sprintf("the reward %s was used %d times, no more uses are kept: what is left of it is too much by this one", w.ID, maxUses)
		}
	}
	return ""
}

func (w *Reward) encode(to *writer) {
	to.str(w.ID)
	for _, n := range [...]int64{w.Amount, w.IssuedAt, w.ExpiresAt, w.ExpiredAt, w.Said, w.Restored} {
		to.int(n)
	}
	to.uint(uint64(len(w.Uses)))
	for _, u := range w.Uses {
		to.u64(u.Key)
		to.u64(u.Order)
		to.int(u.At)
		to.int(u.Amount)
		to.uint(u.Turns)
		to.str(u.Store)
	}
	to.bool(w.Heard)
}

func (w *Reward) decode(r *reader) {
	*w = Reward{ID: r.str()}
	for _, n := range [...]*int64{&w.Amount, &w.IssuedAt, &w.ExpiresAt, &w.ExpiredAt, &w.Said, &w.Restored} {
		*n = r.int()
	}
	if n := r.count(20); n > 0 {
		w.Uses = make([]RewardUse, n)
		for i := range w.Uses {
			w.Uses[i] = RewardUse{r.u64(), r.u64(), r.int(), r.int(), r.uint(), r.str()}
		}
	}
	w.Heard = r.bool()
}

// reward returns a reward by its id, made when new.
func (a *AfterOrder) reward(id string) *Reward {
	if i := slices.IndexFunc(a.Rewards, func(w Reward) bool { return w.ID == id }); i >= 0 {
		return &a.Rewards[i]
	}
	a.Rewards = room(a.Rewards, maxRewards, func(w *Reward) int64 { return w.Said })
	a.Rewards = append(a.Rewards, Reward{ID: clone(id)})
	return &a.Rewards[len(a.Rewards)-1]
}

// reward returns a reward of the customer, nil when it is not known.
func (c *Customer) reward(id string) *Reward {
	if c.After != nil {
		for i := range c.After.Rewards {
			if w := &c.After.Rewards[i]; w.ID == id {
				return w
			}
		}
	}
	return nil
}

// rewardEvent applies what is said of a reward. changed says that it was news.
func (c *Customer) rewardEvent(m *Machine, e *Event) (changed bool) {
	n := rewardOf(e)
	c.voidUses(&n)
	c.saySo(m, e.RewardID, &n)
	w := c.afterOrder().reward(e.RewardID)
	was := w.State(m.shop.Now)
	if changed = w.merge(&n); changed && e.Kind == RewardIssued {
		w.Heard = false // issued to others meanwhile, its ledger may have heard more of it
	} else if changed && was == RewardUsed {
		c.notUsedUp(m, w)
	}
	if why := w.full(&n); why != "" {
		m.dead("limit", why, m.current)
	}
	return changed
}

// rewardOf returns what one event says of a reward.
func rewardOf(e *Event) Reward {
	switch e.Kind {
	case RewardIssued:
		return Reward{IssuedAt: e.At, Amount: e.Total, ExpiresAt: e.ExpiresAt, Said: e.At}
	case RewardExpired:
		return Reward{ExpiredAt: e.At}
	}
	u := RewardUse{At: e.At, Store: clone(e.Location)}
	if e.Kind == RewardRedeemed {
		u.Amount = e.Total
	}
	if e.OrderID != "" {
		u.Order = Hash(e.OrderID)
		u.Key = u.Order
	} else {
		u.Key = mix(Hash(e.Location) ^ uint64(e.At))
	}
	return Reward{Uses: []RewardUse{u}}
}

// void reports whether the use does not count: its order gave it back.
func (u *RewardUse) void() bool { return u.Turns%2 == 1 }

// voidUses marks the uses in orders that were cancelled, and not charged back.
func (c *Customer) voidUses(w *Reward) {
	for i := range w.Uses {
		u := &w.Uses[i]
		if o := c.order(u.Order); u.Order != 0 && !u.void() && o != nil && o.givesBack() {
			u.Turns++
			w.Restored = max(w.Restored, o.cancelledAt()) // heard of too late to be given back, it rests all the same
		}
	}
}

// unvoidUses takes again what was used in orders of which something stands.
func (c *Customer) unvoidUses(w *Reward) {
	for i := range w.Uses {
		u := &w.Uses[i]
		if o := c.order(u.Order); u.Order != 0 && u.void() && o != nil && o.Placed && !o.givesBack() {
			u.Turns++
		}
	}
}

// givesBack reports whether what was used in the order can be used again: all of it
// was cancelled, and the bank took no money of it back.
func (o *Order) givesBack() bool {
	return o.cancelledAt() != 0 && !o.Disputed && !slices.ContainsFunc(o.Less, func(x OrderLess) bool { return x.Charged })
}

// rewardRestMS is how long nobody is reminded of a reward that a cancelled
// order gave back.
const rewardRestMS = 7 * 24 * 3600_000

// settleRewards gives back what was used in an order that was cancelled, and takes
// it again when something of the order stands after all, or the bank took the
// money back; gave says whether the order gave it back before. What reminds of a
// reward may begin again, after a rest, and ends when it is taken again.
func (c *Customer) settleRewards(m *Machine, o *Order, gave bool) {
	gives := o.givesBack()
	if c.After == nil || o.ID == 0 || !gives && !gave {
		return
	}
	for i := range c.After.Rewards {
		w := &c.After.Rewards[i]
		j := slices.IndexFunc(w.Uses, func(u RewardUse) bool { return u.Order == o.ID && u.void() != gives })
		if j < 0 {
			continue
		}
		w.Uses[j].Turns++
		if gives {
			w.Restored = m.shop.Now
		}
		c.saySo(m, w.ID, w)
		switch e := (Event{Kind: RewardIssued, RewardID: w.ID, At: m.shop.Now, Total: w.Amount, ExpiresAt: w.ExpiresAt}); {
		case !gives:
			e.Kind = RewardRedeemed
			c.endOccurrences(m, &e)
		case w.State(m.shop.Now) == RewardValid:
			c.startOccurrences(m, &e)
		}
	}
}

// notUsedUp begins again what calls a reward to mind that was taken to be used up
// until it was heard how little was used: an order that names no amount came
// first. What spoke of it already does not do so twice.
func (c *Customer) notUsedUp(m *Machine, w *Reward) {
	if w.State(m.shop.Now) != RewardValid {
		return
	}
	id := w.ID
	e := Event{Kind: RewardIssued, RewardID: id, At: m.shop.Now, Total: w.Amount, ExpiresAt: w.ExpiresAt}
	m.atOnce = m.atOnce[:0]
	for _, mo := range m.rules.starts(&e) {
		told := func(k Contact) bool { return k.Moment == mo.Name && k.Value == id }
		if mo.Per == "reward_id" && mo.Mode != moments.Off && matches(mo.Where, &e) && !slices.ContainsFunc(c.Contacts, told) {
			c.start(m, mo, id, &e)
		}
	}
	c.decideAtOnce(m)
}

// merge adds what n says of the same reward and reports whether anything was
// new.
func (w *Reward) merge(n *Reward) (changed bool) {
	if n.IssuedAt != 0 {
		changed = w.IssuedAt == 0
		w.IssuedAt = earliest(w.IssuedAt, n.IssuedAt)
		if n.Said > w.Said || n.Said == w.Said && (n.Amount > w.Amount || n.Amount == w.Amount && n.ExpiresAt > w.ExpiresAt) {
			changed = changed || w.Amount != n.Amount || w.ExpiresAt != n.ExpiresAt
			w.Amount, w.ExpiresAt, w.Said = n.Amount, n.ExpiresAt, n.Said
		}
	}
	if n.ExpiredAt != 0 {
		changed = changed || w.ExpiredAt == 0
		w.ExpiredAt = earliest(w.ExpiredAt, n.ExpiredAt)
	}
	w.Restored = max(w.Restored, n.Restored)
	w.Heard = w.Heard || n.Heard
	for _, u := range n.Uses {
		changed = w.use(u) || changed
	}
	return changed
}

// use adds one use, once, and reports whether it was new.
func (w *Reward) use(u RewardUse) (changed bool) {
	for i := range w.Uses {
		k := &w.Uses[i]
		if k.Key != u.Key {
			continue
		}
		changed = u.Turns > k.Turns || u.Amount > k.Amount
		k.At, k.Amount, k.Turns, k.Store = min(k.At, u.At), max(k.Amount, u.Amount), max(k.Turns, u.Turns), max(k.Store, u.Store)
		w.sortUses()
		return changed
	}
	if len(w.Uses) >= maxUses {
		return false
	}
	w.Uses = append(w.Uses, u)
	w.sortUses()
	return true
}

func (w *Reward) sortUses() {
	slices.SortFunc(w.Uses, func(a, b RewardUse) int {
		if a.At != b.At {
			return int(max(-1, min(1, a.At-b.At)))
		}
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
}

// left returns what is left of the reward, in minor units; of one that is not
// an amount 1 or 0. double says that more was used than there was.
func (w *Reward) left() (left int64, double bool) {
	left = max(w.Amount, 1)
	for _, u := range w.Uses {
		if u.void() {
			continue
		}
		take := u.Amount
		if take <= 0 || w.Amount == 0 {
			take = max(left, 1)
		}
		double = double || take > left
		left = max(0, left-take)
	}
	return left, double
}

// State returns whether the reward can be used at a time.
func (w *Reward) State(now int64) RewardState {
	if w == nil || w.IssuedAt == 0 {
		return RewardUnknown
	}
	if left, _ := w.left(); left == 0 {
		return RewardUsed
	}
	if w.ExpiredAt != 0 || w.ExpiresAt != 0 && w.ExpiresAt <= now {
		return RewardPast
	}
	return RewardValid
}

// usable returns the customer's reward that can be used now and expires first,
// nil when there is none.
func (c *Customer) usable(now int64) (first *Reward) {
	if c.After == nil {
		return nil
	}
	for i := range c.After.Rewards {
		w := &c.After.Rewards[i]
		if w.State(now) != RewardValid {
			continue
		}
		if first == nil || w.ExpiresAt != 0 && (first.ExpiresAt == 0 || w.ExpiresAt < first.ExpiresAt) {
			first = w
		}
	}
	return first
}

// data adds what a message says of a reward.
func (w *Reward) data(data []Datum) []Datum {
	data = append(data, Datum{rewardDatum, w.ID, 0})
	if left, _ := w.left(); w.Amount > 0 {
		data = append(data, Datum{"reward_left", "", left})
	}
	if w.ExpiresAt != 0 {
		data = append(data, Datum{"reward_expires_at", "", w.ExpiresAt})
	}
	return data
}

// rewardDatum names the reward a message speaks of.
const rewardDatum = "reward_id"

// rewardKey stands for a reward among the items a message spoke of.
func rewardKey(id string) uint64 { return mix(Hash(id)) }

// partly reports whether an event used a part of a reward only: that ends
// nothing of what calls the rest of it to mind.
func (c *Customer) partly(m *Machine, mo *moments.Moment, e *Event) bool {
	return e.Kind == RewardRedeemed && mo.Per == "reward_id" && c.reward(e.RewardID).State(m.shop.Now) == RewardValid
}

// rewardTimely refuses to speak of a reward that is past, and puts off what
// calls one to mind that a cancelled order has only just given back.
func (c *Customer) rewardTimely(m *Machine, mo *moments.Moment, o *Occurrence, v *verdict) verdict {
	if mo.Per != "reward_id" {
		return *v
	}
	w := c.reward(o.Value)
	switch w.State(m.shop.Now) {
	case RewardPast:
		return v.refuse(Expired, ExpiredReason)
	case RewardValid:
		if rested := w.Restored + rewardRestMS; w.Restored > 0 && rested > m.shop.Now {
			v.until = rested
			return v.refuse(Deferred, TooSoon)
		}
	}
	return *v
}

// rewardSaid refuses to call a reward to mind of which another message spoke not
// long ago.
func (c *Customer) rewardSaid(m *Machine, mo *moments.Moment, o *Occurrence, v *verdict) verdict {
	if mo.Per != "reward_id" || mo.Class.Name == "transactional" || mo.Mode == moments.Shadow {
		return *v
	}
	key := rewardKey(o.Value)
	for i := range c.Contacts {
		if k := &c.Contacts[i]; m.shop.Now-k.At < rewardRestMS && !k.own(o) && slices.Contains(k.SKUs, key) {
			v.lostTo = k.ID
			return v.refuse(Suppressed, Combined)
		}
	}
	return *v
}

// carries reports whether messages of a moment carry a reward that can be used.
func carries(mo *moments.Moment) bool {
	return mo.Per == "family" && slices.Contains(mo.Lines, moments.LineReplenishable)
}

// carried reports whether a reward is the one that a message carries then.
func (c *Customer) carried(id string, at int64) bool {
	w := c.usable(at)
	return w != nil && w.ID == id
}

// rewardWaits puts off what calls a reward to mind while a message is due that
// will carry it, soon and while it is of use: both are one message then.
func (c *Customer) rewardWaits(m *Machine, mo *moments.Moment, o *Occurrence, v *verdict) verdict {
	if mo.Per != "reward_id" || mo.Class.Name == "transactional" || mo.Mode == moments.Shadow {
		return *v
	}
	for i := range c.Occurrences {
		p := &c.Occurrences[i]
		if p.Due == 0 || p.State != windowState && p.State != deferredState || p.Due >= m.shop.Now+rewardRestMS || o.Expires != 0 && p.Due >= o.Expires {
			continue
		}
		if r := (rival{o: p, mo: m.rules.moment(p)}); r.competes() && carries(r.mo) && c.carried(o.Value, p.Due) && c.prospect(m, &r) {
			v.lostTo, v.until = m.decisionID(c, p, verdict{outcome: Sent}), max(p.Due, m.shop.Now)+1
			return v.refuse(Deferred, BetterIsComing)
		}
	}
	return *v
}

// balance returns what all of the customer's rewards that can be used now are
// worth, in minor units.
func (c *Customer) balance(now int64) (sum int64) {
	if c.After == nil {
		return 0
	}
	for i := range c.After.Rewards {
		if w := &c.After.Rewards[i]; w.Amount > 0 && w.State(now) == RewardValid {
			left, _ := w.left()
			sum += left
		}
	}
	return sum
}
