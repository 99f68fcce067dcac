package processor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"onhand/processor/moments"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawHistory draws what happened to one customer within five days, each event
// at a time of its own.
func drawHistory(t *rapid.T, now int64) []Event {
	n := rapid.IntRange(2, 14).Draw(t, "events")
	list := make([]Event, 0, n)
	for i := range n {
		e := Event{Source: "shop", MessageID: fmt.Sprint("m", i), UserID: "ann"}
		e.At = now - rapid.Int64Range(0, 5*24*60).Draw(t, "ago")*60_000 - int64(i)
		e.Stamp, e.Stamped = e.At, true
		sku := func() string { return fmt.Sprint("s", rapid.IntRange(0, 2).Draw(t, "sku")) }
		products := func() (list []Product) {
			for range rapid.IntRange(1, 3).Draw(t, "lines") {
				list = append(list, Product{SKU: sku(), Quantity: rapid.Int64Range(1, 3).Draw(t, "quantity"), Price: 100 + int64(i)})
			}
			return list
		}
		order := fmt.Sprint("o", rapid.IntRange(0, 1).Draw(t, "order"))
		switch rapid.IntRange(0, 15).Draw(t, "kind") {
		case 0, 1:
			e.Kind, e.SKU, e.CartID, e.Price, e.HasPrice = ProductAdded, sku(), "cart", 100+int64(i), true
		case 2:
			e.Kind, e.SKU, e.CartID = ProductRemoved, sku(), "cart"
		case 3:
			e.Kind, e.CartID, e.Products = CartUpdated, "cart", products()
		case 4, 5:
			e.Kind, e.OrderID, e.Products = OrderCompleted, order, products()
			if rapid.Bool().Draw(t, "with a reward") {
				e.RewardID = "r0"
			}
		case 6:
			e.Kind, e.OrderID, e.Products = OrderUpdated, order, products()
		case 7:
			e.Kind, e.OrderID = OrderCancelled, order
		case 8:
			e.Kind, e.OrderID, e.Products = OrderCancelled, order, products()
		case 9:
			e.Kind, e.OrderID, e.Products = ReturnReceived, order, products()
		case 10:
			e.Kind, e.OrderID, e.ShipmentID = ShipmentUpdated, order, fmt.Sprint("p", rapid.IntRange(0, 1).Draw(t, "parcel"))
			e.Status = rapid.SampledFrom([]string{"created", "shipped", "delayed", "delivered", "lost"}).Draw(t, "status")
			if rapid.Bool().Draw(t, "tracked") {
				e.Properties = fmt.Appendf(nil, `{"tracking_id":"t%d","promised_at":%d}`, i, now)
			}
			if rapid.Bool().Draw(t, "listed") {
				e.Products = products()
			}
		case 11:
			e.Kind, e.RewardID, e.Total, e.ExpiresAt = RewardIssued, "r0", 1000, now+rapid.Int64Range(-1, 1).Draw(t, "expires")*3600_000
		case 12:
			e.Kind, e.RewardID, e.OrderID, e.Total = RewardRedeemed, "r0", order, rapid.Int64Range(0, 1200).Draw(t, "amount")
		case 13:
			e.Kind, e.RewardID, e.Location = RewardRedeemed, "r0", "lyon"
			if rapid.Bool().Draw(t, "at a till") {
				e.UserID = ""
			}
		case 14:
			e.Kind = rapid.SampledFrom([]Kind{SubscriptionStarted, SubscriptionChanged, SubscriptionEnded}).Draw(t, "subscription")
			e.SKU, e.Properties = sku(), fmt.Appendf(nil, `{"subscription_id":"b","next_at":%d}`, now+int64(i))
		case 15:
			e.Kind, e.OrderID, e.Reason = rapid.SampledFrom([]Kind{OrderRefunded, OrderCancelled}).Draw(t, "charged back"), order, ReasonChargeback
			if rapid.Bool().Draw(t, "listed") {
				e.Products = products()
			}
		}
		list = append(list, e)
	}
	return list
}

// picture is what is known of ann once the events were applied in an order:
// her carts, orders and what follows them, as the API tells it.
func picture(t require.TestingT, now int64, events []Event, order []int) string {
	tp := &tape{}
	tp.append(now, AppendControl(nil, &Control{Type: Activate, Text: moments.Three()}))
	for _, i := range order {
		tp.append(now, AppendEvent([]byte{byte(EventEntry)}, &events[i]))
	}
	m := open(t, newMemStore(), 1<<40)
	var out Outputs
	tp.apply(m, 0, len(tp.records), &out)
	c, ok := m.get(CustomerKind, "ann").(*Customer)
	if !ok {
		return "nobody"
	}
	v, _ := m.CustomerView("ann")
	for i := range v.Carts {
		slices.SortFunc(v.Carts[i].Lines, func(a, b LineView) int { return cmp.Compare(a.SKU, b.SKU) })
	}
	slices.SortFunc(c.Orders, func(a, b Order) int { return cmp.Compare(a.ID, b.ID) })
	orders := make([]any, 0, len(c.Orders))
	for i := range c.Orders {
		o := &c.Orders[i]
		if !o.Placed {
			o.At = 0 // not known yet
		}
		orders = append(orders, []any{o.ID, o.At, o.Cancelled, o.Placed, o.Lines, o.units("s0"), o.units("s1"), o.units("s2"), o.boughtAt("s0"), o.boughtAt("s1"), o.boughtAt("s2")})
	}
	slices.SortFunc(v.Shipments, func(a, b ShipmentView) int { return cmp.Compare(a.ID, b.ID) })
	v.AsOf, v.Position = 0, 0
	text, err := json.MarshalIndent([]any{v.Carts, orders, v.AfterOrderView, m.RewardView("r0").RewardView}, "", " ")
	require.NoError(t, err)
	return string(text)
}

// Carts, orders, parcels, rewards and subscriptions are a function of the set
// of events, not of their order, and the till and the customer say the same of
// a reward.
func TestTheOrderOfArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := int64(1_800_000_000_000)
		events := drawHistory(t, now)
		order := make([]int, len(events))
		for i := range order {
			order[i] = i
		}
		want := picture(t, now, events, order)
		require.Equal(t, want, picture(t, now, events, rapid.Permutation(order).Draw(t, "order")))
	})
}
