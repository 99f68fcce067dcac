package jetstream

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"onhand/processor"
)

// syncModes names the mode with each figure.
var syncModes = map[string]time.Duration{"sync=always": 0, "sync=2m": 2 * time.Minute}

func benchLog(b *testing.B, interval time.Duration) *Log {
	srv, err := StartServer(ServerOptions{Dir: b.TempDir(), SyncInterval: interval})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(srv.Close)
	return openLog(b, Options{Server: srv, Partitions: 16})
}

// cpu is the processor time this process has used.
func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// follow reads a partition and commits an empty record for all that has
// arrived, one commit in flight, until it has seen n entries.
func follow(b *testing.B, l *Log, p int, seen func(entries int) (more bool)) {
	r, err := l.Read(p, 1)
	if err != nil {
		b.Error(err)
		return
	}
	defer r.Stop()
	type result struct {
		seq uint64
		err error
	}
	var last uint64
	var waiting, inFlight int
	acked := make(chan result, 1)
	for {
		for {
			m, ok, err := r.TryNext()
			if err != nil {
				b.Error(err)
				return
			}
			if !ok {
				break
			}
			rec, _ := processor.ParseRecord(m.Data)
			for e, _ := rec.Next(); e != nil; e, _ = rec.Next() {
				waiting++
			}
		}
		if inFlight == 0 && waiting > 0 {
			if err := l.CommitAsync(p, make([]byte, 64), last, func(seq uint64, err error) { acked <- result{seq, err} }); err != nil {
				b.Error(err)
				return
			}
			inFlight, waiting = waiting, 0
		}
		select {
		case <-r.Ready():
		case a := <-acked:
			if a.err != nil {
				b.Error(a.err)
				return
			}
			done := inFlight
			last, inFlight = a.seq, 0
			if !seen(done) {
				return
			}
		}
	}
}

// BenchmarkPipe is the bare pipe: records of 100 entries of 100 bytes to 16
// partitions, read and committed with an empty record. One operation is one
// entry.
func BenchmarkPipe(b *testing.B) {
	for mode, interval := range syncModes {
		b.Run(mode, func(b *testing.B) {
			l := benchLog(b, interval)
			record := processor.AppendRecordHeader(nil, 0)
			for range 100 {
				record = processor.AppendRecordEntry(record, make([]byte, 100))
			}
			records := (b.N + 99) / 100
			each := (records + 15) / 16
			b.ResetTimer()
			begin := cpu()
			var wg sync.WaitGroup
			for p := range 16 {
				window := make(chan struct{}, 8) // records sent and not yet committed, in bulk
				wg.Go(func() {
					for range each {
						window <- struct{}{}
						if err := l.AppendAsync(p, record, func(_ uint64, err error) {
							if err != nil {
								b.Error(err)
							}
							<-window
						}); err != nil {
							b.Error(err)
						}
					}
				})
				wg.Go(func() {
					total := 0
					follow(b, l, p, func(n int) bool { total += n; return total < each*100 })
				})
			}
			wg.Wait()
			b.ReportMetric(float64(16*each*100)/b.Elapsed().Seconds(), "entries/s")
			b.ReportMetric(float64((cpu()-begin).Nanoseconds())/float64(16*each*100), "cpu-ns/entry")
		})
	}
}

// BenchmarkPacked is the pipe with packers, at a rate (0: as fast as it goes,
// with 65,536 entries on their way). One operation is one entry.
func BenchmarkPacked(b *testing.B) {
	for mode, interval := range syncModes {
		for _, rate := range []int{0, 200_000} {
			b.Run(fmt.Sprintf("%s/rate=%d", mode, rate), func(b *testing.B) {
				l := benchLog(b, interval)
				each := (b.N + 15) / 16
				entry := make([]byte, 100)
				b.ResetTimer()
				begin, start := cpu(), time.Now()
				var wg sync.WaitGroup
				for p := range 16 {
					var sent, done atomic.Int64
					wg.Go(func() {
						for sent.Load() < int64(each) {
							may := done.Load() + 4096
							if rate > 0 {
								may = min(may, int64(time.Since(start).Seconds()*float64(rate)/16))
							}
							for n := sent.Load(); n < min(may, int64(each)); n = sent.Add(1) {
								for l.Packer(p).Add(entry, func(err error) {
									if err != nil {
										b.Error(err)
									}
								}) != nil {
									time.Sleep(time.Millisecond)
								}
							}
							time.Sleep(time.Millisecond)
						}
					})
					wg.Go(func() {
						follow(b, l, p, func(n int) bool { return done.Add(int64(n)) < int64(each) })
					})
				}
				wg.Wait()
				records := uint64(0)
				for p := range 16 {
					_, last, _ := l.Bounds(context.Background(), p)
					records += last
				}
				b.ReportMetric(float64(16*each)/b.Elapsed().Seconds(), "entries/s")
				b.ReportMetric(float64(16*each)/float64(records), "entries/record")
				b.ReportMetric(float64((cpu()-begin).Nanoseconds())/float64(16*each), "cpu-ns/entry")
			})
		}
	}
}

// BenchmarkIdleLatency sends 1,000 entries a second and measures each from Add
// to the acknowledgement of the commit that covers it. One operation is one
// entry.
func BenchmarkIdleLatency(b *testing.B) {
	for mode, interval := range syncModes {
		b.Run(mode, func(b *testing.B) {
			l := benchLog(b, interval)
			var wg sync.WaitGroup
			var times []time.Duration
			sent := make([]chan time.Time, 16)
			var mu sync.Mutex
			for p := range 16 {
				sent[p] = make(chan time.Time, 1024)
				share := b.N / 16
				if p < b.N%16 {
					share++
				}
				if share == 0 {
					continue
				}
				wg.Go(func() {
					total := 0
					follow(b, l, p, func(n int) bool {
						mu.Lock()
						for range n {
							times = append(times, time.Since(<-sent[p]))
						}
						mu.Unlock()
						total += n
						return total < share
					})
				})
			}
			time.Sleep(50 * time.Millisecond)
			b.ResetTimer()
			begin := time.Now()
			for i := range b.N {
				time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Millisecond)))
				sent[i%16] <- time.Now()
				if err := l.Packer(i%16).Add(make([]byte, 100), func(error) {}); err != nil {
					b.Error(err)
				}
			}
			wg.Wait()
			slices.Sort(times)
			for _, q := range []int{50, 99} {
				b.ReportMetric(float64(times[len(times)*q/100].Microseconds()), fmt.Sprintf("p%d-us", q))
			}
		})
	}
}
