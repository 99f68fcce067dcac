package processor

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var rewriteGolden = flag.Bool("rewrite-golden", false, "write the golden bytes again")

// goldenEvents are stored in testdata/event. Their bytes are in the logs of
// running shops: a change here is a change of format and needs a new version.
var goldenEvents = map[string]Event{
	"product_added": {
		Kind: ProductAdded, Source: "web", MessageID: "node-next-1795288919884-1", Stamp: 1795288919884, Stamped: true,
		At: 1795288919890, UserID: "ann", CartID: "c1", SKU: "phone", Price: 19900, HasPrice: true, Quantity: 1, HasQty: true,
	},
	"order_completed": {
		Kind: OrderCompleted, Source: "shop", MessageID: "m2", Stamp: 1795288919884, At: 1795288919884, UserID: "ann", OrderID: "o1",
		Currency: "EUR", Total: 22900, Products: []Product{{SKU: "phone", Price: 19900, Quantity: 1}, {SKU: "case", ProductID: "p2", Variant: "red", Category: "cases", Brand: "b", Price: 1500, Quantity: 2}},
	},
	"identify":    {Kind: Identify, MessageID: "m3", Stamp: 1, At: 1, UserID: "ann", AnonymousID: "a-1", Traits: []byte(`{"email":"ann@example.com"}`)},
	"stock_level": {Kind: StockLevelReported, Source: "stock", Stamp: 5, At: 5, SKU: "phone", Location: "lyon-dc", Available: -2, HasLevel: true, Version: 9, UpdatedAt: 4, Sellable: No, Safety: 1, HasSafety: true},
	"everything":  everything,
}

// everything has every field set.
var everything = Event{
	Kind: Custom, Name: "Name", Source: "source", MessageID: "message", Stamp: 1795288919884, Stamped: true, At: 1795288919000,
	UserID: "user", AnonymousID: "anonymous", PreviousID: "previous", SKU: "sku", CartID: "cart", OrderID: "order", ShipmentID: "shipment",
	SaleID: "sale", OfferID: "offer", RewardID: "reward", ActionID: "action", ItemSource: "item source", Channel: "channel", Purpose: "purpose",
	Reason: "reason", Status: "status", By: "by", Category: "category", Brand: "brand", Family: "family", Location: "location", Currency: "EUR",
	AccessoryOf: "accessory", Locations: []string{"a", ""}, Tags: []string{"t"}, Products: []Product{{Quantity: 1}, {SKU: "s", ProductID: "p", Variant: "v", Category: "c", Brand: "b", Price: 1, Quantity: 0}},
	Price: -1, HasPrice: true, Total: 2, MaxPrice: 3, Quantity: -4, HasQty: true, Available: 5, HasLevel: true, Safety: 6, HasSafety: true,
	Version: 7, UpdatedAt: 8, OpensAt: 9, ClosesAt: 10, ExpiresAt: 11, CompleteTo: 12, Line: 13, Lasts: 14, Low: 15, Margin: 16, Granted: true, Pixel: true,
	Sellable: Yes, Published: No, Traits: []byte(`{"t":1}`), Properties: []byte(`{"p":1}`),
}

func TestEventGoldenBytes(t *testing.T) {
	for name, e := range goldenEvents {
		path := filepath.Join("testdata", "event", name+".hex")
		got := hex.EncodeToString(AppendEvent(nil, &e)) + "\n"
		if *rewriteGolden {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: the bytes of this event changed\n got %s want %s", name, got, want)
		}
		b, err := hex.DecodeString(strings.TrimSpace(string(want)))
		if err != nil {
			t.Fatal(err)
		}
		var back Event
		if err := DecodeEvent(b, &back); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(e, back, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestEventEachField makes sure no field is forgotten: an event with only that
// field set must come back.
func TestEventEachField(t *testing.T) {
	zero := AppendEvent(nil, &Event{})
	fields := fieldsOf(&everything)
	if len(fields) < 57 {
		t.Fatalf("%d fields found", len(fields))
	}
	for name, set := range fields {
		if name == "Kind" {
			continue
		}
		var e, back Event
		set(&e)
		b := AppendEvent(nil, &e)
		if bytes.Equal(b, zero) {
			t.Errorf("%s is not encoded", name)
		}
		if err := DecodeEvent(b, &back); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := cmp.Diff(e, back, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestEventRoundTrip(t *testing.T) {
	var back Event // reused, so that leftovers of the one before would show
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		b := AppendEvent([]byte("x"), &e)
		if b[0] != 'x' {
			t.Fatal("dst was not kept")
		}
		if err := DecodeEvent(b[1:], &back); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, back, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}

func TestEventRefusals(t *testing.T) {
	long := strings.Repeat("x", MaxIDBytes+1)
	lines := make([]Product, MaxProducts+1)
	for i := range lines {
		lines[i].Quantity = 1
	}
	for want, e := range map[string]Event{
		"user id":         {UserID: long},
		"sku":             {SKU: long},
		"status":          {Status: long},
		"properties":      {Properties: make([]byte, MaxSealedBytes+1)},
		"traits":          {Traits: make([]byte, MaxSealedBytes+1)},
		"products":        {Products: lines},
		"product sku":     {Products: []Product{{SKU: long, Quantity: 1}}},
		"locations":       {Locations: []string{long}},
		"tags":            {Tags: make([]string, maxListed+1)},
		"kind 255":        {Kind: 255},
		"product variant": {Products: []Product{{Variant: long}}},
	} {
		var back Event
		err := DecodeEvent(AppendEvent(nil, &e), &back)
		if !errors.Is(err, ErrBadEvent) || !strings.Contains(err.Error(), want) {
			t.Errorf("want a fault about %q, got %v", want, err)
		}
	}
	whole := AppendEvent(nil, &everything)
	for n := range whole {
		if err := DecodeEvent(whole[:n], new(Event)); !errors.Is(err, ErrBadEvent) {
			t.Errorf("cut at %d of %d: %v", n, len(whole), err)
		}
	}
	if err := DecodeEvent(append(whole, 0), new(Event)); !errors.Is(err, ErrBadEvent) {
		t.Errorf("a byte too many: %v", err)
	}
	whole[0]++
	if err := DecodeEvent(whole, new(Event)); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("version: %v", err)
	}
}

func TestEventDecodeDoesNotAllocate(t *testing.T) {
	var e Event
	for name, golden := range goldenEvents {
		b := AppendEvent(nil, &golden)
		if n := testing.AllocsPerRun(100, func() {
			if err := DecodeEvent(b, &e); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzDecodeEvent(f *testing.F) {
	for _, e := range goldenEvents {
		f.Add(AppendEvent(nil, &e))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Event
		if DecodeEvent(b, &e) != nil {
			return
		}
		if got := AppendEvent(nil, &e); !bytes.Equal(got, b) {
			t.Fatalf("decodes, but encodes to other bytes\n in %x\nout %x", b, got)
		}
	})
}

func BenchmarkDecodeEvent(b *testing.B) {
	for _, name := range []string{"product_added", "order_completed", "stock_level"} {
		b.Run(name, func(b *testing.B) {
			golden := goldenEvents[name]
			buf := AppendEvent(nil, &golden)
			var e Event
			b.ReportAllocs()
			for b.Loop() {
				if err := DecodeEvent(buf, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	golden := goldenEvents["product_added"]
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendEvent(buf[:0], &golden)
	}
}
