package processor

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor/moments"
)

// TestWholeFile says that the file the language is explained with is carried
// out as a whole.
func TestWholeFile(t *testing.T) {
	text, err := os.ReadFile("moments/shipped.yaml")
	require.NoError(t, err)
	f, faults := moments.Parse("shipped.yaml", text, Vocabulary())
	require.Empty(t, faults)
	require.Empty(t, Unsupported("shipped.yaml", f))
}
