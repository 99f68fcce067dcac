package processor

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whoever is in memory is found, and nobody else, whatever comes and goes:
// also entities of several kinds with one hash, and many that begin their
// search at the same place.
func TestPlacesFindWhoIsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p places
		want := map[place]uint32{}
		hashes := rapid.OneOf(rapid.Uint64Range(1, 30), rapid.Custom(func(t *rapid.T) uint64 {
			return rapid.Uint64Range(0, 40).Draw(t, "n") << 58
		}))
		for i := range rapid.IntRange(1, 300).Draw(t, "steps") {
			name := place{hash: hashes.Draw(t, "hash"), kind: EntityKind(rapid.IntRange(int(CustomerKind), int(WatchKind)).Draw(t, "kind"))}
			if _, in := want[name]; in {
				p.drop(name.kind, name.hash)
				delete(want, name)
				continue
			}
			want[name] = uint32(i)
			e := name
			e.at = uint32(i)
			p.add(e)
		}
		for h := range uint64(31) {
			for k := CustomerKind; k <= WatchKind; k++ {
				at, in := want[place{hash: h, kind: k}]
				e := p.get(k, h)
				require.Equal(t, in, e != nil)
				if in {
					require.Equal(t, at, e.at)
				}
			}
		}
		n := 0
		for k := CustomerKind; k <= WatchKind; k++ {
			p.all(k, func(e *place) {
				require.Equal(t, want[place{hash: e.hash, kind: k}], e.at)
				n++
			})
			n -= p.count[k]
		}
		require.Zero(t, n)
	})
}
