package worker

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/state"
	"onhand/state/blob"
	"onhand/state/checkpoint"
)

// TestCommitsAreTrimmed: commit records older than is wanted are dropped, but
// none that somebody needs who goes on from a checkpoint, or who was rewound to
// one and has lost messages. A worker that was away for longer comes back by a
// checkpoint.
func TestCommitsAreTrimmed(t *testing.T) {
	t.Parallel()
	log := openLog(t, startServer(t), 2)
	blobs := blob.NewDir(t.TempDir())
	channel := newPost()
	config := func(id string) Config {
		return Config{ID: id, Log: log, DataDir: t.TempDir(), Channels: email(channel), FlushEvery: 20 * time.Millisecond,
			Checkpoints: &Checkpoints{Blobs: blobs, Every: 200 * time.Millisecond, Keep: 2, Decisions: time.Millisecond, margin: time.Nanosecond}}
	}
	older := config("b")
	b := startWorker(context.Background(), t, older)
	activate(t, b)
	remind(t, log, "early", 10)
	waitFor(t, "reminders", func() bool { return channel.count() == 10 })
	require.NoError(t, b.WaitIdle(soon(t)))
	closeWorker(t, b)
	before := make([]uint64, 2)
	for p := range before {
		before[p] = shopIn(t, StateDir(older.DataDir, log.ID(), p), p).Position
	}

	newer := config("a")
	a := startWorker(context.Background(), t, newer)
	n := 0
	waitFor(t, "commit records to be dropped that the other state needs", func() bool {
		n++
		remind(t, log, fmt.Sprint("more", n, "-"), 5)
		in := NewIntake(log) // so that partitions talk to each other
		id := fmt.Sprint("ann", n)
		require.NoError(t, in.Append(soon(t), []processor.Event{identify(id), {
			Kind: processor.BackInStockRequested, MessageID: "r" + id, UserID: id, SKU: id, At: at(), Stamp: at(), Stamped: true}}))
		for p := range before {
			there, err := commitsSince(soon(t), log, p, before[p])
			require.NoError(t, err)
			if there {
				return false
			}
		}
		return true
	})
	require.NoError(t, a.WaitIdle(soon(t)))
	closeWorker(t, a)

	for p := range 2 {
		all, err := checkpoint.New(blobs, log.ID(), p, 2).List(soon(t))
		require.NoError(t, err)
		for _, m := range all {
			there, err := commitsSince(soon(t), log, p, m.Position)
			require.NoError(t, err)
			require.True(t, there, "partition %d: a checkpoint at %d needs what was dropped", p, m.Position)
		}
		// Rewound to its oldest checkpoint, it may ask for what it heard since.
		last, _, err := log.LastCommit(soon(t), 1-p)
		require.NoError(t, err)
		heard := heardIn(t, blobs, log.ID(), all[len(all)-1], 1-p)
		if shopIn(t, StateDir(newer.DataDir, log.ID(), 1-p), 1-p).Sent[p] > heard {
			again, err := toldBefore(soon(t), log, 1-p, processor.Resend{Receiver: p, From: heard + 1}, last, 0)
			require.NoError(t, err)
			require.Equal(t, heard+1, again[0].Number)
		}
	}

	b = startWorker(context.Background(), t, older)
	live(t, b)
	remind(t, log, "later", 5)
	waitFor(t, "reminders", func() bool { return channel.count() == 15+5*n })
	require.NoError(t, b.WaitIdle(soon(t)))
	channel.mu.Lock()
	defer channel.mu.Unlock()
	for action, times := range channel.got {
		require.Equal(t, 1, times, "action %s", action)
	}
}

// TestCommitsDroppedMeanwhile: a record that is dropped between the question
// which is the first and the one for it is no error; one that is not there though
// it is still the first is.
func TestCommitsDroppedMeanwhile(t *testing.T) {
	t.Parallel()
	firsts := []uint64{2, 4, 6}
	ask := func(position uint64) (bool, error) {
		n := -1
		return commitsBehind(position, func() (uint64, uint64, error) {
			n = min(n+1, len(firsts)-1)
			return firsts[n], 9, nil
		}, func(seq uint64) (jetstream.Message, error) {
			if seq != 6 {
				return jetstream.Message{}, jetstream.ErrNotFound
			}
			c := processor.CommitRecord{Position: 60}
			return jetstream.Message{Seq: seq, Data: c.Append(nil)}, nil
		})
	}
	there, err := ask(60)
	require.NoError(t, err)
	require.True(t, there)
	there, err = ask(59)
	require.NoError(t, err)
	require.False(t, there)
	firsts = []uint64{2, 4}
	_, err = ask(60)
	require.ErrorIs(t, err, jetstream.ErrNotFound)
}

