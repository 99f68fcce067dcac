package worker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"onhand/processor"

	"github.com/stretchr/testify/require"
)

// BenchmarkWorker is events from Intake.Append to applied and committed, by
// one worker with the server in the same process: batches of 100, 8 senders, 8
// partitions, 100,000 customers.
func BenchmarkWorker(b *testing.B) {
	log := openLog(b, startServer(b), 8)
	w := startWorker(context.Background(), b, Config{ID: "a", Log: log, DataDir: b.TempDir()})
	activate(b, w)
	in := NewIntake(log)
	const senders, batch = 8, 100
	events := make([][]processor.Event, senders)
	for s := range events {
		r := rand.New(rand.NewPCG(1, uint64(s)))
		zipf := rand.NewZipf(r, 1.01, 8, 100_000)
		for i := range 100 * batch {
			e := processor.Event{Kind: processor.ProductViewed, Source: "shop", MessageID: fmt.Sprint("m-", s, "-", i), UserID: fmt.Sprint("c-", zipf.Uint64()),
				SKU: fmt.Sprint("SKU-", r.IntN(1000)), Stamped: true}
			if i%5 == 0 {
				e.Kind, e.CartID, e.Price, e.Quantity, e.HasQty = processor.ProductAdded, "c", 1999, 1, true
			}
			events[s] = append(events[s], e)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	var group sync.WaitGroup
	for s := range senders {
		group.Go(func() {
			for n := 0; n < b.N/senders; n += batch {
				part := events[s][n%len(events[s]):][:batch]
				now := at()
				for i := range part {
					part[i].At, part[i].Stamp = now, now
				}
				for in.Append(context.Background(), part) != nil {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	group.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(b, w.WaitIdle(ctx))
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
