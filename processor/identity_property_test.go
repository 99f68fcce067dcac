package processor

import (
	"encoding/json"
	"fmt"
	"maps"
	"onhand/processor/moments"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// shopOf is a deployment of several partitions in memory. Transfers between
// them wait until they are let through, in the order of each pair.
type shopOf struct {
	t        rapid.TB
	machines []*Machine
	seq      []uint64
	now      int64
	travel   [][][]byte // by sender and receiver
	out      Outputs
	sent     []string // who was told what
	dead     []Dead
	messages int
	failing  bool            // nothing that is sent arrives
	actions  map[string]bool // by id, what was sent and did not fail

	retracted int
}

func newShopOf(t rapid.TB, partitions int) *shopOf {
	s := &shopOf{t: t, now: 1_800_000_000_000, actions: map[string]bool{}, seq: make([]uint64, partitions), travel: make([][][]byte, partitions*partitions)}
	for p := range partitions {
		m, err := NewMachine(Config{Partition: p, Partitions: partitions, Memory: 1 << 40}, newMemStore())
		require.NoError(t, err)
		s.machines = append(s.machines, m)
	}
	s.apply(0, AppendControl(nil, &Control{Type: Activate, Text: moments.Three()}))
	s.quiet()
	return s
}

// apply appends one entry to a partition's log.
func (s *shopOf) apply(p int, entry []byte) {
	s.seq[p]++
	rec := AppendRecordEntry(AppendRecordHeader(nil, s.now), entry)
	s.out.Reset()
	s.machines[p].Apply(s.seq[p], s.now, rec, &s.out)
	for buf := slices.Clone(s.out.Buf); len(buf) > 0; {
		o, rest, err := NextOutput(buf)
		require.NoError(s.t, err)
		buf = rest
		switch o.Type {
		case TransferOutput:
			x, err := ParseTransfer(o.Body)
			require.NoError(s.t, err)
			at := p*len(s.machines) + x.Receiver
			s.travel[at] = append(s.travel[at], AppendTransfer(nil, p, 0, x))
		case DeadOutput:
			d, _ := ParseDead(o.Body)
			s.dead = append(s.dead, d)
		case DecisionOutput:
			d, _ := ParseDecision(o.Body)
			if d.Outcome == Retracted {
				s.retracted++
			}
			if d.Outcome == Sent && d.Action.Kind == kindMessage {
				s.sent = append(s.sent, fmt.Sprint(d.Moment, " ", d.Cause.Value))
			}
			if d.Action != nil {
				fate := Delivered
				if s.failing {
					fate = Failed
				} else {
					s.actions[d.Action.ID] = true
				}
				to := PartitionOf(Hash(d.Customer), len(s.machines))
				at := p*len(s.machines) + to
				s.travel[at] = append(s.travel[at], AppendOutcome(nil, d.Customer, d.Action.ID, 1, fate, ""))
			}
		}
	}
}

// step lets one transfer through, false when none is on its way.
func (s *shopOf) step(pick func(n int) int) bool {
	var ready []int
	for at := range s.travel {
		if len(s.travel[at]) > 0 {
			ready = append(ready, at)
		}
	}
	if len(ready) == 0 {
		return false
	}
	at := ready[pick(len(ready))]
	entry := s.travel[at][0]
	s.travel[at] = s.travel[at][1:]
	s.apply(at%len(s.machines), entry)
	return true
}

func (s *shopOf) quiet() {
	for n := 0; s.step(func(int) int { return 0 }); n++ {
		require.Less(s.t, n, 10_000, "transfers do not end")
	}
}

// until moves the clock on, with every timer at its time.
func (s *shopOf) until(now int64) {
	for n := 0; ; n++ {
		require.Less(s.t, n, 100_000, "timers do not end")
		s.quiet()
		next, p := now, -1
		for i, m := range s.machines {
			if w := m.NextWake(); w != 0 && w < next {
				next, p = w, i
			}
		}
		s.now = max(s.now, next)
		if p < 0 {
			return
		}
		s.apply(p, []byte{byte(TickEntry)})
	}
}

func (s *shopOf) event(e *Event) {
	p := 0
	if kind, id := e.Target(); kind != ShopKind {
		p = PartitionOf(Hash(id), len(s.machines))
	}
	s.apply(p, AppendEvent([]byte{byte(EventEntry)}, e))
}

// keeper returns what is known under an id.
func (s *shopOf) keeper(id string) CustomerView {
	for range maxHops {
		v, _ := s.machines[PartitionOf(Hash(id), len(s.machines))].CustomerView(id)
		if v.KeptBy == "" {
			return v
		}
		id = v.KeptBy
	}
	s.t.Fatalf("%s is in a circle", id)
	return CustomerView{}
}

// people is who is who: each visitor is seen with one user, and users become
// one by alias, in any order and also in circles.
type people struct {
	events []Event
	family map[string]string // id -> one id of the same person
}

func (p *people) find(id string) string {
	for p.family[id] != "" && p.family[id] != id {
		id = p.family[id]
	}
	return id
}

func drawPeople(t *rapid.T) *people {
	p := &people{family: map[string]string{}}
	n := rapid.IntRange(5, 40).Draw(t, "events")
	user := func() string { return fmt.Sprint("user", rapid.IntRange(0, 3).Draw(t, "user")) }
	for i := range n {
		visitor := rapid.IntRange(0, 5).Draw(t, "visitor")
		e := Event{Source: "shop", MessageID: fmt.Sprint("m", i), Stamped: true}
		if rapid.Bool().Draw(t, "logged in") {
			e.UserID = user()
		} else {
			e.AnonymousID = fmt.Sprint("visitor", visitor)
		}
		sku := fmt.Sprint("s", rapid.IntRange(0, 2).Draw(t, "sku"))
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0, 1:
			e.Kind, e.SKU, e.CartID, e.Price, e.Quantity, e.HasQty = ProductAdded, sku, fmt.Sprint("cart", rapid.IntRange(0, 1).Draw(t, "cart")), 1999, 1, true
		case 2:
			e.Kind, e.OrderID, e.Products = OrderCompleted, fmt.Sprint("o", i), []Product{{SKU: sku, Quantity: 1, Price: 1999}}
		case 3, 4:
			e.Kind, e.SKU = BackInStockRequested, sku
		case 5:
			e.Kind, e.AnonymousID, e.UserID = ConsentChanged, "", user()
			e.Channel, e.Purpose, e.Granted = "push", "marketing", rapid.Bool().Draw(t, "granted")
		case 6, 7:
			e.Kind, e.AnonymousID = Page, fmt.Sprint("visitor", visitor)
			e.UserID = fmt.Sprint("user", visitor%4) // each visitor has one user
			p.family[p.find(e.AnonymousID)] = p.find(e.UserID)
		default:
			e.Kind, e.AnonymousID, e.UserID, e.PreviousID = Alias, "", user(), user()
			if a, b := p.find(e.PreviousID), p.find(e.UserID); a != b {
				p.family[a] = b
			}
		}
		p.events = append(p.events, e)
		t.Logf("%d %s user %q visitor %q previous %q %s", i, e.Kind, e.UserID, e.AnonymousID, e.PreviousID, e.SKU)
	}
	return p
}

