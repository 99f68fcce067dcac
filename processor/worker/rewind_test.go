package worker

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/processor/whatif"
	"onhand/state/blob"
	"onhand/state/checkpoint"
)

// cutShort takes half of the last block from the log of a partition, whose server
// does not run.
func cutShort(t testing.TB, dir string, part int) {
	msgs := filepath.Join(dir, "jetstream", "$G", "streams", fmt.Sprint("t-in-", part), "msgs")
	blocks, err := filepath.Glob(filepath.Join(msgs, "*.blk"))
	require.NoError(t, err)
	require.NotEmpty(t, blocks)
	last := slices.MaxFunc(blocks, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	info, err := os.Stat(last)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(last, info.Size()*3/4))
	require.NoError(t, os.RemoveAll(filepath.Join(msgs, "index.db")))
}

// TestRewind: the log of a partition has lost its end, and it stops. Rewound, it
// goes on from what is left: what it and the others tell each other from then on
// arrives, and so does what the log had lost of it. An owner with an empty disk
// and a standby come to the same.
func TestRewind(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"what is left": false, "others in place of what is lost": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const cut, partitions = 1, 3
			dir, data, blobs := t.TempDir(), t.TempDir(), blob.NewDir(t.TempDir())
			serve := func() (*jetstream.Server, *jetstream.Log) {
				s, err := jetstream.StartServer(jetstream.ServerOptions{Dir: dir, SyncInterval: time.Minute})
				require.NoError(t, err)
				t.Cleanup(s.Close)
				return s, openLog(t, s, partitions)
			}
			channel := newPost()
			begin := func(id, data string, log *jetstream.Log) *Worker {
				return startWorker(context.Background(), t, Config{ID: id, Log: log, DataDir: data, Channels: email(channel), Checkpoints: &Checkpoints{Blobs: blobs}})
			}
			server, log := serve()
			w := begin("a", data, log)
			live(t, w)
			activate(t, w)
			busy := func(name string, w *Worker) {
				stop := shop(w.log, name)
				time.Sleep(300 * time.Millisecond)
				stop()
				require.NoError(t, w.WaitIdle(soon(t)))
			}
			_, err := w.Checkpoint(soon(t))
			require.NoError(t, err)
			busy("ann", w)
			busy("bob", w)
			_, err = w.Checkpoint(soon(t)) // of what will be lost
			require.NoError(t, err)
			closeWorker(t, w)
			log.Close()
			server.Close()
			cutShort(t, dir, cut)

			_, log = serve()
			if again {
				for i := range 100 {
					_, err := log.Append(soon(t), cut, processor.AppendRecordEntry(processor.AppendRecordHeader(nil, at()), []byte{byte(processor.TickEntry)}))
					require.NoError(t, err, i)
				}
			}
			w = begin("a", data, log)
			waitFor(t, "the partition to stop", func() bool { return w.Status(soon(t))[cut].Phase == "stopped" })
			require.Contains(t, w.Status(soon(t))[cut].Reason, "the log went back")
			require.Contains(t, w.Status(soon(t))[cut].Reason, "onhand rewind")
			waitFor(t, "the others to run", func() bool { return w.Status(soon(t))[0].Phase == "live" })
			_, err = w.Rewind(soon(t), 0, 0)
			require.ErrorIs(t, err, ErrRuns)

			r, err := w.Rewind(soon(t), cut, 0)
			require.NoError(t, err)
			t.Logf("%+v", *r)
			require.Less(t, r.Position, r.Committed)
			require.Positive(t, r.Position)
			require.EqualValues(t, 1, r.Incarnation)
			live(t, w)
			require.NoError(t, w.WaitIdle(soon(t)))
			from := at()
			busy("eve", w)
			whole(t, w)
			busy("joe", w)
			whole(t, w)
			asIfAgain(t, w, blobs, from)

			// What is lost does not count among the checkpoints that stay.
			_, err = w.Checkpoint(soon(t))
			require.NoError(t, err)
			all, err := checkpoint.New(blobs, log.ID(), cut, 0).List(soon(t))
			require.NoError(t, err)
			require.Len(t, all, 2)
			require.LessOrEqual(t, all[1].Position, r.Position)
			require.NoDirExists(t, StateDir(data, log.ID(), cut), "of no use")
			require.NoError(t, NewIntake(log).Append(soon(t), []processor.Event{{Kind: processor.StockLevelReported, MessageID: "s", SKU: "lamp",
				Available: 25, HasLevel: true, Version: 1, At: at(), Stamp: at(), Stamped: true}}))
			waitFor(t, "offers", func() bool {
				return w.Metrics().Decisions[DecisionKey{"back_in_stock", processor.Sent, ""}] == 25
			})

			// A standby, and then an owner that has nothing but the checkpoints.
			b := begin("b", t.TempDir(), log)
			waitFor(t, "standbys", func() bool {
				for _, s := range b.Status(soon(t)) {
					if s.Phase != "standby" && s.Phase != "live" {
						return false
					}
				}
				return true
			})
			closeWorker(t, w)
			live(t, b)
			busy("kim", b)
			whole(t, b)
			closeWorker(t, b)
			c := begin("c", t.TempDir(), log)
			live(t, c)
			busy("lou", c)
			whole(t, c)

			// And a backup.
			_, err = c.Backup(soon(t), nil)
			require.NoError(t, err)
			closeWorker(t, c)
			elsewhere := t.TempDir()
			restored := restoreHere(t, startServer(t), blobs, log.ID(), elsewhere)
			d := begin("d", elsewhere, restored)
			live(t, d)
			busy("max", d)
			whole(t, d)
		})
	}
}

