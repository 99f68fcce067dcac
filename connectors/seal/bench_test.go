package seal

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/connectors/collector"
	"onhand/processor"
)

func BenchmarkSeal(b *testing.B) {
	s := newSealer(b, openLog(b))
	for _, c := range []struct {
		name  string
		event processor.Event
	}{
		{"nothing", processor.Event{Kind: processor.StockLevelReported, SKU: "phone"}},
		{"no personal data", processor.Event{Kind: processor.ProductViewed, UserID: "ann", Properties: []byte(`{"name":"Phone X","url":"https://shop.example/p/phone","image_url":"https://shop.example/i/phone.jpg","position":3,"coupon":"SUMMER"}`)}},
		{"push token", processor.Event{Kind: processor.ProductViewed, UserID: "ann", Properties: []byte(`{"position":3,"context.device.token":"` + strings.Repeat("a1", 32) + `"}`)}},
		{"identify", identify("ann", `{"email":"ann@example.com","firstName":"Ann","lastName":"Bo","timezone":"Europe/Paris","consent":{"email":{"marketing":true}}}`)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			events, before := make([]processor.Event, 100), cpu()
			for b.Loop() {
				for i := range events {
					events[i].Kind, events[i].UserID, events[i].Traits, events[i].Properties = c.event.Kind, c.event.UserID, c.event.Traits, c.event.Properties
				}
				if err := s.Seal(b.Context(), events); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu()-before)/float64(b.N)/100, "cpu-ns/event")
		})
	}
}

// BenchmarkNewCustomers is what the first personal data of a customer costs.
func BenchmarkNewCustomers(b *testing.B) {
	s := newSealer(b, openLog(b))
	events, n, before := make([]processor.Event, 100), 0, cpu()
	for b.Loop() {
		for i := range events {
			n++
			events[i] = identify(fmt.Sprint("c", n), `{"email":"ann@example.com"}`)
		}
		if err := s.Seal(b.Context(), events); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N)/100, "cpu-ns/customer")
}

// inlet is a log that takes everything and keeps nothing.
type inlet struct {
	seal func(context.Context, []processor.Event) error
	n    int
}

func (x *inlet) Append(ctx context.Context, events []processor.Event) error {
	x.n += len(events)
	if x.seal != nil {
		return x.seal(ctx, events)
	}
	return nil
}

func (x *inlet) Refuse(context.Context, collector.Refused) error { return nil }

// BenchmarkCollector is what an event costs at the inlet, in batches of 100 of
// which so many are of a kind, without and with sealing.
func BenchmarkCollector(b *testing.B) {
	s := newSealer(b, openLog(b))
	viewed := `{"type":"track","event":"Product Viewed","userId":"c%d","messageId":"m-%d","timestamp":"2026-11-21T19:21:59.884Z","properties":{"sku":"phone","price":199,"currency":"EUR","name":"Phone X","url":"https://shop.example/p/phone","image_url":"https://shop.example/i/phone.jpg","position":3}}`
	identify := `{"type":"identify","userId":"c%d","messageId":"m-%d","timestamp":"2026-11-21T19:21:59.884Z","traits":{"email":"ann@example.com","firstName":"Ann","lastName":"Bo","timezone":"Europe/Paris","consent":{"email":{"marketing":true}}}}`
	for _, personal := range []int{0, 2, 100} {
		calls := make([]string, 100)
		for i := range calls {
			calls[i] = fmt.Sprintf(viewed, i, i)
			if i < personal {
				calls[i] = fmt.Sprintf(identify, i, i)
			}
		}
		body := []byte(`{"batch":[` + strings.Join(calls, ",") + `]}`)
		for _, x := range []struct {
			name string
			log  inlet
		}{{"clear", inlet{}}, {"sealed", inlet{seal: s.Seal}}} {
			b.Run(fmt.Sprintf("%d personal/%s", personal, x.name), func(b *testing.B) {
				c := collector.New(collector.Config{Clock: func() int64 { return 1795288920000 }}, &x.log, &x.log)
				before := cpu()
				for b.Loop() {
					w := httptest.NewRecorder()
					c.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/batch", bytes.NewReader(body)))
					require.Equal(b, 200, w.Code)
				}
				b.ReportMetric(float64(cpu()-before)/float64(b.N)/100, "cpu-ns/event")
			})
		}
	}
}
