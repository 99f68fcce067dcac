package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"onhand/state"
	"onhand/state/blob"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestStore: a real store, saved again and again while it is written to, comes
// back as it was, and what has not changed is not uploaded twice.
func TestStore(t *testing.T) {
	shared := state.NewShared(state.SharedOptions{MemTableBytes: 8 << 20, CacheBytes: 1 << 20, Stores: 2, MinFreeBytes: 1, Logger: slog.New(slog.DiscardHandler)})
	defer shared.Close()
	dir := t.TempDir()
	s, err := state.Open(filepath.Join(dir, "p"), state.Options{Shared: shared})
	require.NoError(t, err)
	defer s.Close()
	fill := func(from, to int) {
		for i := from; i < to; i += 100 {
			b := s.NewBatch()
			for j := i; j < i+100; j++ {
				b.Set(1, uint64(j)*0x9e3779b97f4a7c15, fmt.Appendf(nil, "value %d %s", j, strings.Repeat("x", j%300)))
			}
			require.NoError(t, b.Commit(fmt.Appendf(nil, "mark %d", i+100)))
		}
	}
	blobs := blob.NewDir(filepath.Join(dir, "blobs"))
	r := New(blobs, "shop", 3, 2)
	var last *Report
	for i, to := range []int{20_000, 20_100, 20_200} {
		from := 0
		if i > 0 {
			from = to - 100
		}
		fill(from, to)
		require.NoError(t, s.Flush())
		require.Eventually(t, func() bool { return !s.Metrics().Compacting }, time.Minute, 5*time.Millisecond)
		at := filepath.Join(dir, fmt.Sprint("c", i))
		require.NoError(t, s.Checkpoint(at))
		last, err = r.Save(t.Context(), at, Mark{Epoch: 1, Position: uint64(to)})
		require.NoError(t, err)
		require.NoError(t, os.RemoveAll(at))
		if i > 0 {
			require.Less(t, last.NewBytes, last.Manifest.Bytes()/4, "checkpoint %d uploads what was there", i)
		}
		t.Logf("%d files of %d bytes, new %d of %d, deleted %d", len(last.Manifest.Files), last.Manifest.Bytes(), last.New, last.NewBytes, last.Deleted)
	}
	require.EqualValues(t, 20_100, last.Floor)

	// The same once more, by an owner that knows no hashes: nothing is new.
	require.NoError(t, s.Checkpoint(filepath.Join(dir, "again")))
	last, err = New(blobs, "shop", 3, 2).Save(t.Context(), filepath.Join(dir, "again"), Mark{Epoch: 2, Position: 20_200})
	require.NoError(t, err)
	require.LessOrEqual(t, last.NewBytes, int64(8<<10), "only the database's own list of tables may differ")

	m, err := New(blobs, "shop", 3, 0).Fetch(t.Context(), filepath.Join(dir, "back"), math.MaxUint64, nil)
	require.NoError(t, err)
	require.EqualValues(t, 20_200, m.Position)
	back, err := state.Open(filepath.Join(dir, "back"), state.Options{Shared: shared})
	require.NoError(t, err)
	defer back.Close()
	mark, err := back.Mark()
	require.NoError(t, err)
	require.Equal(t, "mark 20200", string(mark))
	for j := range 20_200 {
		v, ok, err := back.Get(1, uint64(j)*0x9e3779b97f4a7c15, nil)
		require.NoError(t, err)
		require.True(t, ok)
		require.True(t, strings.HasPrefix(string(v), fmt.Sprintf("value %d ", j)), j)
	}
}

// TestInterrupted: wherever saving ends, the checkpoint before is whole, and
// the next one leaves nothing of the attempt.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	first := map[string]string{"1.sst": "one", "2.sst": "two", "MANIFEST": "1 2"}
	second := map[string]string{"2.sst": "two", "3.sst": "three", "4.sst": "four", "MANIFEST": "2 3 4"}
	third := map[string]string{"5.sst": "five", "MANIFEST": "5"}
	gone := errors.New("the process is killed")
	for at := 0; ; at++ {
		b := newMemory()
		r := New(b, "shop", 0, 2)
		_, err := r.Save(t.Context(), folder(t, dir+"/c", first), Mark{Epoch: 1, Position: 10})
		require.NoError(t, err)
		ops, reached := 0, false
		b.before = func(string, string) error {
			if ops++; ops > at {
				reached = true
				return gone
			}
			return nil
		}
		_, err = r.Save(t.Context(), folder(t, dir+"/c", second), Mark{Epoch: 1, Position: 20})
		b.before = nil
		m, got := fetched(t, b, dir+"/back", math.MaxUint64, nil)
		if m.Position == 20 {
			require.Equal(t, second, got)
		} else {
			require.Equal(t, first, got)
			require.ErrorIs(t, err, gone)
		}
		// Another owner goes on.
		r = New(b, "shop", 0, 2)
		for i := range 2 {
			_, err = r.Save(t.Context(), folder(t, dir+"/c", third), Mark{Epoch: 2, Position: 30 + uint64(i)})
			require.NoError(t, err)
		}
		require.Len(t, b.blobs, 2+len(third), "killed at operation %d: %v", at, b.blobs)
		if !reached {
			require.Greater(t, at, 6)
			return
		}
	}
}

