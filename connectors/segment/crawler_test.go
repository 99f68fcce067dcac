package segment

import (
	"testing"

	"onhand/processor"
)

func TestIsCrawler(t *testing.T) {
	for name, want := range map[string]bool{
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)":                                      true,
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36": true,
		"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)":                                     true,
		"Googlebot-Image/1.0": true, "Pinterestbot": true,
		"Mozilla/5.0 (Linux; Android 9; CUBOT NOTE 20) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36":                false,
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Mobile/15E148 Safari/604": false,
		"analytics-node/1.0": false, "": false,
	} {
		if got := isCrawler(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}

// TestCrawled checks which events are marked, and by whose word.
func TestCrawled(t *testing.T) {
	const crawler, person = "bingbot/2.0", "Mozilla/5.0 Firefox/140.0"
	for _, c := range []struct {
		event, agent, properties string
		o                        Options
		want                     string
	}{
		{"Product Viewed", crawler, `{"sku":"a"}`, Options{}, processor.ByMachine},
		{"AddToCart", crawler, `{"contents":[{"id":"a"},{"id":"b"}]}`, Options{}, processor.ByMachine},
		{"Product Viewed", "", `{"sku":"a"}`, Options{UserAgent: crawler}, processor.ByMachine},
		{"Product Viewed", "", `{"sku":"a"}`, Options{UserAgent: person}, ""},
		{"Product Viewed", person, `{"sku":"a"}`, Options{UserAgent: crawler}, ""}, // passed on by a server
		{"Product Viewed", person, `{"sku":"a"}`, Options{Prefetched: true}, processor.ByMachine},
		{"Product Viewed", person, `{"sku":"a","by":"machine"}`, Options{}, processor.ByMachine}, // the sender says so
		{"Cart Updated", crawler, `{"cart_id":"c","products":[],"by":"system"}`, Options{}, processor.ByMachine},
		{"PageView", crawler, `{}`, Options{}, processor.ByMachine},
		{"screen_view", crawler, `{}`, Options{}, processor.ByMachine},
		{"Products Searched", crawler, `{"query":"lamp"}`, Options{}, processor.ByMachine},
		{"Product Added to Wishlist", crawler, `{"sku":"a"}`, Options{}, processor.ByMachine},
		{"Cart Viewed", crawler, `{"cart_id":"c"}`, Options{}, processor.ByMachine},
		{"Checkout Started", crawler, `{"cart_id":"c"}`, Options{}, processor.ByMachine},
		{"Store Searched", crawler, `{"location":"lyon"}`, Options{}, processor.ByMachine},
		{"Product Removed", crawler, `{"cart_id":"c","sku":"a"}`, Options{Prefetched: true}, ""},
		{"Order Completed", crawler, `{"order_id":"o","products":[{"sku":"a"}]}`, Options{Prefetched: true}, ""},
		{"Lead", crawler, `{"value":1}`, Options{Prefetched: true}, ""},
	} {
		c.o.Now = arrival
		call := `{"type":"track","event":"` + c.event + `","userId":"ann","messageId":"m1","context":{"userAgent":"` + c.agent + `"},"properties":` + c.properties + `}`
		events, err := Parse(nil, []byte(call), c.o)
		if err != nil {
			t.Fatalf("%s: %v", call, err)
		}
		for i := range events {
			if events[i].By != c.want {
				t.Errorf("%s with %+v: by %q, want %q", call, c.o, events[i].By, c.want)
			}
		}
	}
}
