package state

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// faulty is a disk on which writes to files whose name contains a word fail
// while the fault is on.
type faulty struct {
	vfs.FS
	on  atomic.Bool
	hit atomic.Int64
}

func newFaulty(fs vfs.FS, word string, fault error, ops ...errorfs.OpKind) *faulty {
	f := &faulty{}
	f.FS = errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !f.on.Load() || !strings.Contains(op.Path, word) {
			return nil
		}
		if slices.Contains(ops, op.Kind) {
			f.hit.Add(1)
			return &os.PathError{Op: "write", Path: op.Path, Err: fault}
		}
		return nil
	}))
	return f
}

// fill commits batches of the model until one is refused; that one is returned.
func (m *model) fill(t testing.TB, s *Store) *Batch {
	for range 3000 {
		b := s.NewBatch()
		m.next(b)
		if err := b.Commit(m.mark()); err != nil {
			require.ErrorIs(t, err, ErrDisk)
			return b
		}
	}
	t.Fatal("no commit was refused")
	return nil
}

var writes = []errorfs.OpKind{errorfs.OpCreate, errorfs.OpFileWrite}

// TestDiskFull: a store says so, still answers, and goes on by itself when
// space returns. Nothing is lost and the process does not end.
func TestDiskFull(t *testing.T) {
	for _, word := range []string{"", ".sst", "MANIFEST"} {
		t.Run("files "+word, func(t *testing.T) {
			t.Parallel()
			mem := vfs.NewMem()
			fs := newFaulty(mem, word, syscall.ENOSPC, writes...)
			shared := testShared(t, SharedOptions{})
			s := openTest(t, shared, fs, "p")
			m := newModel()
			for range 30 {
				m.advance(t, s)
			}
			require.NoError(t, s.Healthy())
			fs.on.Store(true)
			refused := m.fill(t, s)
			require.ErrorIs(t, s.Healthy(), ErrDisk)
			require.ErrorIs(t, s.Healthy(), syscall.ENOSPC)
			require.ErrorIs(t, s.Metrics().Err, ErrDisk)
			require.ErrorIs(t, s.Flush(), ErrDisk)
			_, _, err := s.Get(1, testHash(1), nil)
			require.NoError(t, err, "reads go on")

			before := fs.hit.Load()
			time.Sleep(300 * time.Millisecond)
			require.Less(t, fs.hit.Load()-before, int64(20), "retries are slow")
			require.ErrorIs(t, s.Healthy(), ErrDisk, "as long as the disk is full")

			fs.on.Store(false)
			require.Eventually(t, func() bool { return s.Healthy() == nil }, time.Minute, 10*time.Millisecond)
			require.NoError(t, refused.Commit(m.mark()), "the batch refused can be committed")
			m.check(t, s)
			require.NoError(t, s.Flush())
			require.NoError(t, s.Close())
			m.check(t, openTest(t, shared, mem, "p"))
		})
	}
}

// TestCloseOnFullDisk: a store does not close over what it could not write. It
// can be closed later, or the process can end: then the log has the rest.
func TestCloseOnFullDisk(t *testing.T) {
	for _, word := range []string{"", ".sst", "MANIFEST"} {
		t.Run("files "+word, func(t *testing.T) {
			t.Parallel()
			mem := vfs.NewCrashableMem()
			fs := newFaulty(mem, word, syscall.ENOSPC, writes...)
			shared := testShared(t, SharedOptions{Stores: 2})
			s := openTest(t, shared, fs, "p")
			m := newModel()
			for range 60 {
				m.advance(t, s)
			}
			require.NoError(t, s.Flush())
			fs.on.Store(true)
			refused := m.fill(t, s)
			require.ErrorIs(t, s.Close(), ErrDisk)
			_, err := s.Mark()
			require.NoError(t, err, "still open")

			ended := openTest(t, shared, mem.CrashClone(vfs.CrashCloneCfg{}), "p")
			n := markOf(t, ended)
			require.GreaterOrEqual(t, n, uint64(60))
			prefix := newModel()
			for prefix.n < n {
				prefix.next(nil)
			}
			prefix.check(t, ended)

			fs.on.Store(false)
			require.Eventually(t, func() bool { return s.Healthy() == nil }, time.Minute, 10*time.Millisecond)
			require.NoError(t, refused.Commit(m.mark()))
			require.NoError(t, s.Close())
			require.NoError(t, s.Close(), "once more does nothing")
			m.check(t, openTest(t, shared, mem, "p"))
		})
	}
}

// TestOpenOnFullDisk: Open fails and leaves nothing behind.
func TestOpenOnFullDisk(t *testing.T) {
	mem := vfs.NewMem()
	shared := testShared(t, SharedOptions{})
	for _, op := range writes {
		fs := newFaulty(mem, "", syscall.ENOSPC, op)
		fs.on.Store(true)
		_, err := Open("p", Options{FS: fs, Shared: shared})
		require.ErrorIs(t, err, ErrDisk)
		require.ErrorIs(t, err, syscall.ENOSPC)
	}
	require.NoError(t, openTest(t, shared, mem, "p").Close())
}

