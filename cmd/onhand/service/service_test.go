package service

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"onhand/cmd/onhand/config"
	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/processor/moments"
	"onhand/processor/worker"
)

const (
	writeKey   = "write-key-0123456789"
	readKey    = "read-key-0123456789"
	operateKey = "operate-key-0123456789"
)

// rules are the shipped ones with an ad at once and a cart left after a moment.
var rules = []byte(strings.NewReplacer("after: 45m", "after: 200ms", "settle: 3s", "settle: 0s").Replace(string(moments.Three())))

func start(t *testing.T, c config.Config) *Service {
	t.Helper()
	s := open(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.WaitReady(ctx))
	return s
}

// open starts a service that may not be ready yet.
func open(t *testing.T, c config.Config) *Service {
	t.Helper()
	if c.Data == "" {
		c.Data = t.TempDir()
	}
	c.HTTP, c.Sync = "127.0.0.1:0", config.SyncInterval
	if c.Partitions == 0 {
		c.Partitions = 2
	}
	s, err := Open(t.Context(), Options{Config: c, Rules: rules, Version: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *Service) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(t, s.Close(ctx))
}

// ask makes a request and returns the answer.
func ask(t *testing.T, s *Service, method, path, body string, header ...string) (status int, answer string, h http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text), resp.Header
}

func get(t *testing.T, s *Service, path string) string {
	t.Helper()
	status, answer, _ := ask(t, s, "GET", path, "")
	require.Equal(t, 200, status, answer)
	return answer
}

// track sends one event about a customer.
func track(t *testing.T, s *Service, customer, event, properties string) {
	t.Helper()
	body := fmt.Sprintf(`{"type":"track","event":%q,"userId":%q,"properties":%s}`, event, customer, properties)
	status, answer, _ := ask(t, s, "POST", "/v1/track", body)
	require.Equal(t, 200, status, answer)
}

// page is a page of decisions.
type page struct {
	Data []struct {
		ID, Customer, Moment, Outcome, Reason string
		At                                    time.Time
	}
	Next *string
}

func decisions(t *testing.T, s *Service, query string) (p page) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(get(t, s, "/api/v1/decisions?"+query)), &p))
	return p
}

// A cart that is left is decided on, and what was decided can be asked for, in
// whichever way, and survives a restart.
func TestStoryOfACart(t *testing.T) {
	data := t.TempDir()
	s := start(t, config.Config{Data: data})
	for i := range 7 {
		track(t, s, fmt.Sprintf("ann%d", i), "Product Added", `{"cart_id":"c","sku":"phone","price":199,"quantity":2}`)
	}
	require.Eventually(t, func() bool { return len(decisions(t, s, "moment=cart_abandoned").Data) == 7 }, time.Minute, 20*time.Millisecond)

	var ids []string
	for cursor := ""; ; {
		p := decisions(t, s, "moment=cart_abandoned&limit=2&cursor="+cursor)
		for _, d := range p.Data {
			require.Equal(t, "suppressed", d.Outcome)
			ids = append(ids, d.ID)
		}
		if p.Next == nil {
			break
		}
		cursor = *p.Next
	}
	require.Len(t, ids, 7, "each once, whatever the size of the page: %v", ids)
	one := decisions(t, s, "customer=ann3&moment=cart_abandoned")
	require.Len(t, one.Data, 1)
	require.Equal(t, "ann3", one.Data[0].Customer)
	require.Empty(t, decisions(t, s, "outcome=sent").Data)

	require.Contains(t, get(t, s, "/api/v1/customers/ann3"), `"sku":"phone","quantity":2,"price":19900`)
	require.Contains(t, get(t, s, "/api/v1/items/phone"), `"sku":"phone"`)
	status, answer, h := ask(t, s, "GET", "/api/v1/customers/nobody", "")
	require.Equal(t, 404, status, answer)
	require.Equal(t, "application/problem+json", h.Get("Content-Type"))

	metrics := get(t, s, "/metrics")
	require.Contains(t, metrics, `onhand_decisions_total{moment="cart_abandoned",outcome="suppressed"`)
	require.Contains(t, metrics, "onhand_commit_seconds_bucket")
	require.Contains(t, get(t, s, "/"), "<td>cart_abandoned</td>")

	stop(t, s)
	again := start(t, config.Config{Data: data})
	require.Len(t, decisions(t, again, "moment=cart_abandoned").Data, 7)
	require.Contains(t, get(t, again, "/api/v1/customers/ann3"), "phone")
}

