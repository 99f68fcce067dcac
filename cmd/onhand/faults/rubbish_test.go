package faults

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Rubbish of every kind is refused clearly, or kept with its reason; what is
// right in the same batch is applied.
func TestRubbish(t *testing.T) {
	t.Parallel()
	s := newProcess(t, "service", t.TempDir(), "--partitions", fmt.Sprint(partitions), "--moments", moments(t))
	s.start()
	s.waitReady()
	t.Cleanup(client.CloseIdleConnections)

	t.Run("requests", func(t *testing.T) { refusedRequests(t, s) })
	t.Run("calls", func(t *testing.T) { refusedCalls(t, s) })
	t.Run("hostile", func(t *testing.T) { hostileIDs(t, s) })
	t.Run("odd", func(t *testing.T) { oddCalls(t, s) })

	status, body := s.get("/healthz")
	require.Equal(t, http.StatusOK, status, "%s", body)
	s.waitReady()
	waitQuiet(t, s)
	s.stop()
	require.NotContains(t, s.said(), "a step failed", "a step panicked")
	require.NotContains(t, s.said(), "panic")
	judgeData(t, s.data)
}

// Requests that can never work.
func refusedRequests(t *testing.T, s *process) {
	packed := func(n int) []byte {
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		_, err := io.CopyN(w, zeros{}, int64(n))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return b.Bytes()
	}
	valid := `{"type":"track","event":"Product Viewed","userId":"u","properties":{"sku":"x"}}`
	for _, c := range []struct {
		what, path string
		body       []byte
		header     string
		want       int
	}{
		{"nothing", "batch", nil, "", 400},
		{"no JSON", "batch", []byte("hello"), "", 400},
		{"half JSON", "batch", []byte(`{"batch":[` + valid), "", 400},
		{"trailing rubbish", "batch", []byte(`{"batch":[` + valid + `]} and more`), "", 400},
		{"an array", "batch", []byte(`[` + valid + `]`), "", 400},
		{"no batch", "batch", []byte(`{"events":[]}`), "", 400},
		{"batch of a wrong type", "batch", []byte(`{"batch":"x"}`), "", 400},
		{"deep", "batch", []byte(`{"batch":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`), "", 400},
		{"deep call", "track", []byte(`{"type":"track","event":"X","userId":"u","properties":` + strings.Repeat(`{"a":`, 5_000) + `1` + strings.Repeat("}", 5_000) + `}`), "", 400},
		{"ten megabytes", "batch", bytes.Repeat([]byte(" "), 10<<20), "", 413},
		{"a gzip bomb", "batch", packed(32 << 20), "gzip", 413},
		{"no gzip", "batch", []byte("\x1f\x8bxxxx"), "gzip", 400},
		{"half gzip", "batch", packed(1 << 20)[:500], "gzip", 400},
		{"another coding", "batch", []byte(`{}`), "br", 415},
		{"no user", "track", []byte(`{"type":"track","event":"Product Added","properties":{"sku":"x"}}`), "", 400},
		{"no event name", "track", []byte(`{"type":"track","userId":"u"}`), "", 400},
		{"not UTF-8", "track", []byte("{\"type\":\"track\",\"event\":\"Product Viewed\",\"userId\":\"\xff\xfe\",\"properties\":{\"sku\":\"x\"}}"), "", 400},
		{"a large call", "track", []byte(`{"type":"track","event":"X","userId":"u","properties":{"a":"` + strings.Repeat("x", 1<<20) + `"}}`), "", 413},
		{"a path of nobody", "trakc", []byte(valid), "", 404},
	} {
		status, kind, answer := ask(t, s, c.path, c.body, c.header)
		require.Equal(t, c.want, status, "%s: %s", c.what, answer)
		require.Equal(t, "application/problem+json", kind, "%s: %s", c.what, answer)
		var p struct {
			Title, Detail string
			Status        int
		}
		require.NoError(t, json.Unmarshal(answer, &p), c.what)
		require.Equal(t, c.want, p.Status, c.what)
		require.NotEmpty(t, p.Detail, c.what)
	}
	status, kind, answer := ask(t, s, "track", []byte(valid), "")
	require.Equal(t, http.StatusOK, status, "%s %s", kind, answer)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// ask sends a body to a path of the collector.
func ask(t testing.TB, s *process, path string, body []byte, encoding string) (status int, kind string, answer []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+s.addr+"/v1/"+path, bytes.NewReader(body))
	require.NoError(t, err)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header.Get("Content-Type"), answer
}

