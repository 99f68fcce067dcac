package whole

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor"
	"onhand/processor/moments"
)

// Every wording is one of the shipped file, and can stand there.
func TestWordings(t *testing.T) {
	for _, w := range wordings {
		require.Equal(t, 1, bytes.Count(moments.Shipped(), []byte(w.old)), w.old)
	}
	for seed := range uint64(200) {
		_, faults := moments.Parse("moments.yaml", RulesOf(seed).Text, processor.Vocabulary())
		for _, f := range faults {
			require.True(t, f.Warning, f)
		}
	}
}
