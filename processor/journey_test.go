package processor

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The count by stage follows each journey, to the id that keeps it, and out of
// the count when its customer is forgotten.
func TestJourneysAreCounted(t *testing.T) {
	m, err := NewMachine(Config{Partitions: 1, Memory: 1 << 20}, newMemStore())
	require.NoError(t, err)
	now, seq := int64(1_800_000_000_000), uint64(0)
	apply := func(e *Event) {
		now += 60_000
		seq++
		e.Source, e.Stamp, e.At, e.Stamped = "shop", now, now, true
		m.Apply(seq, now, AppendRecordEntry(AppendRecordHeader(nil, now), AppendEvent([]byte{byte(EventEntry)}, e)), &Outputs{})
	}
	search := func(user, visitor, sku string) {
		apply(&Event{Kind: ProductsSearched, UserID: user, AnonymousID: visitor, SKU: sku, Properties: []byte(`{"query":"x","results":0}`)})
	}
	count := func(want ...int64) {
		t.Helper()
		var all [stages]int64
		copy(all[:], want)
		require.Equal(t, all, m.Shop().Journeys)
	}
	search("ann", "", "phone")
	search("", "tablet", "kettle")
	search("", "tablet", "kettle")
	count(2)
	for _, sku := range []string{"tripod", "phone"} {
		apply(&Event{Kind: ProductAdded, UserID: "ann", SKU: sku, CartID: "c", Quantity: 1, HasQty: true})
	}
	count(1, 0, 1)
	apply(&Event{Kind: ProductRemoved, UserID: "ann", SKU: "phone", CartID: "c"})
	count(2)
	apply(&Event{Kind: OrderCompleted, UserID: "ann", OrderID: "o1", Products: []Product{{SKU: "phone", Quantity: 1}, {SKU: "kettle", Quantity: 1}}})
	count(1, 0, 0, 1)
	apply(&Event{Kind: Page, UserID: "ann", AnonymousID: "tablet"})
	apply(&Event{Kind: Page, UserID: "ann"})
	count(0, 0, 0, 2)
	for range maxJourneys + 3 {
		seq++
		search("ann", "", string(rune('a'+seq)))
	}
	count(maxJourneys) // the oldest went
	apply(&Event{Kind: CustomerErased, UserID: "ann"})
	count()
}
