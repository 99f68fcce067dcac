package sim

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run this seed only, and tell what happens")
	seedsFlag = flag.Int("seeds", 0, "run so many seeds")

	defaultSeeds = 60
)

// Whatever goes wrong, no promise is broken, and each seed does the same twice.
func TestSeeds(t *testing.T) {
	if *seedFlag != 0 {
		r, err := Check(Config{Seed: *seedFlag, Trace: os.Stdout})
		require.NoError(t, err)
		t.Logf("%+v", r)
		return
	}
	var out strings.Builder
	n := *seedsFlag
	if n == 0 {
		n = defaultSeeds
	}
	failed := Seeds(1, n, &out)
	t.Log(out.String())
	require.Empty(t, failed, out.String())
}

// Each planted mistake is found within a few seeds. A simulator finds what its
// checkers say, and nothing else.
func TestPlantedMistakesAreFound(t *testing.T) {
	for plant, within := range map[Plant]uint64{IgnoreNumbers: 5, FlushEarly: 10, SkipFence: 5, TrustTheNet: 10, LoseEvents: 5, OtherLog: 5} {
		t.Run(string(plant), func(t *testing.T) {
			for seed := uint64(1); seed <= within; seed++ {
				if found := Run(Config{Seed: seed, Plant: plant}).Violations; len(found) > 0 {
					t.Logf("seed %d: %v", seed, found[0])
					return
				}
			}
			t.Errorf("not found within %d seeds", within)
		})
	}
}
