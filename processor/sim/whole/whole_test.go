package whole

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "play this seed only")
	seedsFlag = flag.Uint64("seeds", 20, "play so many seeds")
)

// With every moment in force nothing is said that must not be, and what must
// be said is.
func TestSeeds(t *testing.T) {
	if *seedFlag != 0 {
		require.NoError(t, Check(*seedFlag, None))
		return
	}
	for seed := uint64(1); seed <= *seedsFlag; seed++ {
		if err := Check(seed, None); err != nil {
			t.Error(err)
		}
	}
}

// Each planted mistake is found within a few seeds.
func TestPlantedMistakesAreFound(t *testing.T) {
	for _, plant := range []Plant{Purchases, SoldOut, Withdrawals, Redemptions, Cancellations, Moves, Transit, Erasures, Bounces, Letters, Pages, Crises, Carts, PublicSales, Minimums} {
		t.Run(string(plant), func(t *testing.T) {
			for seed := uint64(1); seed <= 40; seed++ {
				if err := Check(seed, plant); err != nil {
					t.Log(err)
					return
				}
			}
			t.Error("not found")
		})
	}
}
