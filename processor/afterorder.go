package processor

import "slices"

// AfterOrder is what follows a customer's orders: parcels on their way, rewards
// and subscriptions. Most customers have none, and then it is not there.
//
// Each of them is a function of the set of events about it, whatever the order
// of their arrival, so that two copies of it, of two profiles that turn out to
// be one person, merge by the same rules.
type AfterOrder struct {
	Shipments     []Shipment
	Rewards       []Reward
	Subscriptions []Subscription
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
	n := 72 + 176*cap(a.Shipments) + 112*cap(a.Rewards) + 80*cap(a.Subscriptions)
	for i := range a.Shipments {
		n += 32 * cap(a.Shipments[i].Lines)
	}
	for i := range a.Rewards {
		n += 56 * cap(a.Rewards[i].Uses)
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
