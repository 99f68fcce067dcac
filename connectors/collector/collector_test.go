package collector

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"onhand/connectors/segment"
	"onhand/processor"
)

// book is a log and a dead letter in memory. It keeps events as the log does,
// encoded, because they are gone when Append returns.
type book struct {
	mu      sync.Mutex
	events  [][]byte
	refused []Refused
	fail    error // of Append
	lost    error // of Refuse
	appends int
}

func (b *book) Append(_ context.Context, events []processor.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.appends++
	if b.fail != nil {
		return b.fail
	}
	for i := range events {
		b.events = append(b.events, processor.AppendEvent(nil, &events[i]))
	}
	return nil
}

func (b *book) Refuse(_ context.Context, r Refused) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lost != nil {
		return b.lost
	}
	b.refused = append(b.refused, r)
	return nil
}

func (b *book) decoded(t *testing.T) []processor.Event {
	t.Helper()
	events := make([]processor.Event, len(b.events))
	for i := range events {
		if err := processor.DecodeEvent(b.events[i], &events[i]); err != nil {
			t.Fatal(err)
		}
	}
	return events
}

const now = int64(1795288920000)

func collector(b *book, cfg Config) *Collector {
	cfg.Clock = func() int64 { return now }
	cfg.Logger = slog.New(slog.DiscardHandler)
	if cfg.Keys == nil {
		cfg.Keys = map[string]string{"wk_test": "web", "wk_shop": "shop"}
	}
	return New(cfg, b, b)
}

// post sends a body with the write key wk_test, unless change says otherwise.
func post(c http.Handler, path string, body []byte, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.SetBasicAuth("wk_test", "")
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

func packed(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body)
	w.Close()
	return b.Bytes()
}

func noAuth(r *http.Request) { r.Header.Del("Authorization") }

func header(k, v string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(k, v) }
}

// Bodies as real libraries send them.
const (
	nodeBatch    = `{"batch":[{"timestamp":"2026-11-21T19:21:59.884Z","integrations":{},"event":"Order Completed","type":"track","properties":{"order_id":"o1","total":30,"currency":"EUR","products":[{"product_id":"p1","sku":"s1","price":10,"quantity":3}]},"context":{"library":{"name":"@segment/analytics-node","version":"3.1.0"}},"userId":"u1","messageId":"node-next-1795288919884-a","_metadata":{"nodeVersion":"v20.20.2","jsRuntime":"node"}}]}`
	browserTrack = `{"timestamp":"2026-11-21T19:21:58.000Z","integrations":{"Segment.io":true},"type":"track","event":"Product Added","properties":{"cart_id":"c1","sku":"phone","quantity":1,"price":199},"context":{"page":{"path":"/","url":"http://127.0.0.1/"},"userAgentData":{"brands":[{"brand":"Chromium","version":"148"}],"mobile":false}},"anonymousId":"0d3f","messageId":"ajs-next-1","writeKey":"wk_test","userId":null,"sentAt":"2026-11-21T19:21:59.000Z","_metadata":{"bundled":[]}}`
	browserBatch = `{"writeKey":"wk_test","batch":[` + browserTrack + `],"sentAt":"2026-11-21T19:21:59.000Z"}`
	metaBody     = `{"type":"track","event":"Purchase","messageId":"evt-1","timestamp":1795288800,"userId":"u1","properties":{"value":30,"currency":"EUR","contents":[{"id":"p1","quantity":3,"item_price":10}],"order_id":"o1"}}`
)