// person is what has to be the same of a person, however they came to be one.
// With late, the ids may have become one later than they could have: then a
// consent given meanwhile may be overruled, and an interest that an order ended
// may have been shown again meanwhile.
func person(v CustomerView, late bool) string {
	if late {
		v.Consents = nil
		bought := map[string]bool{}
		for _, o := range v.Orders {
			for _, l := range o.Lines {
				bought[l.SKU] = true
			}
		}
		v.Interests = slices.DeleteFunc(v.Interests, func(in InterestView) bool { return bought[in.SKU] })
	}
	v.ID, v.KeptBy, v.Linked, v.Position, v.AsOf = "", "", nil, 0, 0
	v.Occurrences, v.Pending, v.Contacts = nil, nil, nil
	for i := range v.Interests {
		in := &v.Interests[i]
		in.Queue, in.OfferID, in.HoldUntil, in.Sellable = "", "", 0, false
		in.Until, in.Wants = 0, nil // they tell when it was heard of
	}
	for i := range v.Carts {
		slices.SortFunc(v.Carts[i].Lines, func(a, b LineView) int { return strings.Compare(a.SKU, b.SKU) })
	}
	slices.SortFunc(v.Carts, func(a, b CartView) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(v.Interests, func(a, b InterestView) int { return strings.Compare(a.SKU, b.SKU) })
	slices.SortFunc(v.Orders, func(a, b OrderView) int { return int(a.At - b.At) })
	slices.SortFunc(v.Consents, func(a, b ConsentView) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	text, _ := json.MarshalIndent(v, "", " ")
	return string(text)
}

// marketing returns 1 when marketing by push is permitted.
func marketing(v CustomerView) int {
	for _, k := range v.Consents {
		if k.Purpose == "marketing" && k.State == "granted" {
			return 1
		}
	}
	return 0
}

// Whatever joins whom, in whatever order the partitions hear of it: nothing is
// lost, nobody is in a circle, and all ids of a person answer the same.
func TestManyIDsOfOnePerson(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPeople(t)
		run := func(partitions int, pick func(n int) int, settle bool) *shopOf {
			s := newShopOf(t, partitions)
			for _, sku := range []string{"s0", "s1", "s2"} {
				s.event(&Event{Kind: StockLevelReported, SKU: sku, Available: 0, HasLevel: true, Source: "shop", MessageID: "l" + sku, Stamp: s.now, At: s.now, Stamped: true})
			}
			for i := range 4 {
				s.event(&Event{
					Kind: Identify, UserID: fmt.Sprint("user", i), Source: "shop", MessageID: fmt.Sprint("i", i), Stamp: s.now, At: s.now, Stamped: true,
					Traits: []byte(`{"email":"x","timezone":"Europe/Paris"}`),
				})
			}
			s.quiet()
			start := s.now
			for i := range p.events {
				e := p.events[i]
				s.now = start + int64(i+1)*1000
				e.Stamp, e.At = s.now, s.now
				s.event(&e)
				if settle {
					s.until(s.now + 500)
					continue
				}
				for range pick(6) {
					s.step(pick)
				}
			}
			for s.step(pick) {
			}
			s.until(s.now + 10_000)
			return s
		}
		one := run(1, func(int) int { return 0 }, true)
		four := run(4, func(int) int { return 0 }, true)
		mixed := run(4, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }, false)
		require.ElementsMatch(t, one.sent, four.sent, "sent")

		ids := slices.Sorted(maps.Keys(p.family))
		for _, id := range ids {
			want := one.keeper(id)
			require.Equal(t, person(want, false), person(four.keeper(id), false), "%s on 1 and 4 partitions", id)
			for _, other := range ids {
				for i, s := range []*shopOf{one, four, mixed} {
					require.Equal(t, p.find(id) == p.find(other), s.keeper(id).ID == s.keeper(other).ID, "%s and %s in %d, %v", id, other, i, s.dead)
				}
			}
			require.Equal(t, person(want, true), person(mixed.keeper(id), true), "%s with transfers mixed", id)
			require.LessOrEqual(t, marketing(mixed.keeper(id)), marketing(want), "%s: of two words the more careful", id)
		}
		for _, s := range []*shopOf{one, four, mixed} {
			for _, d := range s.dead {
				require.Equal(t, linkWord, d.Reason, d.Detail) // a circle
			}
			// The units all come in: everybody who waits is told, once.
			waits := map[string]bool{}
			for _, id := range ids {
				v := s.keeper(id)
				for _, in := range v.Interests {
					if v.Known && in.Name == "requested" {
						waits[v.ID+" "+in.SKU] = true
					}
				}
			}
			for _, sku := range []string{"s0", "s1", "s2"} {
				s.event(&Event{Kind: StockLevelReported, SKU: sku, Available: 100, HasLevel: true, Source: "shop", MessageID: "f" + sku, Stamp: s.now, At: s.now, Stamped: true})
			}
			s.until(s.now + 60_000)
			for _, sku := range []string{"s0", "s1", "s2"} {
				it, _ := s.machines[PartitionOf(Hash(sku), len(s.machines))].ItemView(sku)
				require.Zero(t, it.Waiting, "nobody waits for what is there")
				holders := map[string]bool{}
				for _, o := range it.Offers {
					require.False(t, holders[s.keeper(o.Customer).ID], "%s holds two", o.Customer)
					holders[s.keeper(o.Customer).ID] = true
					delete(waits, s.keeper(o.Customer).ID+" "+sku)
				}
			}
			require.Empty(t, waits, "places that were lost")
		}
		require.ElementsMatch(t, one.sent, four.sent, "sent at the restock")
	})
}

