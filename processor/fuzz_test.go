package processor

import (
	"onhand/processor/moments"
	"testing"
)

// Whatever bytes stand in the log, a record is applied or goes to the dead
// letter; a machine never panics, and never loses its position.
func FuzzApply(f *testing.F) {
	entry := func(b ...byte) []byte { return AppendRecordEntry(AppendRecordHeader(nil, 1_800_000_000_000), b) }
	f.Add([]byte{}, int64(0))
	f.Add(entry(byte(TickEntry)), int64(1))
	f.Add(entry(AppendEvent([]byte{byte(EventEntry)}, &Event{Kind: ProductAdded, UserID: "a", SKU: "s", CartID: "c", MessageID: "m"})...), int64(2))
	f.Add(entry(AppendEvent([]byte{byte(EventEntry)}, &Event{Kind: StockLevelReported, SKU: "s", Available: 5, HasLevel: true})...), int64(3))
	f.Add(entry(AppendEvent([]byte{byte(EventEntry)}, &Event{Kind: Identify, UserID: "a", Traits: []byte(`{"email":"x","consent":{"ads":{"ads":true}}}`)})...), int64(4))
	msg := writer{}
	(&Message{Type: OfferUnit, SKU: "s", Customer: "a", Offer: 1}).encode(&msg)
	f.Add(entry(AppendTransfer(nil, 1, 0, Transfer{Number: 1, Message: msg.b})...), int64(5))
	f.Add(entry(AppendOutcome(nil, "a", "x", 1, Delivered, "")...), int64(6))
	f.Add(entry(AppendReleaseRequest(nil, "a", "x", 2, true)...), int64(7))
	f.Add(entry(AppendControl(nil, &Control{Type: Stop})...), int64(8))
	f.Add(entry(AppendControl(nil, &Control{Type: Activate, Text: []byte("version: 1")})...), int64(9))
	f.Fuzz(func(t *testing.T, record []byte, stamp int64) {
		m, err := NewMachine(Config{Partitions: 4, Memory: 1 << 30}, newMemStore())
		if err != nil {
			t.Fatal(err)
		}
		var out Outputs
		m.Apply(1, 1_800_000_000_000, AppendRecordEntry(AppendRecordHeader(nil, 1_800_000_000_000), AppendControl(nil, &Control{Type: Activate, Text: moments.Three()})), &out)
		m.Apply(2, stamp, record, &out)
		m.Apply(3, stamp, AppendRecordEntry(AppendRecordHeader(nil, stamp), []byte{byte(TickEntry)}), &out)
		if m.shop.Position != 3 {
			t.Fatalf("position %d", m.shop.Position)
		}
		for buf := out.Buf; len(buf) > 0; {
			o, rest, err := NextOutput(buf)
			if err != nil {
				t.Fatal(err)
			}
			if o.Type == DecisionOutput {
				if _, err := ParseDecision(o.Body); err != nil {
					t.Fatal(err)
				}
			}
			buf = rest
		}
	})
}

// Stored values that were damaged are errors, not panics.
func FuzzStored(f *testing.F) {
	f.Add(uint8(CustomerKind), []byte{1, 0})
	f.Fuzz(func(_ *testing.T, kind uint8, b []byte) {
		makeEntity(CustomerKind + EntityKind(kind%4)).live.decode(&reader{b: b})
		var s Shop
		s.decode(&reader{b: b})
		_, _ = ParseCommit(b)
		_, _ = ParseDecision(b)
		_, _ = ParseTransfer(b)
		_, _ = ParseRelease(b)
		_, _ = ParseDelivery(b)
		_, _ = ParseDead(b)
		var c Control
		c.decode(&reader{b: b})
	})
}
