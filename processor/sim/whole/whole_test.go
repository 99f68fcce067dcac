package whole

import (
	"flag"
	"strings"
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

// says is what is said of some mistakes.
var says = map[Plant]string{
	Places: "is ahead of who asked", Sources: "has reported up to", Budgets: "the budget is", Hours: "the store is closed",
	Chargebacks: "were bought since it was wanted last", Regrets: "nobody was sorry", Borders: "is sold in", Drifts: "notes of drift",
	Parts: "nobody thought of it", Collections: "it was fetched", Words: "their size is", Quantities: "are sold", Hearsay: "is not published", Ranks: "stands behind",
}

// Each planted mistake is found within a few seeds.
func TestPlantedMistakesAreFound(t *testing.T) {
	for _, plant := range []Plant{Purchases, SoldOut, Withdrawals, Redemptions, Cancellations, Moves, Transit, Erasures, Bounces, Letters, Pages, Crises, Carts, PublicSales, Minimums,
		Changes, Places, Sources, Budgets, Hours, Chargebacks, Regrets, Borders, Drifts, Parts, Collections, Words, Quantities, Hearsay, Mails, Ranks} {
		t.Run(string(plant), func(t *testing.T) {
			for seed := uint64(1); seed <= 150; seed++ {
				if err := Check(seed, plant); err != nil && strings.Contains(err.Error(), says[plant]) {
					t.Log(err)
					return
				}
			}
			t.Error("not found")
		})
	}
}
