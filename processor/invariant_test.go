package processor

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// invariants names, for each invariant of the shop, the tests that draw worlds
// at random and look for one in which it does not hold. Examples are in the
// scenarios.
var invariants = []struct {
	id, what string
	tests    []string // FILE TEST
}{
	{"I1", "one decision for each cause, however often and in whatever order it is told", []string{
		"machine_test.go TestEachCandidateEndsOnce", "sim/sim_test.go TestSeeds", "sim/sim_test.go TestSeedsWithTheWholeFile"}},
	{"I2", "what was accepted before the gate is honoured: no send is wrong", []string{
		"audit_test.go TestAudit", "sim/sim_test.go TestSeedsWithTheWholeFile", "sim/whole/whole_test.go TestSeeds", "sim/whole/kin_test.go TestKin"}},
	{"I3", "an offer is opened only with a unit", []string{
		"machine_test.go TestOffersNeverExceedStock", "sim/sim_test.go TestSeeds", "sim/whole/whole_test.go TestSeeds", "sim/whole/kin_test.go TestKin"}},
	{"I4", "every candidate gets exactly one outcome, every attempt an end", []string{
		"machine_test.go TestEachCandidateEndsOnce", "sim/sim_test.go TestSeeds", "sim/whole/whole_test.go TestSeeds"}},
	{"I5", "the same log gives the same bytes", []string{
		"machine_test.go TestReplayFromAnyWriteBehind", "sim/sim_test.go TestSeeds"}},
	{"I6", "of two profiles that become one the most restrictive holds", []string{
		"identity_property_test.go TestManyIDsOfOnePerson", "identity_property_test.go TestAliasesInCircles"}},
	{"I7", "what is not known keeps marketing silent", []string{
		"invariant_test.go TestWhatIsNotKnownKeepsSilent"}},
	{"I8", "what was said is taken back when it stops being true", []string{
		"sim/sim_test.go TestSeeds", "sim/whole/whole_test.go TestSeeds"}},
	{"I9", "carts, orders and parcels do not depend on the order of arrival", []string{
		"afterorder_test.go TestTheOrderOfArrivalDoesNotMatter"}},
	{"I10", "no decision relies on a word older than its source may be, and each tells how old its words were", []string{
		"invariant_test.go TestHowOldWordsAre", "sim/whole/whole_test.go TestSeeds"}},
}

// TestInvariants says that each invariant has a property test.
func TestInvariants(t *testing.T) {
	for i, v := range invariants {
		require.Equal(t, fmt.Sprint("I", i+1), v.id)
		require.NotEmpty(t, v.tests, v.what)
		for _, test := range v.tests {
			var file, name string
			_, err := fmt.Sscan(test, &file, &name)
			require.NoError(t, err)
			text, err := os.ReadFile(filepath.FromSlash(file))
			require.NoError(t, err)
			require.Contains(t, string(text), "\nfunc "+name+"(", v.id)
		}
	}
	require.Len(t, invariants, 10)
}

// Marketing goes to whom everything that it needs is known of, and to nobody
// else; what is owed goes wherever there is an address.
func TestWhatIsNotKnownKeepsSilent(t *testing.T) {
	const rules = `
version: 1
currency: EUR
policy:
  classes:
    transactional: {channels: [email], consent: none, caps: false, quiet_hours: false, arbitration: false, holdout: false, crisis: false}
    marketing:     {channels: [email], consent: marketing, caps: true, quiet_hours: true, arbitration: true, holdout: true, crisis: true}
  consent: {marketing: {double_opt_in: [email]}, ads: {}}
  sources: {stock: {carries: [Stock Level Reported], late_after: 1h}}
interest: {}
moments:
  cart: {when: Product Added, per: cart_id, after: 30m, lines: [unbought, sellable], expires: 2h}
  confirmed: {when: Order Completed, per: order_id, class: transactional, expires: 2h}
`
	rapid.Check(t, func(t *rapid.T) {
		now := int64(1_800_000_000_000) // eight in the morning in UTC
		tp := &tape{}
		tp.append(now, AppendControl(nil, &Control{Type: Activate, Text: []byte(rules)}))
		event := func(e Event) {
			if !e.Kind.OfItem() && !e.Kind.OfShop() {
				e.UserID = "ann"
			}
			e.At, e.Stamp, e.Stamped = now, now, true
			tp.append(now, AppendEvent([]byte{byte(EventEntry)}, &e))
		}
		drawn := func(name string, all ...string) string { return rapid.SampledFrom(all).Draw(t, name) }
		address, zone, consent, stock := drawn("address", "yes", "no"), drawn("zone", "yes", "no"),
			drawn("consent", "granted", "pending", "withdrawn", "unknown"), drawn("stock", "fresh", "behind", "unknown")
		traits := `"x":1`
		if address == "yes" {
			traits += `,"email":"a@example.com"`
		}
		if zone == "yes" {
			traits += `,"timezone":"UTC"`
		}
		told := rapid.Permutation([]string{"identify", "consent", "stock"}).Draw(t, "order")
		for _, what := range told {
			now += rapid.Int64Range(1, 60_000).Draw(t, "gap")
			switch {
			case what == "identify":
				event(Event{Kind: Identify, Traits: []byte("{" + traits + "}")})
			case what == "stock" && stock != "unknown":
				event(Event{Kind: StockLevelReported, SKU: "phone", Available: 5, HasLevel: true})
				if stock == "behind" {
					event(Event{Kind: SourceReported, ItemSource: "stock", CompleteTo: now - 2*3600_000})
				}
			case what == "consent" && consent != "unknown":
				e := Event{Kind: ConsentChanged, Channel: "email", Purpose: "marketing", Granted: true}
				if consent != "pending" {
					e.Properties = []byte(`{"proof":"clicked"}`)
				}
				event(e)
				if now++; consent == "withdrawn" {
					event(Event{Kind: ConsentChanged, Channel: "email", Purpose: "marketing"})
				}
			}
		}
		event(Event{Kind: ProductAdded, SKU: "phone", CartID: "c", Price: 1999, Quantity: 1, HasQty: true})
		event(Event{Kind: OrderCompleted, OrderID: "o", Products: []Product{{SKU: "kettle", Quantity: 1}}})
		for range 20 {
			now += 10 * 60_000
			tp.append(now, []byte{byte(TickEntry)})
		}
		var out Outputs
		tp.apply(open(t, newMemStore(), 1<<30), 0, len(tp.records), &out)
		sent, reasons := map[string]bool{}, map[string]Reason{}
		for _, d := range decisionsOf(t, &out) {
			sent[d.Moment] = sent[d.Moment] || d.Outcome == Sent
			reasons[d.Moment] = d.Reason
			require.True(t, d.Outcome == Sent || d.Reason != "", "a refusal has its reason")
		}
		all := address == "yes" && zone == "yes" && consent == "granted" && stock == "fresh"
		require.Equal(t, all, sent["cart"], "the last reason is %s", reasons["cart"])
		require.Equal(t, address == "yes", sent["confirmed"], "the last reason is %s", reasons["confirmed"])
	})
}

