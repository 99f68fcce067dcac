package worker

import (
	"context"
	"errors"
	"fmt"

	"onhand/processor"
	"onhand/processor/jetstream"
)

// claim takes a partition over: it puts a fence behind the last commit record,
// so that no commit of an earlier owner can follow, and reads what was
// committed since the position of the state.
func claim(ctx context.Context, log *jetstream.Log, part int, store Store) (*History, error) {
	state, err := positionOf(store, part, log.Partitions())
	if err != nil {
		return nil, err
	}
	seq, err := fence(ctx, log, part)
	if err != nil {
		return nil, err
	}
	return historySince(ctx, log, part, state, seq)
}

// fence puts a fence behind the last commit record and returns its sequence.
// Only an acknowledgement of a fence of its own makes this process the owner:
// the bytes of another's may be equal.
func fence(ctx context.Context, log *jetstream.Log, part int) (uint64, error) {
	for {
		last, data, err := log.LastCommit(ctx, part)
		if err != nil {
			return 0, err
		}
		record, err := Fence(data)
		if err != nil {
			return 0, err
		}
		if seq, err := putFence(ctx, log, part, record, last); seq > 0 || err != nil {
			return seq, err
		}
	}
}

// putFence commits a fence and returns its sequence; 0 when it was refused, or
// its fate is not known.
func putFence(ctx context.Context, log *jetstream.Log, part int, record []byte, last uint64) (uint64, error) {
	seq, err := log.Commit(ctx, part, record, last)
	var fenced *jetstream.FencedError
	switch {
	case err == nil && ctx.Err() == nil:
		return seq, nil
	case ctx.Err() != nil || !errors.As(err, &fenced) && !errors.Is(err, jetstream.ErrUnknown):
		return 0, errors.Join(err, ctx.Err())
	}
	return 0, nil
}

// sameLog compares the last record that the state has applied with the log. A
// record that was trimmed cannot be compared; one that the log has not reached
// is noticed by whoever reads on.
func sameLog(ctx context.Context, log *jetstream.Log, part int, s *processor.Shop) error {
	if s.Position == 0 {
		return nil
	}
	m, err := log.RecordAt(ctx, part, s.Position)
	if errors.Is(err, jetstream.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return SameRecord(part, s, m.Stamp, m.Data)
}

// SameRecord compares the last record that a state has applied with the one
// that the log has at its position: the server's stamp and the bytes. It returns
// an OtherLogError when they are two.
func SameRecord(part int, s *processor.Shop, stamp int64, data []byte) error {
	d := &s.Deployment
	if hash := processor.RecordHash(data); stamp != d.Stamp || hash != d.Record {
		return &OtherLogError{part, s.Position, stamp, d.Stamp, hash, d.Record}
	}
	return nil
}

// soFar reads what was committed since the position of the state, without
// taking the partition over.
func soFar(ctx context.Context, log *jetstream.Log, part int, store Store) (*History, error) {
	state, err := positionOf(store, part, log.Partitions())
	if err != nil {
		return nil, err
	}
	last, _, err := log.LastCommit(ctx, part)
	if err != nil || last == 0 {
		return &History{}, err
	}
	return historySince(ctx, log, part, state, last)
}

func historySince(ctx context.Context, log *jetstream.Log, part int, state, last uint64) (*History, error) {
	from, err := firstAfter(ctx, log, part, last, state)
	if err != nil {
		return nil, err
	}
	h, err := readHistory(ctx, log, part, from, last)
	if err != nil {
		return nil, err
	}
	_, end, err := log.Bounds(ctx, part)
	if err != nil {
		return nil, err
	}
	return h, h.Within(part, end)
}

// markOnly is a store without its timers, to look at the mark cheaply.
type markOnly struct{ Store }

func (markOnly) Timers(func(due int64, kind uint8, hash uint64) error) error { return nil }

func positionOf(store Store, part, partitions int) (uint64, error) {
	s, err := shopOf(store, part, partitions)
	if err != nil {
		return 0, err
	}
	return s.Position, nil
}

// shopOf returns what a store says of the partition as a whole.
func shopOf(store Store, part, partitions int) (*processor.Shop, error) {
	m, err := processor.NewMachine(processor.Config{Partition: part, Partitions: partitions}, markOnly{store})
	if err != nil {
		return nil, err
	}
	return m.Shop(), nil
}

// firstAfter returns the sequence of a commit record from which on all records
// together say what was committed after a position. Most restarts need the last
// few, so it looks back in growing steps.
func firstAfter(ctx context.Context, log *jetstream.Log, part int, last, position uint64) (uint64, error) {
	covered := func(seq uint64) (bool, error) {
		m, err := log.CommitAt(ctx, part, seq)
		if errors.Is(err, jetstream.ErrNotFound) {
			return true, nil // trimmed: older than anything that is needed
		}
		if err != nil {
			return false, err
		}
		c, err := processor.ParseCommit(m.Data)
		return c.Position <= position, err
	}
	low, high := uint64(0), last // low is covered, high is not or is the last
	for step := uint64(1); high > low+1; step *= 2 {
		at := max(low+1, high-min(step, high-low-1))
		ok, err := covered(at)
		if err != nil {
			return 0, err
		}
		if ok {
			low = at
			break
		}
		high = at
	}
	for high > low+1 {
		at := low + (high-low)/2
		ok, err := covered(at)
		if err != nil {
			return 0, err
		}
		if ok {
			low = at
		} else {
			high = at
		}
	}
	// The covered record itself may end at the position: its hash is compared.
	if _, err := log.CommitAt(ctx, part, low); low > 0 && err == nil {
		return low, nil
	}
	return high, nil
}

func readHistory(ctx context.Context, log *jetstream.Log, part int, from, to uint64) (*History, error) {
	r, err := log.ReadCommits(part, from)
	if err != nil {
		return nil, err
	}
	defer r.Stop()
	h := &History{}
	for h.seq < to {
		m, err := r.Next(ctx)
		if err != nil {
			return nil, fmt.Errorf("worker: partition %d: reading commit records: %w", part, err)
		}
		if err := h.Add(m.Seq, m.Data); err != nil {
			return nil, err
		}
	}
	return h, nil
}
