package processor

import (
	"onhand/processor/moments"
	"slices"
)

// Subscription is an item that comes by itself every so often: nobody needs a
// reminder of it. Each of its words is the one said last.
type Subscription struct {
	ID     string
	SKU    string
	Every  int64 // ms between two deliveries; 0 = not told
	NextAt int64 // next one, Unix ms; 0 = not told
	Ended  bool

	// When each word was said: of the item and the end, and of the others.
	Said      int64
	EverySaid int64
	NextSaid  int64
}

func (s *Subscription) encode(w *writer) {
	w.str(s.ID)
	w.str(s.SKU)
	w.int(s.Every)
	w.int(s.NextAt)
	w.bool(s.Ended)
	w.int(s.Said)
	w.int(s.EverySaid)
	w.int(s.NextSaid)
}

func (s *Subscription) decode(r *reader) {
	*s = Subscription{r.str(), r.str(), r.int(), r.int(), r.bool(), r.int(), r.int(), r.int()}
}

// subscription returns a subscription by its id, made when new.
func (a *AfterOrder) subscription(id string) *Subscription {
	if i := slices.IndexFunc(a.Subscriptions, func(s Subscription) bool { return s.ID == id }); i >= 0 {
		return &a.Subscriptions[i]
	}
	a.Subscriptions = room(a.Subscriptions, maxSubscriptions, func(s *Subscription) int64 { return s.Said })
	a.Subscriptions = append(a.Subscriptions, Subscription{ID: clone(id)})
	return &a.Subscriptions[len(a.Subscriptions)-1]
}

// subscription returns a subscription of the customer, nil when it is not
// known.
func (c *Customer) subscription(id string) *Subscription {
	if c.After != nil {
		for i := range c.After.Subscriptions {
			if s := &c.After.Subscriptions[i]; s.ID == id {
				return s
			}
		}
	}
	return nil
}

// subscriptionEvent applies what is said of a subscription. changed says that
// it was news.
func (c *Customer) subscriptionEvent(m *Machine, e *Event) (changed bool) {
	props := properties(e.Properties)
	n := Subscription{SKU: e.SKU, NextAt: props.instant("next_at"), Ended: e.Kind == SubscriptionEnded, Said: e.At}
	if d, err := moments.ParseDuration(props.str("every")); err == nil {
		n.Every, n.EverySaid = d.Milliseconds(), e.At
	}
	if n.NextAt != 0 {
		n.NextSaid = e.At
	}
	if n.SKU != "" {
		m.watch(n.SKU)
	}
	return c.afterOrder().subscription(props.id("subscription_id")).merge(&n)
}

// merge takes each word as it was said last, and reports whether one changed.
func (s *Subscription) merge(n *Subscription) (changed bool) {
	if n.Said > s.Said || n.Said == s.Said && (n.Ended && !s.Ended || n.Ended == s.Ended && n.SKU > s.SKU) {
		changed = s.Ended != n.Ended || s.SKU != n.SKU
		s.SKU, s.Ended, s.Said = clone(n.SKU), n.Ended, n.Said
	}
	if newer(n.EverySaid, n.Every, s.EverySaid, s.Every) {
		changed = changed || s.Every != n.Every
		s.Every, s.EverySaid = n.Every, n.EverySaid
	}
	if newer(n.NextSaid, n.NextAt, s.NextSaid, s.NextAt) {
		changed = changed || s.NextAt != n.NextAt
		s.NextAt, s.NextSaid = n.NextAt, n.NextSaid
	}
	return changed
}

// subscribed reports whether the item, or one of its family, comes to the
// customer by itself.
func (c *Customer) subscribed(m *Machine, sku, family string) bool {
	if c.After == nil {
		return false
	}
	for i := range c.After.Subscriptions {
		if s := &c.After.Subscriptions[i]; !s.Ended && (s.SKU == sku || family != "" && m.facts(s.SKU).Product.Family == family) {
			return true
		}
	}
	return false
}
