package service

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/cmd/onhand/config"
)

// An order that names the telephone alone is that of the customer who has it,
// whichever partition either lives in, and the number is in no log.
func TestOrderByTelephone(t *testing.T) {
	s := start(t, config.Config{Partitions: 4})
	status, answer, _ := ask(t, s, "POST", "/v1/identify", `{"type":"identify","userId":"ann","traits":{"phone":"+33612345678"}}`)
	require.Equal(t, 200, status, answer)
	status, answer, _ = ask(t, s, "POST", "/v1/track", `{"type":"track","event":"Order Completed","properties":{"order_id":"o1","phone":"0033 6 12 34 56 78","products":[{"sku":"phone"}]}}`)
	require.Equal(t, 200, status, answer)
	require.Eventually(t, func() bool {
		return strings.Contains(get(t, s, "/api/v1/customers/ann"), `"orders":[{"at":`)
	}, 5*time.Second, 5*time.Millisecond)
	require.NotContains(t, string(written(t, s)), "12345678")
	require.NotContains(t, string(written(t, s)), "12 34 56 78")
}
