package processor

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const stalledRules = `
version: 1
currency: EUR
policy:
  classes:
    marketing: {channels: [email], consent: none, caps: false, quiet_hours: false, arbitration: false, holdout: false, crisis: false}
  channels:
    email: {hand_over: 5m, cost: 0}
    push:  {hand_over: 10s, cost: 0}
    sms:   {hand_over: 30s, cost: 6}
  stock: {safety: 0, settle: 0s, hold: 30m, queue: first_come}
moments:
  cart_abandoned:
    when: [Product Added]
    per: cart_id
    after: 1m
    stock: sellable
    lines: [unbought, sellable]
    expires: 24h
`

// While nobody runs the partition an item is in, nothing is said about it: the
// candidate waits, and is told when the partition is back.
func TestFactsOfAStalledPartition(t *testing.T) {
	now := int64(1_800_000_000_000)
	tp := &tape{}
	event := func(e Event) {
		e.At, e.Stamp, e.Stamped = now, now, true
		tp.append(now, AppendEvent([]byte{byte(EventEntry)}, &e))
	}
	tp.append(now, AppendControl(nil, &Control{Type: Activate, Text: []byte(stalledRules)}))
	event(Event{Kind: Identify, MessageID: "i", UserID: "ann", Traits: []byte(`{"email":"a@example.com","timezone":"Europe/Paris"}`)})
	event(Event{Kind: StockLevelReported, MessageID: "s", SKU: "phone", Available: 9, HasLevel: true})
	event(Event{Kind: ProductAdded, MessageID: "a", UserID: "ann", CartID: "c", SKU: "phone", Quantity: 1, HasQty: true, Price: 1, HasPrice: true})
	stall := func(t ControlType) { tp.append(now, AppendControl(nil, &Control{Type: t, At: 0})) }
	stall(StallBegan)
	now += 61_000
	tp.append(now, []byte{byte(TickEntry)})
	stall(StallEnded)
	now += 24 * 3600_000 / 2
	tp.append(now, []byte{byte(TickEntry)})

	m := open(t, newMemStore(), 1<<30)
	var out Outputs
	tp.apply(m, 0, len(tp.records), &out)
	var said []string
	for rest := out.Buf; len(rest) > 0; {
		o, after, err := NextOutput(rest)
		require.NoError(t, err)
		if rest = after; o.Type == DecisionOutput {
			d, err := ParseDecision(o.Body)
			require.NoError(t, err)
			said = append(said, d.Outcome.String()+" "+string(d.Reason))
		}
	}
	require.Equal(t, []string{"deferred stock_stale", "sent "}, said)
	require.Empty(t, m.shop.Deployment.Stalled)
}
