package collector

import (
	"net/http"
	"strings"
	"testing"

	"onhand/connectors/segment"
	"onhand/processor"
)

// A key that anybody can read in a page declines nobody's offer and gives no
// unit back. Of a batch the rest goes on.
func TestAKeyOfPages(t *testing.T) {
	const declined = `{"type":"track","event":"Offer Declined","messageId":"d","properties":{"offer_id":"phone~7"}}`
	b := &book{}
	c := collector(b, Config{Pages: map[string]PageKey{"wk_page": {"page", segment.OfPages()}}})
	page := func(r *http.Request) { r.SetBasicAuth("wk_page", "") }
	w := post(c, "/v1/track", []byte(declined), page)
	if w.Code != 403 || !strings.Contains(w.Body.String(), "Offer Declined: not with this write key") {
		t.Fatal(w.Code, w.Body)
	}
	batch := `{"batch":[` + declined + `,{"type":"track","event":"Product Viewed","userId":"ann","messageId":"v","properties":{"sku":"phone"}}]}`
	if w = post(c, "/v1/batch", []byte(batch), page); w.Code != 200 || w.Body.String() != `{"success":true,"refused":1}` {
		t.Fatal(w.Code, w.Body)
	}
	events := b.decoded(t)
	if len(events) != 1 || events[0].Kind != processor.ProductViewed || events[0].Source != "page" {
		t.Fatal(events)
	}
	if len(b.refused) != 1 || string(b.refused[0].Body) != declined || b.refused[0].Source != "page" || c.Counters.Refused[segment.Forbidden].Load() != 2 {
		t.Fatal(b.refused)
	}
	// In the body as well as in a header, and not the key of a server.
	inBody := strings.Replace(batch, `{"batch"`, `{"writeKey":"wk_page","batch"`, 1)
	if w = post(c, "/v1/b", []byte(inBody), noAuth); w.Code != 200 || len(b.refused) != 2 {
		t.Fatal(w.Code, w.Body)
	}
	if w = post(c, "/v1/t", []byte(strings.Replace(declined, `{`, `{"writeKey":"wk_page",`, 1)), noAuth); w.Code != 403 {
		t.Fatal(w.Code, w.Body)
	}
	if w = post(c, "/v1/batch", []byte(batch)); w.Code != 200 || len(b.decoded(t)) != 4 {
		t.Fatal(w.Code, w.Body)
	}
}
