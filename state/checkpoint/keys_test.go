package checkpoint

import (
	"fmt"
	"io/fs"
	"path/filepath"
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

// TestErasuresAtOnce: of keys that are taken out of a group at the same time none
// comes back.
func TestErasuresAtOnce(t *testing.T) {
	const n = 30
	blobs := blob.NewDir(t.TempDir())
	b := saveKeys(t, blobs, n+1, func(string) {})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			e := Erasure{At: time.Now(), IDs: []string{"x"}, Keys: []string{fmt.Sprint("c", i)}}
			if err := Erase(t.Context(), blobs, "d", e); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Equal(t, []string{fmt.Sprint("c", n)}, keysOf(t, b, blobs))
}
