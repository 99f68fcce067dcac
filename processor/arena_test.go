package processor

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Strings of any length stay as they are while others come and go, and places
// are used again.
func TestArenaKeepsWhatItIsGiven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a arena
		type kept struct {
			at uint32
			b  []byte
		}
		var all []kept
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			if len(all) > 0 && rapid.IntRange(0, 2).Draw(t, "drop") == 0 {
				i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
				require.Equal(t, all[i].b, a.get(all[i].at, len(all[i].b)))
				a.drop(all[i].at, len(all[i].b))
				all[i] = all[len(all)-1]
				all = all[:len(all)-1]
				continue
			}
			n := rapid.OneOf(rapid.IntRange(1, 300), rapid.IntRange(4000, 9000)).Draw(t, "length")
			b := bytes.Repeat([]byte{byte(len(all) + 1)}, n)
			all = append(all, kept{a.put(b), b})
		}
		for _, k := range all {
			require.Equal(t, k.b, a.get(k.at, len(k.b)))
		}
	})
}

func TestArenaUsesPlacesAgain(t *testing.T) {
	var a arena
	for round := range 100 {
		var at []uint32
		for range 1000 {
			at = append(at, a.put(make([]byte, 100+round)))
		}
		for _, x := range at {
			a.drop(x, 100+round)
		}
	}
	require.LessOrEqual(t, len(a.blocks), 40, "what was freed makes room for what is a little longer")
}
