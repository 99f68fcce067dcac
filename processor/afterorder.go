package processor

import (
	"onhand/processor/moments"
	"slices"
)

// AfterOrder is what follows a customer's orders: parcels on their way, rewards,
// subscriptions and what lies in a store for them. Most customers have none, and then it is not there.
//
// Each of them is a function of the set of events about it, whatever the order
// of their arrival, so that two copies of it, of two profiles that turn out to
// be one person, merge by the same rules.
type AfterOrder struct {
	Shipments     []Shipment
	Rewards       []Reward
	Subscriptions []Subscription
	Collections   []Collection
}

// Limits of what one customer holds; the oldest goes first.
const (
	maxShipments     = 64
	maxRewards       = 64
	maxSubscriptions = 64
)

// afterOrder returns what follows the customer's orders, made when new.
func (c *Customer) afterOrder() *AfterOrder {
	if c.After == nil {
		c.After = &AfterOrder{}
	}
	return c.After
}

func (a *AfterOrder) bytes() int {
	if a == nil {
		return 0
	}
	n := 96 + 176*cap(a.Shipments) + 112*cap(a.Rewards) + 80*cap(a.Subscriptions) + 24*cap(a.Collections)
	for i := range a.Shipments {
		n += 32 * cap(a.Shipments[i].Lines)
	}
	for i := range a.Rewards {
		n += 80 * cap(a.Rewards[i].Uses)
	}
	return n
}

func (a *AfterOrder) encode(w *writer) {
	w.bool(a != nil)
	if a == nil {
		return
	}
	w.uint(uint64(len(a.Shipments)))
	for i := range a.Shipments {
		a.Shipments[i].encode(w)
	}
	w.uint(uint64(len(a.Rewards)))
	for i := range a.Rewards {
		a.Rewards[i].encode(w)
	}
	w.uint(uint64(len(a.Subscriptions)))
	for i := range a.Subscriptions {
		a.Subscriptions[i].encode(w)
	}
	w.uint(uint64(len(a.Collections)))
	for i := range a.Collections {
		a.Collections[i].encode(w)
	}
}

func decodeAfterOrder(r *reader) *AfterOrder {
	if !r.bool() {
		return nil
	}
	a := &AfterOrder{}
	a.Shipments = make([]Shipment, r.count(12))
	for i := range a.Shipments {
		a.Shipments[i].decode(r)
	}
	a.Rewards = make([]Reward, r.count(7))
	for i := range a.Rewards {
		a.Rewards[i].decode(r)
	}
	a.Subscriptions = make([]Subscription, r.count(6))
	for i := range a.Subscriptions {
		a.Subscriptions[i].decode(r)
	}
	a.Collections = make([]Collection, r.count(10))
	for i := range a.Collections {
		a.Collections[i].decode(r)
	}
	return a
}

// merge adds what is known of the same person under another id.
func (a *AfterOrder) merge(b *AfterOrder) {
	for i := range b.Shipments {
		a.shipment(b.Shipments[i].ID).merge(&b.Shipments[i])
	}
	for i := range b.Rewards {
		a.reward(b.Rewards[i].ID).merge(&b.Rewards[i])
	}
	for i := range b.Subscriptions {
		a.subscription(b.Subscriptions[i].ID).merge(&b.Subscriptions[i])
	}
	for i := range b.Collections {
		a.collection(b.Collections[i].Order).merge(&b.Collections[i])
	}
}

// mergeAfter takes over what follows the orders of another id. The order a
// reward was used in may have been cancelled here, or have got other lines, and its
// ledger must know whose it is.
func (c *Customer) mergeAfter(m *Machine, b *AfterOrder) {
	a := c.afterOrder()
	a.merge(b)
	for i := range b.Rewards {
		if w := c.reward(b.Rewards[i].ID); w != nil {
			if why := w.full(&b.Rewards[i]); why != "" {
				m.dead("limit", why, m.current)
			}
		}
	}
	for i := range a.Rewards {
		c.voidUses(&a.Rewards[i])
		c.unvoidUses(&a.Rewards[i])
		c.saySo(m, a.Rewards[i].ID, &a.Rewards[i])
	}
}

