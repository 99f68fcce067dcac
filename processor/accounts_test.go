package processor

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMoreAccountsThanComeBackAtOnce: an address may have more accounts than are
// brought back when its offer ends. When all of those have gone, the next units
// are for the others, whom nothing else would bring back.
func TestMoreAccountsThanComeBackAtOnce(t *testing.T) {
	const accounts = asidesPerStep + 6
	s := newShopOf(t, 1)
	say := func(e Event) {
		s.said(e)
		s.until(s.now + 10)
	}
	level := func(n int64) {
		say(Event{Kind: StockLevelReported, SKU: "phone", Available: n, HasLevel: true, Version: s.now})
		s.until(s.now + 60_000)
	}
	level(0)
	name := func(i int) string { return fmt.Sprintf("ann%03d", i) }
	for i := range accounts {
		say(Event{Kind: Identify, UserID: name(i), Traits: []byte(`{"email":"ann@example.com","timezone":"Europe/Paris"}`), Properties: []byte(`{"context.email_id":"email:ann"}`)})
		say(Event{Kind: BackInStockRequested, UserID: name(i), SKU: "phone"})
	}
	held := func() []OfferView {
		v, _ := s.machines[0].ItemView("phone")
		return v.Offers
	}
	level(9)
	require.Len(t, held(), 1)
	first := held()[0]
	require.Equal(t, name(0), first.Customer)
	level(0)
	say(Event{Kind: OfferDeclined, UserID: first.Customer, OfferID: first.ID})
	for i := range asidesPerStep {
		say(Event{Kind: BackInStockCancelled, UserID: name(1 + i), SKU: "phone"})
	}
	level(9)
	require.Len(t, held(), 1)
	require.Equal(t, name(1+asidesPerStep), held()[0].Customer)
}