// TestBroken: a file or manifest that is not what was written is noticed, and
// the checkpoint before is used.
func TestBroken(t *testing.T) {
	dir := t.TempDir()
	b := newMemory()
	r := New(b, "shop", 0, 3)
	var reports []*Report
	for i := range 3 {
		report, err := r.Save(t.Context(), folder(t, dir+"/c", map[string]string{"old": "the same", "new": fmt.Sprint("of ", i)}), Mark{Epoch: 1, Position: uint64(i)})
		require.NoError(t, err)
		reports = append(reports, report)
	}
	blobOf := func(i int, name string) string {
		for _, f := range reports[i].Manifest.Files {
			if f.Name == name {
				return r.file(f.Blob)
			}
		}
		return ""
	}
	var skipped []uint64
	skip := func(n uint64, err error) {
		skipped = append(skipped, n)
		t.Log(err)
	}
	b.blobs[blobOf(2, "new")] = []byte("of 7")
	m, got := fetched(t, b, dir+"/back", math.MaxUint64, skip)
	require.EqualValues(t, 1, m.Position)
	require.Equal(t, "of 1", got["new"])
	require.Equal(t, []uint64{3}, skipped)

	skipped = nil
	manifest := b.blobs[r.manifest(2)]
	b.blobs[r.manifest(2)] = []byte(strings.Replace(string(manifest), `"position":1`, `"position":9`, 1))
	m, _ = fetched(t, b, dir+"/back", math.MaxUint64, skip)
	require.EqualValues(t, 0, m.Position)
	require.Equal(t, []uint64{3, 2}, skipped)

	delete(b.blobs, blobOf(0, "old"))
	m, _ = fetched(t, b, dir+"/back", math.MaxUint64, nil)
	require.Nil(t, m, "nothing is whole")

	// A broken newest one does not stop saving.
	b.blobs[r.manifest(3)] = []byte("rubbish")
	report, err := r.Save(t.Context(), folder(t, dir+"/c", map[string]string{"all": "new"}), Mark{Epoch: 1, Position: 4})
	require.NoError(t, err)
	require.EqualValues(t, 4, report.Manifest.Number)
	m, _ = fetched(t, b, dir+"/back", math.MaxUint64, nil)
	require.EqualValues(t, 4, m.Position)
}

// TestUpTo: a checkpoint ahead of the log is passed over, and a transport that
// fails is not taken for having none.
func TestUpTo(t *testing.T) {
	dir := t.TempDir()
	b := newMemory()
	m, _ := fetched(t, b, dir+"/back", math.MaxUint64, nil)
	require.Nil(t, m)
	for _, at := range []uint64{10, 20, 30} {
		_, err := New(b, "shop", 0, 0).Save(t.Context(), folder(t, dir+"/c", map[string]string{"x": fmt.Sprint(at)}), Mark{Epoch: 1, Position: at})
		require.NoError(t, err)
	}
	m, _ = fetched(t, b, dir+"/back", 25, nil)
	require.EqualValues(t, 20, m.Position)
	m, _ = fetched(t, b, dir+"/back", 9, nil)
	require.Nil(t, m)
	down := errors.New("the network is down")
	b.before = func(op, _ string) error {
		if op == "get" {
			return down
		}
		return nil
	}
	_, err := New(b, "shop", 0, 0).Fetch(t.Context(), dir+"/none", math.MaxUint64, nil)
	require.ErrorIs(t, err, down)
}

