package processor

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestTheLatestWordHoldsInAnyOrder: what the catalogue says of an item is the
// same whichever of its words is heard first.
func TestTheLatestWordHoldsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := make([]Event, rapid.IntRange(2, 6).Draw(t, "words"))
		text := func(name string, of ...string) string {
			return rapid.SampledFrom(append([]string{""}, of...)).Draw(t, name)
		}
		for i := range words {
			words[i] = Event{
				Kind: ProductUpdated, SKU: "phone", At: int64(1_800_000_000_000 + i),
				Published: Flag(rapid.IntRange(0, 2).Draw(t, "published")), Category: text("category", "toys", "phones"),
				Family: text("family", "a", "b"), AccessoryOf: text("accessory", "kettle", "lamp"), Lasts: rapid.Int64Range(0, 2).Draw(t, "lasts"),
				Low: rapid.Int64Range(0, 2).Draw(t, "low"), HasPrice: rapid.Bool().Draw(t, "priced"), Price: rapid.Int64Range(1, 3).Draw(t, "price"),
				Properties: []byte(text("properties", `{"title":"x"}`, `{"title":"y","parts":["p"]}`, `{"parts":[]}`, `{"sold_in":["FR"]}`,
					`{"product_id":"q","variant":"red"}`, `{"product_id":"r"}`, `{"renamed_to":"n"}`, `{"renamed_to":"o"}`, `{"renamed_to":null}`)),
			}
		}
		heard := func(order []Event) []any {
			m, err := NewMachine(Config{Partitions: 1, Memory: 1 << 20}, newMemStore())
			require.NoError(t, err)
			for i := range order {
				var out Outputs
				entry := AppendEvent([]byte{byte(EventEntry)}, &order[i])
				m.Apply(uint64(i+1), 1_800_000_001_000, AppendRecordEntry(AppendRecordHeader(nil, 1_800_000_001_000), entry), &out)
			}
			it := m.item("phone")
			return []any{it.Product, it.Published, it.Low, it.Price, it.Said}
		}
		require.Equal(t, heard(words), heard(rapid.Permutation(words).Draw(t, "heard")))
	})
}
