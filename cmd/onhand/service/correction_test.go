package service

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/cmd/onhand/config"
)

// A purchase that was still travelling when the reminder went makes it raced,
// not wrong: both can be asked for, and are counted.
func TestRacedReminder(t *testing.T) {
	s := start(t, config.Config{Partitions: 4})
	noon := "Etc/GMT" // where it is about noon now: the sign of these zones is turned round
	if h := time.Now().UTC().Hour(); h != 12 {
		noon = fmt.Sprintf("Etc/GMT%+d", h-12)
	}
	track(t, s, "ann", "Stock Level Reported", `{"sku":"phone","available":10}`)
	status, answer, _ := ask(t, s, "POST", "/v1/identify", fmt.Sprintf(
		`{"userId":"ann","traits":{"email":"ann@example.com","timezone":%q,"consent":{"email":{"marketing":true}}}}`, noon))
	require.Equal(t, 200, status, answer)
	track(t, s, "ann", "Product Added", `{"cart_id":"c","sku":"phone","price":199,"currency":"EUR"}`)
	require.Eventually(t, func() bool { return len(decisions(t, s, "moment=cart_abandoned").Data) == 1 }, time.Minute, 20*time.Millisecond)
	sent := decisions(t, s, "moment=cart_abandoned").Data[0]
	require.Equal(t, "sent", sent.Outcome, sent.Reason)

	status, answer, _ = ask(t, s, "POST", "/v1/track", fmt.Sprintf(
		`{"type":"track","event":"Order Completed","userId":"ann","timestamp":%q,"properties":{"order_id":"o","products":[{"sku":"phone"}]}}`,
		sent.At.Add(-50*time.Millisecond).UTC().Format(time.RFC3339Nano)))
	require.Equal(t, 200, status, answer)
	var page struct {
		Data []struct {
			Customer, Decision, Moment, Correction, Reason string
			Late                                           int64 `json:"late_ms"`
		}
	}
	require.Eventually(t, func() bool {
		require.NoError(t, json.Unmarshal([]byte(get(t, s, "/api/v1/decisions?records=corrections&customer=ann")), &page))
		return len(page.Data) == 1
	}, time.Minute, 20*time.Millisecond)
	x := page.Data[0]
	require.Equal(t, []string{"ann", sent.ID, "cart_abandoned", "raced", "purchased"}, []string{x.Customer, x.Decision, x.Moment, x.Correction, x.Reason})
	require.Positive(t, x.Late)
	require.Empty(t, decisions(t, s, "records=corrections&outcome=wrong").Data)
	require.Len(t, decisions(t, s, "records=corrections&outcome=raced&reason=purchased&moment=cart_abandoned").Data, 1)
	status, answer, _ = ask(t, s, "GET", "/api/v1/decisions?records=rumours", "")
	require.Equal(t, 400, status, answer)

	for _, line := range []string{
		"onhand_wrong_sends_total 0", `onhand_raced_sends_total{moment="cart_abandoned",reason="purchased"} 1`, "onhand_raced_send_seconds_count 1",
	} {
		// Counted when the commit is acknowledged.
		require.Eventually(t, func() bool { return strings.Contains(get(t, s, "/metrics"), line) }, time.Minute, 20*time.Millisecond, line)
	}
}
