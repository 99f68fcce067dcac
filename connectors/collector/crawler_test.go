package collector

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"onhand/processor"
)

// TestCrawler checks that what the request says of its sender reaches the events.
func TestCrawler(t *testing.T) {
	for _, c := range []struct{ header, value, want string }{
		{"User-Agent", "bingbot/2.0", processor.ByMachine},
		{"Sec-Purpose", "prefetch;prerender", processor.ByMachine},
		{"Purpose", "prefetch", processor.ByMachine},
		{"X-Moz", "prefetch", processor.ByMachine},
		{"Purpose", "preview", ""},
		{"User-Agent", "Mozilla/5.0 Firefox/140.0", ""},
	} {
		b := &book{}
		r := httptest.NewRequest(http.MethodPost, "/v1/track", strings.NewReader(`{"event":"Product Viewed","userId":"ann","properties":{"sku":"a"}}`))
		r.Header.Set(c.header, c.value)
		w := httptest.NewRecorder()
		New(Config{}, b, b).ServeHTTP(w, r)
		if w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
		if events := b.decoded(t); len(events) != 1 || events[0].By != c.want {
			t.Errorf("%s: %s: %+v", c.header, c.value, events)
		}
	}
}
