package jetstream

import (
	"context"
	"errors"

	"onhand/processor"
)

// Rewind is where a partition was rewound on purpose, as its log had lost
// records: what the owners before Epoch made of records behind Position was
// taken back.
type Rewind struct {
	Seq      uint64 // of the commit record that rewinds
	Epoch    uint64
	Position uint64
	Outputs  uint64 // number of the next output from there on

	Incarnation uint64 // of the partition from there on
}

// Rewinds are those of one partition, the last one first.
type Rewinds []Rewind

// Lost reports whether a state at a position, made by an owner of an epoch, holds
// what was taken back since.
func (x Rewinds) Lost(epoch, position uint64) bool {
	for _, r := range x {
		if epoch < r.Epoch && position > r.Position {
			return true
		}
	}
	return false
}

// TookBack reports whether the commit record with a sequence, or a part of it,
// was taken back.
func (x Rewinds) TookBack(seq uint64, c *processor.CommitRecord) bool {
	for _, r := range x {
		if seq < r.Seq && (c.Position > r.Position || c.First+uint64(c.Count) > r.Outputs) {
			return true
		}
	}
	return false
}

// Stands returns up to which position a commit record with a sequence still
// stands. It grows with the sequence.
func (x Rewinds) Stands(seq, position uint64) uint64 {
	for _, r := range x {
		if seq < r.Seq {
			position = min(position, r.Position)
		}
	}
	return position
}

// Incarnation returns that in which the partition says what it says behind a
// position.
func (x Rewinds) Incarnation(position uint64) (incarnation uint64) {
	for _, r := range x {
		if position >= r.Position {
			incarnation = max(incarnation, r.Incarnation)
		}
	}
	return incarnation
}

// Rewinds returns where a partition was rewound, as far as its commit records are
// kept: the oldest one that is there stands for those before. It takes one look
// at a partition that never was.
func (l *Log) Rewinds(ctx context.Context, p int) (all Rewinds, err error) {
	_, data, err := l.LastCommit(ctx, p)
	if err != nil || data == nil {
		return nil, err
	}
	last, err := processor.ParseCommit(data)
	if err != nil || last.Incarnation == 0 {
		return nil, err
	}
	low, high, err := l.CommitBounds(ctx, p)
	if err != nil {
		return nil, err
	}
	for k := last.Incarnation; k > 0 && high >= low; k-- {
		r, err := l.firstOf(ctx, p, low, high, k)
		if err != nil || r.Seq == 0 {
			return all, err
		}
		all = append(all, r)
		high = r.Seq - 1
	}
	return all, nil
}

// firstOf returns the first commit record, from low to high, of an incarnation or
// a later one; the zero value when there is none.
func (l *Log) firstOf(ctx context.Context, p int, low, high, incarnation uint64) (r Rewind, err error) {
	for low <= high {
		middle := low + (high-low)/2
		m, err := l.CommitAt(ctx, p, middle)
		if errors.Is(err, ErrNotFound) {
			low = middle + 1 // trimmed meanwhile
			continue
		}
		if err != nil {
			return r, err
		}
		c, err := processor.ParseCommit(m.Data)
		if err != nil {
			return r, err
		}
		if c.Incarnation < incarnation {
			low = middle + 1
			continue
		}
		r = Rewind{middle, c.Epoch, c.Position, c.First, c.Incarnation}
		high = middle - 1
	}
	return r, nil
}
