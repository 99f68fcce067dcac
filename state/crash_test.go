package state

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// model is what a store must hold after the first n batches. Batch n is the
// same whenever it is made.
type model struct {
	n        uint64
	entities map[[2]uint64]string // kind, hash
	timers   map[[3]uint64]bool   // due, kind, hash
	seen     map[[2]uint64]bool   // hour, id
	fired    int64
}

func newModel() *model {
	return &model{entities: map[[2]uint64]string{}, timers: map[[3]uint64]bool{}, seen: map[[2]uint64]bool{}}
}

const (
	testKinds  = 3
	testHashes = 97
	testIDs    = 50
	keptHours  = 4
)

func testHash(i int) uint64 { return uint64(i) * 0x9e3779b97f4a7c15 }

// next makes the next batch and, with b, writes it there too.
func (m *model) next(b *Batch) {
	m.n++
	rng := rand.New(rand.NewPCG(m.n, 1))
	changes := 1 + rng.IntN(20)
	if m.n%157 == 0 {
		changes = 600 // larger than half a memtable: takes another way in Pebble
	}
	for i := range changes {
		kind, hash := byte(1+rng.IntN(testKinds)), testHash(rng.IntN(testHashes))
		key := [2]uint64{uint64(kind), hash}
		if rng.IntN(4) == 0 {
			delete(m.entities, key)
			if b != nil {
				b.Delete(kind, hash)
			}
			continue
		}
		value := fmt.Sprintf("%d.%d %0*d", m.n, i, rng.IntN(300), 0)
		m.entities[key] = value
		if b != nil {
			b.Set(kind, hash, []byte(value))
		}
	}
	now := int64(m.n) * 10
	for key := range m.timers { // those due fire
		if int64(key[0]) < now {
			delete(m.timers, key)
			if b != nil {
				b.DeleteTimer(int64(key[0]), byte(key[1]), key[2])
			}
		}
	}
	m.fired = now
	if b != nil {
		b.FiredUpTo(now)
	}
	for range rng.IntN(4) {
		key := [3]uint64{uint64(now) + uint64(rng.IntN(300)), uint64(1 + rng.IntN(testKinds)), testHash(rng.IntN(testHashes))}
		m.timers[key] = true
		if b != nil {
			b.SetTimer(int64(key[0]), byte(key[1]), key[2])
		}
	}
	hour := uint32(m.n / 20)
	var ids []uint64
	for range rng.IntN(5) {
		id := testHash(rng.IntN(testIDs))
		ids = append(ids, id)
		m.seen[[2]uint64{uint64(hour), id}] = true
	}
	if b != nil {
		b.AddSeen(hour, ids)
	}
	if m.n%20 == 0 && hour >= keptHours {
		for key := range m.seen {
			if uint32(key[0]) < hour-keptHours {
				delete(m.seen, key)
			}
		}
		if b != nil {
			b.DropSeen(hour - keptHours)
		}
	}
}

func (m *model) mark() []byte { return binary.BigEndian.AppendUint64(nil, m.n) }

// markOf returns the number of batches a store says it holds.
func markOf(t testing.TB, s *Store) uint64 {
	mark, err := s.Mark()
	require.NoError(t, err)
	if mark == nil {
		return 0
	}
	return binary.BigEndian.Uint64(mark)
}

// advance makes the model's next batch and commits it.
func (m *model) advance(t testing.TB, s *Store) {
	b := s.NewBatch()
	m.next(b)
	require.NoError(t, b.Commit(m.mark()))
}

// check compares everything a store holds with the model.
func (m *model) check(t testing.TB, s *Store) {
	t.Helper()
	require.Equal(t, m.n, markOf(t, s), "mark")
	got := map[[2]uint64]string{}
	for kind := byte(1); kind <= testKinds; kind++ {
		require.NoError(t, s.Scan(kind, func(hash uint64, value []byte) error {
			got[[2]uint64{uint64(kind), hash}] = string(value)
			return nil
		}))
		for i := range testHashes {
			hash := testHash(i)
			value, ok, err := s.Get(kind, hash, []byte(">"))
			require.NoError(t, err)
			want, has := m.entities[[2]uint64{uint64(kind), hash}]
			require.Equal(t, has, ok, "get %d %x", kind, hash)
			require.Equal(t, ">"+want, string(value))
		}
	}
	require.Equal(t, m.entities, got, "entities after %d batches", m.n)

	timers := map[[3]uint64]bool{}
	var order [][3]uint64
	require.NoError(t, s.Timers(func(due int64, kind byte, hash uint64) error {
		key := [3]uint64{uint64(due), uint64(kind), hash}
		timers[key] = true
		order = append(order, key)
		return nil
	}))
	require.Equal(t, m.timers, timers, "timers after %d batches", m.n)
	require.True(t, slices.IsSortedFunc(order, func(a, b [3]uint64) int { return slices.Compare(a[:], b[:]) }))

	newest := uint32(m.n/20) + 1
	for since := newest - min(newest, keptHours+2); since <= newest; since++ {
		for i := range testIDs + 5 {
			id, want := testHash(i), false
			for hour := since; hour <= newest; hour++ {
				want = want || m.seen[[2]uint64{uint64(hour), id}]
			}
			got, err := s.Seen(id, since)
			require.NoError(t, err)
			require.Equal(t, want, got, "seen %x since hour %d after %d batches", id, since, m.n)
		}
	}
}