func TestBodiesOfRealLibraries(t *testing.T) {
	for _, c := range []struct {
		name, path, body string
		change           []func(*http.Request)
		check            func(processor.Event) bool
	}{
		{"node", "/v1/batch", nodeBatch, nil, func(e processor.Event) bool {
			return e.Kind == processor.OrderCompleted && e.OrderID == "o1" && e.Total == 3000 && e.Source == "web" && len(e.Products) == 1
		}},
		{"browser, as text, key in the body", "/v1/t", browserTrack, []func(*http.Request){noAuth, header("Content-Type", "text/plain")}, func(e processor.Event) bool {
			return e.Kind == processor.ProductAdded && e.AnonymousID == "0d3f" && e.UserID == "" && e.At == e.Stamp+1000 && e.Source == "web"
		}},
		{"browser batch, key in the body", "/v1/b", browserBatch, []func(*http.Request){noAuth, header("Content-Type", "text/plain")}, func(e processor.Event) bool {
			return e.Kind == processor.ProductAdded && e.SKU == "phone" && e.At == e.Stamp+1000
		}},
		{"RudderStack: compressed JSON called a form", "/v1/batch", string(packed([]byte(nodeBatch))),
			[]func(*http.Request){header("Content-Type", "application/x-www-form-urlencoded"), header("Content-Encoding", "gzip")},
			func(e processor.Event) bool { return e.OrderID == "o1" }},
		{"compressed, the header lost", "/v1/batch", string(packed([]byte(nodeBatch))), nil, func(e processor.Event) bool { return e.OrderID == "o1" }},
		{"unpacked by a proxy, the header kept", "/v1/batch", nodeBatch, []func(*http.Request){header("Content-Encoding", "gzip")}, func(e processor.Event) bool { return e.OrderID == "o1" }},
		{"Meta's names", "/v1/track", metaBody, nil, func(e processor.Event) bool { return e.Products[0].SKU == "p1" && e.Total == 3000 }},
		{"no type, known from the path", "/v1/identify", `{"userId":"ann","traits":{"email":"a@example.com"}}`, nil, func(e processor.Event) bool {
			return e.Kind == processor.Identify && e.MessageID != "" && !e.Stamped && e.Stamp == now
		}},
		{"short path, bearer", "/v1/p", `{"anonymousId":"x","name":"Home"}`, []func(*http.Request){header("Authorization", "Bearer wk_shop")}, func(e processor.Event) bool {
			return e.Kind == processor.Page && e.Source == "shop"
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &book{}
			w := post(collector(b, Config{}), c.path, []byte(c.body), c.change...)
			if w.Code != 200 || w.Body.String() != `{"success":true}` {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			events := b.decoded(t)
			if len(events) != 1 || !c.check(events[0]) {
				t.Errorf("%+v", events)
			}
		})
	}
}

func TestOneBadCallOfABatch(t *testing.T) {
	b := &book{}
	c := collector(b, Config{})
	body := `{"batch":[{"type":"page","userId":"a","messageId":"1"},{"type":"track","event":"Stock Level Reported","properties":{"sku":"x"}},7,` +
		`{"type":"page","userId":"b","messageId":"2","t":"` + strings.Repeat("x", 33<<10) + `"},{"type":"page","userId":"c","messageId":"3"}]}`
	w := post(c, "/v1/batch", []byte(body))
	if w.Code != 200 || w.Body.String() != `{"success":true,"refused":3}` {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	events := b.decoded(t)
	if len(events) != 2 || events[0].UserID != "a" || events[1].UserID != "c" {
		t.Errorf("%+v", events)
	}
	if len(b.refused) != 3 {
		t.Fatalf("%d in the dead letter", len(b.refused))
	}
	r := b.refused[0]
	if r.Source != "web" || r.Field != "properties.available" || !strings.Contains(r.Reason, "required") || r.At != now ||
		string(r.Body) != `{"type":"track","event":"Stock Level Reported","properties":{"sku":"x"}}` {
		t.Errorf("%+v", r)
	}
	if n := len(b.refused[2].Body); n != processor.MaxEventBytes {
		t.Errorf("%d bytes of a call that is too large", n)
	}
	n := &c.Counters
	if n.Accepted.Load() != 2 || n.Refused[segment.Missing].Load() != 1 || n.Refused[segment.Malformed].Load() != 1 || n.Refused[segment.TooLarge].Load() != 1 {
		t.Error("counters are wrong")
	}
}

func TestRefusals(t *testing.T) {
	const good = `{"type":"page","userId":"a"}`
	for _, c := range []struct {
		name, path, body string
		change           func(*http.Request)
		status           int
		detail           string
	}{
		{"a fault names its field", "/v1/track", `{"event":"Stock Level Reported","properties":{"sku":"x"}}`, nil, 400, "properties.available"},
		{"not JSON", "/v1/track", `{"event":`, nil, 400, "malformed JSON"},
		{"a batch cut off", "/v1/batch", `{"batch":[` + good + `,{"type"`, nil, 400, "malformed JSON"},
		{"no batch", "/v1/batch", good, nil, 400, "batch: required"},
		{"too many calls", "/v1/batch", `{"batch":[` + strings.Repeat("1,", segment.MaxBatchCalls) + `1]}`, nil, 413, "more than 10000"},
		{"empty", "/v1/batch", "", nil, 400, "not an object"},
		{"a call over its limit", "/v1/page", `{"userId":"a","x":"` + strings.Repeat("x", 33<<10) + `"}`, nil, 413, "at most 32768"},
		{"a wrong key", "/v1/page", good, func(r *http.Request) { r.SetBasicAuth("wk_tesx", "") }, 401, "unknown write key"},
		{"no key", "/v1/page", good, noAuth, 401, "unknown write key"},
		{"a wrong key in the body", "/v1/batch", `{"batch":[],"writeKey":"no"}`, noAuth, 401, "unknown write key"},
		{"no such path", "/v1/import", good, nil, 404, "no such path"},
		{"the root", "/", good, nil, 404, "no such path"},
		{"GET", "/v1/track", "", func(r *http.Request) { r.Method = "GET" }, 405, "only POST"},
		{"an encoding nobody sends", "/v1/track", good, header("Content-Encoding", "br"), 415, "gzip or none"},
		{"not gzip after all", "/v1/track", "\x1f\x8b but no", nil, 400, "gzip"},
		{"gzip cut off", "/v1/track", string(packed([]byte(good))[:30]), nil, 400, "gzip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &book{}
			change := c.change
			if change == nil {
				change = func(*http.Request) {}
			}
			w := post(collector(b, Config{}), c.path, []byte(c.body), change)
			var doc struct {
				Status int
				Detail string
				Errors []struct{ Field, Reason string }
			}
			if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
				t.Fatal(err)
			}
			if w.Code != c.status || doc.Status != c.status || !strings.Contains(doc.Detail, c.detail) || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if len(b.events)+len(b.refused) != 0 {
				t.Error("something of a refused request was kept")
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	w := post(collector(&book{}, Config{}), "/v1/track", []byte(`{"userId":"a","event":"Price Changed","properties":{"sku":"x","version":"old"}}`))
	for _, want := range []string{`"field":"properties.version"`, `"field":"properties.price"`, `"field":"properties.currency"`, `"event":"Price Changed"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in %s", want, w.Body)
		}
	}
}

func TestWhatMayWorkLater(t *testing.T) {
	good := []byte(`{"batch":[{"type":"page","userId":"a"},{"type":"dance"}]}`)
	for _, c := range []struct {
		name       string
		book       *book
		cfg        Config
		status     int
		retryAfter string
	}{
		{"the log is overloaded", &book{fail: ErrOverloaded{RetryAfter: 2100 * time.Millisecond}}, Config{}, 429, "3"},
		{"the log is away", &book{fail: errors.New("no responders")}, Config{}, 503, "1"},
		{"the dead letter is away", &book{lost: errors.New("no responders")}, Config{}, 503, "1"},
		{"too much in flight", &book{}, Config{MaxInFlight: 20}, 503, "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := collector(c.book, c.cfg)
			w := post(h, "/v1/batch", good)
			if w.Code != c.status || w.Header().Get("Retry-After") != c.retryAfter {
				t.Errorf("%d, Retry-After %q: %s", w.Code, w.Header().Get("Retry-After"), w.Body)
			}
			if strings.Contains(w.Body.String(), "success") || h.Counters.Accepted.Load() != 0 {
				t.Error("called a success")
			}
			if n := h.inFlight.Load(); n != 0 {
				t.Errorf("%d bytes still in flight", n)
			}
		})
	}
}

// zeros is an endless body.
type zeros struct{ read int }

func (z *zeros) Read(b []byte) (int, error) {
	clear(b)
	z.read += len(b)
	return len(b), nil
}

func TestLargeBodies(t *testing.T) {
	c := collector(&book{}, Config{})
	t.Run("announced", func(t *testing.T) {
		z := &zeros{}
		r := httptest.NewRequest(http.MethodPost, "/v1/batch", z)
		r.ContentLength = 10 << 20
		r.SetBasicAuth("wk_test", "")
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		if w.Code != 413 || z.read != 0 {
			t.Errorf("%d after %d bytes", w.Code, z.read)
		}
	})
	t.Run("not announced", func(t *testing.T) {
		z := &zeros{}
		r := httptest.NewRequest(http.MethodPost, "/v1/batch", z)
		r.ContentLength = -1
		r.SetBasicAuth("wk_test", "")
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		if w.Code != 413 || z.read > 5<<20 {
			t.Errorf("%d after %d bytes", w.Code, z.read)
		}
	})
	mib := packed(make([]byte, 1<<20))
	for name, bomb := range map[string][]byte{"gzip bomb": bytes.Repeat(mib, 300), "gzip just over": append(bytes.Repeat(mib, 4), packed([]byte("x"))...)} {
		t.Run(name, func(t *testing.T) {
			before := c.Counters.Decoded.Load()
			w := post(c, "/v1/batch", bomb)
			if n := c.Counters.Decoded.Load() - before; w.Code != 413 || n > 5<<20 {
				t.Errorf("%d after %d bytes", w.Code, n)
			}
		})
	}
	t.Run("gzip beyond the ratio", func(t *testing.T) {
		w := post(c, "/v1/batch", packed(bytes.Repeat([]byte(" "), 2<<20)))
		if w.Code != 413 {
			t.Error(w.Code)
		}
	})
	t.Run("a large honest batch", func(t *testing.T) {
		calls := strings.Repeat(nodeBatch[10:len(nodeBatch)-2]+",", 7000)
		b := &book{}
		w := post(collector(b, Config{}), "/v1/batch", packed([]byte(`{"batch":[`+calls[:len(calls)-1]+`]}`)))
		if w.Code != 200 || len(b.events) != 7000 || b.appends < 2 {
			t.Errorf("%d %s, %d events", w.Code, w.Body, len(b.events))
		}
	})
	if n := c.inFlight.Load(); n != 0 {
		t.Errorf("%d bytes still in flight", n)
	}
}

func TestPreflight(t *testing.T) {
	w := post(collector(&book{}, Config{}), "/v1/t", nil, func(r *http.Request) {
		r.Method = http.MethodOptions
		r.Header.Set("Access-Control-Request-Headers", "authorization")
	})
	h := w.Header()
	if w.Code != 204 || h.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("%d %v", w.Code, h)
	}
}

func TestOpenWithoutKeys(t *testing.T) {
	b := &book{}
	c := New(Config{}, b, b)
	if w := post(c, "/v1/page", []byte(`{"userId":"a"}`), noAuth); w.Code != 200 || b.decoded(t)[0].Source != "http" {
		t.Error(w.Code)
	}
}

// TestManySenders has many senders at once over real connections: each event
// must arrive once, whole, in the order of its sender.
func TestManySenders(t *testing.T) {
	const senders, batches, calls = 16, 20, 25
	b := &book{}
	srv := httptest.NewServer(collector(b, Config{}))
	defer srv.Close()
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for n := range batches {
				var body strings.Builder
				body.WriteString(`{"batch":[`)
				for i := range calls {
					if i > 0 {
						body.WriteByte(',')
					}
					fmt.Fprintf(&body, `{"type":"track","event":"Tea \u0044runk %d","userId":"u%d","messageId":"%d-%d-%d","properties":{"n":%d}}`, s, s, s, n, i, n*calls+i)
				}
				body.WriteString(`]}`)
				payload := []byte(body.String())
				if n%2 == 1 {
					payload = packed(payload)
				}
				r, _ := http.NewRequest(http.MethodPost, srv.URL+"/v1/batch", bytes.NewReader(payload))
				r.SetBasicAuth("wk_test", "")
				resp, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != 200 {
					t.Error(resp.Status)
				}
			}
		})
	}
	wg.Wait()
	next := map[string]int{}
	for _, e := range b.decoded(t) {
		s := e.UserID
		want := fmt.Sprintf(`{"n":%d}`, next[s])
		if string(e.Properties) != want || e.Name != "Tea Drunk "+s[1:] || !strings.HasPrefix(e.MessageID, s[1:]+"-") {
			t.Fatalf("sender %s: want %s, got %+v", s, want, e)
		}
		next[s]++
	}
	if len(next) != senders || slices.ContainsFunc(slices.Collect(maps.Values(next)), func(n int) bool { return n != batches*calls }) {
		t.Error(next)
	}
}

// nowhere takes everything.
type nowhere struct{}

func (nowhere) Append(context.Context, []processor.Event) error { return nil }
func (nowhere) Refuse(context.Context, Refused) error           { return nil }

func BenchmarkBatchOf100(b *testing.B) {
	const call = `{"type":"track","event":"Product Added","userId":"customer-123456","messageId":"ajs-next-1795288919884-abcd","timestamp":"2026-11-21T19:21:59.884Z","properties":{"cart_id":"c1","sku":"phone","quantity":1,"price":199.99}}`
	body := []byte(`{"batch":[` + strings.Repeat(call+",", 99) + call + `]}`)
	for name, payload := range map[string][]byte{"plain": body, "gzip": packed(body)} {
		b.Run(name, func(b *testing.B) {
			c := New(Config{Keys: map[string]string{"wk_test": "web"}}, nowhere{}, nowhere{})
			b.ReportAllocs()
			for b.Loop() {
				if w := post(c, "/v1/batch", payload); w.Code != 200 {
					b.Fatal(w.Code)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
		})
	}
	b.Run("loopback", func(b *testing.B) {
		srv := httptest.NewServer(New(Config{}, nowhere{}, nowhere{}))
		defer srv.Close()
		b.ReportAllocs()
		for b.Loop() {
			resp, err := http.Post(srv.URL+"/v1/batch", "application/json", bytes.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
		http.DefaultClient.CloseIdleConnections()
	})
}
