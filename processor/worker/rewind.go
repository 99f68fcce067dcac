package worker

import (
	"context"
	"errors"
	"fmt"
	"math"

	"onhand/processor"
	"onhand/processor/jetstream"
)

// A log that has lost messages it had acknowledged stops its partition: what was
// decided of them cannot be replayed. To rewind the partition is to go on from
// what the log has left:
//
//	out.3   ... position 90, 95, 99 | position 95, incarnation 1 | 97, 102 ...
//	            taken back: 99        the record that rewinds      goes on
//
// The record stands at the last commit whose part of the log is there. A state
// from behind it is of no use, on no disk and in no checkpoint: the partition
// begins with a checkpoint from before, or with its log, and replays silently up
// to the record. From there on it decides anew.
//
// The other partitions have heard what is taken back, and keep what they made of
// it. Messages are numbered on from the record, so numbers come twice: they are
// told apart by the incarnation. What the log has lost of the others' messages the
// partition asks them for.

// Rewinding is what came of rewinding a partition.
type Rewinding struct {
	Partition   int    `json:"partition"`
	Position    uint64 `json:"position"`    // the last record of the log that holds as it was decided
	Last        uint64 `json:"last"`        // the last record of the log: those in between are decided anew
	Committed   uint64 `json:"committed"`   // the position that was committed
	TakenBack   uint64 `json:"taken_back"`  // commit records
	Incarnation uint64 `json:"incarnation"` // of the partition from now on
}

// Rewind makes a partition that has stopped, as its log went back, go on from what
// the log has left. before is a record that is not what it was, and with it all
// behind it; 0 means that the stamps say which ones are. Other workers have to
// call TryAgain. Nothing is changed when it returns an error.
func (w *Worker) Rewind(ctx context.Context, part int, before uint64) (*Rewinding, error) {
	if part < 0 || part >= w.log.Partitions() {
		return nil, fmt.Errorf("worker: there is no partition %d", part)
	}
	w.mu.Lock()
	runs := w.loops[part] != nil && !w.loops[part].standby.Load() || part < len(w.seats) && w.seats[part].holder != ""
	w.mu.Unlock()
	if runs {
		return nil, fmt.Errorf("%w (partition %d)", ErrRuns, part)
	}
	first, last, err := w.log.Bounds(ctx, part)
	if err != nil {
		return nil, err
	}
	if before == 0 {
		before = math.MaxUint64
	}
	top, data, err := w.log.LastCommit(ctx, part)
	if err != nil {
		return nil, err
	}
	newest, err := processor.ParseCommit(data)
	if err != nil {
		return nil, err
	}
	rewinds, err := w.log.Rewinds(ctx, part) // the earlier ones
	if err != nil {
		return nil, err
	}
	seq, c, err := lastThatHolds(ctx, w.log, part, rewinds, top, min(last, before-1))
	if err != nil {
		return nil, err
	}
	if err := w.canBeHad(ctx, part, rewinds, first, c.Position); err != nil {
		return nil, err
	}
	record := processor.AppendRecordEntry(processor.AppendRecordHeader(nil, w.cfg.Clock().UnixMilli()),
		processor.AppendControl(nil, &processor.Control{Type: processor.Rewound}))
	if last, err = w.log.Append(ctx, part, record); err != nil {
		return nil, err
	}
	r := c
	r.Epoch, r.Incarnation = newest.Epoch+1, newest.Incarnation+1
	r.First, r.Count, r.Outputs, r.Skips = c.First+uint64(c.Count), 0, nil, nil
	if _, err := w.log.Commit(ctx, part, r.Append(nil), top); err != nil {
		return nil, err
	}
	w.cfg.Logger.Warn("partition rewound", "partition", part, "to", c.Position, "committed", newest.Position, "log ends at", last, "incarnation", r.Incarnation)
	w.TryAgain(part)
	return &Rewinding{part, c.Position, last, newest.Position, top - seq, r.Incarnation}, nil
}

// TryAgain makes this worker run a partition again that has stopped here.
func (w *Worker) TryAgain(part int) {
	w.mu.Lock()
	delete(w.failed, part)
	w.mu.Unlock()
	w.lookAgain()
}

