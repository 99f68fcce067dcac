package processor

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whenever somebody is erased, be it while what another id has is on its way,
// in the end nothing is known of either id, and no list names them.
func TestNothingIsLeftOfWhoIsErased(t *testing.T) {
	keeper, other := apart(0, 4)
	const third = "bob"
	rapid.Check(t, func(t *rapid.T) {
		s := newShopOf(t, 4)
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "next") }
		some := func() {
			for range rapid.IntRange(0, 12).Draw(t, "steps") {
				s.step(pick)
			}
		}
		s.said(Event{Kind: StockLevelReported, SKU: "phone", HasLevel: true})
		for _, id := range []string{keeper, other, third} {
			s.said(Event{Kind: Identify, UserID: id, Traits: []byte(`{"email":"x","timezone":"UTC","consent":{"email":{"marketing":true},"ads":{"ads":true}}}`)})
			s.said(Event{Kind: BackInStockRequested, UserID: id, SKU: "phone"})
			s.said(Event{Kind: ProductAdded, UserID: id, SKU: "phone", CartID: "c", Price: 1999, Quantity: 1, HasQty: true})
			s.said(Event{Kind: OrderCompleted, UserID: id, OrderID: "o" + id, Products: []Product{{SKU: "kettle", Quantity: 1}}})
		}
		some()
		s.said(Event{Kind: Alias, UserID: keeper, PreviousID: other})
		some()
		if rapid.Bool().Draw(t, "restock") {
			s.said(Event{Kind: StockLevelReported, SKU: "phone", Available: 2, HasLevel: true})
			some()
			if rapid.Bool().Draw(t, "later") {
				s.until(s.now + 5000)
			}
		}
		asked := rapid.SampledFrom([]string{keeper, other}).Draw(t, "erased")
		s.said(Event{Kind: CustomerErased, AnonymousID: asked})
		some()
		s.until(s.now + 7*24*3600_000)
		require.Empty(t, s.dead)
		for _, id := range []string{keeper, other} {
			c := s.customer(id)
			if id == keeper && c.Identity.ErasedAt == 0 {
				require.Equal(t, other, asked, "the other id was erased before it was the keeper's")
				continue
			}
			require.NotZero(t, c.Identity.ErasedAt, id)
			require.Empty(t, c.Carts, id)
			require.Empty(t, c.Orders, id)
			require.Empty(t, c.Interests, id)
			require.Empty(t, c.Occurrences, id)
			require.Empty(t, c.Contacts, id)
			require.Empty(t, c.Pending, id)
			require.Empty(t, c.Profile.Reach, id)
			require.Empty(t, c.Identity.Parts, id)
			for _, m := range s.machines {
				if wa, ok := m.get(WatchKind, "phone").(*Watch); ok {
					_, stake := wa.Stake.get(m, id)
					_, interested := wa.Interested.get(m, id)
					require.False(t, stake || interested, "%s is on the lists of the item", id)
				}
			}
		}
		item := s.machines[PartitionOf(Hash("phone"), 4)].get(ItemKind, "phone").(*Item)
		require.LessOrEqual(t, item.Queue.waiting()+item.Queue.Parked.Len()+item.Queue.Offers.Len(), 3)
	})
}

// Who ordered thousands of times is forgotten step by step.
func TestALongHistoryIsForgotten(t *testing.T) {
	s := newShopOf(t, 2)
	const orders = 3000
	for i := range orders {
		s.now += 1000
		s.said(Event{Kind: OrderCompleted, UserID: "ann", OrderID: fmt.Sprint("o", i), Products: []Product{{SKU: "phone", Quantity: 1}}})
	}
	s.quiet()
	require.Greater(t, s.customer("ann").Ordered.Len(), orderIDsPerPart)
	s.said(Event{Kind: CustomerErased, AnonymousID: "ann"})
	require.Zero(t, s.customer("ann").Ordered.Len())
	require.NotZero(t, s.customer("ann").Identity.Old.Len(), "not all in one step")
	s.until(s.now + 1000)
	require.Zero(t, s.customer("ann").Identity.Old.Len())
	require.Empty(t, s.dead)
}

// Erased again before a long history was forgotten to its end, and nothing of
// either is left.
func TestTwoLongHistoriesAreForgotten(t *testing.T) {
	s := newShopOf(t, 1)
	m := s.machines[0]
	c := m.customer("ann")
	x := c.identity()
	for i := range int64(3 * orderIDsPerPart) {
		x.Old.put(m, c.head, offerKey(i), "")
		c.Ordered.put(m, c.head, offerKey(i+7), "")
	}
	s.said(Event{Kind: CustomerErased, AnonymousID: "ann"})
	s.until(s.now + 1000)
	require.Zero(t, s.customer("ann").Identity.Old.Len())
	lists := 0
	for _, h := range m.memory.places.live {
		if h == nil || h.kind != ChunkKind {
			continue
		}
		lists++
		require.True(t, h.gone, "a list that nobody names is left")
	}
	require.Greater(t, lists, 6)
	require.Empty(t, s.dead)
}

// The clock of who asks is ahead, so that the wish seems to be from after the
// erasure when it is told again. What the customer did between the two stays.
func TestACopyOfAnErasureForgetsNothing(t *testing.T) {
	s := newShopOf(t, 2)
	s.said(Event{Kind: ProductAdded, UserID: "ann", CartID: "c1", SKU: "phone"})
	ask := Event{Kind: CustomerErased, AnonymousID: "ann", Source: "shop", MessageID: "forget", Stamp: s.now + 2000, At: s.now + 2000, Stamped: true}
	first, again := ask, ask
	s.event(&first)
	erased := s.customer("ann").Identity.ErasedAt
	require.Less(t, erased, ask.At)
	s.until(s.now + 3600_000)
	s.said(Event{Kind: ProductAdded, UserID: "ann", CartID: "c2", SKU: "phone"})
	s.event(&again)
	require.Equal(t, erased, s.customer("ann").Identity.ErasedAt)
	require.Len(t, s.customer("ann").Carts, 1)
	s.until(s.now + 60_000)
	s.said(Event{Kind: CustomerErased, AnonymousID: "ann"})
	require.Empty(t, s.customer("ann").Carts, "who asks once more is forgotten once more")
}
