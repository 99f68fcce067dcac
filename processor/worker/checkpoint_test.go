package worker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/state"
	"onhand/state/blob"
	"onhand/state/checkpoint"

	"github.com/stretchr/testify/require"
)

// stands are the position and hash of each partition.
func stands(t testing.TB, w *Worker) map[int][2]uint64 {
	all := map[int][2]uint64{}
	for _, s := range w.Status(soon(t)) {
		all[s.Partition] = [2]uint64{s.Position, s.Hash}
	}
	return all
}

// trimTo drops the log of every partition up to its checkpoint.
func trimTo(t testing.TB, log *jetstream.Log, saves []Saved) {
	require.Len(t, saves, log.Partitions())
	for _, s := range saves {
		require.NoError(t, log.Trim(soon(t), s.Partition, s.Position+1))
	}
}

// TestColdTakeover: a worker with an empty disk begins with the checkpoints and
// reads only the log since; what was before is gone from the log.
func TestColdTakeover(t *testing.T) {
	t.Parallel()
	log := openLog(t, startServer(t), 2)
	blobs := blob.NewDir(t.TempDir())
	channel := newPost()
	config := func(id string) Config {
		return Config{ID: id, Log: log, DataDir: t.TempDir(), Channels: email(channel), Checkpoints: &Checkpoints{Blobs: blobs}}
	}
	a := startWorker(context.Background(), t, config("a"))
	activate(t, a)
	remind(t, log, "before", 20)
	waitFor(t, "reminders", func() bool { return channel.count() == 20 })
	require.NoError(t, a.WaitIdle(soon(t)))

	saves, err := a.Checkpoint(soon(t))
	require.NoError(t, err)
	for _, s := range saves {
		require.Equal(t, stands(t, a)[s.Partition][0], s.Position)
		require.NotZero(t, s.New)
	}
	again, err := a.Checkpoint(soon(t))
	require.NoError(t, err)
	for i, s := range again {
		require.Equal(t, saves[i].Number+1, s.Number)
		require.LessOrEqual(t, s.New, 1, "nothing has changed but the list of tables")
	}
	trimTo(t, log, saves)
	remind(t, log, "after", 10)
	waitFor(t, "reminders", func() bool { return channel.count() == 30 })
	require.NoError(t, a.WaitIdle(soon(t)))
	want := stands(t, a)
	closeWorker(t, a)

	b := startWorker(context.Background(), t, config("b"))
	live(t, b)
	require.Equal(t, want, stands(t, b))
	for part, m := range b.Metrics().Partitions {
		require.LessOrEqual(t, m.Records, want[part][0]-saves[part].Position, "replayed only what came after")
	}
	remind(t, log, "later", 10)
	waitFor(t, "reminders", func() bool { return channel.count() == 40 })
	for id, n := range sent(t, log) {
		require.Equal(t, 1, n, id)
	}
}

// TestCorruptState: a state whose tables are broken is put aside and made anew
// on a checkpoint, found at the start or while it runs.
func TestCorruptState(t *testing.T) {
	t.Parallel()
	log := openLog(t, startServer(t), 1)
	channel := newPost()
	blobs, err := log.Blobs(soon(t))
	require.NoError(t, err)
	c := Config{ID: "a", Log: log, DataDir: t.TempDir(), Channels: email(channel), FlushEvery: 50 * time.Millisecond,
		Checkpoints: &Checkpoints{Blobs: blobs}}
	a := startWorker(context.Background(), t, c)
	activate(t, a)
	remind(t, log, "ann", 20)
	waitFor(t, "reminders", func() bool { return channel.count() == 20 })
	require.NoError(t, a.WaitIdle(soon(t)))
	saves, err := a.Checkpoint(soon(t))
	require.NoError(t, err)
	trimTo(t, log, saves)
	want := stands(t, a)
	closeWorker(t, a)

	dir := StateDir(c.DataDir, log.ID(), 0)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, path := range tables {
		require.NoError(t, os.Truncate(path, 10))
	}
	b := startWorker(context.Background(), t, c)
	live(t, b)
	require.DirExists(t, dir+".corrupt")
	require.Equal(t, want, stands(t, b))

	// A block that goes bad under a running partition.
	b.mu.Lock()
	l := b.loops[0]
	b.mu.Unlock()
	require.NoError(t, os.RemoveAll(dir+".corrupt"))
	l.post(func() { l.fail(errTestCorrupt) })
	waitFor(t, "a new start", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.loops[0] != nil && b.loops[0] != l
	})
	live(t, b)
	require.DirExists(t, dir+".corrupt")
	require.Equal(t, want[0][1], stands(t, b)[0][1])
	remind(t, log, "bob", 5)
	waitFor(t, "reminders", func() bool { return channel.count() == 25 })
}

