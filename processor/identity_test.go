package processor

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever adds something to a customer says in identity_merge.go what becomes
// of it when two of them are one person.
func TestEveryFieldOfACustomerIsMerged(t *testing.T) {
	merged := []string{
		"Count", "Known", "Profile", "Carts", "Orders", "OrderIDs", "Ordered", "After", "Standing", "Models", "Platform", "Numbers", "Traits", "Whereabouts", "Sights",
		"Contacts", "Pending", "Interests", "Sales", "Journeys", "Claims", "Member", "Pixels", "Occurrences", "Identity",
		// These are of the id, not of the person.
		"head", "ID", "Last", "recent",
		// Derived.
		"soonest", "recase", "itemAt", "occurrentAt", "itemsBought",
	}
	var fields []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Customer]()) {
		if len(f.Index) == 1 {
			fields = append(fields, f.Name)
		}
	}
	require.ElementsMatch(t, fields, merged)
}

// customer returns what a partition holds under an id itself.
func (s *shopOf) customer(id string) *Customer {
	c, _ := s.machines[PartitionOf(Hash(id), len(s.machines))].get(CustomerKind, id).(*Customer)
	return c
}

// said sends an event about a user, a visitor or both, at the clock's time.
func (s *shopOf) said(e Event) {
	s.messages++
	e.Source, e.MessageID, e.Stamp, e.At, e.Stamped = "shop", fmt.Sprint("m", s.messages), s.now, s.now, true
	s.event(&e)
}

// apart returns two ids that live in different partitions, the first in p.
func apart(p, partitions int) (a, b string) {
	for i := 0; a == "" || b == ""; i++ {
		id := fmt.Sprint("id", i)
		if PartitionOf(Hash(id), partitions) == p {
			a = id
		} else {
			b = id
		}
	}
	return a, b
}

// A window that ends while the other id's state is on its way says nothing: it
// may know of the purchase.
func TestNothingIsSaidWhileTheRestIsOnItsWay(t *testing.T) {
	s := newShopOf(t, 2)
	keeper, other := apart(0, 2)
	s.said(Event{Kind: StockLevelReported, SKU: "phone", Available: 10, HasLevel: true})
	s.said(Event{Kind: Identify, UserID: keeper, Traits: []byte(`{"email":"x","timezone":"Europe/Paris","consent":{"email":{"marketing":true}}}`)})
	s.said(Event{Kind: ProductAdded, UserID: keeper, SKU: "phone", CartID: "c", Price: 19900, Quantity: 1})
	s.said(Event{Kind: OrderCompleted, UserID: other, OrderID: "o", Products: []Product{{SKU: "phone", Quantity: 1}}})
	s.until(s.now + 45*60_000 - 1)
	s.said(Event{Kind: Alias, UserID: keeper, PreviousID: other})
	s.now += 5000
	s.apply(0, []byte{byte(TickEntry)}) // the request has not even arrived
	require.Empty(t, s.sent)
	s.until(s.now + 60_000)
	require.Empty(t, s.sent)
	require.Negative(t, s.customer(keeper).occurrence("cart_abandoned", "c"), "it was decided")
	require.Equal(t, keeper, s.keeper(other).ID)
}

// The state of somebody who ordered thousands of times goes in many parts, and
// no order is taken for a new one afterwards.
func TestALongHistoryIsHandedOver(t *testing.T) {
	s := newShopOf(t, 2)
	keeper, other := apart(0, 2)
	const orders = 3000
	for i := range orders {
		s.now += 1000
		s.said(Event{Kind: OrderCompleted, UserID: other, OrderID: fmt.Sprint("o", i), Products: []Product{{SKU: strings.Repeat("long", 50), Quantity: 1}}})
	}
	s.quiet()
	s.said(Event{Kind: Alias, UserID: keeper, PreviousID: other})
	s.until(s.now + 1000)
	c := s.customer(keeper)
	require.Len(t, c.Orders, maxOrders)
	require.Equal(t, orders, len(c.OrderIDs)+c.Ordered.Len())
	s.said(Event{Kind: OrderCompleted, UserID: keeper, OrderID: "o7", Products: []Product{{SKU: "phone", Quantity: 1}}})
	require.Equal(t, orders, len(c.OrderIDs)+c.Ordered.Len(), "an order of long ago is not a new one")
	forward := s.customer(other)
	require.Zero(t, forward.Ordered.Len())
	require.Empty(t, forward.Identity.Rest)
	require.Empty(t, s.dead)
}

// What is said of ids that cannot be believed is refused with its reason.
func TestRefusedLinks(t *testing.T) {
	s := newShopOf(t, 4)
	s.said(Event{Kind: Page, UserID: "ann", AnonymousID: "mobile"})
	s.said(Event{Kind: Page, UserID: "bob"})
	s.quiet()
	refused := func(want string, e Event) {
		t.Helper()
		before := len(s.dead)
		s.said(e)
		s.until(s.now + 1000)
		if want == "" {
			require.Len(t, s.dead, before)
			return
		}
		require.Len(t, s.dead, before+1)
		require.Equal(t, linkWord, s.dead[before].Reason)
		require.Contains(t, s.dead[before].Detail, want)
	}
	refused("a circle", Event{Kind: Alias, UserID: "ann", PreviousID: "ann"})
	refused("belongs to somebody else", Event{Kind: Alias, UserID: "bob", PreviousID: "mobile"})
	refused("is not linked", Event{Kind: IdentityUnlinked, UserID: "bob", PreviousID: "mobile"})
	refused("", Event{Kind: Page, UserID: "bob", AnonymousID: "ann"}) // somebody's user id is no device
	require.Equal(t, "ann", s.keeper("ann").ID)
	refused("", Event{Kind: Alias, UserID: "bob", PreviousID: "ann"})
	refused("a circle", Event{Kind: Alias, UserID: "ann", PreviousID: "bob"})
	require.Equal(t, "bob", s.keeper("ann").ID)

	for i := range maxLinks + 5 {
		s.said(Event{Kind: Page, UserID: "bob", AnonymousID: fmt.Sprint("cookie", i)})
	}
	s.until(s.now + 1000)
	require.Len(t, s.customer("bob").Identity.Links, maxLinks)
	require.Equal(t, "bob", s.keeper("cookie0").ID, "a device that is forgotten as such still belongs to its user")
	for i := range maxLinks + 5 {
		s.said(Event{Kind: Alias, UserID: "bob", PreviousID: fmt.Sprint("name", i)})
	}
	s.until(s.now + 1000)
	require.Contains(t, s.dead[len(s.dead)-1].Detail, "no more are kept")
}

// Two users are said to be one, parted, and said to be one the other way round,
// before either has heard of it: neither waits for the other to answer first.
func TestAskedBothWaysAtOnce(t *testing.T) {
	s := newShopOf(t, 4)
	a, b := apart(0, 4)
	if a > b {
		a, b = b, a
	}
	for _, id := range []string{a, b} {
		s.said(Event{Kind: Page, UserID: id})
	}
	s.said(Event{Kind: Alias, UserID: b, PreviousID: a})
	s.said(Event{Kind: IdentityUnlinked, UserID: b, PreviousID: a})
	s.said(Event{Kind: Alias, UserID: a, PreviousID: b})
	s.until(s.now + 1000)
	require.False(t, s.customer(a).awaits())
	require.False(t, s.customer(b).awaits())
	require.Equal(t, s.keeper(a).ID, s.keeper(b).ID)
}