// TestCommitsWaitForTheOldestCheckpoint: of commit records nobody wants any
// more, those stay whose messages the oldest checkpoint of a partition may not
// have heard yet.
func TestCommitsWaitForTheOldestCheckpoint(t *testing.T) {
	t.Parallel()
	log := openLog(t, startServer(t), 1)
	w := &Worker{log: log, cfg: Config{Checkpoints: &Checkpoints{Decisions: time.Nanosecond, margin: time.Nanosecond}}}
	l := &loop{log: slog.New(slog.DiscardHandler)}
	var last uint64
	saved := func(position uint64, kept int64) (first uint64) {
		r := checkpoint.Report{Manifest: &checkpoint.Manifest{Mark: checkpoint.Mark{Position: position}}}
		require.NoError(t, w.trimCommits(soon(t), l, &r, position, kept))
		first, _, err := log.CommitBounds(soon(t), 0)
		require.NoError(t, err)
		return first
	}
	var stamps []int64
	for i := range uint64(6) {
		c := processor.CommitRecord{Epoch: 1, Position: i + 1}
		var err error
		last, err = log.Commit(soon(t), 0, c.Append(nil), last)
		require.NoError(t, err)
		m, err := log.CommitAt(soon(t), 0, last)
		require.NoError(t, err)
		stamps = append(stamps, m.Stamp)
		require.EqualValues(t, 1, saved(i+1, unknownKept), "a partition's is not known")
		time.Sleep(2 * time.Millisecond)
	}
	require.EqualValues(t, 1, saved(6, stamps[0]), "it is as old as the first")
	require.EqualValues(t, 2, saved(6, stamps[3]), "what 2 said was there before 3 was written; who goes on from 2 begins with it")
	require.EqualValues(t, 2, saved(6, stamps[3]))
	require.EqualValues(t, 4, saved(6, stamps[5]))
}

// heardIn returns the number of the last message of a sender in a checkpoint.
func heardIn(t testing.TB, blobs checkpoint.Blobs, deployment string, m *checkpoint.Manifest, sender int) uint64 {
	dir := filepath.Join(t.TempDir(), "state")
	require.NoError(t, checkpoint.New(blobs, deployment, m.Partition, 0).Download(soon(t), m, dir))
	shop := shopIn(t, dir, m.Partition)
	for _, x := range shop.Received {
		if x.ID == uint64(sender) {
			return x.Number
		}
	}
	return 0
}

// shopIn returns what the state in a folder says of the partition as a whole.
func shopIn(t testing.TB, dir string, part int) *processor.Shop {
	shared := state.NewShared(state.SharedOptions{Stores: 1})
	defer shared.Close()
	s, err := state.Open(dir, state.Options{Shared: shared})
	require.NoError(t, err)
	shop, err := shopOf(diskStore{s}, part, 2)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	return shop
}

// TestKeptByAll: as long as one partition does not say how far its checkpoints
// reach back, nothing is known of all.
func TestKeptByAll(t *testing.T) {
	t.Parallel()
	owner := func(part int, kept int64) peer {
		return peer{fmt.Sprint(part), bulletin{Stands: []stand{{Partition: part, Role: owns, Kept: kept}, {Partition: 2, Role: follows, Kept: 1}}}}
	}
	require.EqualValues(t, unknownKept, keptByAll(nil, 0, 50, 3))
	require.EqualValues(t, unknownKept, keptByAll([]peer{owner(0, 10), owner(1, 60)}, 0, 50, 3), "of partition 2 only a standby is heard")
	require.EqualValues(t, 50, keptByAll([]peer{owner(0, 10), owner(1, 60), owner(2, 70)}, 0, 50, 3))
	require.EqualValues(t, 40, keptByAll([]peer{owner(1, 60), owner(2, 40)}, 0, 50, 3))
	require.EqualValues(t, unknownKept, keptByAll([]peer{owner(1, 60), owner(2, 0)}, 0, 50, 3))
}

// TestAnIdlePartitionHoldsNothingBack: a partition that hears nothing says so with
// its checkpoints, and the others drop their commit records.
func TestAnIdlePartitionHoldsNothingBack(t *testing.T) {
	t.Parallel()
	log := openLog(t, startServer(t), 2)
	w := startWorker(context.Background(), t, Config{ID: "a", Log: log, DataDir: t.TempDir(), Channels: email(newPost()), FlushEvery: 20 * time.Millisecond,
		Checkpoints: &Checkpoints{Blobs: blob.NewDir(t.TempDir()), Every: 200 * time.Millisecond, Keep: 2, Decisions: time.Millisecond, margin: time.Nanosecond}})
	live(t, w)
	activate(t, w)
	require.NoError(t, w.WaitIdle(soon(t)))
	time.Sleep(time.Second) // and checkpoints of that are made
	_, idle, err := log.Bounds(soon(t), 1)
	require.NoError(t, err)
	from, _, err := log.LastCommit(soon(t), 0)
	require.NoError(t, err)
	in := NewIntake(log)
	n := 0
	waitFor(t, "commit records to be dropped", func() bool {
		for n++; ; n++ {
			id := fmt.Sprint("ann", n)
			if processor.PartitionOf(processor.Hash(id), 2) == 0 {
				require.NoError(t, in.Append(soon(t), []processor.Event{identify(id)}))
				break
			}
		}
		first, _, err := log.CommitBounds(soon(t), 0)
		require.NoError(t, err)
		return first > from
	})
	_, last, err := log.Bounds(soon(t), 1)
	require.NoError(t, err)
	require.Equal(t, idle, last, "the other one has heard nothing")
}