// Whoever is said to be whom, all at once and in circles: each person has one
// keeper, and the word that would close a circle is in the dead letter.
func TestAliasesInCircles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newShopOf(t, 8)
		for i := range 5 {
			s.event(&Event{Kind: Page, UserID: fmt.Sprint("user", i), Source: "shop", MessageID: fmt.Sprint("p", i), Stamp: s.now, At: s.now, Stamped: true})
		}
		p := &people{family: map[string]string{}}
		for i := range rapid.IntRange(2, 10).Draw(t, "aliases") {
			a, b := fmt.Sprint("user", rapid.IntRange(0, 4).Draw(t, "previous")), fmt.Sprint("user", rapid.IntRange(0, 4).Draw(t, "user"))
			s.event(&Event{Kind: Alias, PreviousID: a, UserID: b, Source: "shop", MessageID: fmt.Sprint("m", i), Stamp: s.now, At: s.now, Stamped: true})
			if a, b := p.find(a), p.find(b); a != b {
				p.family[a] = b
			}
			t.Logf("alias %s -> %s", a, b)
			for range rapid.IntRange(0, 3).Draw(t, "steps") {
				s.step(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") })
			}
		}
		for s.step(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }) {
		}
		s.until(s.now + 1000)
		for _, id := range slices.Sorted(maps.Keys(p.family)) {
			require.Equal(t, s.keeper(p.find(id)).ID, s.keeper(id).ID, "%s, dead letters %v", id, s.dead)
			c := s.customer(id)
			require.False(t, c.awaits() || c.sending(), "%s waits for ever", id)
		}
		for _, d := range s.dead {
			require.Equal(t, linkWord, d.Reason, d.Detail)
		}
	})
}

