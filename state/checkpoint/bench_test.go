package checkpoint

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"testing"
	"time"

	"onhand/state"
	"onhand/state/blob"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// BenchmarkTakeover fetches and opens a state whose machine is gone: what a
// cold takeover costs before it reads the log. s-save is what saving it took, and
// ms-copy for how long no write-behind could be committed meanwhile, which is all
// a partition notices of it; MiB-again is what a second checkpoint uploads when a
// hundredth of the state has changed.
func BenchmarkTakeover(b *testing.B) {
	for _, mib := range []int{64, 1024} {
		for _, kind := range []string{"folder", "jetstream"} {
			b.Run(fmt.Sprintf("MiB=%d/%s", mib, kind), func(b *testing.B) { benchTakeover(b, mib, kind) })
		}
	}
}

func benchTakeover(b *testing.B, mib int, kind string) {
	shared := state.NewShared(state.SharedOptions{Stores: 2, Logger: slog.New(slog.DiscardHandler)})
	defer shared.Close()
	dir := b.TempDir()
	s, err := state.Open(filepath.Join(dir, "p"), state.Options{Shared: shared})
	require.NoError(b, err)
	value := make([]byte, 400)
	fill := func(mib float64) {
		for i := 0; i < int(mib*(1<<20))/len(value); i += 4096 {
			batch := s.NewBatch()
			for j := range 4096 {
				_, _ = rand.Read(value)
				batch.Set(1, uint64(i+j)*0x9e3779b97f4a7c15, value)
			}
			require.NoError(b, batch.Commit([]byte("mark")))
		}
	}
	fill(float64(mib))
	require.NoError(b, s.Flush())
	for quiet := 0; quiet < 20; quiet++ { // what was filled in at once has settled
		if time.Sleep(50 * time.Millisecond); s.Metrics().Compacting {
			quiet = 0
		}
	}
	start := time.Now()
	require.NoError(b, s.Checkpoint(filepath.Join(dir, "c")))
	copied := time.Since(start)
	var blobs Blobs = blob.NewDir(filepath.Join(dir, "blobs"))
	if kind == "jetstream" {
		blobs = startBlobs(b, filepath.Join(dir, "nats"))
	}
	r := New(blobs, "shop", 0, 0)
	report, err := r.Save(context.Background(), filepath.Join(dir, "c"), Mark{Epoch: 1, Position: 1})
	require.NoError(b, err)
	fill(float64(mib) / 100)
	require.NoError(b, s.Checkpoint(filepath.Join(dir, "again")))
	again, err := r.Save(context.Background(), filepath.Join(dir, "again"), Mark{Epoch: 1, Position: 2})
	require.NoError(b, err)
	require.NoError(b, s.Close())
	for i := 0; b.Loop(); i++ {
		at := filepath.Join(dir, fmt.Sprint("back", i))
		m, err := r.Fetch(context.Background(), at, math.MaxUint64, nil)
		require.NoError(b, err)
		require.NotNil(b, m)
		s, err := state.Open(at, state.Options{Shared: shared})
		require.NoError(b, err)
		_, ok, err := s.Get(1, 0, nil)
		require.NoError(b, err)
		require.True(b, ok)
		b.StopTimer()
		require.NoError(b, s.Close())
		b.StartTimer()
	}
	b.ReportMetric(report.Took.Seconds(), "s-save")
	b.ReportMetric(float64(copied.Microseconds())/1000, "ms-copy")
	b.ReportMetric(float64(again.NewBytes)/(1<<20), "MiB-again")
}

func startBlobs(b *testing.B, dir string) Blobs {
	ns, err := server.NewServer(&server.Options{JetStream: true, StoreDir: dir, SyncAlways: true, DontListen: true, NoSigs: true})
	require.NoError(b, err)
	ns.Start()
	b.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	require.True(b, ns.ReadyForConnections(10*time.Second))
	nc, err := nats.Connect("", nats.InProcessServer(ns))
	require.NoError(b, err)
	b.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(b, err)
	blobs, err := blob.OpenJetStream(context.Background(), js, "shop", 1)
	require.NoError(b, err)
	return blobs
}