// asIfAgain asks what the same rules would have decided since a time: the same. A
// what-if begins with no state of what is lost, and is held against nothing that
// was taken back.
func asIfAgain(t testing.TB, w *Worker, blobs checkpoint.Blobs, from int64) {
	t.Helper()
	for n := uint64(0); n == 0 || n < w.Metrics().Decisions[cartLeft]; { // a second after the cart
		n = w.Metrics().Decisions[cartLeft]
		time.Sleep(1500 * time.Millisecond)
	}
	x, err := whatif.Run(soon(t), whatif.Options{Past: w.log.Past(), Checkpoints: blobs, Dir: t.TempDir(), Rules: []byte(rules), From: from, To: at()})
	require.NoError(t, err)
	require.Empty(t, x.Notes)
	require.Empty(t, x.Recorded.Changes)
	require.Positive(t, x.Recorded.Same)
}

var cartLeft = DecisionKey{"cart_abandoned", processor.Sent, ""}

// TestRewindAgain: a log that was rewound loses its end once more, and once more
// it is rewound, the second time perhaps to before the first.
func TestRewindAgain(t *testing.T) {
	t.Parallel()
	const cut, partitions = 1, 2
	dir, data, blobs := t.TempDir(), t.TempDir(), blob.NewDir(t.TempDir())
	channel := newPost()
	from, committed := int64(0), uint64(0)
	for incarnation := range uint64(4) {
		server, err := jetstream.StartServer(jetstream.ServerOptions{Dir: dir, SyncInterval: time.Minute})
		require.NoError(t, err)
		log := openLog(t, server, partitions)
		w := startWorker(context.Background(), t, Config{ID: "a", Log: log, DataDir: data, Channels: email(channel), Checkpoints: &Checkpoints{Blobs: blobs}})
		if incarnation == 0 {
			live(t, w)
			activate(t, w)
		} else {
			waitFor(t, "the partition to stop", func() bool { return w.Status(soon(t))[cut].Phase == "stopped" })
			want := furthest(t, log, cut)
			r, err := w.Rewind(soon(t), cut, 0)
			require.NoError(t, err)
			t.Logf("%+v", *r)
			require.Equal(t, incarnation, r.Incarnation)
			require.Equal(t, want, r.Position, "no more is taken back than has to be")
			require.Less(t, r.Position, committed)
			live(t, w)
			require.NoError(t, w.WaitIdle(soon(t)))
			from = at()
		}
		stop := shop(log, fmt.Sprint("ann", incarnation))
		time.Sleep(200 * time.Millisecond)
		stop()
		whole(t, w)
		if incarnation != 2 { // then the next one has no checkpoint of its own
			_, err = w.Checkpoint(soon(t))
			require.NoError(t, err)
		}
		if from > 0 {
			asIfAgain(t, w, blobs, from)
		}
		_, last, err := log.LastCommit(soon(t), cut)
		require.NoError(t, err)
		c, err := processor.ParseCommit(last)
		require.NoError(t, err)
		committed = c.Position
		closeWorker(t, w)
		log.Close()
		server.Close()
		cutShort(t, dir, cut)
	}
}

// furthest returns the position of the last commit record that stands and whose
// part of the log is there.
func furthest(t testing.TB, log *jetstream.Log, part int) (position uint64) {
	_, end, err := log.Bounds(soon(t), part)
	require.NoError(t, err)
	first, last, err := log.CommitBounds(soon(t), part)
	require.NoError(t, err)
	rewinds, err := log.Rewinds(soon(t), part)
	require.NoError(t, err)
	for seq := first; seq <= last; seq++ {
		m, err := log.CommitAt(soon(t), part, seq)
		require.NoError(t, err)
		c, err := processor.ParseCommit(m.Data)
		require.NoError(t, err)
		if !rewinds.TookBack(seq, &c) && c.Position <= end {
			position = max(position, c.Position)
		}
	}
	return position
}

// TestHistoryOfARewind: what was taken back is not held against a replay, and what
// was said before the rewind keeps its incarnation.
func TestHistoryOfARewind(t *testing.T) {
	h := &History{}
	for i, c := range []processor.CommitRecord{
		{Epoch: 1, Position: 10, First: 0, Count: 5},
		{Epoch: 1, Position: 20, First: 5, Count: 5, Skips: []processor.Skip{{Position: 15}}},
		{Epoch: 1, Position: 30, First: 10, Count: 5, Skips: []processor.Skip{{Position: 25}}},
		{Epoch: 2, Position: 20, First: 10, Incarnation: 1},
		{Epoch: 3, Position: 28, First: 10, Count: 2, Incarnation: 1},
	} {
		require.NoError(t, h.Add(uint64(i+1), c.Append(nil)))
	}
	require.Equal(t, []point{{position: 10}, {position: 20}, {position: 28}}, h.points)
	require.Equal(t, []processor.Skip{{Position: 15}}, h.skips)
	for output, want := range map[uint64]uint64{9: 0, 10: 1, 13: 1} {
		require.Equal(t, want, incarnationOf(h.turns, output), output)
	}
	require.Error(t, h.Add(6, (&processor.CommitRecord{Epoch: 3, Position: 20, Incarnation: 1}).Append(nil)), "only a new incarnation goes back")
}