// TestLogIsTrimmed: checkpoints are made as time passes, or log, and once the log fills
// more than half of its room, what no checkpoint and no standby needs is
// dropped.
func TestLogIsTrimmed(t *testing.T) {
	t.Parallel()
	t.Run("time", func(t *testing.T) { testTrimming(t, 100*time.Millisecond) })
	t.Run("log", func(t *testing.T) { testTrimming(t, time.Hour) })
}

func testTrimming(t *testing.T, every time.Duration) {
	server := startServer(t)
	log, err := jetstream.Open(context.Background(), jetstream.Options{Server: server, Name: "t", Partitions: 1, Shards: 1, Lease: time.Second, MaxBytesIn: 256 << 10})
	require.NoError(t, err)
	t.Cleanup(log.Close)
	blobs := blob.NewDir(t.TempDir())
	a := startWorker(context.Background(), t, Config{ID: "a", Log: log, DataDir: t.TempDir(), FlushEvery: 20 * time.Millisecond,
		Checkpoints: &Checkpoints{Blobs: blobs, Every: every, Keep: 2}})
	activate(t, a)
	first := func() uint64 {
		first, _, err := log.Bounds(soon(t), 0)
		require.NoError(t, err)
		return first
	}
	repo := checkpoint.New(blobs, log.ID(), 0, 2)
	waitFor(t, "checkpoints", func() bool {
		remind(t, log, "few", 2)
		all, err := repo.List(soon(t))
		return err == nil && len(all) == 2
	})
	require.EqualValues(t, 1, first(), "there is room, so the log is kept")

	waitFor(t, "the log to be trimmed", func() bool {
		remind(t, log, "many", 50)
		return first() > 1
	})
	all, err := repo.List(soon(t))
	require.NoError(t, err)
	for _, m := range all[:2] {
		require.GreaterOrEqual(t, m.Position+1, first(), "a kept checkpoint needs what was dropped")
	}
}

// TestTrimFloor: what a standby would read again after a crash holds the log,
// as much as a checkpoint does.
func TestTrimFloor(t *testing.T) {
	t.Parallel()
	at := func(id string, part int, r role, saved uint64) peer {
		return peer{id, bulletin{Stands: []stand{{Partition: 7, Role: owns, Saved: 1}, {Partition: part, Role: r, Saved: saved}}}}
	}
	require.EqualValues(t, 50, trimFloor(3, 50, nil))
	require.EqualValues(t, 50, trimFloor(3, 50, []peer{at("a", 3, owns, 80), at("b", 3, follows, 60)}))
	require.EqualValues(t, 40, trimFloor(3, 50, []peer{at("a", 3, owns, 80), at("b", 3, follows, 40)}))
	require.EqualValues(t, 30, trimFloor(3, 50, []peer{at("a", 3, owns, 30), at("b", 3, follows, 40)}))
	require.Zero(t, trimFloor(3, 50, []peer{at("a", 3, owns, 80), at("b", 3, follows, 0)}), "it is only opening")
	require.EqualValues(t, 50, trimFloor(3, 50, []peer{at("a", 3, owns, 80), at("b", 3, fails, 0)}), "it has to be seen to first")
}

