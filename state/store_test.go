package state

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

type due struct {
	at   int64
	kind byte
	hash uint64
}

func timersOf(t *testing.T, s *Store) (all []due) {
	require.NoError(t, s.Timers(func(at int64, kind byte, hash uint64) error {
		all = append(all, due{at, kind, hash})
		return nil
	}))
	return all
}

// TestTimers: they come in order, from the cursor on, before and after a reopen.
func TestTimers(t *testing.T) {
	fs, shared := vfs.NewMem(), testShared(t, SharedOptions{})
	s := openTest(t, shared, fs, "p")
	b := s.NewBatch()
	b.SetTimer(256, 1, 1)
	b.SetTimer(255, 2, math.MaxUint64)
	b.SetTimer(255, 2, 0)
	b.SetTimer(255, 1, 7)
	b.SetTimer(9, 3, 9)
	require.NoError(t, b.Commit(nil))
	require.Equal(t, []due{{9, 3, 9}, {255, 1, 7}, {255, 2, 0}, {255, 2, math.MaxUint64}, {256, 1, 1}}, timersOf(t, s))

	b = s.NewBatch()
	b.DeleteTimer(255, 1, 7)
	b.FiredUpTo(255) // says that the timer at 9 is gone too
	require.NoError(t, b.Commit(nil))
	want := []due{{255, 2, 0}, {255, 2, math.MaxUint64}, {256, 1, 1}}
	require.Equal(t, want, timersOf(t, s))
	require.NoError(t, s.Close())
	s = openTest(t, shared, fs, "p")
	require.Equal(t, want, timersOf(t, s))

	stop := errors.New("enough")
	require.Same(t, stop, s.Timers(func(int64, byte, uint64) error { return stop }))
	require.NoError(t, s.Healthy(), "the caller's error is not the store's")
}

// TestMisuse: what would be lost or misread later is refused at once, and
// nothing of the batch is kept.
func TestMisuse(t *testing.T) {
	s := openTest(t, testShared(t, SharedOptions{}), vfs.NewMem(), "p")
	b := s.NewBatch()
	b.FiredUpTo(100)
	require.NoError(t, b.Commit([]byte("good")))
	for what, fill := range map[string]func(b *Batch){
		"kind 0x60":       func(b *Batch) { b.Set(MaxKind+1, 1, nil) },
		"kind 0x74":       func(b *Batch) { b.Delete('t', 1) },
		"behind":          func(b *Batch) { b.SetTimer(99, 1, 1) },
		"due -1":          func(b *Batch) { b.SetTimer(-1, 1, 1) },
		"due 150":         func(b *Batch) { b.SetTimer(150, 1, 1); b.FiredUpTo(151) },
		"from 100 to 99":  func(b *Batch) { b.FiredUpTo(99) },
		"timer cursor se": func(b *Batch) { b.FiredUpTo(-5) },
	} {
		b := s.NewBatch()
		b.Set(1, 1, []byte("x"))
		fill(b)
		require.ErrorContains(t, b.Commit([]byte("bad")), what)
	}
	require.Error(t, s.Scan('t', func(uint64, []byte) error { return nil }))
	mark, err := s.Mark()
	require.NoError(t, err)
	require.Equal(t, "good", string(mark))
	_, ok, err := s.Get(1, 1, nil)
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, s.Healthy())
}

// TestSeenEdges: the first and last hour, slot and id are no different.
func TestSeenEdges(t *testing.T) {
	fs, shared := vfs.NewMem(), testShared(t, SharedOptions{})
	s := openTest(t, shared, fs, "p")
	edges := []uint64{0, 1, 1<<52 - 1, 1 << 52, math.MaxUint64 - 1, math.MaxUint64}
	in := func(id uint64, since uint32) bool {
		seen, err := s.Seen(id, since)
		require.NoError(t, err)
		return seen
	}
	for i, id := range edges {
		require.False(t, in(id, 0))
		b := s.NewBatch()
		b.AddSeen(math.MaxUint32*uint32(i%2), []uint64{id, id})
		require.NoError(t, b.Commit(nil))
		require.True(t, in(id, 0))
		require.Equal(t, i%2 == 1, in(id, 1))
		require.Equal(t, i%2 == 1, in(id, math.MaxUint32))
		require.False(t, in(id^2, 0))
		if i == 2 { // chunks go on after those there are
			require.NoError(t, s.Close())
			s = openTest(t, shared, fs, "p")
		}
	}
	b := s.NewBatch()
	b.DropSeen(math.MaxUint32)
	require.NoError(t, b.Commit(nil))
	for i, id := range edges {
		require.Equal(t, i%2 == 1, in(id, 0))
	}
}

// TestOneOwner: a directory has one store at a time.
func TestOneOwner(t *testing.T) {
	shared, dir := testShared(t, SharedOptions{}), t.TempDir()+"/deep/p"
	s := openTest(t, shared, nil, dir)
	_, err := Open(dir, Options{Shared: shared})
	require.ErrorContains(t, err, dir)
	require.NoError(t, s.Close())
	require.Positive(t, openTest(t, shared, nil, dir).Metrics().DiskBytes)
	_, err = s.Durable()
	require.ErrorContains(t, err, "closed")
	require.NoError(t, s.Metrics().Err)
}

// TestReadBesideCommit: one goroutine may read and fill batches while another
// commits; a batch is seen whole or not at all.
func TestReadBesideCommit(t *testing.T) {
	s := openTest(t, testShared(t, SharedOptions{}), vfs.NewMem(), "p")
	batches, done := make(chan *Batch, 1), make(chan error, 1)
	go func() {
		for b := range batches {
			if err := b.Commit([]byte("m")); err != nil {
				done <- err
				return
			}
		}
		done <- s.Flush()
	}()
	read := func(hash uint64) string {
		v, _, err := s.Get(1, hash, nil)
		require.NoError(t, err)
		return string(v)
	}
	for i := range 300 {
		b := s.NewBatch()
		value := []byte(fmt.Sprintf("%06d%0*d", i, 400, 0))
		b.Set(1, 1, value)
		b.Set(1, 2, value)
		b.AddSeen(1, []uint64{testHash(i)})
		batches <- b
		first := read(1)
		require.LessOrEqual(t, first, read(2), "the second is no older than the first read before")
	}
	close(batches)
	require.NoError(t, <-done)
	for i := range 300 {
		seen, err := s.Seen(testHash(i), 0)
		require.NoError(t, err)
		require.True(t, seen)
	}
}
