package segment

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"onhand/processor"
	"onhand/processor/moments"
)

const (
	arrival = int64(1795288920000)
	stampMS = int64(1795288919884)
)

// track wraps properties in a call of a known customer.
func track(event, properties string) string {
	return `{"type":"track","event":"` + event + `","userId":"ann","messageId":"m1","timestamp":"2026-11-21T19:21:59.884Z","properties":` + properties + `}`
}

func tracked(kind processor.Kind, fill func(*processor.Event)) []processor.Event {
	e := processor.Event{Kind: kind, Source: "web", MessageID: "m1", Stamp: stampMS, Stamped: true, At: stampMS, UserID: "ann"}
	fill(&e)
	return []processor.Event{e}
}

// fromPixel is tracked for an event under one of Meta's names.
func fromPixel(kind processor.Kind, fill func(*processor.Event)) []processor.Event {
	return tracked(kind, func(e *processor.Event) { e.Pixel = true; fill(e) })
}

func parse(t *testing.T, call string) []processor.Event {
	t.Helper()
	events, err := Parse(nil, []byte(call), Options{Source: "web", Now: arrival, Currency: "EUR"})
	if err != nil {
		t.Fatalf("%v\n%s", err, call)
	}
	return events
}

func equal(t *testing.T, got, want []processor.Event) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, call string
		want       []processor.Event
	}{
		{"captured from the node library",
			`{"timestamp":"2026-11-21T19:21:59.884Z","integrations":{},"event":"Order Completed","type":"track","properties":{"order_id":"o1","total":30,"currency":"EUR","products":[{"product_id":"p1","sku":"s1","price":10,"quantity":3}]},"context":{"library":{"name":"@segment/analytics-node","version":"3.1.0"}},"userId":"ann","messageId":"m1","_metadata":{"nodeVersion":"v20.20.2","jsRuntime":"node"}}`,
			tracked(processor.OrderCompleted, func(e *processor.Event) {
				e.OrderID, e.Total, e.Currency = "o1", 3000, "EUR"
				e.Products = []processor.Product{{SKU: "s1", ProductID: "p1", Price: 1000, Quantity: 3}}
			})},
		{"product with what is not a field", track("Product Added", `{"cart_id":"c1","sku":"phone","quantity":2,"price":199.5,"currency":"eur","color":"red","position":3}`),
			tracked(processor.ProductAdded, func(e *processor.Event) {
				e.CartID, e.SKU, e.Quantity, e.HasQty, e.Price, e.HasPrice, e.Currency = "c1", "phone", 2, true, 19950, true, "EUR"
				e.Properties = []byte(`{"color":"red","position":3}`)
			})},
		{"ids beyond 2^53 and numeric strings", track("Product Added", `{"product_id":271878346596884015,"price":"19.99"}`),
			tracked(processor.ProductAdded, func(e *processor.Event) {
				e.SKU, e.Price, e.HasPrice = "271878346596884015", 1999, true
			})},
		{"sku goes before product_id, which is kept", track("Product Viewed", `{"product_id":"p","sku":"s"}`),
			tracked(processor.ProductViewed, func(e *processor.Event) { e.SKU, e.Properties = "s", []byte(`{"product_id":"p"}`) })},
		{"Meta, one content", track("AddToCart", `{"contents":[{"id":"p1","quantity":3,"item_price":10}],"value":30,"currency":"EUR","content_type":"product"}`),
			fromPixel(processor.ProductAdded, func(e *processor.Event) {
				e.SKU, e.Quantity, e.HasQty, e.Price, e.HasPrice, e.Total, e.Currency = "p1", 3, true, 1000, true, 3000, "EUR"
				e.Properties = []byte(`{"content_type":"product"}`)
			})},
		{"Meta, an id and its value", track("ViewContent", `{"content_ids":["p1"],"value":10,"currency":"JPY"}`),
			fromPixel(processor.ProductViewed, func(e *processor.Event) {
				e.SKU, e.Quantity, e.HasQty, e.Price, e.HasPrice, e.Total, e.Currency = "p1", 1, true, 10, true, 10, "JPY"
			})},
		{"Meta, a purchase without an order", track("Purchase", `{"value":30,"currency":"EUR","contents":[{"id":"p1"}]}`),
			fromPixel(processor.OrderCompleted, func(e *processor.Event) {
				e.OrderID, e.Total, e.Currency, e.Products = "m1", 3000, "EUR", []processor.Product{{SKU: "p1", Quantity: 1}}
			})},
		{"Meta, not enough for ours", track("Subscribe", `{"value":30}`),
			fromPixel(processor.Custom, func(e *processor.Event) { e.Name, e.Properties = "Subscription Started", []byte(`{"value":30}`) })},
		{"Meta, an item but no subscription", track("Subscribe", `{"content_ids":["a"]}`),
			fromPixel(processor.Custom, func(e *processor.Event) {
				e.Name, e.Properties = "Subscription Started", []byte(`{"content_ids":["a"]}`)
			})},
		{"Meta, no item", track("ViewContent", `{"content_ids":[],"content_category":"shoes"}`),
			fromPixel(processor.Custom, func(e *processor.Event) {
				e.Name, e.Properties = "Product Viewed", []byte(`{"content_ids":[],"content_category":"shoes"}`)
			})},
		{"Meta, half a place", track("FindLocation", `{"latitude":1}`),
			fromPixel(processor.Custom, func(e *processor.Event) { e.Name, e.Properties = "Store Searched", []byte(`{"latitude":1}`) })},
		{"GA4", track("purchase", `{"transaction_id":"o1","value":30,"items":[{"item_id":"s1","item_name":"n","item_brand":"b","price":10,"quantity":3}]}`),
			tracked(processor.OrderCompleted, func(e *processor.Event) {
				e.OrderID, e.Total, e.Products = "o1", 3000, []processor.Product{{SKU: "s1", Brand: "b", Price: 1000, Quantity: 3}}
			})},
		{"unknown event, properties as sent", track("Tea Drunk", `{"sku": "x", "price":1.5 }`),
			tracked(processor.Custom, func(e *processor.Event) { e.Name, e.Properties = "Tea Drunk", []byte(`{"sku": "x", "price":1.5 }`) })},
		{"a name that is a call, not an event", track("identify", `{}`),
			tracked(processor.Custom, func(e *processor.Event) { e.Name = "identify" })},
		{"the last of two keys", track("Product Viewed", `{"sku":"a","x":1,"sku":"b","x":2}`),
			tracked(processor.ProductViewed, func(e *processor.Event) { e.SKU, e.Properties = "b", []byte(`{"x":2}`) })},
		{"an odd shape where the event has no use for it", track("Coupon Applied", `{"location":{"lat":1},"price":"free"}`),
			tracked(processor.CouponApplied, func(e *processor.Event) { e.Properties = []byte(`{"location":{"lat":1},"price":"free"}`) })},
		{"escapes", track(`Product \u0041dded`, `{"sk\u0075":"caf\u00e9 \ud83d\ude00"}`),
			tracked(processor.ProductAdded, func(e *processor.Event) { e.SKU = "café 😀" })},
		{"stock", track("Stock Level Reported", `{"sku":"phone","available":-2,"location":75596366001,"sellable":false,"updated_at":"2026-03-16T15:35:06+07:00","safety":1}`),
			tracked(processor.StockLevelReported, func(e *processor.Event) {
				e.SKU, e.Available, e.HasLevel, e.Location, e.Sellable, e.UpdatedAt, e.Safety, e.HasSafety = "phone", -2, true, "75596366001", processor.No, 1773650106000, 1, true
			})},
		{"stock not tracked", track("Stock Level Reported", `{"sku":"phone","available":null,"version":3}`),
			tracked(processor.StockLevelReported, func(e *processor.Event) { e.SKU, e.Version = "phone", 3 })},
		{"emptied cart", track("Cart Updated", `{"cart_id":"c","products":[],"updated_at":1795288919}`),
			tracked(processor.CartUpdated, func(e *processor.Event) { e.CartID, e.UpdatedAt = "c", 1795288919000 })},
		{"consent given", track("Consent Changed", `{"channel":"email","purpose":"marketing","granted":false,"proof":"form 7"}`),
			tracked(processor.ConsentChanged, func(e *processor.Event) {
				e.Channel, e.Purpose, e.Properties = "email", "marketing", []byte(`{"proof":"form 7"}`)
			})},
		{"back in stock", track("Back In Stock Requested", `{"sku":"phone","quantity":2,"max_price":199,"locations":["lyon",7],"expires_at":"2026-12-01T00:00:00Z"}`),
			tracked(processor.BackInStockRequested, func(e *processor.Event) {
				e.SKU, e.Quantity, e.HasQty, e.MaxPrice, e.Locations, e.ExpiresAt = "phone", 2, true, 19900, []string{"lyon", "7"}, 1796083200000
			})},
		{"catalogue", track("Product Updated", `{"sku":"case","title":"Case","family":"cases","price":15,"currency":"EUR","accessory_of":"phone","substitutes":["case2"],"lasts":"30d","published":true,"low":3,"margin":"4.20"}`),
			tracked(processor.ProductUpdated, func(e *processor.Event) {
				e.SKU, e.Family, e.Price, e.HasPrice, e.Currency, e.AccessoryOf, e.Locations, e.Lasts, e.Published, e.Low = "case", "cases", 1500, true, "EUR", "phone", []string{"case2"}, 30*86400_000, processor.Yes, 3
				e.Margin = 420
				e.Properties = []byte(`{"title":"Case"}`)
			})},
		{"e-mail opened", track("Email Opened", `{"email_id":"e1"}`),
			tracked(processor.MessageOpened, func(e *processor.Event) { e.Channel, e.Properties = "email", []byte(`{"email_id":"e1"}`) })},
		{"reward", track("Reward Issued", `{"reward_id":"r1","amount":5,"expires_at":1795288919884,"store":"lyon"}`),
			tracked(processor.RewardIssued, func(e *processor.Event) { e.RewardID, e.Total, e.ExpiresAt, e.Location = "r1", 500, stampMS, "lyon" })},
		{"identity unlinked", track("Identity Unlinked", `{"userId":"ann","previousId":"bob"}`),
			tracked(processor.IdentityUnlinked, func(e *processor.Event) { e.PreviousID, e.Properties = "bob", []byte(`{"userId":"ann"}`) })},
		{"Product Scanned", track("Product Scanned", `{"sku":"s","store_id":"lyon"}`),
			tracked(processor.ProductScanned, func(e *processor.Event) { e.SKU, e.Location = "s", "lyon" })},
		{"store by coordinates", track("FindLocation", `{"latitude":45.76,"longitude":4.83}`),
			fromPixel(processor.StoreSearched, func(e *processor.Event) { e.Properties = []byte(`{"latitude":45.76,"longitude":4.83}`) })},
		{"identify", `{"type":"identify","userId":"ann","messageId":"m1","timestamp":1795288919884,"traits":{"email":"ann@example.com"},"context":{"ip":"1.2.3.4","consent":{"categoryPreferences":{"Advertising":false}}}}`,
			tracked(processor.Identify, func(e *processor.Event) {
				e.Traits = []byte(`{"email":"ann@example.com"}`)
				e.Properties = []byte(`{"context.consent.categoryPreferences":{"Advertising":false}}`)
			})},
		{"alias", `{"type":"alias","userId":"ann","previousId":"anon-1","messageId":"m1","timestamp":1795288919.884}`,
			tracked(processor.Alias, func(e *processor.Event) { e.PreviousID = "anon-1" })},
		{"page", `{"type":"page","userId":"ann","messageId":"m1","timestamp":"2026-11-21T19:21:59.884Z","name":"Home","properties":{"url":"/"}}`,
			tracked(processor.Page, func(e *processor.Event) { e.Properties = []byte(`{"url":"/","name":"Home"}`) })},
		{"group", `{"type":"group","userId":"ann","messageId":"m1","timestamp":"2026-11-21T19:21:59.884Z","groupId":"g","traits":{"n":1}}`,
			tracked(processor.Group, func(e *processor.Event) { e.Traits, e.Properties = []byte(`{"n":1}`), []byte(`{"groupId":"g"}`) })},
		{"the sender's clock is wrong by an hour", `{"type":"page","userId":"ann","messageId":"m1","timestamp":"2026-11-21T18:21:58.000Z","sentAt":"2026-11-21T18:22:00Z"}`,
			tracked(processor.Page, func(e *processor.Event) { e.Stamp, e.At = 1795285318000, 1795288918000 })},
		{"no timestamp", `{"type":"page","userId":"ann","messageId":"m1","sentAt":"2026-11-21T18:22:00Z"}`,
			tracked(processor.Page, func(e *processor.Event) { e.Stamp, e.At, e.Stamped = arrival, arrival, false })},
		{"a clock days ahead, corrected", `{"type":"page","userId":"ann","messageId":"m1","timestamp":"2027-11-21T18:21:58Z","sentAt":"2027-11-21T18:22:00Z"}`,
			tracked(processor.Page, func(e *processor.Event) { e.Stamp, e.At = 1826821318000, 1795288918000 })},
		{"RudderStack's clock", `{"type":"page","userId":"ann","messageId":"m1","originalTimestamp":"2026-11-21T19:21:59.884Z"}`,
			tracked(processor.Page, func(*processor.Event) {})},
	} {
		t.Run(c.name, func(t *testing.T) { equal(t, parse(t, c.call), c.want) })
	}
}