// Hostile ids find their customer, and a page shows them as text.
func TestHostileIDs(t *testing.T) {
	s := start(t, config.Config{})
	for _, id := range []string{"a/b", "../../etc", "<script>alert(1)</script>", "in.*.>", "Zoë 客戶 🛒", `q"\`, "a?b=c&d#e"} {
		track(t, s, id, "Product Added", `{"cart_id":"c","sku":"phone","price":199}`)
		require.Eventually(t, func() bool {
			status, answer, _ := ask(t, s, "GET", "/api/v1/customers/"+url.PathEscape(id), "")
			return status == 200 && strings.Contains(answer, `"cart_id":"c"`)
		}, time.Minute, 10*time.Millisecond, id)
	}
	require.Eventually(t, func() bool { return len(decisions(t, s, "moment=cart_abandoned").Data) == 7 }, time.Minute, 20*time.Millisecond)
	require.NotContains(t, get(t, s, "/"), "<script>")
}

func TestDeadLetters(t *testing.T) {
	s := start(t, config.Config{})
	status, answer, _ := ask(t, s, "POST", "/v1/batch", `{"batch":[{"type":"track","event":"Product Added","userId":"ann","properties":{"sku":7.5}},{"type":"page","userId":"ann"},{"type":"trick"}]}`)
	require.Equal(t, 200, status, answer)
	var list struct{ Data []struct{ Seq int } }
	require.NoError(t, json.Unmarshal([]byte(get(t, s, "/api/v1/dlq")), &list))
	require.NotEmpty(t, list.Data)
	n := len(list.Data)
	require.Contains(t, get(t, s, fmt.Sprintf("/api/v1/dlq/%d", list.Data[n-1].Seq)), `trick`)
	status, answer, _ = ask(t, s, "DELETE", fmt.Sprintf("/api/v1/dlq/%d", list.Data[0].Seq), "")
	require.Equal(t, 204, status, answer)
	status, _, _ = ask(t, s, "GET", fmt.Sprintf("/api/v1/dlq/%d", list.Data[0].Seq), "")
	require.Equal(t, 404, status)
	status, _, _ = ask(t, s, "DELETE", "/api/v1/dlq", "")
	require.Equal(t, 400, status, "nobody drops by accident what nobody has seen")
	status, answer, _ = ask(t, s, "DELETE", fmt.Sprintf("/api/v1/dlq?through=%d", list.Data[n-1].Seq), "")
	require.Equal(t, 204, status, answer)
	require.JSONEq(t, `{"data":[],"next":null}`, get(t, s, "/api/v1/dlq"))
}

// An event whose step failed is applied when it is retried; one that was
// refused for what it says is not.
func TestRetryOfADeadLetter(t *testing.T) {
	s := start(t, config.Config{Partitions: 1})
	e := processor.Event{Kind: processor.ProductAdded, UserID: "ann", SKU: "phone", CartID: "c9", MessageID: "m", At: time.Now().UnixMilli(), Stamp: time.Now().UnixMilli(), Stamped: true}
	entry := processor.AppendEvent([]byte{byte(processor.EventEntry)}, &e)
	dead := s.Log.DeadLetters()
	require.NoError(t, worker.PutLetter(t.Context(), dead, &worker.DeadLetter{Kind: "step", Reason: "panic", Entry: entry}))
	require.NoError(t, worker.PutLetter(t.Context(), dead, &worker.DeadLetter{Kind: "http", Reason: "refused", Partition: -1, Body: "{}"}))

	status, answer, _ := ask(t, s, "POST", "/api/v1/dlq/2/retry", "")
	require.Equal(t, 409, status, answer)
	status, answer, _ = ask(t, s, "POST", "/api/v1/dlq/1/retry", "")
	require.Equal(t, 200, status, answer)
	require.Eventually(t, func() bool {
		_, answer, _ := ask(t, s, "GET", "/api/v1/customers/ann", "")
		return strings.Contains(answer, `"cart_id":"c9"`)
	}, time.Minute, 10*time.Millisecond)
	status, _, _ = ask(t, s, "POST", "/api/v1/dlq/1/retry", "")
	require.Equal(t, 404, status, "it is gone")
}

func TestMomentsAreReplacedWhenTheyAreWhatOneThinks(t *testing.T) {
	s := start(t, config.Config{})
	_, text, h := ask(t, s, "GET", "/api/v1/moments", "")
	require.Equal(t, string(rules), text)
	version := h.Get("ETag")
	next := strings.Replace(text, "after: 200ms", "after: 2h", 1)

	status, answer, _ := ask(t, s, "PUT", "/api/v1/moments", next)
	require.Equal(t, 428, status, answer)
	status, answer, _ = ask(t, s, "PUT", "/api/v1/moments", next, "If-Match", `"another"`)
	require.Equal(t, 412, status, answer)
	status, answer, _ = ask(t, s, "PUT", "/api/v1/moments", "version: 2\nfoo: 1\n", "If-Match", version)
	require.Equal(t, 422, status, answer)
	require.Contains(t, answer, `"line":2`)
	status, answer, _ = ask(t, s, "PUT", "/api/v1/moments", strings.Repeat("#", moments.MaxActiveBytes+1), "If-Match", version)
	require.Equal(t, 413, status, answer)
	status, answer, _ = ask(t, s, "PUT", "/api/v1/moments?dry_run=true", next, "If-Match", version)
	require.Equal(t, 200, status, answer)
	require.Contains(t, answer, `"active":false`)
	require.Contains(t, answer, `200ms -\u003e 2h`)
	status, answer, h = ask(t, s, "PUT", "/api/v1/moments", next, "If-Match", version)
	require.Equal(t, 200, status, answer)
	require.Contains(t, answer, `"active":true`)
	require.NotEqual(t, version, h.Get("ETag"))
	status, _, _ = ask(t, s, "PUT", "/api/v1/moments", next, "If-Match", version)
	require.Equal(t, 412, status, "the second of two who both read the first version")
	status, _, _ = ask(t, s, "GET", "/api/v1/moments", "", "If-None-Match", h.Get("ETag"))
	require.Equal(t, 304, status)
}

// What comes in is read by the moments in force, and what goes out has a channel,
// be it one that nobody knew of at the start; after a restart, too.
func TestNewMomentsHoldAtTheEdges(t *testing.T) {
	data := t.TempDir()
	priced := func(s *Service, sku, price string) {
		t.Helper()
		require.Eventually(t, func() bool {
			_, item, _ := ask(t, s, "GET", "/api/v1/items/"+sku, "")
			return strings.Contains(item, price)
		}, time.Minute, 20*time.Millisecond)
	}
	s := start(t, config.Config{Data: data})
	track(t, s, "shop", "Product Updated", `{"sku":"euro","price":1200}`)
	priced(s, "euro", `"price":120000`)

	next := strings.NewReplacer("currency: EUR", "currency: JPY\ncountry: JP", "[push, whatsapp, sms, email]", "[pager]",
		"  desk: ", "  pager:    {hand_over: 5s, quiet_hours: never}\n    desk: ").Replace(string(rules))
	status, answer, _ := ask(t, s, "PUT", "/api/v1/moments", next, "If-Match", "*")
	require.Equal(t, 200, status, answer)
	track(t, s, "shop", "Product Updated", `{"sku":"yen","price":1200}`)
	priced(s, "yen", `"price":1200,`)

	track(t, s, "ann", "Stock Level Reported", `{"sku":"yen","available":0}`)
	track(t, s, "ann", "Back In Stock Requested", `{"sku":"yen"}`)
	track(t, s, "ann", "Stock Level Reported", `{"sku":"yen","available":5}`)
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(data, "actions.ndjson"))
		require.NoError(t, err)
		return strings.Contains(string(text), `"channel":"pager"`)
	}, time.Minute, 20*time.Millisecond)

	stop(t, s)
	s = open(t, config.Config{Data: data, NATS: config.NATS{Listen: "127.0.0.1:0"}})
	nc, err := nats.Connect(s.NATS())
	require.NoError(t, err)
	defer nc.Close()
	require.NoError(t, nc.Publish("onhand.ingest.shop", []byte(`{"type":"track","event":"Product Updated","properties":{"sku":"yen3","price":1200}}`)))
	require.Eventually(t, func() bool {
		status, _, _ := ask(t, s, "POST", "/v1/track", `{"event":"Product Updated","properties":{"sku":"yen2","price":1200}}`)
		return status == 200
	}, time.Minute, time.Millisecond, "it may be sent before the service is ready")
	priced(s, "yen2", `"price":1200,`)
	priced(s, "yen3", `"price":1200,`)
}

func TestKeys(t *testing.T) {
	s := start(t, config.Config{Keys: config.Keys{Write: map[string]string{writeKey: "shop"}, Read: []string{readKey}, Operate: []string{operateKey}}})
	bearer := func(key string) []string { return []string{"Authorization", "Bearer " + key} }
	for _, tt := range []struct {
		method, path, key string
		status            int
	}{
		{"GET", "/healthz", "", 200},
		{"GET", "/readyz", "", 200},
		{"GET", "/api/v1/openapi.json", "", 200},
		{"GET", "/api/v1/status", "", 401},
		{"GET", "/metrics", "", 401},
		{"GET", "/", "", 401},
		{"GET", "/api/v1/status", "wrong", 401},
		{"GET", "/api/v1/status", writeKey, 401},
		{"GET", "/api/v1/status", readKey, 200},
		{"GET", "/api/v1/status", operateKey, 200},
		{"POST", "/api/v1/stops", readKey, 403},
		{"POST", "/api/v1/stops", operateKey, 200},
		{"DELETE", "/api/v1/stops", operateKey, 200},
		{"POST", "/v1/track", readKey, 401},
		{"PATCH", "/api/v1/stops", operateKey, 405},
		{"GET", "/api/v1/nothing", operateKey, 404},
	} {
		var header []string
		if tt.key != "" {
			header = bearer(tt.key)
		}
		status, answer, _ := ask(t, s, tt.method, tt.path, "", header...)
		require.Equal(t, tt.status, status, "%s %s %s: %s", tt.method, tt.path, tt.key, answer)
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL()+"/", nil)
	require.NoError(t, err)
	req.SetBasicAuth("anybody", readKey)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode, "a browser sends the key as a password")
}

// Without keys nobody else's page may use the browser of the operator.
func TestOpenServiceAnswersThisMachineOnly(t *testing.T) {
	s := start(t, config.Config{})
	status, _, _ := ask(t, s, "GET", "/api/v1/status", "", "Host", "evil.example.com")
	require.Equal(t, 421, status)
	status, _, _ = ask(t, s, "POST", "/api/v1/stops", "{}", "Origin", "https://evil.example.com", "Sec-Fetch-Site", "cross-site")
	require.Equal(t, 403, status)
	require.JSONEq(t, `{"stopped":false,"tags":[]}`, get(t, s, "/api/v1/stops"))

	_, err := Open(t.Context(), Options{Config: config.Config{Data: t.TempDir(), HTTP: "0.0.0.0:0"}, Rules: rules})
	require.ErrorContains(t, err, "without keys")
	_, err = Open(t.Context(), Options{Config: config.Config{Data: t.TempDir(), HTTP: "0.0.0.0:0", Keys: config.Keys{Read: []string{readKey}}}, Rules: rules})
	require.ErrorContains(t, err, "without write keys")
}

// Two services share the partitions; either answers for any customer, and what
// one leaves the other takes.
func TestTwoServices(t *testing.T) {
	server, err := jetstream.StartServer(jetstream.ServerOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0", SyncInterval: time.Second})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	nats := config.NATS{URL: server.ClientURL()}
	a := start(t, config.Config{NATS: nats, Partitions: 8})
	b := start(t, config.Config{NATS: nats, Partitions: 8})
	phases := func(s *Service) (mine int, owners map[string]bool) {
		var status struct {
			Partitions []struct{ Owner, Phase string }
		}
		require.NoError(t, json.Unmarshal([]byte(get(t, s, "/api/v1/status")), &status))
		owners = map[string]bool{}
		for _, p := range status.Partitions {
			if owners[p.Owner] = true; p.Phase == "live" {
				mine++
			}
		}
		return mine, owners
	}
	require.Eventually(t, func() bool {
		n, owners := phases(a)
		return n == 8 && len(owners) == 2
	}, time.Minute, 50*time.Millisecond, "each tells how all partitions stand")

	for i := range 8 {
		track(t, a, fmt.Sprintf("ann%d", i), "Product Added", `{"cart_id":"c","sku":"phone","price":199}`)
	}
	for i := range 8 {
		for _, s := range []*Service{a, b} {
			require.Eventually(t, func() bool {
				status, answer, h := ask(t, s, "GET", fmt.Sprintf("/api/v1/customers/ann%d?min_position=end", i), "")
				if status != 200 { // it moves right now
					return false
				}
				require.Contains(t, answer, "phone", "whoever was told that it is stored reads it, wherever")
				require.Equal(t, "owner", h.Get("Onhand-Role"))
				require.NotEmpty(t, h.Get("Onhand-Age"))
				return true
			}, time.Minute, 20*time.Millisecond)
		}
	}
	standbys := 0
	require.Eventually(t, func() bool {
		standbys = 0
		for i := range 8 {
			for _, s := range []*Service{a, b} {
				path := fmt.Sprintf("/api/v1/customers/ann%d", i)
				_, _, at := ask(t, s, "GET", path, "")
				status, answer, h := ask(t, s, "GET", path+"?standby=1&min_position="+at.Get("Onhand-Position"), "")
				if status == 200 && strings.Contains(answer, "phone") && h.Get("Onhand-Role") == "standby" {
					standbys++
				}
			}
		}
		return standbys == 8
	}, time.Minute, 20*time.Millisecond, "for each customer one of the two is the standby and answers itself when that is allowed")
	status, answer, _ := ask(t, a, "GET", "/api/v1/customers/ann1?min_position=1000000", "")
	require.Equal(t, 503, status, answer)
	status, _, _ = ask(t, a, "GET", "/api/v1/customers/ann1?min_position=soon", "")
	require.Equal(t, 400, status)
	// Under an old id, whoever owns it, the one that keeps it answers.
	for i := range 8 {
		status, answer, _ = ask(t, a, "POST", "/v1/alias", fmt.Sprintf(`{"previousId":"ann%d","userId":"new/%d"}`, i, i))
		require.Equal(t, 200, status, answer)
	}
	for i := range 8 {
		for _, s := range []*Service{a, b} {
			require.Eventually(t, func() bool {
				status, answer, _ = ask(t, s, "GET", fmt.Sprintf("/api/v1/customers/ann%d", i), "")
				return status == 200 && strings.Contains(answer, fmt.Sprintf(`"id":"new/%d"`, i)) && strings.Contains(answer, "phone")
			}, time.Minute, 20*time.Millisecond)
		}
	}
	for _, s := range []*Service{a, b} {
		status, answer, _ := ask(t, s, "POST", "/api/v1/stops", `{"tag":"spring"}`)
		require.Equal(t, 200, status, answer)
		require.JSONEq(t, `{"stopped":false,"tags":["spring"]}`, answer)
	}
	stop(t, b)
	require.Eventually(t, func() bool {
		n, owners := phases(a)
		return n == 8 && len(owners) == 1
	}, time.Minute, 50*time.Millisecond, "what one leaves the other takes")
}

// Two services on one folder would destroy each other's streams.
func TestAFolderIsOfOneService(t *testing.T) {
	data := t.TempDir()
	s := start(t, config.Config{Data: data})
	c := config.Config{Data: data, HTTP: "127.0.0.1:0"}.Defaults()
	_, err := Open(t.Context(), Options{Config: c, Rules: rules})
	require.ErrorContains(t, err, data+" cannot be used: another process runs on it")
	track(t, s, "ann", "Product Added", `{"cart_id":"c","sku":"phone","price":199}`)
	stop(t, s)
	require.Contains(t, get(t, start(t, config.Config{Data: data}), "/api/v1/customers/ann?min_position=end"), "phone")
}

func TestWorkerID(t *testing.T) {
	data := t.TempDir()
	id, err := workerID(data, "10.0.0.5:7070")
	require.NoError(t, err)
	require.Equal(t, "10.0.0.5:7070", addressOf(id))
	again, err := workerID(data, "10.0.0.5:7070")
	require.NoError(t, err)
	require.Equal(t, id, again, "it stays with the data folder")
	other, err := workerID(t.TempDir(), "10.0.0.5:7070")
	require.NoError(t, err)
	require.NotEqual(t, id, other)
	require.Regexp(t, `^[A-Za-z0-9_-]+$`, id)
	require.NoError(t, os.WriteFile(filepath.Join(data, "worker"), []byte("rubbish"), 0o600))
	_, err = workerID(data, "x:1")
	require.NoError(t, err)
	require.Empty(t, addressOf("simple"))
	require.Equal(t, "there:1", advertised("there:1", "0.0.0.0:1"))
	require.Equal(t, "127.0.0.1:1", advertised("", "127.0.0.1:1"))
	require.NotContains(t, advertised("", "[::]:1"), "::")
}
