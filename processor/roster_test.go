package processor

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

const rosterRules = `
version: 1
currency: EUR
policy:
  classes:
    marketing: {channels: [ads], consent: ads, caps: false, quiet_hours: false, arbitration: false, holdout: false, crisis: false}
    service: {channels: [email], consent: none, caps: false, quiet_hours: false, arbitration: false, holdout: false, crisis: false}
  channels:
    ads:   {hand_over: 5m, cost: 0}
    push:  {hand_over: 10s, cost: 0}
    sms:   {hand_over: 30s, cost: 6}
    email: {hand_over: 5m, cost: 0}
  consent: {ads: {}}
  stock: {safety: 0, settle: 1s, hold: 30d, queue: first_come}
  sources: {stock: {carries: [Stock Level Reported], late_after: 15m}}
interest:
  requested: {from: Back In Stock Requested, strength: 100, lasts: 90d, queue: true}
moments:
  retarget_ads:
    do: audience
    when: Product Added
    per: sku
    class: marketing
    stock: sellable
    channels: [ads]
    expires: 14d
  back_in_stock:
    when: sellable
    where: {interest: requested}
    per: sku
    stock: offer
    class: service
    channels: [email]
    expires: offer.ends_at
`

// TestRosterIsToldInSteps: when the stock falls behind, when it has caught up and
// when everything is stopped, only those are looked at who have something at stake,
// and so many in one step at most. A report that turns nothing looks at nobody.
func TestRosterIsToldInSteps(t *testing.T) {
	const all, busy = 1000, 400
	m, err := NewMachine(Config{Partition: 0, Partitions: 1, Memory: 1 << 30}, newMemStore())
	require.NoError(t, err)
	seq, now := uint64(0), int64(1_800_000_000_000)
	apply := func(entry []byte) (list []*Decision) {
		var out Outputs
		seq++
		m.Apply(seq, now, AppendRecordEntry(AppendRecordHeader(nil, now), entry), &out)
		return decisionsOf(t, &out)
	}
	say := func(e Event) { e.At, e.Stamp = now, now; apply(AppendEvent([]byte{byte(EventEntry)}, &e)) }
	catchUp := func() { say(Event{Kind: SourceReported, ItemSource: "stock", CompleteTo: now}) }
	// pass lets time pass and returns what was decided, and how often the partition
	// woke for it.
	pass := func(ms int64) (did map[Outcome]int, ticks int) {
		did = map[Outcome]int{}
		for end := now + ms; ; ticks++ {
			next := m.NextWake()
			if next == 0 || next > end {
				now = end
				return did, ticks
			}
			now = max(now+1, next)
			for _, d := range apply([]byte{byte(TickEntry)}) {
				did[d.Outcome]++
			}
		}
	}
	apply(AppendControl(nil, &Control{Type: Activate, Text: []byte(rosterRules)}))
	catchUp()
	for i := range all {
		sku := fmt.Sprint("s", i)
		say(Event{Kind: StockLevelReported, SKU: sku, Available: 9, HasLevel: true})
		id := fmt.Sprint("c", i)
		say(Event{Kind: Identify, UserID: id, Traits: []byte(`{"email":"a@example.com","consent":{"ads":{"ads":` + fmt.Sprint(i < busy) + `}}}`)})
		say(Event{Kind: ProductAdded, UserID: id, CartID: id, SKU: sku, Price: 1990, HasPrice: true, Quantity: 1, HasQty: true, Currency: "EUR"})
	}
	pass(60_000)
	catchUp()
	did, _ := pass(4 * 60_000)
	require.Zero(t, did[Retracted])
	in := 0
	for i := range all {
		if m.get(CustomerKind, fmt.Sprint("c", i)).(*Customer).inAudience() {
			in++
		}
	}
	require.Greater(t, in, 2*rosterPerStep)
	staked := m.get(WatchKind, noItem).(*Watch).Roster.Watches.Len()
	require.Equal(t, in, staked, "whoever only wants an item does not count")
	told := 1 + in/rosterPerStep + in // each step of the roster, each watch

	catchUp()
	require.False(t, m.get(WatchKind, noItem).(*Watch).telling(), "nothing turned")
	did, ticks := pass(16 * 60_000)
	require.Equal(t, in, did[Retracted])
	require.LessOrEqual(t, ticks, told)
	say(Event{Kind: SourceReported, ItemSource: "stock", CompleteTo: now - 20*60_000})
	_, ticks = pass(30 * 60_000)
	require.Zero(t, ticks, "it is behind as before")

	now += 30 * 60_000
	catchUp()
	did, ticks = pass(60_000)
	require.Equal(t, in, did[Sent])
	require.LessOrEqual(t, ticks, told)

	did = map[Outcome]int{}
	for _, d := range apply(AppendControl(nil, &Control{Type: Stop})) {
		did[d.Outcome]++
	}
	require.Empty(t, did, "in no step is everybody told")
	did, _ = pass(60_000)
	require.Equal(t, in, did[Retracted])
}
