package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/state/checkpoint"
)

// A backup is a checkpoint of all partitions at one moment. Checkpoints made
// each at its own time do not fit together: one may have heard what another has
// not said yet. So all partitions pause: nothing is read, and what was applied
// is saved, committed and told. When the last one stands still, the stores are
// copied (hard links) and the ends of the logs noted; then reading goes on, and
// the copies are uploaded. What was accepted meanwhile lies in the logs behind
// the checkpoints and is saved with them.
//
//	save --> pause --> all is saved, committed, told --> copy --> go on --> upload

// ErrScattered means that a backup was asked of a worker that does not own all
// partitions.
var ErrScattered = errors.New("worker: a backup is made by a worker that owns all partitions: stop the others in order, make it, and start them again")

const (
	pauseLimit  = 10 * time.Second // for all partitions to stand still
	ingestLimit = 10 * time.Second // for what the shards have still to move
)

// stillness is a partition on its way into a backup.
type stillness struct {
	name string // of the backup
	done chan<- copied
}

type copied struct {
	mark checkpoint.Mark
	err  error
}

// BackupReport is what came of a backup.
type BackupReport struct {
	Backup     *checkpoint.Backup
	Partitions []Saved
	Paused     time.Duration // how long nothing was read
}

// Backup saves the whole deployment as it is at one moment, and waits for it. A
// backup holds everything that was accepted before it was asked for.
func (w *Worker) Backup(ctx context.Context) (_ *BackupReport, err error) {
	if w.cfg.Checkpoints == nil {
		return nil, ErrNoCheckpoints
	}
	loops := w.owned()
	if len(loops) != w.log.Partitions() {
		return nil, fmt.Errorf("%w (here: %d of %d)", ErrScattered, len(loops), w.log.Partitions())
	}
	w.backing.Lock()
	defer w.backing.Unlock()
	b := &checkpoint.Backup{
		Name: w.cfg.Clock().UTC().Format("20060102T150405.000Z"), Deployment: w.log.ID(), Created: time.Now().UTC().Truncate(time.Second),
		Shards: w.log.Shards(), Partitions: make([]checkpoint.Part, len(loops)),
	}
	for _, l := range loops {
		defer l.post(func() { l.keeper.reserved, l.keeper.busy = false, false })
		defer os.RemoveAll(l.copyDir())
	}
	if err := w.settleForBackup(ctx, loops); err != nil {
		return nil, err
	}
	marks, tails, paused, err := w.still(ctx, loops, b)
	if err != nil {
		return nil, err
	}
	all := &BackupReport{Backup: b, Paused: paused}
	for i, l := range loops { // one after the other
		report, err := w.upload(ctx, l.keeper.repo, l.copyDir(), marks[i])
		if report == nil {
			return nil, err
		}
		all.Partitions = append(all.Partitions, *savedBy(report))
		l.post(func() { l.keeper.position, l.keeper.at = report.Manifest.Position, l.now() })
		b.Partitions[i].Checkpoint, b.Partitions[i].Position = report.Manifest.Number, marks[i].Position
		if err := b.SaveTail(ctx, w.cfg.Checkpoints.Blobs, i, tails[i]); err != nil {
			return nil, err
		}
	}
	return all, b.Save(ctx, w.cfg.Checkpoints.Blobs)
}

// settleForBackup waits for what can be done before the pause: checkpoints that
// are being made, events that the shards have to move, and most of what has to
// be saved.
func (w *Worker) settleForBackup(ctx context.Context, loops []*loop) error {
	ctx, cancel := context.WithTimeout(ctx, ingestLimit+pauseLimit)
	defer cancel()
	if err := w.ingested(ctx); err != nil {
		return err
	}
	for _, l := range loops {
		for want := uint64(0); ; {
			free := false
			err := l.ask(ctx, func(p *Partition) {
				k := &l.keeper
				k.reserved = true
				m := p.Machine()
				if m == nil || !p.Live() {
					return
				}
				if want == 0 {
					want = m.Shop().Position
				}
				if free = !k.busy && p.FlushPosition() >= want; p.FlushPosition() < want {
					p.FlushSoon()
				}
				if free {
					k.busy = true
				}
			})
			if err != nil {
				return err
			}
			if free {
				break
			}
			if err := pauseFor(ctx, 5*time.Millisecond); err != nil {
				return fmt.Errorf("worker: partition %d does not get ready for a backup: %w", l.part, err)
			}
		}
	}
	return nil
}

