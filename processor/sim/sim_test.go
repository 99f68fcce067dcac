package sim

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor/sim/whole"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run this seed only, and tell what happens")
	seedsFlag = flag.Int("seeds", 0, "run so many seeds")
	fromFlag  = flag.Uint64("from", 1, "the first of them")

	defaultSeeds = 60
)

// Whatever goes wrong, no promise is broken, and each seed does the same twice.
func TestSeeds(t *testing.T) { seeds(t, false) }

// The same with the whole moments file in force.
func TestSeedsWithTheWholeFile(t *testing.T) { seeds(t, true) }

func seeds(t *testing.T, whole bool) {
	if *seedFlag != 0 {
		r, err := Check(Config{Seed: *seedFlag, Whole: whole, Trace: os.Stdout})
		require.NoError(t, err)
		t.Logf("%+v", r)
		return
	}
	var out strings.Builder
	n := *seedsFlag
	if n == 0 {
		n = defaultSeeds
		if testing.Short() {
			n /= 3
		}
	}
	failed := Seeds(*fromFlag, n, whole, &out)
	t.Log(out.String())
	require.Empty(t, failed, out.String())
}

// Each planted mistake is found within a few seeds. A simulator finds what its
// checkers say, and nothing else.
func TestPlantedMistakesAreFound(t *testing.T) {
	for plant, within := range map[Plant]uint64{IgnoreNumbers: 5, FlushEarly: 10, SkipFence: 5, TrustTheNet: 10, LoseEvents: 5, OtherLog: 5, TrimEarly: 20} {
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

// So are mistakes of the world with the whole file: those of the cluster, and a
// processor that takes no notice of something.
func TestPlantedMistakesAreFoundWithTheWholeFile(t *testing.T) {
	found := func(t *testing.T, c Config, within uint64) {
		for c.Seed = 1; c.Seed <= within; c.Seed++ {
			if v := Run(c).Violations; len(v) > 0 {
				t.Logf("seed %d: %v", c.Seed, v[0])
				return
			}
		}
		t.Errorf("not found within %d seeds", within)
	}
	for plant, within := range map[Plant]uint64{IgnoreNumbers: 10, FlushEarly: 30, SkipFence: 10, TrustTheNet: 10, LoseEvents: 5, OtherLog: 30, TrimEarly: 30} {
		t.Run(string(plant), func(t *testing.T) { found(t, Config{Whole: true, Plant: plant}, within) })
	}
	for plant, within := range map[whole.Plant]uint64{whole.Purchases: 30, whole.SoldOut: 30, whole.Withdrawals: 60, whole.Transit: 30, whole.Erasures: 60} {
		t.Run(string(plant), func(t *testing.T) { found(t, Config{Whole: true, Hide: plant}, within) })
	}
}