// TestModel: a store agrees with the model while it runs and after a reopen.
func TestModel(t *testing.T) {
	fs := vfs.NewMem()
	shared := testShared(t, SharedOptions{})
	s := openTest(t, shared, fs, "p")
	m := newModel()
	mark, err := s.Mark()
	require.NoError(t, err)
	require.Nil(t, mark)
	for range 3 {
		for range 110 {
			m.advance(t, s)
		}
		m.check(t, s)
		require.NoError(t, s.Close())
		s = openTest(t, shared, fs, "p")
		m.check(t, s)
	}
}

// TestPowerLoss: after losing what was not synced a store holds exactly the
// first batches up to its mark, and at least those it called durable.
func TestPowerLoss(t *testing.T) {
	for _, kept := range []int{0, 50} {
		t.Run(fmt.Sprintf("unsynced kept %d%%", kept), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(kept)))
			shared := testShared(t, SharedOptions{})
			fs := vfs.NewCrashableMem()
			m, lost := newModel(), uint64(0)
			for round := range 8 {
				s := openTest(t, shared, fs, "p")
				m.check(t, s)
				for range 50 + rng.IntN(150) {
					m.advance(t, s)
					if rng.IntN(300) == 0 {
						require.NoError(t, s.Flush())
					}
				}
				mark, err := s.Durable()
				require.NoError(t, err)
				fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rng})
				require.NoError(t, s.Close())

				after := openTest(t, shared, fs, "p")
				n := markOf(t, after)
				require.NoError(t, after.Close())
				if mark != nil {
					require.GreaterOrEqual(t, n, binary.BigEndian.Uint64(mark), "round %d lost what was durable", round)
				}
				require.LessOrEqual(t, n, m.n)
				lost += m.n - n
				m = newModel()
				for m.n < n {
					m.next(nil)
				}
			}
			require.NotZero(t, lost, "no crash lost anything: the test tests nothing")
		})
	}
}

const childEnv = "STATE_TEST_CHILD"

// child commits batches until it is killed.
func child(dir string) {
	if dir == "manifest" {
		brokenManifest()
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	shared := NewShared(SharedOptions{MemTableBytes: 128 << 10, Stores: 1, Logger: log})
	s, err := Open(dir, Options{Shared: shared})
	if err != nil {
		panic(err)
	}
	mark, err := s.Mark()
	if err != nil {
		panic(err)
	}
	m := newModel()
	for mark != nil && m.n < binary.BigEndian.Uint64(mark) {
		m.next(nil)
	}
	fmt.Println("ready")
	for {
		b := s.NewBatch()
		m.next(b)
		if err := b.Commit(m.mark()); err != nil {
			panic(err)
		}
	}
}

// TestKill: a process killed at any moment leaves an exact prefix of batches.
func TestKill(t *testing.T) {
	dir := t.TempDir() + "/p"
	shared := testShared(t, SharedOptions{Logger: slog.New(slog.DiscardHandler)})
	reached := uint64(0)
	for round := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = bufio.NewReader(out).ReadString('\n')
		require.NoError(t, err)
		time.Sleep(time.Duration(100+rand.IntN(200)) * time.Millisecond)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()

		s := openTest(t, shared, nil, dir)
		m, n := newModel(), markOf(t, s)
		for m.n < n {
			m.next(nil)
		}
		m.check(t, s)
		require.NoError(t, s.Close())
		t.Logf("round %d: %d batches", round, n)
		require.GreaterOrEqual(t, n, reached)
		reached = n
	}
	require.NotZero(t, reached, "nothing was ever flushed: the test tests nothing")
}
