package service

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/cmd/onhand/config"
	"onhand/connectors/voucher"
)

// Two tills that reach nobody take the same voucher. Each can check it, and when
// both have reported the double use is told, with both of them.
func TestVoucherOffline(t *testing.T) {
	key, err := voucher.NewKey("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	require.NoError(t, err)
	s := start(t, config.Config{Partitions: 4, Keys: config.Keys{Voucher: key}})
	status, answer, _ := ask(t, s, "POST", "/api/v1/rewards/r1/voucher", "")
	require.Equal(t, 409, status, answer)
	track(t, s, "ann", "Reward Issued", `{"reward_id":"r1","amount":10,"currency":"EUR"}`)
	require.Eventually(t, func() bool {
		return strings.Contains(get(t, s, "/api/v1/rewards/r1"), `"state":"valid"`)
	}, time.Minute, 5*time.Millisecond)

	status, answer, _ = ask(t, s, "POST", "/api/v1/rewards/r1/voucher", "")
	require.Equal(t, 200, status, answer)
	var made struct{ Voucher string }
	require.NoError(t, json.Unmarshal([]byte(answer), &made))
	var public struct {
		Key string `json:"public_key"`
	}
	require.NoError(t, json.Unmarshal([]byte(get(t, s, "/api/v1/vouchers/key")), &public))
	known, err := base64.StdEncoding.DecodeString(public.Key)
	require.NoError(t, err)
	v, err := voucher.Verify(known, made.Voucher, time.Now()) // at the till
	require.NoError(t, err)
	require.Equal(t, "r1", v.Reward)
	require.Equal(t, int64(1000), v.Amount)
	require.Equal(t, "EUR", v.Currency)

	report := func(receipt, store, text string, at time.Time) (int, string) {
		status, answer, _ := ask(t, s, "POST", "/api/v1/rewards/r1/redeem",
			fmt.Sprintf(`{"order_id":%q,"store":%q,"voucher":%q,"at":%q}`, receipt, store, text, at.Format(time.RFC3339)))
		return status, answer
	}
	now := time.Now().UTC().Truncate(time.Second)
	for range 2 { // a report that is repeated is the same use
		status, answer = report("receipt-1", "lyon", made.Voucher, now.Add(-2*time.Minute))
		require.Equal(t, 200, status, answer)
		require.Contains(t, answer, `"state":"used"`)
		require.NotContains(t, answer, `"double"`)
	}
	status, answer = report("receipt-2", "nice", made.Voucher, now.Add(-time.Minute))
	require.Equal(t, 200, status, answer)
	require.Contains(t, answer, `"double":true`)
	require.Contains(t, answer, `"store":"lyon"`)
	require.Contains(t, answer, `"store":"nice"`)
	require.Eventually(t, func() bool {
		letters := get(t, s, "/api/v1/dlq")
		return strings.Contains(letters, "double_use") && strings.Contains(letters, "at lyon on") && strings.Contains(letters, "at nice on")
	}, time.Minute, 5*time.Millisecond)

	// Only what was signed here, for this reward, and neither for tomorrow nor for
	// a time when there was no such voucher.
	other := ed25519.NewKeyFromSeed(make([]byte, 32))
	forged, err := voucher.Sign(other, v)
	require.NoError(t, err)
	for _, bad := range []struct {
		text string
		at   time.Time
	}{{forged, now}, {made.Voucher, now.Add(24 * time.Hour)}, {made.Voucher, now.Add(-time.Hour)}, {made.Voucher, now.Add(1000 * 24 * time.Hour)}, {"", now}} {
		status, answer = report("receipt-3", "nice", bad.text, bad.at)
		require.Equal(t, 400, status, answer)
	}
	status, answer, _ = ask(t, s, "POST", "/api/v1/rewards/r2/redeem", fmt.Sprintf(`{"order_id":"x","voucher":%q,"at":%q}`, made.Voucher, now.Format(time.RFC3339)))
	require.Equal(t, 400, status, answer)
}

// Without a key no vouchers are made, and none are taken.
func TestNoVouchersWithoutAKey(t *testing.T) {
	s := start(t, config.Config{Partitions: 1})
	for _, call := range []struct{ method, path, body string }{
		{"POST", "/api/v1/rewards/r1/voucher", ""},
		{"GET", "/api/v1/vouchers/key", ""},
		{"POST", "/api/v1/rewards/r1/redeem", `{"order_id":"o","voucher":"ov1.a.b","at":"2026-03-02T10:00:00Z"}`},
	} {
		status, answer, _ := ask(t, s, call.method, call.path, call.body)
		require.Equal(t, 404, status, answer)
		require.Contains(t, answer, "not configured")
	}
}
