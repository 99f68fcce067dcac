package processor

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever is sent again, and however late: what recent is certain of is true,
// when a copy repeats the timestamp of its original.
func TestRecentIsNeverWrong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r recent
		last := int64(0)
		applied := map[uint64]bool{}
		stamps := map[uint64]int64{}
		for range rapid.IntRange(1, 300).Draw(t, "events") {
			id := rapid.Uint64Range(1, 200).Draw(t, "id")
			stamp, ok := stamps[id]
			if !ok {
				stamp = max(1, last+rapid.SampledFrom([]int64{-3000, -5, -1, 0, 0, 0, 1, 1, 5, 2000, 2001, 9000}).Draw(t, "gap"))
				stamps[id] = stamp
			}
			if stamp <= last {
				copied, certain := r.known(stamp, id)
				if certain {
					require.Equal(t, applied[id], copied, "id %d at %d", id, stamp)
				}
			} else {
				require.False(t, applied[id])
			}
			if !applied[id] {
				r.add(stamp, last, id)
				applied[id], last = true, max(last, stamp)
			}
			require.LessOrEqual(t, len(r.sent), maxRecent)

			w := writer{}
			r.encode(&w, last)
			var back recent
			from := reader{b: w.b}
			back.decode(&from, last)
			require.NoError(t, from.err)
			require.Equal(t, r.floor, back.floor)
			require.Equal(t, len(r.sent), len(back.sent))
		}
	})
}

// A burst in order is answered without the store, but for its beginning; who
// sends an event now and then has no list.
func TestRecentKnowsABurst(t *testing.T) {
	var r recent
	last := int64(0)
	unsure := 0
	for i := range 1000 {
		stamp := 10_000 + int64(i/20)
		if stamp <= last {
			if _, certain := r.known(stamp, uint64(i+1)); !certain {
				unsure++
			}
		}
		r.add(stamp, last, uint64(i+1))
		last = max(last, stamp)
	}
	require.LessOrEqual(t, unsure, 20)

	var quiet recent
	for i := range 100 {
		quiet.add(int64(i+1)*60_000, int64(i)*60_000, uint64(i+1))
	}
	require.Empty(t, quiet.sent)
}
