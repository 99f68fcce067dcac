package voucher

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A voucher holds until it expires, for who has the public key only, and not when
// a single character of it is another one.
func TestVerify(t *testing.T) {
	key, err := NewKey("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	require.NoError(t, err)
	public := key.Public().(ed25519.PublicKey)
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	v := Voucher{Reward: "r1", Amount: 1000, Currency: "EUR", IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
	text, err := Sign(key, v)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(text, "ov1."))

	got, err := Verify(public, text, now)
	require.NoError(t, err)
	require.Equal(t, v, got)
	_, err = Verify(public, text, now.Add(time.Hour))
	require.ErrorIs(t, err, ErrExpired)

	other, err := NewKey("AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	require.NoError(t, err)
	_, err = Verify(other.Public().(ed25519.PublicKey), text, now)
	require.ErrorIs(t, err, ErrForged)
	for i := range text {
		c := byte('A')
		if text[i] == c {
			c = 'B'
		}
		got, err := Verify(public, text[:i]+string(c)+text[i+1:], now)
		if err == nil { // the last character has bits that stand for nothing
			require.Equal(t, len(text)-1, i)
			require.Equal(t, v, got)
		}
	}
	for _, bad := range []string{"", "ov1.", "ov1..", "ov1.x", text + "x", strings.Repeat("a", 5000), strings.Replace(text, "ov1", "ov2", 1)} {
		_, err := Verify(public, bad, now)
		require.ErrorIs(t, err, ErrForged, bad)
	}
	for _, bad := range []string{"", "AAEC", "no base64!"} {
		_, err := NewKey(bad)
		require.Error(t, err, bad)
	}
}