// lastThatHolds returns the last commit record, up to sequence top, whose part of
// the log is what it was when it was written, and ends at upTo at most.
func lastThatHolds(ctx context.Context, log *jetstream.Log, part int, rewinds jetstream.Rewinds, top, upTo uint64) (seq uint64, c processor.CommitRecord, err error) {
	none := fmt.Errorf("worker: partition %d: no commit record that is kept is of what the log has left: restore a backup (onhand restore)", part)
	low, high := uint64(0), top+1 // high does not hold
	for step := uint64(1); low == 0; step *= 2 {
		if high == 1 {
			return 0, c, none
		}
		middle := max(1, high-min(step, high-1))
		ok, err := holds(ctx, log, part, rewinds, middle, upTo)
		switch {
		case errors.Is(err, jetstream.ErrNotFound):
			return 0, c, none
		case err != nil:
			return 0, c, err
		case ok:
			low = middle
		default:
			high = middle
		}
	}
	for low+1 < high {
		middle := low + (high-low)/2
		ok, err := holds(ctx, log, part, rewinds, middle, upTo)
		switch {
		case err != nil:
			return 0, c, err
		case ok:
			low = middle
		default:
			high = middle
		}
	}
	if low < top { // of what is taken back a part may be committed behind it
		low, _, c, err = firstAt(ctx, log, part, low)
		return low, c, err
	}
	m, err := log.CommitAt(ctx, part, low)
	if err == nil {
		c, err = processor.ParseCommit(m.Data)
	}
	return low, c, err
}

// holds reports whether the log is what it was when a commit record was written:
// what has come since is not what was decided. One that was taken back holds as far
// as the partition was rewound, so that none does behind one that does not.
func holds(ctx context.Context, log *jetstream.Log, part int, rewinds jetstream.Rewinds, seq, upTo uint64) (bool, error) {
	_, stamp, c, err := firstAt(ctx, log, part, seq)
	position := rewinds.Stands(seq, c.Position)
	if err != nil || position > upTo || position == 0 {
		return err == nil && position == 0, err
	}
	r, err := log.RecordAt(ctx, part, position)
	if errors.Is(err, jetstream.ErrNotFound) { // trimmed
		return true, nil
	}
	return err == nil && r.Stamp <= stamp, err
}

// firstAt returns the commit record that came first to the position at which the
// one with a sequence stands, and its stamp. Those that follow are fences, or hold
// a part of what comes at the next position.
func firstAt(ctx context.Context, log *jetstream.Log, part int, seq uint64) (first uint64, stamp int64, c processor.CommitRecord, err error) {
	for ; seq > 0; seq-- {
		m, err := log.CommitAt(ctx, part, seq)
		if errors.Is(err, jetstream.ErrNotFound) && first > 0 {
			break // trimmed
		}
		if err != nil {
			return 0, 0, c, err
		}
		before, err := processor.ParseCommit(m.Data)
		if err != nil {
			return 0, 0, c, err
		}
		if first > 0 && before.Position != c.Position {
			break
		}
		first, stamp, c = seq, m.Stamp, before
	}
	return first, stamp, c, nil
}

// canBeHad returns an error when there is neither a checkpoint at or before a
// position nor all of the log up to there.
func (w *Worker) canBeHad(ctx context.Context, part int, rewinds jetstream.Rewinds, first, position uint64) error {
	if ok, err := commitsSince(ctx, w.log, part, 0); first <= 1 && ok || err != nil {
		return err
	}
	if w.cfg.Checkpoints != nil {
		all, err := newRepository(w, part).Disregard(rewinds.Lost).List(ctx)
		if err != nil {
			return err
		}
		for _, m := range all {
			ok, err := commitsSince(ctx, w.log, part, m.Position)
			if err != nil {
				return err
			}
			if ok && m.Position <= position && m.Position+1 >= first {
				return nil
			}
		}
	}
	return fmt.Errorf("worker: partition %d: there is no checkpoint from record %d to %d, where the log begins and where it is what it was: restore a backup (onhand restore)", part, first-1, position)
}
