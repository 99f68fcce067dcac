package sim

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run this seed only, and tell what happens")
	seedsFlag = flag.Int("seeds", 60, "run so many seeds")
)

func TestSeeds(t *testing.T) {
	if *seedFlag != 0 {
		r, err := Check(Config{Seed: *seedFlag, Trace: os.Stdout})
		require.NoError(t, err)
		t.Logf("%+v", r)
		return
	}
	var out strings.Builder
	failed := Seeds(1, *seedsFlag, &out)
	t.Log(out.String())
	require.Empty(t, failed)
}

// Each planted mistake is found within a few seeds. A simulator finds what its
// checkers say, and nothing else.
func TestPlantedMistakesAreFound(t *testing.T) {
	for _, plant := range []Plant{IgnoreNumbers, FlushEarly, SkipFence, TrustTheNet, LoseEvents} {
		t.Run(string(plant), func(t *testing.T) {
			found := map[string]uint64{}
			for seed := uint64(1); seed <= 40; seed++ {
				for _, v := range Run(Config{Seed: seed, Plant: plant}).Violations {
					if found[v.Checker] == 0 {
						found[v.Checker] = seed
					}
				}
			}
			t.Log(fmt.Sprint(found))
			require.NotEmpty(t, found)
		})
	}
}
