package state

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCheckpoint: what was committed when a checkpoint was made is in it, to the
// last batch, whatever the store does afterwards.
func TestCheckpoint(t *testing.T) {
	shared := testShared(t, SharedOptions{})
	dir := t.TempDir()
	s := openTest(t, shared, nil, filepath.Join(dir, "p"))
	m := newModel()
	for range 200 {
		m.advance(t, s)
	}
	require.NoError(t, s.Checkpoint(filepath.Join(dir, "c")))
	require.ErrorContains(t, s.Checkpoint(filepath.Join(dir, "c")), "there already")
	later := newModel()
	for later.n < m.n {
		later.next(nil)
	}
	for range 300 { // tables are compacted away
		later.advance(t, s)
	}
	require.NoError(t, s.Flush())
	later.check(t, s)
	require.NoError(t, s.Close())
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "p")))

	c := openTest(t, shared, nil, filepath.Join(dir, "c"))
	m.check(t, c)
	m.advance(t, c)
	m.check(t, c)
}

// TestIncomplete: a store that lacks a table, or a part of one, is corrupt.
func TestIncomplete(t *testing.T) {
	for name, spoil := range map[string]func(string) error{
		"missing":   os.Remove,
		"truncated": func(path string) error { return os.Truncate(path, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			shared := testShared(t, SharedOptions{})
			dir := t.TempDir()
			s := openTest(t, shared, nil, dir)
			newModel().advance(t, s)
			require.NoError(t, s.Close())
			tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
			require.NoError(t, err)
			require.Len(t, tables, 1)
			require.NoError(t, spoil(tables[0]))
			_, err = Open(dir, Options{Shared: shared})
			require.ErrorIs(t, err, ErrCorrupt)
		})
	}
}

// BenchmarkCheckpoint makes checkpoints of a store that is written to and read:
// how long one takes, and the slowest read meanwhile.
func BenchmarkCheckpoint(b *testing.B) {
	for _, mib := range []int{64, 1024} {
		b.Run(fmt.Sprintf("MiB=%d", mib), func(b *testing.B) {
			shared := testShared(b, SharedOptions{MemTableBytes: 16 << 20, CacheBytes: 64 << 20})
			dir := b.TempDir()
			s := openTest(b, shared, nil, filepath.Join(dir, "p"))
			rng := rand.New(rand.NewPCG(6, 1))
			value := make([]byte, 400)
			fill := func(entities int) {
				for i := 0; i < entities; i += 4096 {
					batch := s.NewBatch()
					for range 4096 {
						for j := 0; j+8 < len(value); j += 8 { // does not compress
							value[j], value[j+1], value[j+2], value[j+3], value[j+4] = byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32())
						}
						batch.Set(2, rng.Uint64(), value)
					}
					require.NoError(b, batch.Commit(nil))
				}
			}
			fill(mib << 20 / 400)
			require.NoError(b, s.Flush())
			for s.Metrics().Compacting {
				time.Sleep(10 * time.Millisecond)
			}
			var slowest, slowestGet time.Duration
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				fill(8 << 20 / 400) // what a write-behind adds
				stop, done := make(chan struct{}), make(chan time.Duration)
				go func() { // a partition reads on
					var worst time.Duration
					for {
						select {
						case <-stop:
							done <- worst
							return
						default:
						}
						start := time.Now()
						_, _, _ = s.Get(2, rand.Uint64(), nil)
						worst = max(worst, time.Since(start))
					}
				}()
				at := filepath.Join(dir, fmt.Sprint(i))
				b.StartTimer()
				start := time.Now()
				require.NoError(b, s.Checkpoint(at))
				slowest = max(slowest, time.Since(start))
				b.StopTimer()
				close(stop)
				slowestGet = max(slowestGet, <-done)
				require.NoError(b, os.RemoveAll(at))
				b.StartTimer()
			}
			b.ReportMetric(float64(slowest.Microseconds())/1000, "ms-slowest")
			b.ReportMetric(float64(slowestGet.Microseconds())/1000, "ms-slowest-get")
		})
	}
}