func TestParseSplits(t *testing.T) {
	sale := `{"type":"track","event":"Order Completed","messageId":"m1","timestamp":1795288919884,"properties":{"order_id":"o1","products":[{"sku":"a","quantity":2,"price":1},{"product_id":"b"}]}}`
	sold := tracked(processor.ItemSold, func(e *processor.Event) {
		e.MessageID, e.UserID, e.OrderID, e.SKU, e.Quantity, e.HasQty, e.Price, e.HasPrice = "m1#0", "", "o1", "a", 2, true, 100, true
	})
	sold = append(sold, tracked(processor.ItemSold, func(e *processor.Event) {
		e.MessageID, e.UserID, e.OrderID, e.SKU, e.Quantity, e.HasQty, e.Line = "m1#1", "", "o1", "b", 1, true, 1
	})...)
	t.Run("a public sale", func(t *testing.T) { equal(t, parse(t, sale), sold) })
	t.Run("a public return", func(t *testing.T) {
		for i := range sold {
			sold[i].Kind = processor.ItemReturned
		}
		equal(t, parse(t, strings.Replace(sale, "Completed", "Refunded", 1)), sold)
	})
	t.Run("contents added to a cart", func(t *testing.T) {
		got := parse(t, track("AddToCart", `{"contents":[{"id":"a"},{"id":"b","quantity":2}],"value":9}`))
		want := fromPixel(processor.ProductAdded, func(e *processor.Event) {
			e.MessageID, e.SKU, e.Quantity, e.HasQty, e.Total = "m1#0", "a", 1, true, 900
		})
		want = append(want, fromPixel(processor.ProductAdded, func(e *processor.Event) { e.MessageID, e.SKU, e.Quantity, e.HasQty = "m1#1", "b", 2, true })...)
		equal(t, got, want)
	})
}

