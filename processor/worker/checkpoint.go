package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"onhand/processor"
	"onhand/state"
	"onhand/state/checkpoint"
)

// Checkpoints say where the states of partitions are kept besides the worker's
// disk, and how often they are saved there. Only owners save.
type Checkpoints struct {
	Blobs checkpoint.Blobs // required
	Every time.Duration    // by the wall clock; default 10 min
	Bytes uint64           // of log that make one due earlier; default 256 MiB, and an eighth of the log's room at most
	Keep  int              // checkpoints of a partition that stay; default and least see package checkpoint

	// Decisions is how long commit records, which hold what was decided, stay at
	// least; 0 means for ever. Without checkpoints they stay for ever.
	Decisions time.Duration

	margin time.Duration // between the clocks of servers; tests set another one
}

func (c *Checkpoints) setDefaults() {
	if c.Every == 0 {
		c.Every = 10 * time.Minute
	}
	if c.Bytes == 0 {
		c.Bytes = 256 << 20
	}
	if c.margin == 0 {
		c.margin = trimMargin
	}
}

// ErrNoCheckpoints means that no place for checkpoints is configured.
var ErrNoCheckpoints = errors.New("worker: no place for checkpoints is configured")

// Saved is a checkpoint that was made on demand.
type Saved struct {
	Partition int           `json:"partition"`
	Position  uint64        `json:"position"` // last record of the log that is in it
	Number    uint64        `json:"number"`
	Files     int           `json:"files"`
	Bytes     int64         `json:"bytes"`
	New       int           `json:"new_files"` // of the files, those that had to be uploaded
	NewBytes  int64         `json:"new_bytes"`
	Took      time.Duration `json:"took_ns"`
}

// keeper makes the checkpoints of a partition: a copy of the store, which is
// hard links and stops nothing but the next write-behind, and the upload of
// what is new, beside everything else and one at a time in the process.
//
//	due or asked for --(flushed up to then)--> copying --> uploading --> trim the log
type keeper struct {
	repo *checkpoint.Repository // nil: there are none
	ctx  context.Context        // ends with the loop
	end  context.CancelFunc

	bytes    uint64 // of log that make one due
	due      time.Time
	applied  uint64 // bytes of log
	from     uint64 // of the last one: applied
	position uint64 // of the last one
	settled  []settled
	at       int64 // when it was saved, Unix ms; 0 = here none was
	copying  bool  // no write-behind may be committed
	busy     bool  // copying or uploading
	asked    []ask // by somebody who waits
}

// ask asks for a checkpoint that stands at a position at least, and may be for a
// backup.
type ask struct {
	position uint64
	backup   string
	done     chan<- saved
}

type saved struct {
	report *checkpoint.Report
	err    error
}

// keep prepares the checkpoints of a loop. The first is due at a time of its
// own, so that partitions take turns.
func (l *loop) keep(ctx context.Context) {
	k, c := &l.keeper, l.w.cfg.Checkpoints
	if c == nil {
		return
	}
	k.repo = newRepository(l.w, l.part)
	k.ctx, k.end = context.WithCancel(ctx)
	k.bytes = c.Bytes
	k.due = time.Now().Add(c.Every * time.Duration(1+l.part) / time.Duration(l.w.log.Partitions()))
}

// newRepository returns the checkpoints of a partition.
func newRepository(w *Worker, part int) *checkpoint.Repository {
	return checkpoint.New(w.cfg.Checkpoints.Blobs, w.log.ID(), part, w.cfg.Checkpoints.Keep)
}

// checkpoint begins one when it is time to.
func (l *loop) checkpoint() {
	k := &l.keeper
	if k.repo == nil || k.copying || l.err != nil || l.reopen || l.p.Following() || l.p.Flushing() {
		return
	}
	if k.busy {
		return
	}
	at, backup := l.p.FlushPosition(), ""
	for _, a := range k.asked {
		backup = max(backup, a.backup)
		if at < a.position {
			l.p.FlushSoon()
			return
		}
	}
	now := time.Now()
	if len(k.asked) == 0 && now.Before(k.due) && k.applied-k.from < k.bytes {
		return
	}
	k.due, k.from = now.Add(l.w.cfg.Checkpoints.Every), k.applied
	// With nothing new one is made only to say so: the others keep their commit
	// records for it to ask for.
	heard := int64(0)
	if s := l.p.Machine(); s != nil && l.caughtUp && s.Shop().Position == at {
		heard = l.now()
	}
	if len(k.asked) == 0 && at <= k.position && (heard == 0 || l.w.cfg.Checkpoints.Decisions == 0) {
		return
	}
	k.busy, k.copying = true, true
	asked, epoch := k.asked, l.p.Epoch()
	k.asked = nil
	l.jobs.Go(func() {
		mark, err := l.copyStore(epoch)
		mark.Backup, mark.Heard = backup, heard
		l.post(func() { k.copying = false })
		s := saved{err: err}
		if err == nil {
			s.report, s.err = l.w.upload(k.ctx, k.repo, l.copyDir(), mark)
		}
		if s.report != nil && err == nil {
			l.w.trim(k.ctx, l, s.report)
		}
		for _, a := range asked {
			a.done <- s
		}
		l.post(func() { l.checkpointed(s) })
	})
}