// TestLowSpace: Healthy asks for a pause before the disk is full; what is
// already decided may still be written.
func TestLowSpace(t *testing.T) {
	mem := vfs.NewMem()
	s := openTest(t, testShared(t, SharedOptions{MinFreeBytes: 1 << 20}), mem, "p")
	require.NoError(t, s.Healthy())
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1<<20 - 1, TotalBytes: 1 << 30})
	require.Eventually(t, func() bool { return s.Healthy() != nil }, time.Minute, 10*time.Millisecond)
	require.ErrorIs(t, s.Healthy(), ErrDisk)
	newModel().advance(t, s)
	_, err := Open("q", Options{FS: mem, Shared: s.shared})
	require.ErrorIs(t, err, ErrDisk)
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 20, TotalBytes: 1 << 30})
	require.Eventually(t, func() bool { return s.Healthy() == nil }, time.Minute, 10*time.Millisecond)
}

// TestBrokenDisk: other errors of tables are tried again too.
func TestBrokenDisk(t *testing.T) {
	fs := newFaulty(vfs.NewMem(), ".sst", syscall.EIO, errorfs.OpFileSync, errorfs.OpFileSyncData)
	s := openTest(t, testShared(t, SharedOptions{}), fs, "p")
	m := newModel()
	fs.on.Store(true)
	refused := m.fill(t, s)
	require.ErrorIs(t, s.Healthy(), syscall.EIO)
	fs.on.Store(false)
	require.Eventually(t, func() bool { return s.Healthy() == nil }, time.Minute, 10*time.Millisecond)
	require.NoError(t, refused.Commit(m.mark()))
	require.NoError(t, s.Flush())
	m.check(t, s)
}

// TestBrokenManifest: a manifest that cannot be synced ends the process.
func TestBrokenManifest(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=manifest")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.ExitCode(), "%s", out)
	require.Contains(t, string(out), "the process ends")
}

// brokenManifest is the child of TestBrokenManifest.
func brokenManifest() {
	fs := newFaulty(vfs.NewMem(), "MANIFEST", syscall.EIO, errorfs.OpFileSync)
	s, err := Open("p", Options{FS: fs, Shared: NewShared(SharedOptions{MemTableBytes: 256 << 10, Stores: 1})})
	if err != nil {
		panic(err)
	}
	fs.on.Store(true)
	b := s.NewBatch()
	b.Set(1, 1, nil)
	fmt.Println(b.Commit(nil), s.Flush())
	time.Sleep(10 * time.Second)
}

// readAll reads everything there is in every way there is.
func readAll(s *Store) error {
	for kind := byte(1); kind <= testKinds; kind++ {
		if err := s.Scan(kind, func(uint64, []byte) error { return nil }); err != nil {
			return err
		}
		for i := range testHashes {
			if _, _, err := s.Get(kind, testHash(i), nil); err != nil {
				return err
			}
		}
	}
	for i := range testIDs {
		if _, err := s.Seen(testHash(i), 0); err != nil {
			return err
		}
	}
	return s.Timers(func(int64, byte, uint64) error { return nil })
}

// TestCorrupt: whatever single byte of a table is damaged, a store either says
// so for good or still tells the truth, and the process goes on.
func TestCorrupt(t *testing.T) {
	sound := filepath.Join(t.TempDir(), "p")
	shared := testShared(t, SharedOptions{})
	s := openTest(t, shared, nil, sound)
	m := newModel()
	for range 120 {
		m.advance(t, s)
	}
	require.NoError(t, s.Close())
	tables, err := filepath.Glob(filepath.Join(sound, "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	table, err := os.ReadFile(tables[0])
	require.NoError(t, err)

	said := 0
	const places = 25
	for i := range places {
		dir := filepath.Join(t.TempDir(), "p")
		require.NoError(t, os.CopyFS(dir, os.DirFS(sound)))
		damaged := append([]byte{}, table...)
		damaged[len(damaged)*i/places] ^= 0x55
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(tables[0])), damaged, 0o644))
		s, err := Open(dir, Options{Shared: shared})
		if err == nil {
			if err = readAll(s); err == nil {
				m.check(t, s)
				require.NoError(t, s.Close())
				continue
			}
			require.ErrorIs(t, s.Healthy(), ErrCorrupt)
			b := s.NewBatch()
			b.Set(1, 1, nil)
			require.ErrorIs(t, b.Commit(nil), ErrCorrupt, "nothing is built on sand")
			require.ErrorIs(t, s.Close(), ErrCorrupt)
		}
		require.ErrorIs(t, err, ErrCorrupt, "place %d", i)
		require.Contains(t, err.Error(), dir)
		said++
	}
	require.Greater(t, said, places/2)

	require.NoError(t, os.Truncate(tables[0], int64(len(table)/2)))
	_, err = Open(sound, Options{Shared: shared})
	require.ErrorContains(t, err, sound)
	require.NoError(t, os.WriteFile(tables[0], table, 0o644))
	m.check(t, openTest(t, shared, nil, sound))
}