// TestZombie: an owner that was replaced and does not know it saves nothing.
func TestZombie(t *testing.T) {
	dir := t.TempDir()
	b := newMemory()
	files := func(text string) string { return folder(t, dir+"/c", map[string]string{"x": text}) }
	zombie, owner := New(b, "shop", 0, 2), New(b, "shop", 0, 2)
	_, err := zombie.Save(t.Context(), files("a"), Mark{Epoch: 1, Position: 10})
	require.NoError(t, err)
	// It falls asleep before its manifest is written.
	b.before = func(op, _ string) error {
		if op == "create" {
			b.before = nil
			_, err := owner.Save(context.Background(), folder(t, dir+"/owner", map[string]string{"x": "c"}), Mark{Epoch: 2, Position: 15})
			require.NoError(t, err)
		}
		return nil
	}
	_, err = zombie.Save(t.Context(), files("b"), Mark{Epoch: 1, Position: 20})
	require.ErrorIs(t, err, ErrFenced)
	// It has a look before.
	_, err = zombie.Save(t.Context(), files("b"), Mark{Epoch: 1, Position: 20})
	require.ErrorIs(t, err, ErrFenced)
	m, got := fetched(t, b, dir+"/back", math.MaxUint64, nil)
	require.EqualValues(t, 15, m.Position)
	require.Equal(t, "c", got["x"])
}

// TestKeep: as many stay as were asked for, backups longer.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	b := newMemory()
	r := New(b, "shop", 0, 2)
	floors := []uint64{1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	for i := range 12 {
		mark := Mark{Epoch: 1, Position: uint64(i + 1)}
		if i == 1 || i == 4 || i == 7 || i == 9 {
			mark.Backup = fmt.Sprint("b", i)
		}
		report, err := r.Save(t.Context(), folder(t, dir+"/c", map[string]string{"x": fmt.Sprint(i)}), mark)
		require.NoError(t, err)
		require.Equal(t, floors[i], report.Floor, "after %d", i+1)
		if mark.Backup != "" && i != 4 { // that one never was completed
			backup := Backup{Name: mark.Backup, Deployment: "shop", Partitions: []Part{{Checkpoint: 99}}}
			require.NoError(t, backup.SaveTail(t.Context(), b, 0, dir, func(f func(int64, []byte) error) error {
				return errors.Join(f(7, []byte("one")), f(-1, nil), f(8, []byte("three")))
			}))
			require.ErrorContains(t, backup.Save(t.Context(), b), "make it again", "without its checkpoint")
			backup.Partitions[0].Checkpoint = report.Manifest.Number
			require.NoError(t, backup.Save(t.Context(), b))
			back, err := LoadBackup(t.Context(), b, "shop", "")
			require.NoError(t, err)
			require.Equal(t, backup, *back)
			path, tail := filepath.Join(dir, mark.Backup), ""
			require.NoError(t, back.FetchTail(t.Context(), b, 0, path))
			require.NoError(t, back.ReadTail(0, path, func(stamp int64, record []byte) error {
				tail += fmt.Sprintf("%d:%s ", stamp, record)
				return nil
			}))
			require.Equal(t, "7:one -1: 8:three ", tail)
		}
	}
	found, err := Deployments(t.Context(), b)
	require.NoError(t, err)
	require.Equal(t, []string{"shop"}, found)
	names, err := BackupNames(t.Context(), b, "shop")
	require.NoError(t, err)
	require.Equal(t, []string{"b9", "b7"}, names)
	_, err = LoadBackup(t.Context(), b, "other", "")
	require.ErrorIs(t, err, ErrNoBackup)
	all, err := r.List(t.Context())
	require.NoError(t, err)
	var positions []uint64
	for _, m := range all {
		positions = append(positions, m.Position)
	}
	require.Equal(t, []uint64{12, 11, 10, 8}, positions)
	require.Len(t, b.blobs, 2*4+2*2, "manifests and files, records and tails")
}

