package drive

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"onhand/processor"
	"onhand/processor/jetstream"
)

// Follower reads the commit records of all partitions and hands on what was
// decided, and what became of attempts, one at a time.
type Follower struct {
	log   *jetstream.Log
	tell  func(partition int, commit *processor.CommitRecord, committed time.Time) error
	seen  []atomic.Uint64 // by partition: sequence of the last record told
	tasks sync.WaitGroup
	stop  context.CancelFunc
	mu    sync.Mutex
	err   error
}

// Follow begins behind the last commit records there are. tell is called for
// one record at a time; committed is the server's clock.
func Follow(ctx context.Context, log *jetstream.Log, tell func(partition int, commit *processor.CommitRecord, committed time.Time) error) (*Follower, error) {
	f := &Follower{log: log, tell: tell, seen: make([]atomic.Uint64, log.Partitions())}
	last, err := f.ends(ctx)
	if err != nil {
		return nil, err
	}
	ctx, f.stop = context.WithCancel(context.WithoutCancel(ctx))
	for p, seq := range last {
		f.seen[p].Store(seq)
		r, err := log.ReadCommits(p, seq+1)
		if err != nil {
			f.Close()
			return nil, err
		}
		f.tasks.Go(func() {
			defer r.Stop()
			if err := f.read(ctx, p, r); ctx.Err() == nil {
				f.mu.Lock()
				f.err = fmt.Errorf("reading what partition %d decided: %w", p, err)
				f.mu.Unlock()
			}
		})
	}
	return f, nil
}

// read tells records until it cannot.
func (f *Follower) read(ctx context.Context, p int, r *jetstream.Reader) error {
	for {
		m, err := r.Next(ctx)
		if err != nil {
			return err
		}
		c, err := processor.ParseCommit(m.Data)
		if err != nil {
			return err
		}
		f.mu.Lock()
		err = f.tell(p, &c, time.UnixMilli(m.Stamp))
		f.mu.Unlock()
		if err != nil {
			return err
		}
		f.seen[p].Store(m.Seq)
	}
}

// ends returns the sequences of the last commit records.
func (f *Follower) ends(ctx context.Context) ([]uint64, error) {
	last := make([]uint64, len(f.seen))
	for p := range last {
		seq, _, err := f.log.LastCommit(ctx, p)
		if err != nil {
			return nil, err
		}
		last[p] = seq
	}
	return last, nil
}

// CatchUp waits until all commit records there are now have been told.
func (f *Follower) CatchUp(ctx context.Context) error {
	last, err := f.ends(ctx)
	if err != nil {
		return err
	}
	for p, seq := range last {
		for f.seen[p].Load() < seq {
			if err := f.Err(); err != nil {
				return err
			}
			select {
			case <-time.After(200 * time.Microsecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return f.Err()
}

// Err returns what ended the reading of a partition early.
func (f *Follower) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Close ends the follower and waits until it has.
func (f *Follower) Close() {
	f.stop()
	f.tasks.Wait()
}
