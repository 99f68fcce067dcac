package processor

// AfterOrderView is what follows a customer's orders.
type AfterOrderView struct {
	Shipments     []ShipmentView     `json:"shipments,omitempty"`
	Rewards       []RewardView       `json:"rewards,omitempty"`
	Subscriptions []SubscriptionView `json:"subscriptions,omitempty"`
}

// ShipmentView is one parcel.
type ShipmentView struct {
	ID          string     `json:"shipment_id"`
	Status      string     `json:"status"`
	Tracking    string     `json:"tracking_id,omitempty"`
	PromisedAt  Instant    `json:"promised_at,omitzero"`
	ShippedAt   Instant    `json:"shipped_at,omitzero"`
	DeliveredAt Instant    `json:"delivered_at,omitzero"`
	Lines       []LineView `json:"lines,omitempty"` // none: all that was ordered
}

// RewardView is one reward. Amounts are in minor units.
type RewardView struct {
	ID        string      `json:"reward_id"`
	State     RewardState `json:"state"`
	Amount    int64       `json:"amount,omitempty"` // 0: not an amount of money
	Left      int64       `json:"left"`             // 1 or 0 when it is not an amount
	IssuedAt  Instant     `json:"issued_at,omitzero"`
	ExpiresAt Instant     `json:"expires_at,omitzero"`
	Uses      int         `json:"uses"`             // that stand
	Double    bool        `json:"double,omitempty"` // more was used than there was
	Used      []UseView   `json:"used,omitempty"`   // those that stand, by time
}

// UseView is one use of a reward.
type UseView struct {
	At     Instant `json:"at"`
	Store  string  `json:"store,omitempty"`  // of the till
	Amount int64   `json:"amount,omitempty"` // minor units; 0: all that was left
}

// SubscriptionView is one subscription.
type SubscriptionView struct {
	ID     string  `json:"subscription_id"`
	SKU    string  `json:"sku"`
	NextAt Instant `json:"next_at,omitzero"`
	Ended  bool    `json:"ended,omitempty"`
}

func (a *AfterOrder) view(now int64) (v AfterOrderView) {
	if a == nil {
		return v
	}
	for i := range a.Shipments {
		s := &a.Shipments[i]
		x := ShipmentView{
			ID: s.ID, Status: s.Status, Tracking: s.Tracking,
			PromisedAt: Instant(s.PromisedAt), ShippedAt: Instant(s.ShippedAt), DeliveredAt: Instant(s.DeliveredAt),
		}
		for _, l := range s.Lines {
			x.Lines = append(x.Lines, LineView{SKU: l.SKU, Quantity: l.Quantity})
		}
		v.Shipments = append(v.Shipments, x)
	}
	for i := range a.Rewards {
		v.Rewards = append(v.Rewards, a.Rewards[i].view(now))
	}
	for i := range a.Subscriptions {
		s := &a.Subscriptions[i]
		v.Subscriptions = append(v.Subscriptions, SubscriptionView{s.ID, s.SKU, Instant(s.NextAt), s.Ended})
	}
	return v
}

func (w *Reward) view(now int64) RewardView {
	v := RewardView{ID: w.ID, State: w.State(now), Amount: w.Amount, IssuedAt: Instant(w.IssuedAt), ExpiresAt: Instant(w.ExpiresAt)}
	v.Left, v.Double = w.left()
	for _, u := range w.Uses {
		if !u.void() {
			v.Uses++
			v.Used = append(v.Used, UseView{Instant(u.At), u.Store, u.Amount})
		}
	}
	return v
}
