package processor

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func (s *shopOf) item(sku string) *Item {
	it, _ := s.machines[PartitionOf(Hash(sku), len(s.machines))].get(ItemKind, sku).(*Item)
	if it == nil {
		return &Item{}
	}
	return it
}

// renamed says what an item is called now, "" = by its own number.
func (s *shopOf) renamed(sku, now string) {
	value := "null"
	if now != "" {
		value = `"` + now + `"`
	}
	s.said(Event{Kind: ProductUpdated, SKU: sku, Properties: []byte(`{"renamed_to":` + value + `}`)})
}

// Whatever a catalogue says, and in whatever order the partitions hear of it: the
// item that one is called by knows of it, no other believes it is, and nobody is
// led in a circle.
func TestNamesAgree(t *testing.T) {
	chains := 0
	rapid.Check(t, func(t *rapid.T) {
		s := newShopOf(t, 4)
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
		skus := []string{"a", "b", "c", "d"}[:rapid.IntRange(2, 4).Draw(t, "items")]
		circles := rapid.Bool().Draw(t, "circles")
		orders := map[string]string{} // by their id, what was bought
		for range rapid.IntRange(1, 12).Draw(t, "words") {
			sku, now := rapid.SampledFrom(skus).Draw(t, "sku"), rapid.SampledFrom(append(skus, "")).Draw(t, "now")
			if !circles && now < sku {
				now = ""
			}
			t.Logf("%s is called %q", sku, now)
			s.renamed(sku, now)
			if pick(2) == 0 {
				orders[fmt.Sprint("o", len(orders))] = sku
				s.said(Event{Kind: OrderCompleted, UserID: "ann", OrderID: fmt.Sprint("o", len(orders)-1), Products: []Product{{SKU: sku, Quantity: 1}}})
			}
			s.now += int64(pick(2)) * 1000
			for range pick(6) {
				s.step(pick)
			}
		}
		for s.step(pick) {
		}
		for _, sku := range skus {
			it := s.item(sku)
			if now := it.Product.Now; now != "" {
				require.Contains(t, slices.Collect(s.item(now).Product.former()), sku, "%s is called %s", sku, now)
				if s.item(now).Product.Now != "" {
					chains++
				}
			}
			for old := range it.Product.former() {
				require.Equal(t, sku, s.item(old).Product.Now, "%s was called %s", sku, old)
			}
			at := sku
			for n := 0; at != ""; n++ {
				require.LessOrEqual(t, n, len(skus), "%s leads in a circle", fmt.Sprint(sku))
				at = s.item(at).Product.Now
			}
		}
		counted := 0
		for _, sku := range skus {
			counted += len(s.item(sku).Sold)
		}
		require.Equal(t, len(orders), counted)
		if circles {
			return // a sale that is led in one is counted where it is found out
		}
		for id, sku := range orders {
			counts := false
			for at := sku; at != "" && !counts; at = s.item(at).Product.Now { // at any of them: it was sold under the number it had then
				counts = slices.ContainsFunc(s.item(at).Sold, func(x Sold) bool { return x.Order == saleKey(orderRef(Hash(id)), 0) })
			}
			require.True(t, counts, "%s of %s is counted elsewhere", id, sku)
		}
	})
	require.NotZero(t, chains)
}

// What was sold under a number goes with it, through whatever numbers it was
// counted, and from whichever it is taken back.
func TestSalesGoWithTheirNumber(t *testing.T) {
	for _, tt := range []struct {
		name string
		back []string
	}{
		{"the last but one, then the first", []string{"b", "a"}},
		{"the first of a chain", []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newShopOf(t, 4)
			for _, x := range [][2]string{{"a", "b"}, {"b", "c"}} {
				s.renamed(x[0], x[1])
				s.until(s.now + 1000)
			}
			s.said(Event{Kind: OrderCompleted, UserID: "ann", OrderID: "o1", Products: []Product{{SKU: "a", Quantity: 2}}})
			s.until(s.now + 1000)
			require.Len(t, s.item("c").Sold, 1)
			for _, sku := range tt.back {
				s.renamed(sku, "")
				s.until(s.now + 1000)
			}
			require.Empty(t, s.item("c").Sold)
			require.Empty(t, s.item("b").Sold)
			require.Len(t, s.item("a").Sold, 1)
			require.EqualValues(t, 2, s.item("a").Sold[0].Quantity)
		})
	}
}

// A circle is found out also when the word that closes it is said again meanwhile.
func TestACircleSaidTwice(t *testing.T) {
	s := newShopOf(t, 4)
	for _, x := range [][2]string{{"b", "a"}, {"c", "b"}} {
		s.renamed(x[0], x[1])
		s.until(s.now + 1000)
	}
	s.renamed("a", "c")
	s.now += 1000
	s.renamed("a", "c")
	s.until(s.now + 1000)
	require.Empty(t, s.item("a").Product.Now, "the latest word loses")
	require.Equal(t, "a", s.item("b").Product.Now)
	require.Len(t, s.dead, 1)
	require.Equal(t, "rename", s.dead[0].Reason)
}
