package whatif

import (
	"context"
	"errors"
	"fmt"

	"onhand/processor"
	"onhand/processor/jetstream"
)

// commits reads the commit records of a partition beside its log: what was
// decided in truth, which steps were passed over, and what the state was.
type commits struct {
	part     int
	reader   *jetstream.Reader
	seq      uint64 // of the record read last
	last     uint64 // nothing is read beyond
	position uint64 // that the records read so far cover
	whole    bool   // none is missing since the position that was asked for
	rewinds  jetstream.Rewinds
	skipped  map[uint64]bool
	points   []processor.CommitRecord // read and not yet compared, without outputs
	latest   processor.CommitRecord
}

// commitsSince opens the commit records behind a position of the log.
func commitsSince(ctx context.Context, past *jetstream.Past, part int, position uint64) (*commits, error) {
	first, last, err := past.CommitBounds(ctx, part)
	if err != nil {
		return nil, err
	}
	rewinds, err := past.Rewinds(ctx, part)
	if err != nil {
		return nil, err
	}
	k := &commits{part: part, last: last, whole: true, skipped: map[uint64]bool{}, rewinds: rewinds}
	if first > last {
		return k, nil
	}
	// What was taken back stands as far as the log was rewound.
	at := func(seq uint64) (uint64, error) {
		m, err := past.CommitAt(ctx, part, seq)
		if errors.Is(err, jetstream.ErrNotFound) {
			return 0, nil // dropped meanwhile
		}
		if err != nil {
			return 0, err
		}
		c, err := processor.ParseCommit(m.Data)
		return rewinds.Stands(seq, c.Position), err
	}
	oldest, err := at(first)
	if err != nil {
		return nil, err
	}
	k.whole = first <= 1 || oldest <= position
	low, high := first, last+1
	for low < high {
		middle := low + (high-low)/2
		p, err := at(middle)
		if err != nil {
			return nil, err
		}
		if p > position {
			high = middle
		} else {
			low = middle + 1
		}
	}
	if low > last {
		k.seq = last
		return k, nil
	}
	k.seq = low - 1
	k.reader, err = past.ReadCommits(part, low)
	return k, err
}

// reach reads on until a position is covered, or nothing covers it yet, and
// calls fn for each record.
func (k *commits) reach(ctx context.Context, position uint64, fn func(*processor.CommitRecord) error) error {
	for k.position < position && k.seq < k.last && k.reader != nil {
		m, err := k.reader.Next(ctx)
		if err != nil {
			return fmt.Errorf("whatif: commit records of partition %d: %w", k.part, err)
		}
		c, err := processor.ParseCommit(m.Data)
		if err != nil {
			return err
		}
		if k.seq = m.Seq; k.rewinds.TookBack(m.Seq, &c) {
			continue
		}
		k.position = c.Position
		for _, s := range c.Skips {
			k.skipped[s.Position] = true
		}
		if err := fn(&c); err != nil {
			return err
		}
		k.latest = c
		c.Outputs = nil
		k.points = append(k.points, c)
	}
	return nil
}

// differs reports whether the state a replay has come to is another one than
// was committed for that position.
func (k *commits) differs(s *processor.Shop) bool {
	n, differs := 0, false
	for ; n < len(k.points) && k.points[n].Position <= s.Position; n++ {
		c := &k.points[n]
		differs = differs || c.Position == s.Position && (c.Step != s.Step || c.Hash != s.Hash)
	}
	k.points = append(k.points[:0], k.points[n:]...)
	return differs
}

func (k *commits) close() {
	if k.reader != nil {
		k.reader.Stop()
	}
}