// Calls that are wrong among calls that are right: the batch is answered 200,
// each wrong one is a dead letter with its reason.
func refusedCalls(t *testing.T, s *process) {
	track := func(event, properties string) string {
		return fmt.Sprintf(`{"type":"track","event":%q,"userId":"cat","properties":%s}`, event, properties)
	}
	wrong := []string{
		`{}`, `null`, `1`, `"x"`, `[]`,
		`{"type":"dance","userId":"cat"}`,
		`{"type":"track","userId":"cat"}`,
		`{"type":"track","event":"","userId":"cat"}`,
		`{"type":"track","event":"Product Added","properties":{"sku":"x"}}`,
		`{"type":"track","event":"Product Added","userId":{"a":1},"properties":{"sku":"x"}}`,
		`{"type":"track","event":"Product Added","userId":"a\u0000b","properties":{"sku":"x"}}`,
		track("Product Added", `{}`),
		track("Product Added", `{"sku":"x","quantity":"many"}`),
		track("Product Added", `{"sku":"x","quantity":-1}`),
		track("Product Added", `{"sku":"x","quantity":1e300}`),
		track("Product Added", `{"sku":"x","price":-5}`),
		track("Product Added", `{"sku":"x","price":"dear"}`),
		track("Product Added", `{"sku":"`+strings.Repeat("x", 2000)+`"}`),
		track("Order Completed", `{"order_id":"o1","products":"all"}`),
		track("Order Completed", `{"order_id":"o2","products":[{"sku":"x","quantity":-3}]}`),
		track("Stock Level Reported", `{"sku":"x"}`),
		track("Stock Level Reported", `{"available":3}`),
		track("Stock Level Reported", `{"sku":"x","available":"lots"}`),
		track("Price Changed", `{"sku":"x","price":99999999999999999999999,"currency":"EUR"}`),
		track("Consent Changed", `{"channel":"email"}`),
		`{"type":"track","event":"Product Viewed","userId":"cat","timestamp":"tomorrow","properties":{"sku":"x"}}`,
		`{"type":"track","event":"Product Viewed","userId":"cat","timestamp":"2199-01-01T00:00:00Z","properties":{"sku":"x"}}`,
		"{\"type\":\"track\",\"event\":\"Product Viewed\",\"userId\":\"cat\",\"properties\":{\"sku\":\"\xff\"}}",
	}
	before := len(letters(t, s))
	calls := []string{track("Product Added", `{"cart_id":"c-cat","sku":"first","quantity":1,"price":20}`)}
	calls = append(calls, wrong...)
	calls = append(calls, track("Product Added", `{"cart_id":"c-cat","sku":"last","quantity":2,"price":20}`))
	status, _, answer := ask(t, s, "batch", []byte(`{"batch":[`+strings.Join(calls, ",")+`]}`), "")
	require.Equal(t, http.StatusOK, status, "%s", answer)
	require.JSONEq(t, fmt.Sprintf(`{"success":true,"refused":%d}`, len(wrong)), string(answer), "each wrong call is refused, no other:\n%s", listed(letters(t, s)))
	after := letters(t, s)[before:]
	require.Len(t, after, len(wrong))
	for i, l := range after {
		require.Equal(t, "refused", l.Reason)
		require.NotEmpty(t, l.Detail, "%s", wrong[i])
		status, body := s.get(fmt.Sprintf("/api/v1/dlq/%d", l.Seq))
		require.Equal(t, http.StatusOK, status)
		var full struct{ Body string }
		require.NoError(t, json.Unmarshal(body, &full))
		require.NotEmpty(t, full.Body, "%s", wrong[i])
	}
	waitFor(t, "the right calls to be applied", func() string {
		_, body := s.get("/api/v1/customers/cat")
		if bytes.Contains(body, []byte(`"first"`)) && bytes.Contains(body, []byte(`"last"`)) {
			return ""
		}
		return string(body)
	})
	out, err := exec.Command(program, "dlq", "list", "--server", "http://"+s.addr).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, l := range after {
		require.Contains(t, string(out), l.Detail)
	}
}

