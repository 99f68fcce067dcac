package main

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// syncBuffer is a buffer that is written by one goroutine and read by another.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// after waits for a line with a prefix and returns the rest of it.
func (s *syncBuffer) after(t *testing.T, prefix string, errs *syncBuffer) (rest string) {
	t.Helper()
	require.Eventually(t, func() bool {
		for line := range strings.Lines(s.String()) {
			if text, found := strings.CutPrefix(line, prefix); found && strings.HasSuffix(text, "\n") {
				rest = strings.TrimSpace(text)
				return true
			}
		}
		return false
	}, time.Minute, 10*time.Millisecond, "no line with %q; %s", prefix, errs)
	return rest
}