func pauseFor(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ingested waits until everything that is in the ingest stream now is in the
// logs of the partitions.
func (w *Worker) ingested(ctx context.Context) error {
	_, last, err := w.log.IngestBounds(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, ingestLimit)
	defer cancel()
	for {
		first, _, err := w.log.IngestBounds(ctx)
		if err != nil {
			return err
		}
		if first > last { // shards drop what they have moved
			return nil
		}
		if err := pauseFor(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("worker: the ingest stream is not moved to the partitions: %w", err)
		}
	}
}

// still pauses all partitions, copies their stores and notes what is behind
// them in the logs.
func (w *Worker) still(ctx context.Context, loops []*loop, b *checkpoint.Backup) (marks []checkpoint.Mark, tails [][][]byte, paused time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, pauseLimit)
	defer cancel()
	start := time.Now()
	defer func() { paused = time.Since(start) }()
	done := make([]chan copied, len(loops))
	for i, l := range loops {
		done[i] = make(chan copied, 1)
		l.post(func() { l.pause(&stillness{b.Name, done[i]}) })
		defer l.post(func() { l.pause(nil) })
	}
	marks, tails = make([]checkpoint.Mark, len(loops)), make([][][]byte, len(loops))
	for i, l := range loops {
		select {
		case c := <-done[i]:
			if c.err != nil {
				return nil, nil, 0, fmt.Errorf("worker: partition %d: %w", l.part, c.err)
			}
			marks[i] = c.mark
		case <-l.done:
			return nil, nil, 0, fmt.Errorf("%w (partition %d)", ErrNotOwned, l.part)
		case <-ctx.Done():
			return nil, nil, 0, fmt.Errorf("worker: partition %d does not stand still: %w", l.part, ctx.Err())
		}
	}
	for i, m := range marks {
		if tails[i], err = readTail(ctx, w.log, i, m.Position); err != nil {
			return nil, nil, 0, err
		}
	}
	_, b.Ingest, err = w.log.IngestBounds(ctx)
	return marks, tails, 0, err
}

// pause holds the partition for a backup; nil lets it go on.
func (l *loop) pause(s *stillness) {
	l.keeper.still, l.keeper.held = s, s != nil
	if l.p != nil {
		l.p.Hasten(s != nil)
	}
}

// copyStill copies the store of a partition that stands still.
func (l *loop) copyStill() {
	k, s := &l.keeper, l.keeper.still
	if !l.p.Saved() {
		l.p.FlushSoon()
		return
	}
	k.still, k.copying = nil, true
	epoch := l.p.Epoch()
	l.jobs.Go(func() {
		mark, err := l.copyStore(epoch)
		if err == nil {
			mark.Backup = s.name
			mark.Commit, err = l.seed(mark.Position)
		}
		l.post(func() { k.copying = false })
		s.done <- copied{mark, err}
	})
}

// seed returns the commit record that a new log of the partition begins with.
func (l *loop) seed(position uint64) ([]byte, error) {
	_, last, err := l.w.log.LastCommit(l.keeper.ctx, l.part)
	if err != nil {
		return nil, err
	}
	c, err := processor.ParseCommit(last)
	if err != nil {
		return nil, err
	}
	if c.Position != position {
		return nil, fmt.Errorf("the last commit stands at %d, the state at %d", c.Position, position)
	}
	return Fence(last)
}

// readTail reads what is in the log of a partition behind a position.
func readTail(ctx context.Context, log *jetstream.Log, part int, position uint64) ([][]byte, error) {
	_, last, err := log.Bounds(ctx, part)
	if err != nil || last <= position {
		return nil, err
	}
	r, err := log.Read(part, position+1)
	if err != nil {
		return nil, err
	}
	defer r.Stop()
	var records [][]byte
	for seq := position; seq < last; {
		m, err := r.Next(ctx)
		if err != nil {
			return nil, err
		}
		records, seq = append(records, bytes.Clone(m.Data)), m.Seq
	}
	return records, nil
}