// Nothing is sent while a source it relies on is behind, and what is sent tells
// how old the price and the permission were.
func TestHowOldWordsAre(t *testing.T) {
	const rules = `
version: 1
currency: EUR
policy:
  classes:
    marketing: {channels: [email], consent: marketing, caps: false, quiet_hours: false, arbitration: false, holdout: false, crisis: false}
  consent: {marketing: {}, ads: {}}
  sources:
    prices: {carries: [Price Changed], late_after: 20m}
    people: {carries: [Consent Changed], late_after: 40m}
interest:
  cart: {from: Product Added, strength: 60, lasts: 14d}
moments:
  cheaper: {when: price_down, where: {interest: cart}, per: sku, after: 10m, stock: ignore, expires: 3h}
`
	const prices, people = 20 * 60_000, 40 * 60_000
	var went, held int
	rapid.Check(t, func(t *rapid.T) {
		now := int64(1_800_000_000_000)
		tp := &tape{}
		tp.append(now, AppendControl(nil, &Control{Type: Activate, Text: []byte(rules)}))
		var out Outputs
		m := open(t, newMemStore(), 1<<30)
		done, seen := 0, 0
		priced, agreed, granted := int64(0), int64(0), false
		complete := map[string]int64{}
		// look compares what was decided since the last time with what was known.
		look := func() {
			tp.apply(m, done, len(tp.records), &out)
			done = len(tp.records)
			all := decisionsOf(t, &out)
			for _, d := range all[seen:] {
				behind := func(source string, late int64) bool { return complete[source] != 0 && d.At-complete[source] > late }
				switch d.Outcome {
				case Sent:
					went++
					require.True(t, granted)
					require.False(t, behind("prices", prices), "sent on a price that may be another by now")
					require.False(t, behind("people", people), "sent on a permission that may be withdrawn by now")
					require.Equal(t, d.At-priced, d.Evidence.PriceAgeMS)
					require.Equal(t, d.At-agreed, d.Evidence.ConsentAgeMS)
				case Deferred:
					held++
					require.True(t, d.Reason == PriceStale && behind("prices", prices) || d.Reason == ConsentStale && behind("people", people), d.Reason)
				}
			}
			seen = len(all)
		}
		event := func(e Event) {
			if !e.Kind.OfItem() && !e.Kind.OfShop() {
				e.UserID = "ann"
			}
			e.At, e.Stamp, e.Stamped = now, now, true
			tp.append(now, AppendEvent([]byte{byte(EventEntry)}, &e))
			look()
		}
		event(Event{Kind: Identify, Traits: []byte(`{"email":"x"}`)})
		event(Event{Kind: ProductAdded, SKU: "phone", CartID: "c", Price: 900_000, Quantity: 1, HasQty: true})
		price := int64(500_000)
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			for range rapid.IntRange(1, 8).Draw(t, "gap") {
				now += 3 * 60_000
				tp.append(now, []byte{byte(TickEntry)})
				look()
			}
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1, 2:
				price -= 100
				priced = now
				event(Event{Kind: PriceChanged, SKU: "phone", Price: price, HasPrice: true})
			case 3:
				agreed, granted = now, rapid.IntRange(0, 3).Draw(t, "granted") > 0
				event(Event{Kind: ConsentChanged, Channel: "email", Purpose: "marketing", Granted: granted})
			default:
				source := rapid.SampledFrom([]string{"prices", "people"}).Draw(t, "source")
				complete[source] = max(complete[source], now-rapid.Int64Range(0, 3600_000).Draw(t, "ago"))
				event(Event{Kind: SourceReported, ItemSource: source, CompleteTo: complete[source]})
			}
		}
	})
	require.NotZero(t, went)
	require.NotZero(t, held)
}
