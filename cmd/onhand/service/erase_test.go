package service

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/cmd/onhand/api"
	"onhand/cmd/onhand/config"
)

// Who is to be forgotten is, under every id, and the answer says where that
// stands in the log.
func TestErase(t *testing.T) {
	s := start(t, config.Config{Partitions: 4})
	status, answer, _ := ask(t, s, "POST", "/v1/identify", `{"userId":"ann","anonymousId":"tablet","traits":{"email":"ann@example.com"}}`)
	require.Equal(t, 200, status, answer)
	track(t, s, "ann", "Product Added", `{"cart_id":"c","sku":"phone","price":199,"currency":"EUR"}`)
	require.Eventually(t, func() bool {
		_, answer, _ := ask(t, s, "GET", "/api/v1/customers/tablet", "")
		var v struct {
			ID    string `json:"id"`
			Carts []any  `json:"carts"`
		}
		return json.Unmarshal([]byte(answer), &v) == nil && v.ID == "ann" && len(v.Carts) == 1
	}, time.Minute, 5*time.Millisecond)

	before := time.Now().Add(-time.Second).UnixMilli()
	status, answer, _ = ask(t, s, "DELETE", "/api/v1/customers/tablet", "")
	require.Equal(t, 200, status, answer)
	var proof api.Erasure
	require.NoError(t, json.Unmarshal([]byte(answer), &proof))
	require.Equal(t, "tablet", proof.Customer)
	require.Greater(t, int64(proof.ErasedAt), before)
	require.NotZero(t, proof.Position)
	for _, id := range []string{"ann", "tablet"} {
		require.Contains(t, get(t, s, "/api/v1/customers/"+id), `"carts":[]`, id)
		require.Contains(t, get(t, s, "/api/v1/customers/"+id), `"channels":[]`, id)
		require.Contains(t, get(t, s, "/api/v1/customers/"+id), `"erased_at":"20`, id)
	}

	// A track with the name of the event forgets nobody.
	track(t, s, "bob", "Product Added", `{"cart_id":"c","sku":"phone","price":199,"currency":"EUR"}`)
	track(t, s, "bob", "Customer Erased", `{}`)
	require.NotContains(t, get(t, s, "/api/v1/customers/bob?min_position=end"), "erased_at")
}
