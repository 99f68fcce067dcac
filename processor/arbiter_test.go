package processor

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// competingRules are four moments that compete, of different worth and with
// windows that end together more often than not.
const competingRules = `
version: 1
currency: EUR
policy:
  caps: [{at_most: %d, every: 6h}]
  quiet_hours: never
  one_at_a_time: 2h
interest: {}
moments:
  searched: {when: Products Searched, per: customer, after: 30m, expires: 8h, stock: ignore, score: {value: %d}}
  viewed: {when: Product Viewed, per: sku, after: 30m, expires: 8h, stock: ignore, score: {value: %d}}
  scanned: {when: Product Scanned, per: sku, after: 1h, expires: 8h, stock: ignore, score: {value: %d}}
  signed: {when: Signed Up, per: customer, expires: 8h, score: {value: %d}}
`

// In a slot at most one marketing message is sent, it is the best of those
// that could be sent with it, and who lost lost to it.
func TestOneIsSaidInASlot(t *testing.T) {
	const slot = 2 * 3600_000
	rapid.Check(t, func(t *rapid.T) {
		worth := func(name string) int { return rapid.IntRange(0, 3).Draw(t, name) }
		text := fmt.Sprintf(competingRules, rapid.IntRange(1, 3).Draw(t, "cap"), worth("searched"), worth("viewed"), worth("scanned"), worth("signed"))
		now := int64(1_800_000_000_000)
		tp := &tape{}
		tp.append(now, AppendControl(nil, &Control{Type: Activate, Text: []byte(text)}))
		event := func(e *Event) {
			e.UserID, e.At, e.Stamp, e.Stamped = "ann", now, now, true
			tp.append(now, AppendEvent([]byte{byte(EventEntry)}, e))
		}
		event(&Event{Kind: Identify, Traits: []byte(`{"email":"x","timezone":"UTC","consent":{"email":{"marketing":true}}}`)})
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			for range rapid.IntRange(0, 6).Draw(t, "gap") {
				now += 10 * 60_000
				tp.append(now, []byte{byte(TickEntry)})
			}
			e := Event{
				Kind: rapid.SampledFrom([]Kind{ProductsSearched, ProductViewed, ProductScanned, Custom}).Draw(t, "kind"),
				SKU:  fmt.Sprint("s", rapid.IntRange(0, 2).Draw(t, "sku")),
			}
			if e.Kind == Custom {
				e.Name = "Signed Up"
			}
			event(&e)
		}
		for range 200 {
			now += 10 * 60_000
			tp.append(now, []byte{byte(TickEntry)})
		}
		var out Outputs
		tp.apply(open(t, newMemStore(), 1<<30), 0, len(tp.records), &out)

		sent := map[string]*Decision{}
		var last *Decision
		ended := map[string]bool{}
		for _, d := range decisionsOf(t, &out) {
			if d.Outcome == Deferred {
				continue
			}
			candidate := fmt.Sprint(d.Moment, "/", d.Cause.Value, "/", d.Cause.N)
			require.False(t, ended[candidate], "%s is decided once", candidate)
			ended[candidate] = true
			switch d.Reason {
			case "":
				require.Positive(t, d.Evidence.Score)
				if last != nil {
					require.GreaterOrEqual(t, d.At-last.At, int64(slot), "%s after %s", d.Moment, last.Moment)
				}
				sent[d.ID], last = d, d
			case LostArbitration, Combined:
				won := sent[d.Evidence.LostTo]
				require.NotNil(t, won, "%s lost to what was said", d.Moment)
				require.Less(t, d.At-won.At, int64(slot))
				if d.At == won.At && d.Moment != "signed" { // which nobody knew of before
					require.LessOrEqual(t, d.Evidence.Score, won.Evidence.Score, "%s lost to %s", d.Moment, won.Moment)
				}
			}
		}
	})
}

// decisionsOf returns the decisions among the outputs, in their order.
func decisionsOf(t require.TestingT, out *Outputs) (all []*Decision) {
	for buf := out.Buf; len(buf) > 0; {
		o, rest, err := NextOutput(buf)
		require.NoError(t, err)
		if o.Type == DeadOutput {
			d, _ := ParseDead(o.Body)
			require.Fail(t, "dead letter", "%s %s", d.Reason, d.Detail)
		}
		if buf = rest; o.Type == DecisionOutput {
			d, err := ParseDecision(o.Body)
			require.NoError(t, err)
			all = append(all, &d)
		}
	}
	return all
}
