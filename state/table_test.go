package state

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// TestLargeBatch commits the same changes as one batch that becomes a table, and
// as one that goes through the memtable: later changes win in both, and what is
// dropped is what was there when it was dropped.
func TestLargeBatch(t *testing.T) {
	for _, large := range []bool{false, true} {
		t.Run(fmt.Sprint("large ", large), func(t *testing.T) {
			fs := vfs.NewMem()
			shared := testShared(t, SharedOptions{})
			s := openTest(t, shared, fs, "p")
			before := s.NewBatch()
			before.Set(1, 7, []byte("old"))
			before.Set(1, 8, []byte("old"))
			before.AddSeen(1, []uint64{10})
			require.NoError(t, before.Commit([]byte("one")))

			b := s.NewBatch()
			b.Set(1, 7, []byte("new"))
			b.Delete(1, 8)
			b.Set(1, 9, []byte("gone"))
			b.Delete(1, 9)
			b.Delete(2, 7)
			b.Set(2, 7, []byte("back"))
			b.AddSeen(2, []uint64{20})
			b.DropSeen(3)
			b.AddSeen(2, []uint64{21})
			b.AddSeen(3, []uint64{30})
			b.SetTimer(5, 1, 7)
			b.DeleteTimer(5, 1, 7)
			b.SetTimer(6, 1, 7)
			if large {
				b.Set(3, 1, []byte(strings.Repeat("x", 64<<10)))
			}
			require.Equal(t, large, b.large())
			require.NoError(t, b.Commit([]byte("two")))

			check := func() {
				for _, want := range []struct {
					kind  byte
					hash  uint64
					value string
				}{{1, 7, "new"}, {1, 8, ""}, {1, 9, ""}, {2, 7, "back"}} {
					got, ok, err := s.Get(want.kind, want.hash, nil)
					require.NoError(t, err)
					require.Equal(t, want.value != "", ok, "%v", want)
					require.Equal(t, want.value, string(got))
				}
				for id, want := range map[uint64]bool{10: false, 20: false, 21: true, 30: true} {
					got, err := s.Seen(id, 0)
					require.NoError(t, err)
					require.Equal(t, want, got, "seen %d", id)
				}
				var due []int64
				require.NoError(t, s.Timers(func(d int64, _ byte, _ uint64) error { due = append(due, d); return nil }))
				require.Equal(t, []int64{6}, due)
				mark, err := s.Mark()
				require.NoError(t, err)
				require.Equal(t, "two", string(mark))
			}
			check()
			require.NoError(t, s.Close())
			_, err := fs.Stat(fs.PathJoin("p", tableFile))
			require.Error(t, err, "the table has moved into the store")
			s = openTest(t, shared, fs, "p")
			check()
		})
	}
}

// TestLargeBatchRefused fails a large batch while its table is written and while
// it is taken in: nothing has happened then, nothing is left behind, and the same
// batch can be committed later.
func TestLargeBatchRefused(t *testing.T) {
	for name, x := range map[string]struct {
		word string
		ops  []errorfs.OpKind
	}{
		"written":  {tableFile, writes},
		"synced":   {tableFile, []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData}},
		"taken in": {".sst", []errorfs.OpKind{errorfs.OpLink, errorfs.OpCreate}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mem := vfs.NewMem()
			fs := newFaulty(mem, x.word, syscall.ENOSPC, x.ops...)
			shared := testShared(t, SharedOptions{})
			s := openTest(t, shared, fs, "p")
			before := s.NewBatch()
			before.Set(1, 7, []byte("old"))
			before.AddSeen(1, []uint64{10})
			require.NoError(t, before.Commit([]byte("one")))

			b := s.NewBatch()
			b.Set(1, 7, []byte("new"))
			b.DropSeen(3)
			b.Set(3, 1, []byte(strings.Repeat("x", 64<<10)))
			require.True(t, b.large())
			check := func(value, mark string, seen bool) {
				got, _, err := s.Get(1, 7, nil)
				require.NoError(t, err)
				require.Equal(t, value, string(got))
				is, err := s.Seen(10, 0)
				require.NoError(t, err)
				require.Equal(t, seen, is)
				at, err := s.Mark()
				require.NoError(t, err)
				require.Equal(t, mark, string(at))
				_, err = mem.Stat(mem.PathJoin("p", tableFile))
				require.Error(t, err, "the table is gone")
			}
			fs.on.Store(true)
			require.ErrorIs(t, b.Commit([]byte("two")), ErrDisk)
			require.Positive(t, fs.hit.Load())
			fs.on.Store(false)
			check("old", "one", true)
			require.Eventually(t, func() bool { return s.Healthy() == nil }, time.Minute, 10*time.Millisecond)
			require.NoError(t, b.Commit([]byte("three")))
			check("new", "three", false)
			require.NoError(t, s.Close())
			s = openTest(t, shared, mem, "p")
			check("new", "three", false)
		})
	}
}
