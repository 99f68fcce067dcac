package processor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSaleBeforeItsItem: the word on a sale comes by way of its home and may be
// here before the item's own, which says that the sale before it is over. Who
// registered is told when both have come.
func TestSaleBeforeItsItem(t *testing.T) {
	const partitions = 4
	in := func(p int) string {
		for i := 0; ; i++ {
			if id := fmt.Sprint("x", i); PartitionOf(Hash(id), partitions) == p {
				return id
			}
		}
	}
	customer, item, sale := in(0), in(1), in(2)
	m, err := NewMachine(Config{Partition: 0, Partitions: partitions, Memory: 1 << 20}, newMemStore())
	require.NoError(t, err)
	seq, now := uint64(0), int64(1_800_000_000_000)
	apply := func(entry []byte) []*Decision {
		var out Outputs
		seq++
		m.Apply(seq, now, AppendRecordEntry(AppendRecordHeader(nil, now), entry), &out)
		return decisionsOf(t, &out)
	}
	say := func(e Event) { e.At, e.Stamp = now, now; apply(AppendEvent([]byte{byte(EventEntry)}, &e)) }
	sent := map[int]uint64{}
	hear := func(from int, msg Message) []*Decision {
		body := writer{}
		msg.encode(&body)
		sent[from]++
		return apply(AppendTransfer(nil, from, 0, Transfer{Number: sent[from], Message: body.b}))
	}
	facts := func(f ItemFacts) []*Decision {
		w := writer{}
		f.encode(&w)
		return hear(1, Message{Type: Facts, SKU: item, Body: w.b})
	}
	apply(AppendControl(nil, &Control{Type: Activate, Text: []byte(strings.ReplaceAll(rosterRules, "moments:\n", `moments:
  sale_open: {when: Sale Registered, at: sale.opens_at, per: sale_id, stock: sellable, class: service, expires: 10m}
`))}))
	say(Event{Kind: Identify, UserID: customer, Traits: []byte(`{"email":"a@example.com"}`)})
	say(Event{Kind: BackInStockRequested, UserID: customer, SKU: item, Channel: "email"})
	require.Empty(t, facts(ItemFacts{Version: 7, At: now, LevelAt: now, Why: SaleOver, ClosesAt: now - 1, Available: 9}))
	say(Event{Kind: SaleRegistered, UserID: customer, SaleID: sale})

	require.Empty(t, hear(2, Message{Type: TellSale, Ref: sale, Body: saleBody(SaleScheduled, &SaleFacts{SKU: item, OpensAt: now, edition: edition{At: now}, Item: 9})}))
	now += 500
	require.Empty(t, facts(ItemFacts{Version: 9, At: now, LevelAt: now, Sellable: true, OpensAt: now - 500, Available: 9}))
	now += 500
	list := apply([]byte{byte(TickEntry)})
	require.Len(t, list, 1)
	require.Equal(t, []any{Sent, "sale_open"}, []any{list[0].Outcome, list[0].Moment})
}
