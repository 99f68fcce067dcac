package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"onhand/processor"
)

// Ask runs f on a partition's state between two steps, and waits for it. f must
// be quick, change nothing and keep nothing that it points at. The error is
// ErrNotOwned when the partition runs elsewhere; see Status for where.
func (w *Worker) Ask(ctx context.Context, partition int, f func(*processor.Machine)) error {
	ran := false
	err := w.ask(ctx, partition, func(p *Partition) {
		if m := p.Machine(); m != nil {
			ran = true
			f(m)
		}
	})
	if err == nil && !ran {
		return fmt.Errorf("%w (partition %d is opening)", ErrNotOwned, partition)
	}
	return err
}

func (w *Worker) ask(ctx context.Context, partition int, f func(*Partition)) error {
	w.mu.Lock()
	l, why := w.loops[partition], w.failed[partition]
	w.mu.Unlock()
	if l == nil || l.standby.Load() {
		return errors.Join(fmt.Errorf("%w (partition %d)", ErrNotOwned, partition), why)
	}
	return l.ask(ctx, f)
}

// ReadOptions says how fresh a read must be.
type ReadOptions struct {
	// Standby allows an answer of a standby that runs here, which may be a
	// moment behind the owner.
	Standby bool
	// Position is the record of the partition's log that must have been applied;
	// 0 = any. Read waits for it, two seconds at most.
	Position uint64
	// End asks for everything that is in the partition's log at the time of the
	// call: whoever was told that an event is stored reads what came of it.
	End bool
}

// Reading says what a read has seen.
type Reading struct {
	Standby  bool          // a standby answered
	Position uint64        // last record applied
	Age      time.Duration // since when there may be more; 0 = there was no more
}

// BehindError means that a partition has not applied the record that a read
// asked for.
type BehindError struct {
	Partition      int
	Position, Want uint64
}

func (e *BehindError) Error() string {
	return fmt.Sprintf("worker: partition %d has applied record %d of its log, not yet %d: read again in a moment", e.Partition, e.Position, e.Want)
}

const (
	readWait = 2 * time.Second
	readLook = 2 * time.Millisecond
)

// Read is Ask that says how fresh the answer is, and waits until it is fresh
// enough. The error is *BehindError when that takes too long.
func (w *Worker) Read(ctx context.Context, partition int, o ReadOptions, f func(*processor.Machine)) (Reading, error) {
	w.mu.Lock()
	l, why := w.loops[partition], w.failed[partition]
	w.mu.Unlock()
	if l == nil || l.standby.Load() && !o.Standby {
		return Reading{}, errors.Join(fmt.Errorf("%w (partition %d)", ErrNotOwned, partition), why)
	}
	want := o.Position
	if o.End {
		_, last, err := w.log.Bounds(ctx, partition)
		if err != nil {
			return Reading{}, err
		}
		want = max(want, last)
	}
	for end := time.Now().Add(readWait); ; {
		var x Reading
		opening := true
		err := l.ask(ctx, func(p *Partition) {
			m := p.Machine()
			if opening = m == nil; opening {
				return
			}
			if x = l.reading(m); x.Position >= want {
				f(m)
			}
		})
		switch {
		case err != nil:
			return x, err
		case opening:
			return x, fmt.Errorf("%w (partition %d is opening)", ErrNotOwned, partition)
		case x.Position >= want:
			return x, nil
		case time.Now().After(end):
			return x, &BehindError{partition, x.Position, want}
		}
		select {
		case <-time.After(readLook):
		case <-ctx.Done():
			return x, ctx.Err()
		}
	}
}

// reading says how fresh the state is, between two steps.
func (l *loop) reading(m *processor.Machine) Reading {
	x := Reading{Standby: l.p.Following(), Position: m.Shop().Position}
	now := time.Now()
	switch {
	case x.Standby && (l.reader.Waiting() > 0 || !l.p.Level()):
		x.Age = now.Sub(time.UnixMilli(l.p.commit.at))
	case !x.Standby && (!l.caughtUp || l.reader.Waiting() > 0):
		x.Age = now.Sub(time.UnixMilli(l.stamp))
	}
	if l.w.member != nil && !l.w.member.Alive() { // nor would anything new be heard
		x.Age = max(x.Age, l.w.member.Silence())
	}
	return x
}

// Place returns the owner of a partition and its standby, as far as this worker
// knows; "" = none.
func (w *Worker) Place(partition int) (owner, standby string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if partition >= len(w.seats) {
		return "", ""
	}
	return w.seats[partition].Owner, w.seats[partition].Standby
}
