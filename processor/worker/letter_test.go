package worker

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor/jetstream"
)

// While dead letters cannot be kept only so many wait, and that is said once.
func TestLettersThatWaitHaveAnEnd(t *testing.T) {
	var said strings.Builder
	l := newLetters(jetstream.DeadLetters{}, slog.New(slog.NewTextHandler(&said, nil)))
	for range 2 * maxLetters {
		l.put(&DeadLetter{Kind: "step", Reason: "limit"})
	}
	require.Len(t, l.queue, maxLetters)
	require.Equal(t, 1, strings.Count(said.String(), "dead letters cannot be kept"))
	l = newLetters(jetstream.DeadLetters{}, slog.New(slog.DiscardHandler))
	for range 100 {
		l.put(&DeadLetter{Kind: "step", Entry: make([]byte, maxLetterBytes/10)})
	}
	require.Less(t, len(l.queue), 10)
}
