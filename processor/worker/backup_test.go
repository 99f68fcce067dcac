package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/state/blob"
)

// shop lets customers of all partitions ask for one item and leave carts, so that
// partitions talk to each other all the time, until stop is called.
func shop(log *jetstream.Log, name string) (stop func() (asked int)) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	asked := make([]int, 3)
	for k := range asked {
		in := NewIntake(log)
		group.Go(func() {
			for ; ctx.Err() == nil; asked[k]++ {
				id := fmt.Sprint(name, k, "-", asked[k])
				ask := processor.Event{Kind: processor.BackInStockRequested, MessageID: "r" + id, UserID: id, SKU: "lamp", At: at(), Stamp: at(), Stamped: true}
				for in.Append(context.Background(), []processor.Event{identify(id), ask, added(id, "vase")}) != nil {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	return func() (n int) {
		cancel()
		group.Wait()
		for _, k := range asked {
			n += k
		}
		return n
	}
}

// whole checks that what was restored is a deployment that could have been: every
// message that a partition has said was heard, and none that was not said.
func whole(t testing.TB, w *Worker) {
	require.NoError(t, w.WaitIdle(soon(t)))
	n := w.log.Partitions()
	sent, got := make([][]uint64, n), make([][]uint64, n)
	for _, l := range w.owned() {
		require.NoError(t, l.ask(soon(t), func(p *Partition) {
			s := p.Machine().Shop()
			sent[l.part] = append([]uint64(nil), s.Sent...)
			got[l.part] = make([]uint64, n)
			for _, x := range s.Received {
				if x.ID < uint64(n) {
					got[l.part][x.ID] = x.Number
				}
			}
		}))
	}
	for p := range n {
		for q := range sent[p] {
			if p != q {
				require.Equal(t, sent[p][q], got[q][p], "from partition %d to %d", p, q)
			}
		}
	}
	require.Empty(t, w.Metrics().Dead)
}

// TestBackupOfAPool: workers that share the partitions save a backup together
// while the shop goes on, and a partition moves between them. It is restored
// elsewhere and goes on: nobody is missing, nothing is told twice, all messages
// between partitions fit.
func TestBackupOfAPool(t *testing.T) {
	for _, n := range []int{2, 3} {
		t.Run(fmt.Sprint(n, " workers"), func(t *testing.T) {
			t.Parallel()
			const partitions = 6
			log := openLog(t, startServer(t), partitions)
			blobs := blob.NewDir(t.TempDir())
			channel := newPost()
			var workers []*Worker
			join := func() {
				workers = append(workers, startWorker(context.Background(), t, Config{
					ID: fmt.Sprint("w", len(workers)), Log: log, DataDir: t.TempDir(), Channels: email(channel), Checkpoints: &Checkpoints{Blobs: blobs},
					noteGap: 20 * time.Millisecond})) // the places do not fit together by themselves
			}
			join()
			live(t, workers[0])
			activate(t, workers[0])
			for len(workers) < n {
				join()
			}
			waitFor(t, "each to own some", func() bool {
				for _, w := range workers {
					if len(w.owned()) != partitions/n {
						return false
					}
				}
				return true
			})
			before := shop(log, "ann")
			time.Sleep(300 * time.Millisecond)
			asked := before()
			after := shop(log, "bob")
			time.Sleep(300 * time.Millisecond)
			others := func(ctx context.Context, name string) (all []Saved, err error) {
				for _, w := range workers[1:] {
					some, e := w.SaveFor(ctx, name)
					all, err = append(all, some...), errors.Join(err, e)
				}
				return all, err
			}
			b, err := workers[0].Backup(soon(t), others)
			require.NoError(t, err)
			require.Len(t, b.Partitions, partitions)
			after()
			require.NoError(t, workers[0].WaitIdle(soon(t)))
			for _, w := range workers {
				closeWorker(t, w)
			}
			told := sent(t, log)

			dir := t.TempDir()
			restored := restoreHere(t, startServer(t), blobs, log.ID(), dir)
			w := startWorker(context.Background(), t, Config{ID: "r", Log: restored, DataDir: dir, Channels: email(newPost()), Checkpoints: &Checkpoints{Blobs: blobs}})
			live(t, w)
			whole(t, w)
			again := 0
			for id, n := range sent(t, restored) {
				require.Equal(t, 1, n)
				if told[id] > 0 {
					again++ // decided behind the last commit that was noted, with the same id
				}
			}
			waiting := 0
			for _, l := range w.owned() {
				require.NoError(t, l.ask(soon(t), func(p *Partition) {
					if v, ok := p.Machine().ItemView("lamp"); ok {
						waiting += v.Waiting
					}
				}))
			}
			require.GreaterOrEqual(t, waiting, asked, "all who asked before the backup wait")
			t.Logf("%d asked before, %d wait; %d decisions made again", asked, waiting, again)
			require.NoError(t, NewIntake(restored).Append(soon(t), []processor.Event{{Kind: processor.StockLevelReported, MessageID: "s", SKU: "lamp",
				Available: 25, HasLevel: true, Version: 1, At: at(), Stamp: at(), Stamped: true}}))
			waitFor(t, "offers", func() bool {
				return w.Metrics().Decisions[DecisionKey{"back_in_stock", processor.Sent, ""}] == 25
			})
			whole(t, w)
		})
	}
}

// TestPlacesFit: a place is put before what was said behind another one, and that
// again before others.
func TestPlacesFit(t *testing.T) {
	// Partition 0 said 7 at its record 21. Partition 1 heard it at 11, and said
	// 4 and 5 to partition 2 at 12, which heard them at 31 and 33.
	said := []utterances{{to: make([][]utterance, 3)}, {to: make([][]utterance, 3)}, {to: make([][]utterance, 3)}}
	said[0].to[1] = []utterance{{5, 6, 19}, {7, 7, 21}}
	said[1].to[2] = []utterance{{4, 5, 12}}
	heard := [][]hearing{nil, {{9, 0, 4}, {10, 0, 6}, {11, 0, 7}}, {{31, 1, 4}, {33, 1, 5}}}
	places := []uint64{20, 14, 35}
	fit(places, heard, said)
	require.Equal(t, []uint64{20, 10, 30}, places)
	places = []uint64{21, 14, 35}
	fit(places, heard, said)
	require.Equal(t, []uint64{21, 14, 35}, places)
}

// TestUtterances: of what is committed in several records the position is that of
// the last one.
func TestUtterances(t *testing.T) {
	u := utterances{position: 3, to: make([][]utterance, 2)}
	add := func(position uint64, numbers ...uint64) {
		c := processor.CommitRecord{Position: position, Count: len(numbers)}
		for _, n := range numbers {
			body := append([]byte{1}, byte(n)) // to partition 1
			c.Outputs = append(append(c.Outputs, byte(processor.TransferOutput), byte(len(body))), body...)
		}
		require.NoError(t, u.add(&c))
		u.position = position
	}
	add(3, 8, 9)
	require.Equal(t, uint64(unknown), u.positionOf(1, 9))
	add(5, 10)
	add(7, 11, 12)
	for number, want := range map[uint64]uint64{7: 0, 8: 5, 9: 5, 10: 5, 11: 7, 12: 7, 13: 0} {
		require.Equal(t, want, u.positionOf(1, number), number)
	}
	require.Zero(t, u.positionOf(0, 8))
}