// TestDisregard: after a log has lost its end, what was saved of that does not
// stand in the way of what still is of use.
func TestDisregard(t *testing.T) {
	dir := t.TempDir()
	b := newMemory()
	save := func(r *Repository, mark Mark) *Report {
		report, err := r.Save(t.Context(), folder(t, dir+"/c", map[string]string{"x": fmt.Sprint(mark.Position)}), mark)
		require.NoError(t, err)
		return report
	}
	positions := func(all []*Manifest) (list []uint64) {
		for _, m := range all {
			list = append(list, m.Position)
		}
		return list
	}
	r := New(b, "shop", 0, 3)
	for i, backup := range []string{"", "", "", "b"} {
		save(r, Mark{Epoch: 1, Position: uint64(i+1) * 10, Backup: backup})
	}
	r = New(b, "shop", 0, 3).Disregard(func(epoch, position uint64) bool { return epoch < 5 && position > 20 })
	all, err := r.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []uint64{20}, positions(all))

	report := save(r, Mark{Epoch: 5, Position: 45})
	require.EqualValues(t, 5, report.Manifest.Number)
	require.EqualValues(t, 20, report.Floor)
	all, err = New(b, "shop", 0, 3).List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []uint64{45, 40, 20}, positions(all), "40 is part of a backup")
	require.EqualValues(t, 20, save(r, Mark{Epoch: 5, Position: 50}).Floor)
	require.EqualValues(t, 45, save(r, Mark{Epoch: 5, Position: 60}).Floor)
}

// TestNothingNeededIsDeleted: owners of rising epochs save, and any of them may
// sleep before any operation while others go on, also while it deletes. At all
// times the newest checkpoint is whole, and so are all that stay.
func TestNothingNeededIsDeleted(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		b := newMemory()
		type owner struct {
			r     *Repository
			dir   string
			epoch uint64
			files map[string]string
			busy  bool // asleep in the middle of saving
		}
		position, depth := uint64(0), 0
		epoch := uint64(0)
		var owners []*owner
		take := func() {
			epoch++
			o := &owner{r: New(b, "shop", 0, 2), dir: fmt.Sprint(dir, "/", epoch), epoch: epoch, files: map[string]string{}}
			before := b.before
			b.before = nil
			defer func() { b.before = before }()
			if all, err := o.r.List(context.Background()); err == nil && len(all) > 0 {
				for _, f := range all[0].Files {
					o.files[f.Name] = string(b.blobs[o.r.file(f.Blob)])
				}
			}
			folder(t, o.dir, o.files)
			owners = append(owners, o)
		}
		check := func() {
			before := b.before
			b.before = nil
			defer func() { b.before = before }()
			all, err := New(b, "shop", 0, 2).List(context.Background())
			require.NoError(t, err)
			for i, m := range all {
				if i >= 2 {
					break // about to be deleted
				}
				for _, f := range m.Files {
					text, there := b.blobs[New(b, "shop", 0, 2).file(f.Blob)]
					require.True(t, there, "checkpoint %d of epoch %d lacks %s", m.Number, m.Epoch, f.Name)
					if f.Name == "CURRENT" {
						require.Equal(t, fmt.Sprint(m.Position), string(text))
					}
				}
			}
		}
		save := func(o *owner) {
			position++
			o.busy = true
			defer func() { o.busy = false }()
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				table := fmt.Sprintf("%d.sst", rapid.IntRange(0, 8).Draw(t, "table"))
				if _, ok := o.files[table]; ok {
					delete(o.files, table)
					require.NoError(t, os.Remove(filepath.Join(o.dir, table)))
				} else {
					o.files[table] = "content of " + table
					require.NoError(t, os.WriteFile(filepath.Join(o.dir, table), []byte(o.files[table]), 0o600))
				}
			}
			o.files["CURRENT"] = fmt.Sprint(position)
			require.NoError(t, os.WriteFile(filepath.Join(o.dir, "CURRENT"), []byte(o.files["CURRENT"]), 0o600))
			_, err := o.r.Save(context.Background(), o.dir, Mark{Epoch: o.epoch, Position: position})
			if err != nil {
				require.ErrorIs(t, err, ErrFenced)
			}
			check()
		}
		take()
		b.before = func(string, string) error {
			// Whoever does this sleeps, and others go on.
			if depth >= 2 || rapid.IntRange(0, 15).Draw(t, "sleep") > 0 {
				return nil
			}
			depth++
			defer func() { depth-- }()
			if rapid.Bool().Draw(t, "taken over") {
				take()
			}
			for range rapid.IntRange(1, 4).Draw(t, "saves meanwhile") {
				if owners[len(owners)-1].busy {
					take()
				}
				save(owners[len(owners)-1])
			}
			return nil
		}
		for range rapid.IntRange(1, 5).Draw(t, "saves") {
			if rapid.IntRange(0, 4).Draw(t, "new owner") == 0 {
				take()
			}
			save(owners[rapid.IntRange(0, len(owners)-1).Draw(t, "owner")])
		}
	})
}