// newer reports whether a word said at a time replaces another one: the later
// does, and of two said at once always the same, whichever was heard first.
func newer[T ~string | ~int64](at int64, word T, said int64, known T) bool {
	return at > said || at == said && word > known
}

// room makes room for one more in a list of at most n: the first of those with
// the smallest age goes.
func room[T any](list []T, n int, age func(*T) int64) []T {
	if len(list) < n {
		return list
	}
	oldest := 0
	for i := range list {
		if age(&list[i]) < age(&list[oldest]) {
			oldest = i
		}
	}
	return slices.Delete(list, oldest, oldest+1)
}

// afterLines says what a message about an order, a parcel or a reward speaks
// of, and whether there is still something to say.
func (c *Customer) afterLines(m *Machine, mo *moments.Moment, o *Occurrence, v *verdict) {
	switch mo.Per {
	case "order_id":
		order := c.order(Hash(o.Value))
		if order == nil || !order.Placed && order.Cancelled == 0 {
			return
		}
		for i := range order.Lines {
			if l := &order.Lines[i]; order.left(l) > 0 {
				v.say(m, ActionLine{SKU: l.SKU, Quantity: order.left(l), Price: l.Price})
			}
		}
		gone := order.Cancelled != 0 || len(order.Lines) > 0 && len(v.lines) == 0
		if gone && !o.ofLoss() || order.Disputed && mo.Class.Name == "marketing" {
			*v = v.refuse(Suppressed, Cancelled)
		}
	case "shipment_id":
		s := c.shipment(o.Value)
		if s == nil {
			return
		}
		for _, l := range c.parcel(s) {
			v.say(m, ActionLine{SKU: l.SKU, Quantity: l.Quantity})
		}
	case "reward_id":
		if c.reward(o.Value).State(m.shop.Now) == RewardUsed {
			*v = v.refuse(Suppressed, Redeemed)
		}
	}
}

// ofLoss reports whether it is said that something was given up, which is no
// reason not to say so.
func (o *Occurrence) ofLoss() bool {
	return o.Cause == OrderCancelled || o.Cause == OrderRefunded || o.Cause == ReturnReceived
}

// say adds a line to the message, with what the catalogue says of it.
func (v *verdict) say(m *Machine, l ActionLine) {
	f := m.facts(l.SKU)
	l.Title, l.URL, l.Image = f.Product.Title, f.Product.URL, f.Product.Image
	v.lines = append(v.lines, l)
	v.total = plus(v.total, l.Price, l.Quantity)
}

// afterData returns what more a message about an order, a parcel or a reward
// may say: where the parcel is, what was used and what is left.
func (c *Customer) afterData(m *Machine, mo *moments.Moment, o *Occurrence) (data []Datum) {
	add := func(name, text string, number int64) {
		if text != "" || number != 0 {
			data = append(data, Datum{name, text, number})
		}
	}
	switch mo.Per {
	case "order_id":
		add("order_id", o.Value, 0)
		if c.After == nil {
			return data
		}
		id := Hash(o.Value)
		for i := range c.After.Rewards {
			w := &c.After.Rewards[i]
			if slices.ContainsFunc(w.Uses, func(u RewardUse) bool { return u.Order == id && !u.void() }) {
				data = append(data, Datum{rewardDatum, w.ID, 0})
				if w.IssuedAt == 0 {
					return data // its issue was not heard of yet: nobody knows what it was worth
				}
				left, _ := w.left()
				return append(data, Datum{"reward_left", "", left}, Datum{"rewards_balance", "", c.balance(m.shop.Now)})
			}
		}
	case "family":
		if w := c.usable(m.shop.Now); w != nil && carries(mo) {
			data = w.data(data)
		}
	case "shipment_id":
		if s := c.shipment(o.Value); s != nil {
			add("shipment_id", s.ID, 0)
			add("status", s.Status, 0)
			add("tracking_id", s.Tracking, 0)
			add("promised_at", "", s.PromisedAt)
		}
	case "reward_id":
		if w := c.reward(o.Value); w != nil {
			data = w.data(data)
		}
	}
	return data
}
