package segment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"onhand/processor"
)

// typical is a call as the browser's library sends it, without its context.
const typical = `{"type":"track","event":"Product Added","userId":"customer-123456","messageId":"ajs-next-1795288919884-abcd","timestamp":"2026-11-21T19:21:59.884Z","properties":{"cart_id":"c1","sku":"phone","quantity":1,"price":199.99}}`

// FuzzParse compares with encoding/json: what is not JSON is refused, ids of
// what is accepted are equal, and the event survives its binary form.
func FuzzParse(f *testing.F) {
	f.Add([]byte(typical))
	f.Add([]byte(track("Order Completed", `{"order_id":1,"products":[{"sku":"a","price":"1.5"},{"product_id":2}]}`)))
	f.Add([]byte(track("AddToCart", `{"contents":[{"id":"a"},{"id":"\u00e9\ud83d\ude00"}],"a":1,"a":2,"":null}`)))
	f.Add([]byte(`{"type":"identify","userId":"a","traits":{"a":[1,-0.5e+3,true,null]},"context":{"consent":{"categoryPreferences":{"x":false}}}}`))
	f.Add([]byte(`{"type":"page","anonymousId":12345678901234567890,"sentAt":"2026-11-21T19:21:59Z","timestamp":1}`))
	f.Add([]byte(`{"batch":[{},1],"sentAt":1,"writeKey":"k"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := bytes.Clone(b)
		o := Options{Source: "web", Now: arrival, Currency: "EUR"}
		events, err := Parse(nil, b, o)
		calls, _, batchErr := SplitBatch(nil, b)
		if !bytes.Equal(whole, b) {
			t.Fatal("the call was changed")
		}
		if !json.Valid(b) && (err == nil || batchErr == nil) {
			t.Fatal("accepted what is not JSON")
		}
		if json.Valid(b) && utf8.Valid(b) && batchErr != nil && strings.Contains(batchErr.Error(), "at byte") && !strings.Contains(batchErr.Error(), "deeper") &&
			!strings.Contains(batchErr.Error(), "not an object") {
			t.Fatalf("this is JSON: %v", batchErr)
		}
		for _, c := range calls {
			if !json.Valid(c) {
				t.Fatalf("a call of the batch is not JSON: %q", c)
			}
		}
		if err != nil {
			if err.Error() == "" || len(events) != 0 {
				t.Fatal("refused without a reason, or kept something")
			}
			return
		}
		if len(events) == 0 || !utf8.Valid(b) {
			t.Fatal("accepted, but nothing came out, or not UTF-8")
		}
		want := reference(t, b)
		for i := range events {
			e := &events[i]
			if e.UserID != want["userId"] && e.Kind != processor.IdentityUnlinked || e.AnonymousID != want["anonymousId"] {
				t.Fatalf("user %q, anonymous %q; want %q, %q", e.UserID, e.AnonymousID, want["userId"], want["anonymousId"])
			}
			if id := want["messageId"]; len(events) == 1 && e.MessageID != id && !strings.HasPrefix(e.MessageID, id+"#") {
				t.Fatalf("message id %q, want %q", e.MessageID, id)
			}
			for _, j := range [][]byte{e.Properties, e.Traits} {
				if len(j) > 0 && (!json.Valid(j) || j[0] != '{') {
					t.Fatalf("not a JSON object: %q", j)
				}
			}
			var back processor.Event
			if err := processor.DecodeEvent(processor.AppendEvent(nil, e), &back); err != nil {
				t.Fatalf("over a limit of events: %v", err)
			}
			if d := cmp.Diff(*e, back, cmpopts.EquateEmpty()); d != "" {
				t.Fatal(d)
			}
		}
	})
}

// TestParseAgreesWithEncodingJSON writes carts with encoding/json, with odd
// ids and exact prices, and reads them back.
func TestParseAgreesWithEncodingJSON(t *testing.T) {
	id := rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return !unicode.IsControl(r) && r != utf8.RuneError })).
		Filter(func(s string) bool { return s != "" && len(s) <= processor.MaxIDBytes })
	rapid.Check(t, func(t *rapid.T) {
		var lines []map[string]any
		var want []processor.Product
		for range rapid.IntRange(1, 8).Draw(t, "lines") {
			l := processor.Product{SKU: id.Draw(t, "sku"), Price: rapid.Int64Range(0, 1e9).Draw(t, "price"), Quantity: rapid.Int64Range(1, 1000).Draw(t, "quantity")}
			price := fmt.Sprintf("%d.%02d", l.Price/100, l.Price%100)
			key := rapid.SampledFrom([]string{"sku", "product_id", "item_id", "id"}).Draw(t, "key")
			line := map[string]any{key: l.SKU, "quantity": l.Quantity, "price": json.Number(price), "name": id.Draw(t, "name")}
			if rapid.Bool().Draw(t, "text") {
				line["price"] = price
			}
			lines, want = append(lines, line), append(want, l)
		}
		user, note := id.Draw(t, "user"), id.Draw(t, "note")
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(rapid.Bool().Draw(t, "escape"))
		if rapid.Bool().Draw(t, "indent") {
			enc.SetIndent(" ", "\t")
		}
		if err := enc.Encode(map[string]any{"type": "track", "event": "Order Completed", "userId": user, "timestamp": arrival,
			"properties": map[string]any{"order_id": user, "products": lines, "note": note}}); err != nil {
			t.Fatal(err)
		}
		events, err := Parse(nil, b.Bytes(), Options{Now: arrival, Currency: "EUR"})
		if err != nil {
			t.Fatalf("%v\n%s", err, b.Bytes())
		}
		e := events[0]
		if d := cmp.Diff(want, e.Products); d != "" || e.UserID != user || e.OrderID != user {
			t.Fatalf("user %q order %q %s", e.UserID, e.OrderID, d)
		}
		var left map[string]string
		if err := json.Unmarshal(e.Properties, &left); err != nil || len(left) != 1 || left["note"] != note {
			t.Fatalf("%v %s", err, e.Properties)
		}
	})
}

// reference reads the ids of a call with encoding/json.
func reference(t *testing.T, b []byte) map[string]string {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var call map[string]any
	if err := dec.Decode(&call); err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for k, v := range call {
		switch v := v.(type) {
		case string:
			ids[k] = v
		case json.Number:
			ids[k] = v.String()
		}
	}
	return ids
}

func BenchmarkParse(b *testing.B) {
	for name, call := range map[string]string{
		"typical": typical,
		"order":   track("Order Completed", `{"order_id":"o1","total":30,"currency":"EUR","products":[{"product_id":"p1","sku":"s1","price":10,"quantity":3},{"product_id":"p2","sku":"s2","price":10,"quantity":3}]}`),
		"browser": `{"timestamp":"2026-11-21T19:21:58.000Z","integrations":{"Segment.io":true},"type":"track","event":"Product Added","properties":{"cart_id":"c1","sku":"phone","quantity":1,"price":199,"color":"red"},"context":{"page":{"path":"/","url":"http://127.0.0.1/"},"userAgentData":{"brands":[{"brand":"Chromium","version":"148"}],"mobile":false}},"anonymousId":"0d3f","messageId":"ajs-next-1","writeKey":"wk_test","userId":null,"sentAt":"2026-11-21T19:21:59.000Z","_metadata":{"bundled":[]}}`,
	} {
		b.Run(name, func(b *testing.B) {
			var p Parser
			var events []processor.Event
			body := []byte(call)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				p.Reset()
				var err error
				if events, err = p.Parse(events[:0], body, Options{Source: "web", Now: arrival, Currency: "EUR"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSplitBatch(b *testing.B) {
	body := []byte(`{"batch":[` + strings.Repeat(typical+",", 99) + typical + `]}`)
	var calls [][]byte
	b.ReportAllocs()
	for b.Loop() {
		calls, _, _ = SplitBatch(calls[:0], body)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
}
