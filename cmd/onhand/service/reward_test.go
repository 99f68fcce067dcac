package service

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/cmd/onhand/config"
)

// A till asks whether a certificate can be used, and of many tills that redeem
// it at the same time one may; the customer's side knows it, too.
func TestRewardAtTheTill(t *testing.T) {
	s := start(t, config.Config{Partitions: 4})
	require.Contains(t, get(t, s, "/api/v1/rewards/r1"), `"state":"unknown"`)
	track(t, s, "ann", "Reward Issued", `{"reward_id":"r1","amount":10,"currency":"EUR"}`)
	require.Eventually(t, func() bool {
		return strings.Contains(get(t, s, "/api/v1/rewards/r1"), `"state":"valid"`)
	}, time.Minute, 5*time.Millisecond)

	status, answer, _ := ask(t, s, "POST", "/api/v1/rewards/r1/redeem", `{"amount":500}`)
	require.Equal(t, 400, status, answer)
	status, answer, _ = ask(t, s, "POST", "/api/v1/rewards/r2/redeem", `{"order_id":"o"}`)
	require.Equal(t, 409, status, answer)

	var mu sync.Mutex
	answers := map[int]int{}
	var tills sync.WaitGroup
	for i := range 8 {
		tills.Go(func() {
			resp, err := http.Post(s.URL()+"/api/v1/rewards/r1/redeem", "application/json", strings.NewReader(fmt.Sprintf(`{"order_id":"receipt-%d","store":"lyon"}`, i)))
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			mu.Lock()
			answers[resp.StatusCode]++
			mu.Unlock()
		})
	}
	tills.Wait()
	require.Equal(t, map[int]int{200: 1, 409: 7}, answers)
	require.Contains(t, get(t, s, "/api/v1/rewards/r1"), `"state":"used","amount":1000,"left":0`)
	require.Eventually(t, func() bool {
		return strings.Contains(get(t, s, "/api/v1/customers/ann"), `"reward_id":"r1","state":"used"`)
	}, time.Minute, 5*time.Millisecond)
}