var errTestCorrupt = fmt.Errorf("a block: %w", state.ErrCorrupt)

// TestBackup: a deployment that works is saved as it is at one moment, and goes
// on elsewhere, on an empty disk and a new log, as if nothing had happened: what
// waited is decided, what was decided is not decided again, and partitions go on
// talking to each other.
func TestBackup(t *testing.T) {
	t.Parallel()
	log := openLog(t, startServer(t), 4)
	blobs := blob.NewDir(t.TempDir())
	old := newPost()
	a := startWorker(context.Background(), t, Config{ID: "a", Log: log, DataDir: t.TempDir(), Channels: email(old), Checkpoints: &Checkpoints{Blobs: blobs}})
	activate(t, a)
	in := NewIntake(log)
	ask := func(name string, n int) {
		for i := range n {
			id := fmt.Sprint(name, i)
			require.NoError(t, in.Append(soon(t), []processor.Event{identify(id), {
				Kind: processor.BackInStockRequested, MessageID: "r" + id, UserID: id, SKU: "lamp", At: at(), Stamp: at(), Stamped: true}}))
		}
	}
	ask("ann", 20) // wait in one queue, from all partitions
	remind(t, log, "early", 20)
	waitFor(t, "reminders", func() bool { return old.count() == 20 })
	early := sent(t, log)
	stop := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() { // the shop goes on meanwhile
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				ask(fmt.Sprint("bob", i, "-"), 1)
			}
		}
	})
	b, err := a.Backup(soon(t), nil)
	close(stop)
	busy.Wait()
	require.NoError(t, err)
	require.Len(t, b.Partitions, 4)
	require.NoError(t, a.WaitIdle(soon(t)), "the partitions go on")
	closeWorker(t, a)

	for range 2 { // a backup can be used more than once
		dir := t.TempDir()
		restored := restoreHere(t, startServer(t), blobs, log.ID(), dir)
		channel := newPost()
		w := startWorker(context.Background(), t, Config{ID: "b", Log: restored, DataDir: dir, Channels: email(channel), Checkpoints: &Checkpoints{Blobs: blobs}})
		live(t, w)
		remind(t, restored, "new", 5)
		require.NoError(t, NewIntake(restored).Append(soon(t), []processor.Event{{Kind: processor.StockLevelReported, MessageID: "s", SKU: "lamp",
			Available: 15, HasLevel: true, Version: 1, At: at(), Stamp: at(), Stamped: true}}))
		waitFor(t, "reminders and offers", func() bool { return channel.count() >= 20 })
		require.NoError(t, w.WaitIdle(soon(t)))
		for id, n := range sent(t, restored) {
			require.Equal(t, 1, n)
			require.NotContains(t, early, id, "decided again")
		}
		m := w.Metrics()
		require.EqualValues(t, 15, m.Decisions[DecisionKey{"back_in_stock", processor.Sent, ""}], "as many as there are")
		require.EqualValues(t, 5, m.Decisions[DecisionKey{"cart_abandoned", processor.Sent, ""}])
		require.Empty(t, m.Dead)
		_, err := w.Checkpoint(soon(t))
		require.NoError(t, err)
		closeWorker(t, w)
	}
}

// restoreHere restores the newest backup to a server and a folder.
func restoreHere(t testing.TB, server *jetstream.Server, blobs checkpoint.Blobs, deployment, dir string) *jetstream.Log {
	id, err := Restore(soon(t), RestoreOptions{
		Blobs: blobs, Deployment: deployment, DataDir: dir,
		Log: jetstream.Options{Server: server, Name: "t", Lease: time.Second},
	})
	require.NoError(t, err)
	require.NotEqual(t, deployment, id)
	log, err := jetstream.Open(context.Background(), jetstream.Options{Server: server, Name: "t"})
	require.NoError(t, err)
	t.Cleanup(log.Close)
	require.Equal(t, id, log.ID())
	return log
}
