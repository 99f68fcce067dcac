package service

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/cmd/onhand/api"
	"onhand/cmd/onhand/config"
	"onhand/processor/whatif"
)

// simulate asks what a file would have decided and returns the last line of the
// answer.
func simulate(t *testing.T, s *Service, query, text string, header ...string) (status int, x api.Simulated, answer string) {
	t.Helper()
	status, answer, _ = ask(t, s, "POST", "/api/v1/simulate?"+query, text, header...)
	lines := strings.Split(strings.TrimSpace(answer), "\n")
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &x), answer)
	return status, x, answer
}

// A log that was trimmed is replayed from the checkpoint before the span, and a
// span that nothing reaches back to is refused with the one that is possible.
func TestSimulateFromACheckpoint(t *testing.T) {
	s := start(t, config.Config{NATS: config.NATS{Listen: "127.0.0.1:0"}})
	leave := func(customers ...string) {
		for _, c := range customers {
			track(t, s, c, "Product Added", `{"cart_id":"c-`+c+`","sku":"phone","price":199,"quantity":2}`)
		}
	}
	decided := func(n int) {
		require.Eventually(t, func() bool { return len(decisions(t, s, "moment=cart_abandoned").Data) == n }, time.Minute, 20*time.Millisecond)
	}
	leave("ann", "bob", "cat")
	decided(3)
	require.NoError(t, s.Worker.WaitIdle(t.Context()))
	saved, err := s.Worker.Checkpoint(t.Context())
	require.NoError(t, err)
	for _, p := range saved {
		require.NoError(t, s.Log.Trim(t.Context(), p.Partition, p.Position+1))
	}
	time.Sleep(10 * time.Millisecond)
	from := time.Now()
	leave("dan", "eve", "ann")
	decided(6)
	require.NoError(t, s.Worker.WaitIdle(t.Context()))

	since := "from=" + from.UTC().Format(time.RFC3339Nano)
	status, x, answer := simulate(t, s, since, string(rules))
	require.Equal(t, 200, status, answer)
	require.NotNil(t, x.Report, answer)
	require.Empty(t, x.Report.Changes)
	require.Equal(t, 3, x.Report.Events)
	require.Equal(t, x.Report.Recorded.Decisions, x.Report.Recorded.Same, answer)
	require.Equal(t, x.Report.Was, x.Report.Now)
	require.Equal(t, 3, moment(x.Report, "cart_abandoned").Before.Suppressed, answer)

	// Nobody came as far as the checkout.
	changed := strings.Replace(string(rules), "when: [Product Added, Product Removed, Cart Updated, Checkout Started]", "when: [Checkout Started]", 1)
	_, x, answer = simulate(t, s, since+"&examples=1", changed)
	require.NotNil(t, x.Report, answer)
	require.Equal(t, 3, moment(x.Report, "cart_abandoned").Reason, answer)
	require.Len(t, x.Report.Changes, 1, answer)
	require.Len(t, x.Report.Changes[0].Examples, 1)
	require.Equal(t, "no candidate", x.Report.Changes[0].Now)
	require.NotContains(t, answer, `"dan"`, "customers are not named")

	// The same from beside the service, which does not notice.
	o, closePast, err := OpenPast(t.Context(), s.NATS(), config.CheckpointsLog, nil)
	require.NoError(t, err)
	defer closePast()
	o.Dir, o.Rules, o.From, o.To, o.Examples = t.TempDir(), []byte(changed), from.UnixMilli(), int64(x.Report.To), 1
	beside, err := whatif.Run(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, x.Report, beside)
	left, err := os.ReadDir(o.Dir)
	require.NoError(t, err)
	require.Empty(t, left)
	o.From = from.Add(-24 * time.Hour).UnixMilli()
	_, err = whatif.Run(t.Context(), o)
	var trimmed *whatif.TrimmedError
	require.ErrorAs(t, err, &trimmed)
	require.Less(t, trimmed.Earliest, from.UnixMilli())
	o.From = trimmed.Earliest
	_, err = whatif.Run(t.Context(), o)
	require.NoError(t, err, "the span that the error names is possible")

	status, _, answer = simulate(t, s, "since=24h", string(rules))
	require.Equal(t, 409, status)
	require.Contains(t, answer, "A span can begin at ")
	require.Contains(t, answer, "checkpoints: {every: 1h, keep: 25}")
}

