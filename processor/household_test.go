package processor

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const householdRules = `
version: 1
currency: EUR
policy:
  classes:
    transactional: {channels: [email], consent: none, caps: false, quiet_hours: false, arbitration: false, holdout: false, crisis: false}
    marketing:     {channels: [email], consent: none, caps: true, quiet_hours: false, arbitration: false, holdout: false, crisis: false}
  consent: {ads: {}}
  caps: [{at_most: 2, every: 1d, household: true}]
  one_at_a_time: 0s
interest: {}
moments:
  hint:      {when: Product Viewed, per: sku, stock: ignore, expires: 3d}
  goes_with: {when: Checkout Started, per: sku, lines: [accessories], stock: ignore, class: transactional, expires: 2h}
`

func newHouseholds(t rapid.TB, partitions int) *shopOf {
	s := newShopOf(t, partitions)
	s.apply(0, AppendControl(nil, &Control{Type: Activate, Text: []byte(householdRules)}))
	s.quiet()
	return s
}

func (s *shopOf) household(id string) *Household {
	h, _ := s.machines[PartitionOf(Hash(id), len(s.machines))].get(HouseholdKind, id).(*Household)
	if h == nil {
		return &Household{}
	}
	return h
}

// livesIn identifies a user with a household, "" = none any more.
func (s *shopOf) livesIn(user, household string) {
	trait := "null"
	if household != "" {
		trait = `"` + household + `"`
	}
	s.said(Event{Kind: Identify, UserID: user, Traits: []byte(`{"email":"` + user + `@example.com","household":` + trait + `}`)})
}

// Whoever moves, becomes one with somebody, buys, sends back or is forgotten, in
// whatever order the partitions hear of it: a household is its people, each once,
// each knows what the others have, and of the messages just those are counted
// that were sent.
func TestHouseholdsAgree(t *testing.T) {
	users, homes := []string{"user0", "user1", "user2", "user3"}, []string{"h0", "h1"}
	refused, pairs := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := newHouseholds(t, 4)
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
		orders := 0
		for _, user := range users[:pick(len(users)+1)] {
			s.livesIn(user, homes[0])
		}
		for i := range rapid.IntRange(10, 50).Draw(t, "events") {
			user := rapid.SampledFrom(users).Draw(t, "user")
			sku := fmt.Sprint("s", rapid.IntRange(0, 3).Draw(t, "sku"))
			kind := rapid.IntRange(0, 14).Draw(t, "kind")
			t.Logf("%d %d %s %s", i, kind, user, sku)
			s.now += 1000
			switch kind {
			case 0, 1, 2:
				s.livesIn(user, rapid.SampledFrom(append(homes, "")).Draw(t, "home"))
			case 3, 4:
				orders++
				s.said(Event{Kind: OrderCompleted, UserID: user, OrderID: fmt.Sprint("o", orders), Products: []Product{{SKU: sku, Quantity: 1}}})
			case 5:
				s.said(Event{Kind: ReturnReceived, UserID: user, OrderID: fmt.Sprint("o", orders), Products: []Product{{SKU: sku, Quantity: 1}}})
			case 6:
				s.said(Event{Kind: Alias, UserID: user, PreviousID: rapid.SampledFrom(users).Draw(t, "previous")})
			case 7:
				s.said(Event{Kind: IdentityUnlinked, UserID: user, PreviousID: rapid.SampledFrom(users).Draw(t, "previous")})
			case 8:
				s.failing = rapid.Bool().Draw(t, "fails")
				if rapid.IntRange(0, 3).Draw(t, "erased") == 0 {
					s.said(Event{Kind: CustomerErased, UserID: user})
				}
			default:
				s.said(Event{Kind: ProductViewed, UserID: user, SKU: sku})
			}
			for range pick(6) {
				s.step(pick)
			}
		}
		for s.step(pick) {
		}
		s.until(s.now + 10_000)

		for _, id := range users {
			c := s.customer(id)
			require.False(t, c != nil && c.awaits(), "%s waits for ever", id)
		}
		counted := map[string]bool{}
		for _, home := range homes {
			h := s.household(home)
			want := map[string]*Customer{}
			for _, id := range users {
				if c := s.customer(id); c != nil && c.Member != nil && c.Member.ID == home {
					want[id] = c
				}
			}
			require.Len(t, h.Members, len(want), "%s: %v", home, h.Members)
			if len(want) > 1 {
				pairs++
			}
			for i := range h.Members {
				x := &h.Members[i]
				c := want[x.ID]
				require.NotNil(t, c, x.ID)
				require.False(t, c.forwards())
				require.Equal(t, string(c.has()), x.Has, x.ID)
				require.False(t, c.Member.unheard(), x.ID)
				require.EqualValues(t, len(want), c.Member.People)
				for n := range 4 {
					sku := fmt.Sprint("s", n)
					others := slices.ContainsFunc(users, func(id string) bool {
						if id == x.ID || want[id] == nil {
							return false
						}
						owned, _ := want[id].owns(sku)
						return owned
					})
					require.Equal(t, others, c.Member.Has.has(sku), "%s, of which %s knows that others have it", sku, x.ID)
				}
			}
			for _, k := range h.Said {
				require.False(t, counted[k.ID], "counted in two")
				counted[k.ID] = true
			}
			require.LessOrEqual(t, len(h.Said), 2+s.retracted) // which may have arrived
		}
		for _, id := range users {
			if c := s.customer(id); c != nil {
				for i := range c.Occurrences {
					o := &c.Occurrences[i]
					require.True(t, o.more().Reserved == "" && o.State != waitingState, "%s waits for ever", id)
					if o.State == deferredState {
						refused++
					}
				}
			}
		}
		// What is counted was sent, and has not failed.
		for id := range counted {
			require.Contains(t, s.actions, id)
		}
	})
	require.NotZero(t, refused)
	require.NotZero(t, pairs)
}

