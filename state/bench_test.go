package state

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchStore returns a store on disk with 100 000 entities of 300 bytes, of even
// hashes: all in the last level, a tenth again in six tables above.
func benchStore(b *testing.B) *Store {
	shared := testShared(b, SharedOptions{MemTableBytes: 8 << 20, CacheBytes: 64 << 20})
	s := openTest(b, shared, nil, b.TempDir()+"/p")
	rng := rand.New(rand.NewPCG(1, 1))
	value := make([]byte, 300)
	for i := 0; i < 100_000; i += 4000 {
		batch := s.NewBatch()
		for j := range 4000 {
			binary.BigEndian.PutUint64(value[8*rng.IntN(30):], rng.Uint64())
			batch.Set(2, benchHash(i+j)&^1, value)
		}
		require.NoError(b, batch.Commit(nil))
	}
	require.NoError(b, s.Flush())
	require.NoError(b, s.db.Compact(b.Context(), []byte{0}, []byte{0xff}, false))
	for range 6 {
		batch := s.NewBatch()
		for range 2000 {
			batch.Set(2, benchHash(rng.IntN(100_000))&^1, value)
		}
		require.NoError(b, batch.Commit(nil))
		require.NoError(b, s.Flush())
	}
	return s
}

func benchHash(i int) uint64 { return (uint64(i) + 1) * 0x9e3779b97f4a7c15 }

func BenchmarkCommit4096(b *testing.B) {
	s := benchStore(b)
	value := make([]byte, 300)
	rng := rand.New(rand.NewPCG(2, 1))
	b.ReportAllocs()
	for b.Loop() {
		batch := s.NewBatch()
		for range 4096 {
			batch.Set(2, benchHash(rng.IntN(100_000))&^1, value)
		}
		require.NoError(b, batch.Commit([]byte("mark")))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/4096, "ns/set")
}

func BenchmarkGet(b *testing.B) {
	s := benchStore(b)
	for _, odd := range []uint64{0, 1} {
		b.Run([]string{"hit", "miss"}[odd], func(b *testing.B) {
			rng := rand.New(rand.NewPCG(3, 1))
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				var ok bool
				var err error
				dst, ok, err = s.Get(2, benchHash(rng.IntN(100_000))&^1|odd, dst[:0])
				if err != nil || ok != (odd == 0) {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

// BenchmarkSeen asks for ids never seen, after 50 batches an hour.
func BenchmarkSeen(b *testing.B) {
	for _, perBatch := range []int{100, 20_000} {
		shared := testShared(b, SharedOptions{MemTableBytes: 8 << 20, CacheBytes: 64 << 20})
		s := openTest(b, shared, nil, b.TempDir()+"/p")
		rng := rand.New(rand.NewPCG(4, 1))
		ids := make([]uint64, perBatch)
		for hour := range uint32(3) {
			for range 50 {
				for i := range ids {
					ids[i] = rng.Uint64()
				}
				batch := s.NewBatch()
				batch.AddSeen(hour, ids)
				require.NoError(b, batch.Commit(nil))
			}
		}
		require.NoError(b, s.Flush())
		for _, since := range []uint32{2, 0} {
			b.Run(fmt.Sprintf("perBatch=%d/hours=%d", perBatch, 3-since), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if seen, err := s.Seen(rng.Uint64(), since); seen || err != nil {
						b.Fatal(seen, err)
					}
				}
			})
		}
	}
}

func BenchmarkAddSeen(b *testing.B) {
	for _, n := range []int{100, 20_000, 250_000} {
		b.Run(fmt.Sprintf("ids=%d", n), func(b *testing.B) {
			shared := testShared(b, SharedOptions{MemTableBytes: 8 << 20})
			s := openTest(b, shared, nil, b.TempDir()+"/p")
			rng := rand.New(rand.NewPCG(5, 1))
			ids := make([]uint64, n)
			b.ReportAllocs()
			for b.Loop() {
				for i := range ids {
					ids[i] = rng.Uint64()
				}
				batch := s.NewBatch()
				batch.AddSeen(1, ids)
				require.NoError(b, batch.Commit(nil))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/id")
		})
	}
}