// TestParseReuse parses different calls into the same memory: nothing of one
// may show in the next.
func TestParseReuse(t *testing.T) {
	calls := []string{
		track("Back In Stock Requested", `{"content_ids":["a","b"],"locations":["x","y"],"note":"n"}`),
		track("Order Completed", `{"order_id":"o1","products":[{"sku":"a"},{"sku":"b"}]}`),
		track("Crisis Declared", `{"tags":["t1","t2"]}`),
		track("Back In Stock Requested", `{"sku":"c","locations":["z"]}`),
		track("Back In Stock Requested", `{"content_ids":["d","e"],"locations":["q","r"]}`),
	}
	var p Parser
	var events []processor.Event
	for round := range 3 {
		events = events[:0]
		var want []processor.Event
		p.Reset()
		for i := range calls {
			call := calls[(i+round)%len(calls)]
			var err error
			if events, err = p.Parse(events, []byte(call), Options{Source: "web", Now: arrival, Currency: "EUR"}); err != nil {
				t.Fatal(err)
			}
			want = append(want, parse(t, call)...)
		}
		equal(t, events, want)
	}
}

func TestParseFaults(t *testing.T) {
	for _, c := range []struct{ call, want string }{
		{track("Stock Level Reported", `{"sku":"a"}`), "Stock Level Reported: properties.available: required"},
		{track("Stock Level Reported", `{"available":1}`), "properties.sku: required"},
		{track("Stock Level Reported", `{"sku":"a","available":1.5}`), "properties.available: must be a whole number"},
		{track("Product Added", `{}`), "properties.sku: required, or product_id"},
		{track("Product Added", `{"products":[]}`), "properties.sku: required"},
		{track("Product Added", `{"sku":"a","quantity":0}`), "properties.quantity: must be at least 1"},
		{track("Product Added", `{"sku":"a","quantity":-3}`), "properties.quantity: must be at least 1"},
		{track("Product Added", `{"sku":"a","quantity":0.5}`), "properties.quantity: must be a whole number"},
		{track("Product Added", `{"sku":"a","quantity":99999999999999999999}`), "properties.quantity: is too large"},
		{track("Product Added", `{"sku":"a","price":"19,99"}`), "properties.price: must be a number"},
		{track("Product Added", `{"sku":"a","price":-1}`), "properties.price: must not be negative"},
		{track("Reward Issued", `{"reward_id":"r","amount":-5}`), "properties.amount: must not be negative"},
		{track("Product Added", `{"sku":{"a":1}}`), "properties.sku: must be a text or a whole number"},
		{track("Product Added", `{"sku":1.5}`), "properties.sku: must be a text or a whole number"},
		{track("Product Added", `{"sku":"a\u0000b"}`), "properties.sku: has a control character"},
		{track("Product Added", `{"sku":"a\u0085b"}`), "properties.sku: has a control character"},
		{track("Product Added", `{"sku":"a\ud83d"}`), "properties.sku: has half of a surrogate pair"},
		{track("Product Added", `{"sku":"`+strings.Repeat("x", 257)+`"}`), "properties.sku: is longer than 256 bytes"},
		{track("Product Added", `{"sku":"a","currency":"euros"}`), "properties.currency: must be a currency"},
		{track("Product Added", `[1]`), "properties: must be an object"},
		{track("Order Completed", `{"products":[{"sku":"a"}]}`), "properties.order_id: required, or transaction_id"},
		{track("Order Completed", `{"order_id":"o","products":{"sku":"a"}}`), "properties.products: must be a list"},
		{track("Order Completed", `{"order_id":"o","products":["a"]}`), "properties.products[0]: must be an object"},
		{track("Order Completed", `{"order_id":"o","products":[{"sku":"a"},{"price":1}]}`), "properties.products[1].sku: required"},
		{track("Order Completed", `{"order_id":"o","products":[{"sku":"a","quantity":-1}]}`), "properties.products[0].quantity: must be at least 1"},
		{track("Order Completed", `{"order_id":"o","products":[{"sku":"a","price":1e12,"quantity":1e12}]}`), "too large"},
		{track("Order Completed", `{"order_id":"o","products":[`+strings.Repeat(`{"sku":"a"},`, 200)+`{"sku":"a"}]}`), "more than 200 lines"},
		{`{"type":"track","event":"Order Cancelled","properties":{"order_id":"o"}}`, "properties.products: required for an order without userId"},
		{`{"type":"track","event":"Order Refunded","properties":{"order_id":"o","reason":"chargeback","products":[{"sku":"a"}]}}`, "userId: required for a chargeback"},
		{track("Price Changed", `{"sku":"a","price":1}`), "properties.currency: required"},
		{track("Sale Scheduled", `{"sale_id":"s","sku":"a","opens_at":"2026-03-02T10:00:00Z","closes_at":"2026-03-02T10:00:00Z"}`), "properties.closes_at: must be after opens_at"},
		{track("Sale Scheduled", `{"sale_id":"s","sku":"a","opens_at":"noon","closes_at":"2026-03-02T10:00:00Z"}`), "properties.opens_at: must be a time"},
		{track("Consent Changed", `{"channel":"email","purpose":"marketing","granted":"maybe"}`), "properties.granted: must be true or false"},
		{track("Consent Changed", `{"channel":"email","purpose":"marketing"}`), "properties.granted: required"},
		{track("Message Opened", `{}`), "properties.action_id: required"},
		{track("Product Updated", `{"sku":"a","lasts":30}`), "properties.lasts: must be a duration"},
		{track("Store Searched", `{"latitude":1}`), "properties.longitude"},
		{track("Store Searched", `{}`), "properties.store_id: required, or location, latitude"},
		{track("Checkout Failed", `{"cart_id":"c"}`), "Checkout Failed: properties.reason: required; Checkout Failed: properties.products: required"},
		{track("", `{}`), "event: required"},
		{`{"type":"track","event":"Tea Drunk"}`, "Tea Drunk: userId: required, or anonymousId"},
		{`{"type":"alias","userId":"a"}`, "previousId: required"},
		{`{"type":"dance","userId":"a"}`, "type: must be track"},
		{`{"userId":"a"}`, "type: required"},
		{`{"type":"page","userId":"a","timestamp":"2026-11-30T19:21:59Z"}`, "timestamp: is 2026-11-30T19:21:59Z, more than 48h0m0s after it arrived"},
		{`{"type":"page","userId":"a","timestamp":"1969-01-01T00:00:00Z"}`, "timestamp: must not be before 1970"},
		{`{"type":"page","userId":"a","timestamp":"2026-02-30T00:00:00Z"}`, "timestamp: must be a time"},
		{`{"type":"identify","userId":"a","traits":7}`, "traits: must be an object"},
		{`{"type":"identify","userId":"a","traits":{"t":"` + strings.Repeat("x", 17<<10) + `"}}`, "traits: 17"},
		{track("Tea Drunk", `{"t":"`+strings.Repeat("x", 17<<10)+`"}`), "properties: 17"},
		{`{"type":"page","userId":"` + strings.Repeat("x", 33<<10) + `"}`, "at most 32768"},
		{"{\"type\":\"page\",\"userId\":\"\xff\"}", "not UTF-8"},
		{`{"type":"page","userId":"a"} x`, "malformed JSON at byte 29: something follows"},
		{`[]`, "not a JSON object"},
		{strings.Repeat(`{"a":`, 70) + `1` + strings.Repeat(`}`, 70), "deeper than 64"},
	} {
		keep := make([]processor.Event, 1, 4)
		events, err := Parse(keep, []byte(c.call), Options{Now: arrival})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q\n got %v\nfor  %.200s", c.want, err, c.call)
			continue
		}
		var fe *FieldError
		if !errors.As(err, &fe) || len(events) != 1 {
			t.Errorf("%v: not a FieldError, or events were kept (%d)", err, len(events))
		}
	}
}