// The people of one household are so many; who comes later is refused, stays what
// they are, and is one of it when there is room and it is said again.
func TestAHouseholdIsFull(t *testing.T) {
	s := newHouseholds(t, 4)
	for i := range maxMembers {
		s.livesIn(fmt.Sprint("user", i), "h")
	}
	s.quiet()
	require.Empty(t, s.dead)
	s.livesIn("late", "h")
	s.quiet()
	require.Len(t, s.dead, 1)
	require.Equal(t, "limit", s.dead[0].Reason)
	require.Contains(t, s.dead[0].Detail, "32 people")
	require.Len(t, s.household("h").Members, maxMembers)
	for _, sku := range []string{"a", "b", "c"} { // no cap of theirs holds here
		s.said(Event{Kind: ProductViewed, UserID: "late", SKU: sku})
	}
	s.quiet()
	require.Len(t, s.sent, 3)
	s.livesIn("user0", "")
	s.quiet()
	s.livesIn("late", "h")
	s.quiet()
	require.Len(t, s.dead, 1)
	require.True(t, s.customer("late").Member.of())
	require.Len(t, s.household("h").Members, maxMembers)

	s.livesIn("late", strings.Repeat("h", MaxIDBytes+1))
	s.quiet()
	require.Len(t, s.dead, 2)
	require.Contains(t, s.dead[1].Detail, "256")
	require.Equal(t, "h", s.customer("late").Member.ID)

	// Of what somebody has the latest is told.
	for i := range maxHas + 40 {
		s.now += 1000
		s.said(Event{Kind: OrderCompleted, UserID: "late", OrderID: fmt.Sprint("o", i), Products: []Product{{SKU: fmt.Sprint("s", i), Quantity: 1}}})
	}
	s.quiet()
	has := s.customer("user1").Member.Has
	require.Len(t, has, 8*maxHas)
	require.False(t, has.has("s39"))
	require.True(t, has.has("s40"))
	require.True(t, has.has(fmt.Sprint("s", maxHas+39)))
}

// While the household does not answer, a candidate waits for as long as it is of
// use. The answer that comes later gives the place back.
func TestAHouseholdThatDoesNotAnswer(t *testing.T) {
	s := newShopOf(t, 2)
	user, home := apart(0, 2)
	s.apply(0, AppendControl(nil, &Control{Type: Activate, Text: []byte(householdRules)}))
	s.livesIn(user, home)
	s.quiet()
	s.said(Event{Kind: ProductViewed, UserID: user, SKU: "a"})
	s.now += 2 * 24 * 3600_000
	s.apply(0, []byte{byte(TickEntry)})
	require.Empty(t, s.sent)
	require.Len(t, s.customer(user).Occurrences, 1, "of use for three days")
	s.now += 24*3600_000 + 10
	s.apply(0, []byte{byte(TickEntry)})
	require.Empty(t, s.customer(user).Occurrences, "expired")
	s.quiet()
	require.Empty(t, s.sent)
	require.Empty(t, s.household(home).Said)
	s.said(Event{Kind: ProductViewed, UserID: user, SKU: "a"})
	s.quiet()
	require.Len(t, s.sent, 1)
	require.Len(t, s.household(home).Said, 1)
}

