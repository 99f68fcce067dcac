package worker

import (
	"context"
	"errors"
	"time"

	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/state/checkpoint"
)

// What nobody needs any more is dropped after each checkpoint: of the log when
// it fills more than half of its room, of the commit records when they are
// older than is wanted.
//
// Commit records are needed by who goes on from a state (what was passed over,
// what is muted), and by a partition that was rewound to a checkpoint of its own
// and asks for messages that its log has lost. So they stay until every
// partition's oldest checkpoint is of a time at which all messages in them were
// in the receivers' logs.

// settled is a place in the commit records: all messages of records up to
// position were in the receivers' logs before the record behind seq was written.
type settled struct{ position, seq uint64 }

const (
	maxSettled  = 256              // of them; in between some are forgotten then
	trimMargin  = 10 * time.Minute // the clocks of servers are that far apart, at most
	unknownKept = 0
)

// trim drops what is not needed once a checkpoint is saved.
func (w *Worker) trim(ctx context.Context, l *loop, r *checkpoint.Report) {
	peers := peersOf(w.member.Workers())
	floor := trimFloor(l.part, min(r.Floor, l.flushed.Load()), peers)
	used, limit, err := w.log.Fill(ctx, l.part)
	if err == nil && limit > 0 && used > limit/2 {
		err = w.log.Trim(ctx, l.part, floor+1)
	}
	if err == nil {
		err = w.trimCommits(ctx, l, r, floor, keptByAll(peers, l.part, r.FloorTime, w.log.Partitions()))
	}
	if err != nil && ctx.Err() == nil {
		l.log.Warn("the log is not trimmed", "error", err)
	}
}

// trimFloor returns up to where the log of a partition may be dropped: what a
// checkpoint does not cover (they reach to floor), or what the state of its
// owner or of a standby does not, would be read again. A worker that is away is
// not waited for: it comes back by a checkpoint.
func trimFloor(part int, floor uint64, peers []peer) uint64 {
	for _, p := range peers {
		for _, s := range p.Stands {
			if s.Partition == part && s.Role != fails {
				floor = min(floor, s.Saved)
			}
		}
	}
	return floor
}

// keptByAll returns the least log time of the oldest checkpoints of all
// partitions, mine being that of this one; unknownKept when a partition's is
// not known.
func keptByAll(peers []peer, part int, mine int64, partitions int) int64 {
	kept := make([]int64, partitions)
	kept[part] = mine
	for _, p := range peers {
		for _, s := range p.Stands {
			if s.Role == owns && s.Partition != part && s.Partition >= 0 && s.Partition < partitions && s.Kept != unknownKept {
				if kept[s.Partition] == unknownKept || s.Kept < kept[s.Partition] {
					kept[s.Partition] = s.Kept
				}
			}
		}
	}
	least := mine
	for _, at := range kept {
		least = min(least, at) // unknownKept is the least of all
	}
	return least
}

// trimCommits drops commit records up to floor that are older than is wanted and
// whose messages every checkpoint has heard, kept being the log time of the
// oldest one. It is called by one goroutine at a time.
func (w *Worker) trimCommits(ctx context.Context, l *loop, r *checkpoint.Report, floor uint64, kept int64) error {
	wanted := w.cfg.Checkpoints.Decisions
	if wanted == 0 {
		return nil
	}
	first, last, err := w.log.CommitBounds(ctx, l.part)
	if err != nil {
		return err
	}
	k := &l.keeper
	if len(k.settled) == maxSettled {
		half := k.settled[:0]
		for i := 0; i < maxSettled; i += 2 {
			half = append(half, k.settled[i])
		}
		k.settled = half
	}
	// What a write-behind has saved was in the receivers' logs before.
	k.settled = append(k.settled, settled{r.Manifest.Position, last})
	if kept == unknownKept {
		return nil
	}
	heard := uint64(0)
	for i, s := range k.settled {
		m, err := w.log.CommitAt(ctx, l.part, s.seq+1)
		if errors.Is(err, jetstream.ErrNotFound) {
			break // not written yet
		}
		if err != nil {
			return err
		}
		if m.Stamp >= kept-w.cfg.Checkpoints.margin.Milliseconds() {
			k.settled = k.settled[max(0, i-1):]
			break
		}
		heard = s.position
	}
	if floor = min(floor, heard); floor == 0 {
		return nil
	}
	below, err := firstAfter(ctx, w.log, l.part, last, floor)
	if err != nil {
		return err
	}
	below, err = firstSince(ctx, w.log, l.part, first, below, time.Now().Add(-wanted).UnixMilli())
	if err != nil || below <= first {
		return err
	}
	l.log.Info("commit records are dropped", "below", below, "were", below-first)
	return w.log.TrimCommits(ctx, l.part, below)
}

// firstSince returns the first commit record from low on, below high, that was
// written at a time or later; high when none was.
func firstSince(ctx context.Context, log *jetstream.Log, part int, low, high uint64, at int64) (uint64, error) {
	for low < high {
		middle := low + (high-low)/2
		m, err := log.CommitAt(ctx, part, middle)
		switch {
		case errors.Is(err, jetstream.ErrNotFound):
			low = middle + 1
		case err != nil:
			return 0, err
		case m.Stamp < at:
			low = middle + 1
		default:
			high = middle
		}
	}
	return high, nil
}

// commitsSince reports whether the commit records behind a position of the log
// are all there.
func commitsSince(ctx context.Context, log *jetstream.Log, part int, position uint64) (bool, error) {
	return commitsBehind(position,
		func() (uint64, uint64, error) { return log.CommitBounds(ctx, part) },
		func(seq uint64) (jetstream.Message, error) { return log.CommitAt(ctx, part, seq) })
}

// commitsBehind is commitsSince of a log that is asked by two questions, between
// which records may be dropped.
func commitsBehind(position uint64, bounds func() (first, last uint64, err error), at func(seq uint64) (jetstream.Message, error)) (bool, error) {
	for before := uint64(0); ; {
		first, last, err := bounds()
		if err != nil || first <= 1 || first > last {
			return true, err
		}
		m, err := at(first)
		if errors.Is(err, jetstream.ErrNotFound) && first != before {
			before = first // dropped meanwhile, and the next is the first now
			continue
		}
		if err != nil {
			return false, err
		}
		c, err := processor.ParseCommit(m.Data)
		return c.Position <= position, err
	}
}