func (l *loop) copyDir() string { return l.dir() + ".checkpoint" }

// copyStore copies the store aside and says what the copy stands for. Nobody
// commits to the store meanwhile.
func (l *loop) copyStore(epoch uint64) (m checkpoint.Mark, err error) {
	if err := os.RemoveAll(l.copyDir()); err != nil {
		return m, err
	}
	shop, err := shopOf(diskStore{l.store}, l.part, l.w.log.Partitions())
	if err != nil {
		return m, err
	}
	m = checkpoint.Mark{
		Epoch: epoch, Position: shop.Position, Step: shop.Step, Hash: shop.Hash, LogTime: shop.Now, Code: processor.CodeVersion,
		Record: shop.Deployment.Record,
	}
	return m, l.store.Checkpoint(l.copyDir())
}

// upload saves a copy, when it is this one's turn, and removes it.
func (w *Worker) upload(ctx context.Context, r *checkpoint.Repository, dir string, mark checkpoint.Mark) (*checkpoint.Report, error) {
	defer os.RemoveAll(dir)
	select {
	case w.uploads <- struct{}{}:
		defer func() { <-w.uploads }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return r.Save(ctx, dir, mark)
}

// checkpointed takes note of a checkpoint. One that failed is tried again after a
// while; an owner that was replaced learns it from its commit.
func (l *loop) checkpointed(s saved) {
	k := &l.keeper
	k.busy = false
	if s.report != nil {
		m := s.report.Manifest
		k.position, k.at = m.Position, l.now()
		l.kept.Store(s.report.FloorTime)
		l.log.Info("checkpoint saved", "position", m.Position, "files", len(m.Files), "bytes", m.Bytes(),
			"new", s.report.New, "new bytes", s.report.NewBytes, "took", s.report.Took)
	}
	switch {
	case s.err == nil || k.ctx.Err() != nil:
	case errors.Is(s.err, state.ErrCorrupt):
		l.fail(s.err)
	default:
		k.due = time.Now().Add(min(time.Minute, l.w.cfg.Checkpoints.Every))
		l.log.Warn("no checkpoint could be saved", "error", s.err)
	}
}

// Checkpoint saves every partition that runs here and has changed, now, and
// waits for it. Partitions that failed are missing from the result, and named
// in the error.
func (w *Worker) Checkpoint(ctx context.Context) ([]Saved, error) { return w.saveOwned(ctx, "") }

// saveOwned saves the partitions that run here, for a backup if it has a name.
func (w *Worker) saveOwned(ctx context.Context, backup string) ([]Saved, error) {
	if w.cfg.Checkpoints == nil {
		return nil, ErrNoCheckpoints
	}
	loops := w.owned()
	all, errs := make([]*Saved, len(loops)), make([]error, len(loops))
	var group sync.WaitGroup
	for i, l := range loops {
		group.Go(func() {
			if all[i], errs[i] = l.saveNow(ctx, backup); errs[i] != nil {
				errs[i] = fmt.Errorf("partition %d: %w", l.part, errs[i])
			}
		})
	}
	group.Wait()
	var done []Saved
	for _, s := range all {
		if s != nil {
			done = append(done, *s)
		}
	}
	return done, errors.Join(errs...)
}

func (l *loop) saveNow(ctx context.Context, backup string) (*Saved, error) {
	done := make(chan saved, 1)
	if err := l.ask(ctx, func(p *Partition) {
		if m := p.Machine(); m != nil {
			l.keeper.asked = append(l.keeper.asked, ask{m.Shop().Position, backup, done})
		} else {
			done <- saved{err: ErrNotOwned}
		}
	}); err != nil {
		return nil, err
	}
	select {
	case s := <-done:
		if s.report == nil {
			return nil, s.err
		}
		return savedBy(s.report), s.err
	case <-l.done:
		return nil, ErrNotOwned
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func savedBy(r *checkpoint.Report) *Saved {
	m := r.Manifest
	return &Saved{m.Partition, m.Position, m.Number, len(m.Files), m.Bytes(), r.New, r.NewBytes, r.Took}
}
