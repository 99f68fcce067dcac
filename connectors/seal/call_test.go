package seal

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/processor"
)

// A refused call is forgotten with the customer it names, as far as it can be
// read; one that names nobody after a month.
func TestRefusedCallsAreSealed(t *testing.T) {
	s := newSealer(t, openLog(t))
	day := time.Date(2026, 11, 22, 23, 30, 0, 0, time.UTC)
	seal := func(call string) string {
		t.Helper()
		text, err := s.SealCall(t.Context(), []byte(call), day)
		require.NoError(t, err)
		require.NotContains(t, text, "ann@")
		plain, err := s.Open(t.Context(), text)
		require.NoError(t, err)
		require.Equal(t, call, plain)
		return text
	}
	ofAnn := []string{
		seal(`{"type":"track","userId":"ann","anonymousId":"tablet","properties":{"sku":7,"note":"ann@example.com"}}`),
		seal(`{"type":"identify","userId":null,"anonymousId":"\u0061nn","traits":7,"email":"ann@example.com"}`),
		seal(`{"userId":"ann","email":"ann@example.com","cut of`),
		seal("{\"userId\":\"ann\",\"\xff\":\"ann@example.com\"}"),
	}
	ofDay := []string{
		seal(`ann@example.com`), seal(`["ann@example.com"]`), seal(`{"type":"trick","email":"ann@example.com"}`), seal(`{"userId":7,"x":"ann@example.com"}`),
		seal(`{"userId":"` + strings.Repeat("x", processor.MaxIDBytes+1) + `","email":"ann@example.com"}`),
	}
	gone := func(texts []string) {
		t.Helper()
		for _, text := range texts {
			_, err := s.Open(t.Context(), text)
			require.ErrorIs(t, err, ErrDestroyed)
		}
	}
	n, err := s.Destroy(t.Context(), []string{"ann"})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	gone(ofAnn)
	require.NoError(t, s.ExpireCalls(t.Context(), day.Add(CallsKept)))
	for _, text := range ofDay {
		_, err := s.Open(t.Context(), text)
		require.NoError(t, err)
	}
	require.NoError(t, s.ExpireCalls(t.Context(), day.Add(CallsKept+24*time.Hour)))
	gone(ofDay)
	seal(`{"type":"trick"}`)
	require.NoError(t, s.ExpireCalls(t.Context(), day.Add(CallsKept+20*24*time.Hour)), "a service that was stopped for long")
	_, err = s.Open(t.Context(), ofDay[0])
	require.ErrorIs(t, err, ErrDestroyed)
}