// Whoever becomes one, is parted again, is seen on whose device and is forgotten,
// in whatever order the partitions hear of it: nobody waits for another id for
// ever, and no id is passed on in a circle.
func TestNobodyWaitsForEver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newShopOf(t, 8)
		ids := []string{"user0", "user1", "user2", "visitor"}
		users := ids[:3]
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
		for range rapid.IntRange(2, 20).Draw(t, "events") {
			e := Event{UserID: rapid.SampledFrom(users).Draw(t, "user")}
			switch rapid.IntRange(0, 8).Draw(t, "kind") {
			case 0:
				e.Kind = Page
			case 1, 2, 3:
				e.Kind, e.PreviousID = Alias, rapid.SampledFrom(ids).Draw(t, "previous")
			case 4, 5:
				e.Kind, e.PreviousID = IdentityUnlinked, rapid.SampledFrom(ids).Draw(t, "previous")
			case 6, 7:
				e.Kind, e.AnonymousID = Page, "visitor"
			default:
				e.Kind = CustomerErased
			}
			t.Logf("%s user %q visitor %q previous %q", e.Kind, e.UserID, e.AnonymousID, e.PreviousID)
			s.now += 1000
			s.said(e)
			for range pick(5) {
				s.step(pick)
			}
		}
		for s.step(pick) {
		}
		s.until(s.now + 1000)
		for _, id := range ids {
			if c := s.customer(id); c != nil {
				require.False(t, c.awaits() || c.sending(), "%s waits for ever, dead letters %v", id, s.dead)
				require.True(t, c.Identity == nil || len(c.Identity.Asked)+len(c.Identity.Held) == 0, "%s leaves others waiting", id)
				s.keeper(id)
			}
		}
	})
}
