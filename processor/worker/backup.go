package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"onhand/processor/jetstream"
	"onhand/state/checkpoint"
)

// A backup is a copy of the deployment up to a place in each log, and nobody
// pauses for it. Every owner saves a checkpoint of its partitions, each at its
// own time; one worker saves the rest, in this order:
//
//	checkpoints --> last commits --> places in the logs --> logs from there to there
//
// The logs lead from the checkpoints to the places, with the stamps they had, so
// that a replay comes to the same states and says the same. A message is in a
// log only after the record that it came of, and after its commit:
//
//   - What a checkpoint or a last commit holds for told is in the receiver's log
//     before that log's place, as the places are noted later.
//   - What a log holds up to its place was said by the sender up to its own place:
//     see cut.
//
// So what is restored has lost no message and has heard none that was not said.
// What was decided behind the last commit that was noted is decided again, with
// the same ids.

const (
	ingestLimit = 10 * time.Second // for what the shards have still to move
	backupTries = 30               // to find an owner for every partition
	backupRetry = time.Second

	giveUpWithin = 10 * time.Second // to delete what there is of one that failed
)

// BackupReport is what came of a backup.
type BackupReport struct {
	Backup     *checkpoint.Backup
	Partitions []Saved
}

// Backup saves the whole deployment, and waits for it. A backup holds everything
// that was accepted before it was asked for. others has the other workers call
// SaveFor with the name it is given, and returns all that they saved; nil when
// there are none.
func (w *Worker) Backup(ctx context.Context, others func(ctx context.Context, name string) ([]Saved, error)) (report *BackupReport, err error) {
	if w.cfg.Checkpoints == nil {
		return nil, ErrNoCheckpoints
	}
	w.backing.Lock()
	defer w.backing.Unlock()
	if err := w.ingested(ctx); err != nil {
		return nil, err
	}
	b := &checkpoint.Backup{
		Deployment: w.log.ID(), Created: time.Now().UTC().Truncate(time.Second),
		Shards: w.log.Shards(), Partitions: make([]checkpoint.Part, w.log.Partitions()),
	}
	if err := b.Begin(ctx, w.cfg.Checkpoints.Blobs, w.cfg.Clock()); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			// Should this fail, too, the next backup that is complete deletes it.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUpWithin)
			defer cancel()
			_ = b.GiveUp(ctx, w.cfg.Checkpoints.Blobs)
		}
	}()
	all, err := w.saveAll(ctx, b, others)
	if err != nil {
		return nil, err
	}
	until, err := w.places(ctx, b)
	if err != nil {
		return nil, err
	}
	if _, b.Ingest, err = w.log.IngestBounds(ctx); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(w.cfg.DataDir, 0o700); err != nil {
		return nil, err
	}
	for p := range b.Partitions {
		err := b.SaveTail(ctx, w.cfg.Checkpoints.Blobs, p, w.cfg.DataDir, func(f func(int64, []byte) error) error {
			return readBetween(ctx, w.log, p, b.Partitions[p].Position, until[p], func(m jetstream.Message) error { return f(m.Stamp, m.Data) })
		})
		if err != nil {
			return nil, fmt.Errorf("worker: the log of partition %d: %w", p, err)
		}
	}
	// Last, so that few are erased between this and the end; see checkpoint.Erasure.
	err = b.SaveKeys(ctx, w.cfg.Checkpoints.Blobs, w.cfg.DataDir, func(f func(string, []byte) error) error { return w.log.Keys().All(ctx, f) })
	if err != nil {
		return nil, fmt.Errorf("worker: the keys: %w", err)
	}
	return &BackupReport{b, all}, b.Save(ctx, w.cfg.Checkpoints.Blobs)
}

// SaveFor saves a checkpoint of every partition that runs here, for a backup of
// that name. Those that failed are missing from the result, and named in the
// error.
func (w *Worker) SaveFor(ctx context.Context, backup string) ([]Saved, error) {
	return w.saveOwned(ctx, backup)
}

