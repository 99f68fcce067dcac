package service

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor/jetstream"
)

// A service that starts while the streams have no leader waits for one, and says
// so; what is wrong for good it says at once.
func TestStartWaitsForALeader(t *testing.T) {
	for _, silent := range []error{jetstream.ErrUnavailable, jetstream.ErrUnknown} {
		asked := 0
		answer, err := patiently(t.Context(), slog.New(slog.DiscardHandler), func() (string, error) {
			if asked++; asked < 3 {
				return "", fmt.Errorf("seal: %w", silent)
			}
			return "key", nil
		})
		require.NoError(t, err)
		require.Equal(t, "key", answer)
		require.Equal(t, 3, asked)
	}

	asked, wrong := 0, errors.New("the key has 3 bytes, not 32")
	_, err := patiently(t.Context(), slog.New(slog.DiscardHandler), func() (string, error) {
		asked++
		return "", wrong
	})
	require.Equal(t, wrong, err)
	require.Equal(t, 1, asked)
}
