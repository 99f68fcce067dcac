package processor

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever adds something to a customer says in identity_merge.go what becomes
// of it when two of them are one person.
func TestEveryFieldOfACustomerIsMerged(t *testing.T) {
	merged := []string{
		"Count", "Known", "Profile", "Carts", "Orders", "OrderIDs", "Ordered", "After", "Standing", "Models", "Sights",
		"Contacts", "Pending", "Interests", "Sales", "Occurrences", "Identity",
		// These are of the id, not of the person.
		"head", "ID", "Last", "recent",
		// Derived.
		"soonest", "itemAt", "occurrentAt", "itemsBought",
	}
	var fields []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Customer]()) {
		if len(f.Index) == 1 {
			fields = append(fields, f.Name)
		}
	}
	require.ElementsMatch(t, fields, merged)
}