// saveAll has every partition saved for the backup, wherever it runs, and notes
// the checkpoints in it. A partition that moves is asked for again.
func (w *Worker) saveAll(ctx context.Context, b *checkpoint.Backup, others func(context.Context, string) ([]Saved, error)) ([]Saved, error) {
	all := make([]Saved, len(b.Partitions))
	for try := 1; ; try++ {
		var theirs []Saved
		var theirErr error
		var group sync.WaitGroup
		if others != nil {
			group.Go(func() { theirs, theirErr = others(ctx, b.Name) })
		}
		mine, err := w.SaveFor(ctx, b.Name)
		group.Wait()
		for _, s := range append(mine, theirs...) {
			if s.Partition >= 0 && s.Partition < len(all) && s.Number > all[s.Partition].Number {
				all[s.Partition] = s
				b.Partitions[s.Partition].Checkpoint, b.Partitions[s.Partition].Position = s.Number, s.Position
			}
		}
		missing := -1
		for p := range all {
			if all[p].Number == 0 {
				missing = p
			}
		}
		if missing < 0 {
			return all, nil
		}
		if try == backupTries {
			return nil, fmt.Errorf("worker: nobody saves partition %d for the backup: %w", missing, errors.Join(err, theirErr, ErrNotOwned))
		}
		if err := pauseFor(ctx, backupRetry); err != nil {
			return nil, err
		}
	}
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

// Erase notes who is erased where the backups are, and takes the keys out of
// them; it comes before the keys are destroyed. done notes that the erasure is in
// effect and that the keys are destroyed; until it has returned nil, backups
// count on neither. Without a place for checkpoints there is none.
func (w *Worker) Erase(ctx context.Context, e checkpoint.Erasure) (done func(context.Context) error, err error) {
	if w.cfg.Checkpoints == nil {
		return func(context.Context) error { return nil }, nil
	}
	failed := func(err error) error {
		if err != nil {
			err = fmt.Errorf("worker: the erasure cannot be noted in the backups, repeat it: %w", err)
		}
		return err
	}
	blobs := w.cfg.Checkpoints.Blobs
	note, err := checkpoint.Erase(ctx, blobs, w.log.ID(), e)
	return func(ctx context.Context) error { return failed(checkpoint.Erased(ctx, blobs, w.log.ID(), note, e)) }, failed(err)
}

// places notes in the backup the commit record that each new log begins with,
// and returns up to where each log is part of the backup.
func (w *Worker) places(ctx context.Context, b *checkpoint.Backup) ([]uint64, error) {
	said := make([]utterances, len(b.Partitions))
	for p := range b.Partitions {
		part := &b.Partitions[p]
		last, _, err := w.log.LastCommit(ctx, p)
		if err != nil {
			return nil, err
		}
		h, err := historySince(ctx, w.log, p, part.Position, last)
		if err != nil {
			return nil, err
		}
		if h.last.Position < part.Position {
			return nil, fmt.Errorf("worker: partition %d: the last commit stands at %d, the checkpoint at %d", p, h.last.Position, part.Position)
		}
		part.Commit = h.seed()
		said[p] = utterances{seq: last, position: h.last.Position}
	}
	return cut(ctx, w.log, said, w.cfg.noteGap)
}

// readBetween calls f for the records of a partition's log behind a position, up
// to another, until it returns an error.
func readBetween(ctx context.Context, log *jetstream.Log, part int, after, upTo uint64, f func(jetstream.Message) error) error {
	if upTo <= after {
		return nil
	}
	r, err := log.Read(part, after+1)
	if err != nil {
		return err
	}
	defer r.Stop()
	for seq := after; seq < upTo; {
		m, err := r.Next(ctx)
		if err != nil {
			return err
		}
		if err := f(m); err != nil {
			return err
		}
		seq = m.Seq
	}
	return nil
}