type letter struct {
	Seq            uint64
	Reason, Detail string
}

func letters(t testing.TB, s *process) []letter {
	t.Helper()
	status, body := s.get("/api/v1/dlq?limit=500")
	require.Equal(t, http.StatusOK, status, "%s", body)
	var page struct{ Data []letter }
	require.NoError(t, json.Unmarshal(body, &page))
	return page.Data
}

func listed(all []letter) string {
	var b strings.Builder
	for _, l := range all {
		fmt.Fprintln(&b, l.Detail)
	}
	return b.String()
}

// Ids are the sender's own: whatever they hold, their customer can be found.
func hostileIDs(t *testing.T, s *process) {
	ids := []string{
		"../../etc/passwd", "a/b/c", "%2e%2e%2f", "in.*.>", "$KV.x", "a b", "'; DROP TABLE x; --", "<script>alert(1)</script>",
		"Zoë 客戶 🛒", "\u202eturned", `quote"back\slash`, "null", "-1", "?a=b&c=d#e", strings.Repeat("x", 256),
	}
	for i, id := range ids {
		text, err := json.Marshal(map[string]any{"type": "track", "event": "Product Added", "userId": id, "messageId": fmt.Sprint("hostile-", i),
			"properties": map[string]any{"cart_id": id, "sku": id, "quantity": 1, "price": 20}})
		require.NoError(t, err)
		status, _, answer := ask(t, s, "track", text, "")
		require.Equal(t, http.StatusOK, status, "%q: %s", id, answer)
	}
	for _, id := range ids {
		waitFor(t, fmt.Sprintf("customer %q", id), func() string {
			status, body := s.get("/api/v1/customers/" + url.PathEscape(id))
			var c struct{ ID string }
			if status == http.StatusOK && json.Unmarshal(body, &c) == nil && c.ID == id {
				return ""
			}
			return fmt.Sprint(status, " ", string(body))
		})
	}
}

// What is odd but may be true is taken, and does no harm.
func oddCalls(t *testing.T, s *process) {
	for _, call := range []string{
		`{"type":"track","event":"Never Heard Of","userId":"odd","properties":{"a":1}}`,
		`{"type":"track","event":"Product Viewed","userId":"odd","timestamp":"1970-01-01T00:00:00Z","properties":{"sku":"x"}}`,
		`{"type":"track","event":"Product Added","userId":"odd","timestamp":"2001-01-01T00:00:00Z","properties":{"cart_id":"c","sku":"x","quantity":1,"price":20}}`,
		`{"type":"track","event":"Stock Level Reported","properties":{"sku":"x","available":-7}}`,
		`{"type":"track","event":"Stock Level Reported","properties":{"sku":"x","available":9007199254740993}}`,
		`{"type":"track","event":"Order Cancelled","userId":"odd","properties":{"order_id":"never made"}}`,
		`{"type":"track","event":"Offer Declined","userId":"odd","properties":{"offer_id":"never made"}}`,
		`{"type":"alias","userId":"odd","previousId":"odd"}`,
		`{"type":"alias","userId":"odd","previousId":"even"}`,
		`{"type":"alias","userId":"even","previousId":"odd"}`,
		`{"type":"identify","userId":"odd","traits":{"email":"no address","timezone":"Mars/Olympus","consent":{"email":{"marketing":true}}}}`,
	} {
		status, _, answer := ask(t, s, "batch", []byte(`{"batch":[`+call+`]}`), "")
		require.Equal(t, http.StatusOK, status, "%s: %s", call, answer)
	}
	waitFor(t, "the calls to be applied", func() string {
		status, body := s.get("/api/v1/customers/odd")
		if status == http.StatusOK {
			return ""
		}
		return string(body)
	})
}
