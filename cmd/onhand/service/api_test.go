package service

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/cmd/onhand/config"
)

// A cursor that speaks of records which are not there, for the log has been
// put back, begins at the end. It is not waited for.
func TestCursorBeyondTheEnd(t *testing.T) {
	s := start(t, config.Config{})
	track(t, s, "ann", "Product Added", `{"cart_id":"c","sku":"phone","price":199}`)
	require.Eventually(t, func() bool { return len(decisions(t, s, "moment=cart_abandoned").Data) == 1 }, time.Minute, 20*time.Millisecond)
	for _, ahead := range []uint64{3, 90, 1 << 40} {
		var cursor []byte
		for p := range s.Log.Partitions() {
			last, _, err := s.Log.LastCommit(t.Context(), p)
			require.NoError(t, err)
			cursor = binary.AppendUvarint(binary.AppendUvarint(cursor, last+ahead), 0)
		}
		begin := time.Now()
		require.Len(t, decisions(t, s, "moment=cart_abandoned&cursor="+base64.RawURLEncoding.EncodeToString(cursor)).Data, 1)
		require.Less(t, time.Since(begin), 10*time.Second)
	}
}

// What is asked for with a slip in it is refused, and not taken for more than
// was meant: for everything, for no dry run, for no backup.
func TestSlipsInAQuery(t *testing.T) {
	s := start(t, config.Config{})
	status, answer, _ := ask(t, s, "POST", "/api/v1/stops", "{}")
	require.Equal(t, 200, status, answer)
	for _, tt := range []struct{ method, path, body, says string }{
		{"POST", "/api/v1/stops", `{"tag":""}`, "the tag is empty"},
		{"POST", "/api/v1/stops", `{"tag":"spring"}{"`, "something follows its end"},
		{"POST", "/api/v1/stops", `{"tag":5}`, "tag is no place for number"},
		{"POST", "/api/v1/stops", `[]`, "this is no place for array"},
		{"DELETE", "/api/v1/dlq?through=all", "", `through is \"all\"`},
		{"DELETE", "/api/v1/stops?tag=", "", "the tag is empty"},
		{"DELETE", "/api/v1/stops?tags=spring", "", "tags is no parameter here; known: tag"},
		{"PUT", "/api/v1/moments?dry_run=yes", "", "dry_run is"},
		{"PUT", "/api/v1/moments?dryrun=true", "", "known: dry_run, keep_pending"},
		{"POST", "/api/v1/checkpoints?backup=yes", "", "backup is"},
		{"GET", "/api/v1/customers/ann?standby=maybe", "", "standby is"},
		{"GET", "/api/v1/customers/ann?fresh=1", "", "known: standby, min_position"},
		{"GET", "/api/v1/decisions?custmer=ann", "", "custmer is no parameter"},
		{"GET", "/api/v1/decisions?outcome=send", "", "one of sent, suppressed"},
		{"GET", "/api/v1/decisions?reason=purchase", "", "onhand moments reasons lists the words"},
		{"GET", "/api/v1/status?all=1", "", "all is no parameter"},
	} {
		status, answer, _ := ask(t, s, tt.method, tt.path, tt.body, "If-Match", "*")
		require.Equal(t, 400, status, "%s %s: %s", tt.method, tt.path, answer)
		require.Contains(t, answer, tt.says)
	}
	require.Contains(t, get(t, s, "/api/v1/stops"), `"stopped":true`)
	require.Contains(t, get(t, s, "/healthz?probe=1"), "ok", "of whoever looks after the machine nothing is asked")
}

// The kill switch does not wait for somebody who is slow to send moments.
func TestKillSwitchWaitsForNobody(t *testing.T) {
	s := start(t, config.Config{})
	body, slow := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", s.URL()+"/api/v1/moments", body)
	require.NoError(t, err)
	req.Header.Set("If-Match", "*")
	done := make(chan error, 1)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	go func() {
		resp, err := client.Do(req)
		if err == nil {
			if resp.Body.Close(); resp.StatusCode != http.StatusUnprocessableEntity {
				err = fmt.Errorf("answered %s", resp.Status)
			}
		}
		done <- err
	}()
	_, err = io.WriteString(slow, "version: ")
	require.NoError(t, err)
	time.Sleep(100 * time.Millisecond)
	begin := time.Now()
	status, answer, _ := ask(t, s, "POST", "/api/v1/stops", "{}")
	require.Equal(t, 200, status, answer)
	require.True(t, strings.Contains(answer, `"stopped":true`), answer)
	require.Less(t, time.Since(begin), 10*time.Second)
	_, err = io.WriteString(slow, "nonsense")
	require.NoError(t, err)
	require.NoError(t, slow.Close())
	require.NoError(t, <-done)
}