// TestAncientIsAccepted: the core decides what an old event still means.
func TestAncientIsAccepted(t *testing.T) {
	e := parse(t, `{"type":"page","userId":"a","timestamp":"1999-12-31T23:59:59Z"}`)
	if e[0].At != 946684799000 {
		t.Error(e[0].At)
	}
}

// TestManyProperties: the last of each key stays, once, however many there are.
func TestManyProperties(t *testing.T) {
	for _, keys := range []int{5, 20, 400} {
		var b strings.Builder
		b.WriteByte('{')
		for i := range 2 * keys {
			fmt.Fprintf(&b, `"k%d":%d,`, i%keys, i)
		}
		b.WriteString(`"\u006b0":"last"}`)
		e := parse(t, track("Tea Drunk", b.String()))[0]
		var left map[string]any
		if err := json.Unmarshal(e.Properties, &left); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(e.Properties), ":"); n != keys || len(left) != keys || left["k0"] != "last" || left["k1"] != float64(keys+1) {
			t.Errorf("%d keys: %d left, %s", keys, n, e.Properties)
		}
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	var p Parser
	var events []processor.Event
	for _, call := range []string{
		typical,
		track("Order Completed", `{"order_id":"o1","products":[{"sku":"a"},{"sku":"b","price":"1.5"}],"note":"caf\u00e9"}`),
	} {
		body := []byte(call)
		if n := testing.AllocsPerRun(100, func() {
			p.Reset()
			events, _ = p.Parse(events[:0], body, Options{Now: arrival})
		}); n != 0 {
			t.Errorf("%v allocations for %s", n, call)
		}
	}
}

// Who writes a moments file with the names of another system is told ours.
func TestTheFileIsToldOurNames(t *testing.T) {
	_, faults := moments.Parse("m", []byte(`version: 1
currency: EUR
moments:
  a: {when: AddToCart, per: cart_id, after: 1h, expires: 1d}
  b: {when: [Checkout Started], until: [purchase], expires: 1d}
`), Vocabulary())
	want := []string{
		`m:4:13: event "AddToCart" does not exist; it is called "Product Added" here`,
		`m:5:41: event "purchase" does not exist; it is called "Order Completed" here`,
	}
	var got []string
	for _, f := range faults {
		got = append(got, f.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}
