package checkpoint

import (
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/state/blob"
)

// saveKeys saves a backup's keys, c0 to cN-1.
func saveKeys(t *testing.T, to Blobs, n int, meanwhile func(dir string)) *Backup {
	b := &Backup{Deployment: "d", Name: "20260302T200000.000Z", Partitions: make([]Part, 1)}
	dir := t.TempDir()
	require.NoError(t, b.SaveKeys(t.Context(), to, dir, func(f func(string, []byte) error) error {
		for i := range n {
			if err := f(fmt.Sprint("c", i), fmt.Appendf(nil, "key %d", i)); err != nil {
				return err
			}
		}
		meanwhile(dir)
		return nil
	}))
	return b
}

func keysOf(t *testing.T, b *Backup, from Blobs) (names []string) {
	require.NoError(t, b.Keys(t.Context(), from, nil, func(name string, _ []byte) error { names = append(names, name); return nil }))
	return names
}

// TestKeysAreInNoFile: a process that is killed while it saves keys, or a log,
// leaves none of them on the disk.
func TestKeysAreInNoFile(t *testing.T) {
	none := func(dir string) {
		require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			require.True(t, err != nil || e.IsDir(), path)
			return err
		}))
	}
	blobs := blob.NewDir(t.TempDir())
	b := saveKeys(t, blobs, 3, none)
	require.Equal(t, []string{"c0", "c1", "c2"}, keysOf(t, b, blobs))
	dir := t.TempDir()
	require.NoError(t, b.SaveTail(t.Context(), blobs, 0, dir, func(f func(int64, []byte) error) error {
		none(dir)
		return f(1, []byte("record"))
	}))
	path := filepath.Join(t.TempDir(), "tail")
	require.NoError(t, b.FetchTail(t.Context(), blobs, 0, path))
	require.NoError(t, b.ReadTail(0, path, func(_ int64, record []byte) error { require.Equal(t, "record", string(record)); return nil }))
}

// TestErasuresAtOnce: of keys that are taken out of a group at the same time, by
// processes that know nothing of each other, none comes back, and no copy holds
// one.
func TestErasuresAtOnce(t *testing.T) {
	const n = 30
	blobs := blob.NewDir(t.TempDir())
	b := saveKeys(t, blobs, n+1, func(string) {})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			e := Erasure{At: time.Now(), IDs: []string{"x"}, Keys: []string{fmt.Sprint("c", i)}}
			if _, err := Erase(t.Context(), blobs, "d", e); err != nil {
				t.Error(err)
			}
			// Whoever reads meanwhile finds all that nobody takes out.
			if lines, _, err := readGroup(t.Context(), blobs, groupName(b.folder(), groupOf("c"))); err != nil || !strings.Contains(string(lines), fmt.Sprintf("c%d ", n)) {
				t.Error(err, string(lines))
			}
		})
	}
	group.Wait()
	require.Equal(t, []string{fmt.Sprint("c", n)}, keysOf(t, b, blobs))
	copies, err := blobs.List(t.Context(), b.folder()+"/keys-")
	require.NoError(t, err)
	require.Len(t, copies, 1)
}

// TestErasuresAndClocks: whether a backup can hold something of who was erased is
// told by what happened, not by the clocks of those who erase and who back up.
func TestErasuresAndClocks(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for name, skew := range map[string]time.Duration{"behind": -3 * time.Hour, "ahead": 3 * time.Hour, "right": 0} {
		t.Run(name, func(t *testing.T) {
			blobs := blob.NewDir(t.TempDir())
			all := map[string]string{"old": "1", "open": "2", "late": "3", "last": "4", "bob": "5"}
			erase := func(key string) func() {
				e := Erasure{At: noon.Add(skew), IDs: []string{key}, Keys: []string{key}}
				note, err := Erase(t.Context(), blobs, "d", e)
				require.NoError(t, err)
				return func() {
					delete(all, key)
					require.NoError(t, Erased(t.Context(), blobs, "d", note, e))
				}
			}
			erase("old")()
			open := erase("open") // noted before the backup begins, destroyed after it has read the keys
			b := &Backup{Deployment: "d"}
			require.NoError(t, b.Begin(t.Context(), blobs, noon))
			late := erase("late")
			require.NoError(t, b.SaveKeys(t.Context(), blobs, t.TempDir(), func(f func(string, []byte) error) error {
				for _, name := range slices.Sorted(maps.Keys(all)) {
					if err := f(name, []byte(all[name])); err != nil {
						return err
					}
				}
				return nil
			}))
			require.Equal(t, []string{"bob", "last", "late", "open"}, slices.Sorted(slices.Values(keysOf(t, b, blobs))))
			late()
			require.NoError(t, b.Save(t.Context(), blobs))
			open()
			require.Equal(t, []string{"bob", "last"}, slices.Sorted(slices.Values(keysOf(t, b, blobs))), "a backup that is complete holds no key of them")
			erase("last")()
			require.Equal(t, []string{"bob"}, keysOf(t, b, blobs))

			back, err := LoadBackup(t.Context(), blobs, "d", "")
			require.NoError(t, err)
			erased, err := back.Erasures(t.Context(), blobs)
			require.NoError(t, err)
			var ids []string
			for _, e := range erased {
				ids = append(ids, e.IDs...)
			}
			require.ElementsMatch(t, []string{"open", "late", "last"}, ids, "they are erased again in what is restored; who was before is not, and may have come back")

			// What did not end well is done when it is repeated.
			erase("ann")
			erase("ann")()
			open2, done, err := notes(t.Context(), blobs, "d")
			require.NoError(t, err)
			require.Empty(t, open2)
			require.Len(t, done, 5, "the notes of before the oldest backup are gone")

			// A backup of a machine whose clock is behind is the newest all the same.
			next := &Backup{Deployment: "d"}
			require.NoError(t, next.Begin(t.Context(), blobs, noon.Add(-time.Hour)))
			require.Greater(t, next.Name, b.Name)
			require.NoError(t, next.Save(t.Context(), blobs))
			newest, err := LoadBackup(t.Context(), blobs, "d", "")
			require.NoError(t, err)
			require.Equal(t, next.Name, newest.Name)
			erased, err = newest.Erasures(t.Context(), blobs)
			require.NoError(t, err)
			require.Empty(t, erased)
		})
	}
}

// While there is no backup nothing is kept of who was erased; what one may have
// read before it was done is, until the backup is given up.
func TestNotesOfErasuresDoNotPileUp(t *testing.T) {
	blobs := blob.NewDir(t.TempDir())
	erase := func(id string, at time.Time) {
		e := Erasure{At: at, IDs: []string{id}, Keys: []string{id}}
		note, err := Erase(t.Context(), blobs, "d", e)
		require.NoError(t, err)
		require.NoError(t, Erased(t.Context(), blobs, "d", note, e))
	}
	left := func() int {
		all, err := blobs.List(t.Context(), erasedFolder("d"))
		require.NoError(t, err)
		return len(all)
	}
	now := time.Now()
	for i := range 5 {
		erase(fmt.Sprint("c", i), now)
		require.Zero(t, left())
	}
	b := &Backup{Deployment: "d"}
	require.NoError(t, b.Begin(t.Context(), blobs, now))
	erase("ann", now)
	require.Equal(t, 2, left())
	all, err := b.Erasures(t.Context(), blobs)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.NoError(t, b.GiveUp(t.Context(), blobs))
	erase("bob", now)
	require.Zero(t, left())
}