// Who has just become one of a household is suggested nothing before it is known
// what the others have.
func TestWhatTheOthersHaveIsWaitedFor(t *testing.T) {
	s := newHouseholds(t, 2)
	user, home := apart(0, 2)
	other := "bob"
	s.said(Event{Kind: ProductUpdated, SKU: "case", AccessoryOf: "phone"})
	s.said(Event{Kind: ProductUpdated, SKU: "strap", AccessoryOf: "phone"})
	s.livesIn(other, home)
	s.livesIn(user, "")
	s.said(Event{Kind: OrderCompleted, UserID: other, OrderID: "o1", Products: []Product{{SKU: "case", Quantity: 1}}})
	s.said(Event{Kind: OrderCompleted, UserID: user, OrderID: "o2", Products: []Product{{SKU: "phone", Quantity: 1}}})
	s.until(s.now + 10_000)
	s.livesIn(user, home)
	s.said(Event{Kind: CheckoutStarted, UserID: user, CartID: "c", Products: []Product{{SKU: "phone", Quantity: 1}}})
	require.Empty(t, s.sent)
	require.Equal(t, OrderSourceStale.code(), s.customer(user).Occurrences[0].Said)
	s.until(s.now + 1000)
	require.Len(t, s.sent, 1)
	require.Equal(t, []uint64{Hash("strap")}, s.customer(user).Contacts[0].SKUs)
}

// Rules that ask for no household know of none.
func TestNobodyAsksForHouseholds(t *testing.T) {
	s := newShopOf(t, 4)
	s.livesIn("ann", "h")
	s.quiet()
	require.Nil(t, s.customer("ann").Member)
	require.Empty(t, s.household("h").Members)
}

// Who is linked while the household's answer is on its way is gated again, and
// asks again: the second answer is not taken for a place that nobody uses.
func TestAPlaceThatWasAskedForTwice(t *testing.T) {
	s := newHouseholds(t, 2)
	user, home := apart(0, 2)
	other := ""
	for i := 0; other == ""; i++ {
		if id := fmt.Sprint("visitor", i); PartitionOf(Hash(id), 2) == 0 {
			other = id
		}
	}
	s.livesIn(user, home)
	s.until(s.now + 10_000)
	s.said(Event{Kind: ProductViewed, AnonymousID: other, SKU: "x"})
	s.until(s.now + 10_000)
	sent := len(s.sent)
	s.said(Event{Kind: ProductViewed, UserID: user, SKU: "a"})
	s.said(Event{Kind: Identify, UserID: user, AnonymousID: other})
	for range 20 { // what travels within the partition arrives, and the clock goes on
		for len(s.travel[0]) > 0 {
			entry := s.travel[0][0]
			s.travel[0] = s.travel[0][1:]
			s.apply(0, entry)
		}
		s.now += 100
		s.apply(0, []byte{byte(TickEntry)})
	}
	require.Len(t, s.travel[1], 2)
	s.until(s.now + 10_000)
	require.Len(t, s.sent, sent+1)
	require.Len(t, s.household(home).Said, 1, "it was sent, and counts")
}

// A household that all have left is forgotten, as soon as no cap counts what they
// were told, and whoever comes later is the first.
func TestAHouseholdAllHaveLeftIsForgotten(t *testing.T) {
	s := newHouseholds(t, 4)
	in := func() bool {
		m := s.machines[PartitionOf(Hash("h0"), len(s.machines))]
		h, _ := m.get(HouseholdKind, "h0").(*Household)
		return h != nil && !h.gone
	}
	s.now += 1000
	s.livesIn("ann", "h0")
	s.quiet()
	s.now += 1000
	s.livesIn("bob", "h0")
	s.quiet()
	s.now += 1000
	s.livesIn("ann", "")
	s.quiet()
	require.Len(t, s.household("h0").Members, 1)
	s.now += 1000
	s.livesIn("bob", "h1")
	s.quiet()
	require.False(t, in())
	s.now += 1000
	s.livesIn("dan", "h0")
	s.quiet()
	require.True(t, in())
	require.Len(t, s.household("h0").Members, 1)
	s.said(Event{Kind: ProductViewed, UserID: "dan", SKU: "s1"})
	s.quiet()
	require.Len(t, s.household("h0").Said, 1)
	s.now += 1000
	s.livesIn("dan", "")
	s.quiet()
	require.True(t, in(), "what was told is counted")
	s.until(s.household("h0").due + 1)
	require.False(t, in())
}