// Moments that were put in force within the span hold in the replay as it was
// only.
func TestSimulateOverAnActivation(t *testing.T) {
	s := start(t, config.Config{})
	track(t, s, "ann", "Product Added", `{"cart_id":"c1","sku":"phone","price":199,"quantity":2}`)
	require.Eventually(t, func() bool { return len(decisions(t, s, "moment=cart_abandoned").Data) == 1 }, time.Minute, 20*time.Millisecond)
	later := strings.Replace(string(rules), "when: [Product Added, Product Removed, Cart Updated, Checkout Started]", "when: [Checkout Started]", 1)
	status, answer, _ := ask(t, s, "PUT", "/api/v1/moments", later, "If-Match", "*")
	require.Equal(t, 200, status, answer)
	require.NoError(t, s.Worker.WaitIdle(t.Context())) // in force in the other partition too
	track(t, s, "bob", "Product Added", `{"cart_id":"c2","sku":"phone","price":199,"quantity":2}`)
	time.Sleep(300 * time.Millisecond)
	require.NoError(t, s.Worker.WaitIdle(t.Context()))

	status, _, answer = simulate(t, s, "to=2020-01-01T00:00:00Z", string(rules))
	require.Equal(t, 409, status)
	require.Contains(t, answer, "the log begins at ")

	_, x, answer := simulate(t, s, "", string(rules))
	require.NotNil(t, x.Report, answer)
	m := moment(x.Report, "cart_abandoned")
	require.Equal(t, 1, m.Before.Suppressed, answer)
	require.Equal(t, 2, m.After.Suppressed, answer)
	require.Equal(t, x.Report.Recorded.Decisions, x.Report.Recorded.Same, answer)
	require.Equal(t, 1, x.Report.LeftOut)
	require.Contains(t, strings.Join(x.Report.Notes, " "), "activated")
}

func moment(r *whatif.Report, name string) whatif.Moment {
	for _, m := range r.Moments {
		if m.Name == name {
			return m
		}
	}
	return whatif.Moment{}
}

func TestSimulateRefuses(t *testing.T) {
	s := start(t, config.Config{Keys: config.Keys{Write: map[string]string{writeKey: "shop"}, Read: []string{readKey}, Operate: []string{operateKey}}})
	status, _, _ := simulate(t, s, "", string(rules), "Authorization", "Bearer "+readKey)
	require.Equal(t, 403, status)
	operate := []string{"Authorization", "Bearer " + operateKey}
	for query, says := range map[string]string{
		"since=yesterday":                    "like 24h or 7d",
		"since=-1h":                          "like 24h or 7d",
		"from=monday":                        "2026-03-02T20:00:00Z",
		"from=2030-01-01T00:00:00Z":          "the span is empty",
		"since=1h&from=2026-01-01T00:00:00Z": "keep one",
		"share=2":                            "at most 1",
		"examples=-1":                        "from 0 to 100",
		"span=1h":                            "span is no parameter",
	} {
		status, _, answer := simulate(t, s, query, string(rules), operate...)
		require.Equal(t, 400, status, query)
		require.Contains(t, answer, says, query)
	}
	status, _, answer := simulate(t, s, "", "nonsense: 1\n", operate...)
	require.Equal(t, 422, status)
	require.Contains(t, answer, `unknown key`)
	status, _, answer = simulate(t, s, "", strings.Repeat("#", 1<<20), operate...)
	require.Equal(t, 413, status, fmt.Sprint(answer))
}

// A service that stops does not wait for a replay.
func TestStopEndsAReplay(t *testing.T) {
	s := start(t, config.Config{})
	for i := range 50 {
		track(t, s, fmt.Sprintf("ann%d", i), "Product Added", `{"cart_id":"c","sku":"phone","price":199,"quantity":2}`)
	}
	require.NoError(t, s.Worker.WaitIdle(t.Context()))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/api/v1/simulate?share=0.0001", strings.NewReader(string(rules)))
	require.NoError(t, err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req) // its first line has come
	require.NoError(t, err)
	defer resp.Body.Close()
	status, _, answer := simulate(t, s, "", string(rules))
	require.Equal(t, 409, status, answer)
	require.Contains(t, answer, "one runs at a time")
	began := time.Now()
	stop(t, s)
	require.Less(t, time.Since(began), 10*time.Second)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), "the service is stopping")
}
