package service

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/cmd/onhand/config"
)

// An order that names an address alone is that of the customer who has it,
// whichever partition either lives in, and the address is in no log.
func TestOrderByAddress(t *testing.T) {
	s := start(t, config.Config{Partitions: 4})
	status, answer, _ := ask(t, s, "POST", "/v1/identify", `{"type":"identify","userId":"ann","traits":{"phone":"+33612345678","email":"ann@example.com"}}`)
	require.Equal(t, 200, status, answer)
	status, answer, _ = ask(t, s, "POST", "/v1/track", `{"type":"track","event":"Order Completed","properties":{"order_id":"o1","phone":"0033 6 12 34 56 78","products":[{"sku":"phone"}]}}`)
	require.Equal(t, 200, status, answer)
	status, answer, _ = ask(t, s, "POST", "/v1/track", `{"type":"track","event":"Order Completed","properties":{"order_id":"o2","email":"ANN@example.com","products":[{"sku":"case"}]}}`)
	require.Equal(t, 200, status, answer)
	require.Eventually(t, func() bool {
		view := get(t, s, "/api/v1/customers/ann")
		return strings.Contains(view, `"sku":"phone"`) && strings.Contains(view, `"sku":"case"`)
	}, time.Minute, 5*time.Millisecond)
	require.NotContains(t, string(written(t, s)), "12345678")
	require.NotContains(t, string(written(t, s)), "12 34 56 78")
	require.NotContains(t, strings.ToLower(string(written(t, s))), "ann@example")
}
