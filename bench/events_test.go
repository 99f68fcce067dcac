package bench

import (
	"math"
	"math/rand/v2"
	"testing"

	"onhand/processor"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The table and its interpolation draw the distribution they stand for.
func TestZipfDrawsWhatItSays(t *testing.T) {
	const n, draws = 10_000, 2_000_000
	z := newZipf(n, skew)
	counts := make([]int, n)
	r := rand.NewPCG(1, 2)
	for range draws {
		counts[z.draw(r.Uint64())]++
	}
	total := 0.0
	for k := range n {
		total += math.Pow(float64(k+1), -skew)
	}
	share := func(from, to int) (want, got float64) {
		for k := from; k < to; k++ {
			want += math.Pow(float64(k+1), -skew) / total
			got += float64(counts[k]) / draws
		}
		return want, got
	}
	for _, span := range [][2]int{{0, 1}, {1, 2}, {2, 10}, {10, 100}, {100, 1000}, {1000, 5000}, {5000, 10_000}} {
		want, got := share(span[0], span[1])
		require.InEpsilon(t, want, got, 0.02, "ranks %v", span)
	}
}

func TestScatterIsAPermutation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3000).Draw(t, "n")
		s := newScatter(n, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)))
		seen := make([]bool, n)
		for rank := range n {
			require.False(t, seen[s.of(rank)], "rank %d", rank)
			seen[s.of(rank)] = true
		}
	})
}

// A seed names a load: the same events, for the right partitions, with ids
// that nobody has twice, in the shares of the mix.
func TestGenerator(t *testing.T) {
	pop := NewPopulation(1000, 100, 4)
	a, b, c := NewGenerator(pop, Ordinary, 7), NewGenerator(pop, Ordinary, 7), NewGenerator(pop, Ordinary, 8)
	ids := map[string]bool{}
	kinds := map[processor.Kind]int{}
	differ := false
	const n = 20_000
	var back processor.Event
	for i := range n {
		x, part := a.Next(int64(i))
		data := processor.AppendEvent(nil, x)
		y, _ := b.Next(int64(i))
		require.Equal(t, data, processor.AppendEvent(nil, y))
		z, _ := c.Next(int64(i))
		differ = differ || z.SKU != x.SKU
		require.Equal(t, partitionOf(x, 4), part)
		require.Len(t, x.MessageID, idSize)
		require.False(t, ids[x.MessageID], x.MessageID)
		ids[x.MessageID] = true
		kinds[x.Kind]++
		require.NoError(t, processor.DecodeEvent(data, &back))
	}
	require.True(t, differ, "another seed gives the same load")
	require.InDelta(t, 0.60, float64(kinds[processor.ProductViewed])/n, 0.02)
	require.InDelta(t, 0.20, float64(kinds[processor.ProductAdded])/n, 0.02)
	require.InDelta(t, 0.05, float64(kinds[processor.ProductRemoved])/n, 0.01)
	require.InDelta(t, 0.08, float64(kinds[processor.OrderCompleted])/n, 0.01)
	require.InDelta(t, 0.07, float64(kinds[processor.StockLevelReported])/n, 0.01)
}
