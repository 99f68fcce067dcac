package whole

import (
	"strings"
	"testing"
)

// Where items have to do with each other nothing is said that must not be, and
// who waits is told.
func TestKin(t *testing.T) {
	for seed := uint64(1); seed <= *seedsFlag; seed++ {
		if err := CheckKin(seed, None); err != nil {
			t.Error(err)
		}
	}
}

// Each planted mistake is found within a few seeds, by the question it is an
// answer to.
func TestPlantedMistakesOfKinAreFound(t *testing.T) {
	for plant, says := range map[Plant]string{
		Purchases: "were bought since it was wanted last", SoldOut: " units", Accessories: "to the case", Substitutes: "of kettle were bought",
		Sets: "asked for tea-set", Renames: "lamp is called lamp-2", Households: "lives there too",
	} {
		t.Run(string(plant), func(t *testing.T) {
			for seed := uint64(1); seed <= 40; seed++ {
				if err := CheckKin(seed, plant); err != nil && strings.Contains(err.Error(), says) {
					t.Log(err)
					return
				}
			}
			t.Error("not found")
		})
	}
}
