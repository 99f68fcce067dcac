package processor

import (
	"fmt"
	"math/rand/v2"
	"onhand/processor/moments"
	"runtime"
	"testing"
)

// BenchmarkApply applies a mix of events, records of 100, to one partition of
// 60 thousand customers and a thousand items.
func BenchmarkApply(b *testing.B) {
	store := newMemStore()
	m, err := NewMachine(Config{Partitions: 1, Memory: 32 << 20}, store)
	if err != nil {
		b.Fatal(err)
	}
	var out Outputs
	seq := uint64(0)
	now := int64(1_800_000_000_000)
	apply := func(entries ...[]byte) {
		rec := AppendRecordHeader(nil, now)
		for _, e := range entries {
			rec = AppendRecordEntry(rec, e)
		}
		seq++
		m.Apply(seq, now, rec, &out)
	}
	apply(AppendControl(nil, &Control{Type: Activate, Text: moments.Three()}))
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.01, 8, 62_499)
	items := rand.NewZipf(rand.New(rand.NewPCG(3, 4)), 1.01, 8, 999)
	r := rand.New(rand.NewPCG(5, 6))
	const batch = 100
	records := make([][]byte, 0, 4096)
	n := 0
	make1 := func() []byte {
		rec := AppendRecordHeader(nil, now)
		for range batch {
			n++
			e := Event{Source: "shop", MessageID: fmt.Sprintf("m-%016d", n), Stamp: now + int64(n), Stamped: true, At: now + int64(n)}
			e.UserID = fmt.Sprintf("c-%07d", zipf.Uint64())
			sku := fmt.Sprintf("SKU-%05d", items.Uint64())
			switch x := r.IntN(100); {
			case x < 60:
				e.Kind, e.SKU = ProductViewed, sku
			case x < 80:
				e.Kind, e.SKU, e.CartID, e.Price, e.Quantity, e.HasQty = ProductAdded, sku, "c1", 1999, 1, true
			case x < 85:
				e.Kind, e.SKU, e.CartID = ProductRemoved, sku, "c1"
			case x < 93:
				e.Kind, e.OrderID, e.Products = OrderCompleted, fmt.Sprintf("o-%d", n), []Product{{SKU: sku, Quantity: 1, Price: 1999}}
			default:
				e.Kind, e.UserID, e.SKU, e.Available, e.HasLevel, e.Version = StockLevelReported, "", sku, int64(r.IntN(20)), true, int64(n)
			}
			rec = AppendRecordEntry(rec, AppendEvent([]byte{byte(EventEntry)}, &e))
		}
		return rec
	}
	for range 4096 {
		records = append(records, make1())
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%batch != 0 {
			continue
		}
		now += 5
		seq++
		rec := records[i/batch%len(records)]
		m.Apply(seq, now, rec, &out)
		m.Evict()
		if len(out.Buf) > 1<<20 {
			out.Reset()
		}
	}
	b.StopTimer()
	var ms runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&ms)
	customers := m.memory.places.count[CustomerKind]
	b.ReportMetric(float64(customers), "customers")
	b.ReportMetric(float64(m.memory.liveBytes+m.memory.frozenBytes)/float64(customers), "est_B/customer")
	b.ReportMetric(float64(ms.HeapAlloc)/float64(customers), "heap_B/customer")
	b.ReportMetric(float64(m.shop.Decided)/float64(b.N), "decisions/ev")
}
