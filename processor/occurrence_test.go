package processor

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A window that ends before there is a candidate is counted, once; one that
// runs to its end is decided, and is not.
func TestWindowsThatEndAreCounted(t *testing.T) {
	s := newShopOf(t, 1)
	ended := func() map[string]uint64 {
		all := map[string]uint64{}
		s.machines[0].TakeEnded(func(moment string, n uint64) { all[moment] = n })
		return all
	}
	fill := func(id string) {
		s.said(Event{Kind: ProductAdded, UserID: id, CartID: "c", SKU: "phone", Quantity: 1, HasQty: true})
		s.quiet()
	}
	fill("ann")
	fill("bob")
	fill("cat")
	require.Empty(t, ended())
	for _, id := range []string{"ann", "bob"} {
		s.said(Event{Kind: CheckoutFailed, UserID: id, CartID: "c", Reason: "payment"})
		s.quiet()
	}
	require.Equal(t, uint64(2), ended()["cart_abandoned"])
	s.until(s.now + 24*3600_000)
	require.Zero(t, ended()["cart_abandoned"])
}
