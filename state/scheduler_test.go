package state

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// TestOneCompaction: many busy stores never compact at the same time, each
// gets its turn, and each can be closed at any time. A writer that outruns the
// one turn is held by its store, never inside Pebble, and its store is compacted
// below that limit again.
func TestOneCompaction(t *testing.T) {
	const stores, rounds = 5, 75
	shared := testShared(t, SharedOptions{Stores: stores, MemTableBytes: 64 << 10})
	fs := vfs.NewMem()
	var running, most, total atomic.Int64
	var each [stores]atomic.Int64
	open := func(i int) *Store {
		s, err := Open(fmt.Sprintf("p%d", i), Options{FS: fs, Shared: shared, listen: &pebble.EventListener{
			CompactionBegin: func(info pebble.CompactionInfo) {
				if info.Reason == "delete-only" { // moves no data and asks nobody
					return
				}
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				total.Add(1)
				each[i].Add(1)
			},
			CompactionEnd: func(info pebble.CompactionInfo) {
				if info.Reason != "delete-only" {
					running.Add(-1)
				}
			},
			WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
				t.Errorf("store %d: a write waits inside Pebble: %s", i, info.Reason)
			},
		}})
		require.NoError(t, err)
		return s
	}
	var owners sync.WaitGroup
	for i := range stores {
		owners.Go(func() {
			s := open(i)
			rng := rand.New(rand.NewPCG(uint64(i), 2))
			value := make([]byte, 400)
			for round := range rounds {
				b := s.NewBatch()
				for range 100 {
					for range len(value) / 16 { // half of it does not compress
						binary.LittleEndian.PutUint64(value[rng.IntN(len(value)-8):], rng.Uint64())
					}
					b.Set(2, rng.Uint64N(4000), value)
				}
				if err := b.Commit(nil); err != nil {
					t.Error(err)
				}
				if round%25 == 24 && i%2 == 0 { // closed in the middle of work
					if err := s.Close(); err != nil {
						t.Error(err)
					}
					s = open(i)
				}
			}
			for s.Metrics().L0Sublevels >= maxL0Sublevels { // ends unless the store is starved
				time.Sleep(lookEvery)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	go func() { owners.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Minute): // some seconds, if each gets its turn
		t.Fatal("stuck: a store was starved")
	}
	t.Logf("%d compactions", total.Load())
	require.Equal(t, int64(1), most.Load())
	require.Zero(t, running.Load())
	for i := range each {
		require.NotZero(t, each[i].Load(), "store %d never compacted", i)
	}
}

// TestTurnIsPassedOn: a store that asked and was refused is asked back as
// soon as the turn is free, without anybody polling.
func TestTurnIsPassedOn(t *testing.T) {
	s := newScheduler()
	defer s.stop()
	a, b := &member{s: s}, &member{s: s}
	dbA, dbB := &idleDB{}, &idleDB{wants: true, got: make(chan pebble.CompactionGrantHandle, 1)}
	a.Register(2, dbA)
	b.Register(2, dbB)
	ok, turn := a.TrySchedule()
	require.True(t, ok)
	ok, _ = b.TrySchedule()
	require.False(t, ok, "one turn only")
	select {
	case <-dbB.got:
		t.Fatal("two turns at once")
	case <-time.After(20 * time.Millisecond):
	}
	turn.Done()
	turn = <-dbB.got
	turn.Done()
	b.Unregister()
	ok, _ = b.TrySchedule()
	require.False(t, ok, "gone")
	require.Eventually(t, func() bool {
		ok, turn = a.TrySchedule()
		return ok
	}, time.Minute, time.Millisecond)
	turn.Done()
}

// TestNobodyIsPassedOver: a store with little to do gets its turn, however
// urgent the others are and however long they go on.
func TestNobodyIsPassedOver(t *testing.T) {
	s := newScheduler()
	defer s.stop()
	holder := &member{s: s}
	holder.Register(2, &idleDB{})
	ok, turn := holder.TrySchedule()
	require.True(t, ok)
	turns := make(chan *busyDB, 1) // there is one turn
	stores := []*busyDB{{score: 100}, {score: 100}, {score: 100}, {score: 1}, {score: 1}}
	for _, db := range stores {
		db.turns = turns
		m := &member{s: s}
		m.Register(2, db)
		ok, _ := m.TrySchedule()
		require.False(t, ok)
	}
	turn.Done()
	since := map[*busyDB]int{}
	most := 0
	for range 300 {
		got := <-turns
		for _, db := range stores {
			since[db]++
			most = max(most, since[db])
		}
		since[got] = 0
		got.turn.Done()
	}
	require.Greater(t, most, maxPassed, "the urgent came first")
	require.LessOrEqual(t, most, maxPassed+len(stores))
}

// busyDB is a database that always wants a compaction.
type busyDB struct {
	score float64
	turns chan *busyDB
	turn  pebble.CompactionGrantHandle
}

func (d *busyDB) GetAllowedWithoutPermission() int { return 1 }

func (d *busyDB) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	return true, pebble.WaitingCompaction{Score: d.score}
}

func (d *busyDB) Schedule(h pebble.CompactionGrantHandle) bool {
	d.turn = h
	d.turns <- d
	return true
}

// idleDB is a database that wants one compaction or none.
type idleDB struct {
	wants bool
	got   chan pebble.CompactionGrantHandle
}

func (d *idleDB) GetAllowedWithoutPermission() int { return 1 }

func (d *idleDB) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	return d.wants, pebble.WaitingCompaction{}
}

func (d *idleDB) Schedule(h pebble.CompactionGrantHandle) bool {
	d.wants = false
	d.got <- h
	return true
}
