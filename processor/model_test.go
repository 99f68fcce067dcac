package processor

import (
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor/moments"
)

func TestParseMicro(t *testing.T) {
	for text, want := range map[string]moments.Micro{
		"0.31": 310_000, "1": moments.One, "-0.5": -500_000, "3.2e-05": 32, "1.5E3": 1500 * moments.One, "0.12345678": 123_456,
		"1000000": 1_000_000 * moments.One, "0": 0, "0e90": 0, "1e-20": 0,
	} {
		got, ok := parseMicro(text)
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "-", "high", "1e99", "1000001", "0x10", "1e1234", "1.2.3", "true", "+1"} {
		_, ok := parseMicro(text)
		require.False(t, ok, text)
	}
}
