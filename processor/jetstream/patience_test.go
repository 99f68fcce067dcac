package jetstream

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

// Who starts while the streams have no leader waits for one; what is wrong for
// good is said at once.
func TestPatience(t *testing.T) {
	for _, silent := range []error{ErrUnavailable, ErrUnknown} {
		asked := 0
		answer, err := Patiently(t.Context(), slog.New(slog.DiscardHandler), func() (string, error) {
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
	_, err := Patiently(t.Context(), slog.New(slog.DiscardHandler), func() (string, error) {
		asked++
		return "", wrong
	})
	require.Equal(t, wrong, err)
	require.Equal(t, 1, asked)
}
