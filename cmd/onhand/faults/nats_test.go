package faults

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/processor/jetstream"
)

// NATS goes away under load and comes back. Meanwhile inlets refuse quickly,
// reads are answered, and afterwards nothing is missing.
func TestNATSGone(t *testing.T) {
	t.Parallel()
	t.Logf("seed %d", *seed)
	dir, listen := t.TempDir(), freeAddress(t)
	nats := newNATS(t, dir, listen)
	defer func() { nats.Close() }()
	s := newProcess(t, "service", t.TempDir(), "--nats", "nats://"+listen,
		"--partitions", fmt.Sprint(partitions), "--moments", moments(t))
	s.start()
	s.waitReady()
	ann := []byte(`{"type":"identify","userId":"ann","messageId":"ann-1","traits":{"timezone":"Europe/Paris"}}`)
	status, answer := post(s.addr, batchOf(ann))
	require.Equal(t, http.StatusOK, status, "%s", answer)
	l := startLoad(t, 500, s)
	time.Sleep(time.Second)

	for round := range 2 {
		nats.Close()
		waitFor(t, "the first refusal", func() string {
			if l.refusals(http.StatusServiceUnavailable) == 0 {
				return "everything is accepted"
			}
			return ""
		})
		took := map[string][]time.Duration{} // some of them may be late on a full machine
		for i := range 5 {
			begin := time.Now()
			resp, err := client.Post("http://"+s.addr+"/v1/batch", "application/json", bytes.NewReader(batchOf(ann)))
			require.NoError(t, err)
			resp.Body.Close()
			require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
			require.NotEmpty(t, resp.Header.Get("Retry-After"))
			took["a refusal"] = append(took["a refusal"], time.Since(begin))
			status, answer := s.get("/readyz")
			require.Equal(t, http.StatusServiceUnavailable, status, "%s", answer)
			for _, path := range []string{"/healthz", "/metrics", "/api/v1/customers/ann", "/api/v1/status"} {
				begin := time.Now()
				status, answer = s.get(path)
				require.Equal(t, http.StatusOK, status, "round %d, %d, %s: %s", round, i, path, answer)
				took[path] = append(took[path], time.Since(begin))
			}
			time.Sleep(200 * time.Millisecond)
		}
		for what, all := range took {
			t.Log(what, all)
			slices.Sort(all)
			require.Less(t, all[len(all)/2], 2*time.Second, "%s: %v", what, all)
		}
		nats = newNATS(t, dir, listen)
		begin, before := time.Now(), l.count()
		waitFor(t, "events to be accepted again", func() string {
			if l.count() == before {
				return "none is"
			}
			return ""
		})
		accepted := time.Since(begin)
		s.waitReady()
		t.Logf("accepted again after %v, ready after %v", accepted, time.Since(begin))
		require.Less(t, time.Since(begin), 20*time.Second)
		time.Sleep(time.Second)
	}
	l.finish()
	waitQuiet(t, s)
	s.stop()
	v := judge(t, jetstream.Options{Server: nats})
	v.wants(t, l.accepted)
	v.told(t, lines(t, s.data))
	t.Logf("%d events, %d decisions, %d actions; refused %v, the slowest after %v", len(l.accepted), sum(v.decisions), len(v.actions), l.refused, l.slowest)
	require.Less(t, l.slowest, 10*time.Second)
}

func batchOf(calls ...[]byte) []byte {
	return append(append([]byte(`{"batch":[`), bytes.Join(calls, []byte{','})...), "]}"...)
}
