package worker

import (
	"fmt"
	"slices"

	"onhand/processor"
)

// History is what the commit records of a partition say, as far as opening it
// needs to know. The zero value is the history of a partition that never
// committed.
type History struct {
	last   processor.CommitRecord // without its outputs
	seq    uint64
	points []point
	skips  []processor.Skip
	turns  []turn
}

// turn is where a partition was rewound to: outputs from this number on were said
// in that incarnation, or a later one.
type turn struct{ outputs, incarnation uint64 }

// point is where a commit record ends, and the step and hash there.
type point struct{ position, step, hash uint64 }

// Add takes the next commit record and its sequence in the log. Records of the
// time before the state's position may be left out; the last may not.
func (h *History) Add(seq uint64, data []byte) error {
	c, err := processor.ParseCommit(data)
	if err != nil {
		return fmt.Errorf("worker: commit record %d: %w", seq, err)
	}
	if h.seq == 0 || c.Incarnation > h.last.Incarnation {
		h.rewind(&c)
	}
	if c.Position < h.last.Position || c.Epoch < h.last.Epoch || seq <= h.seq {
		return fmt.Errorf("worker: commit record %d (epoch %d, position %d) goes back behind record %d (epoch %d, position %d)",
			seq, c.Epoch, c.Position, h.seq, h.last.Epoch, h.last.Position)
	}
	if n := len(h.points); c.Position > 0 && (n == 0 || h.points[n-1].position < c.Position) {
		h.points = append(h.points, point{c.Position, c.Step, c.Hash})
	}
	h.skips = append(h.skips, c.Skips...)
	c.First, c.Count, c.Outputs = c.First+uint64(c.Count), 0, nil
	h.last, h.seq = c, seq
	return nil
}

// Within checks that the log of a partition, which ends at a sequence, holds all
// that was committed. Whoever replays one that does not would wait at its end in
// silence, or take for decided what comes next. It returns a ShortLogError.
func (h *History) Within(part int, end uint64) error {
	if end < h.last.Position {
		return &ShortLogError{part, end, h.last.Position}
	}
	return nil
}

// rewind takes back what was committed behind a record of a new incarnation.
func (h *History) rewind(c *processor.CommitRecord) {
	h.points = slices.DeleteFunc(h.points, func(x point) bool { return x.position > c.Position })
	h.skips = slices.DeleteFunc(h.skips, func(x processor.Skip) bool { return x.Position > c.Position })
	h.last.Position = min(h.last.Position, c.Position)
	h.turns = append(h.turns, turn{c.First, c.Incarnation})
}

// incarnationOf returns the incarnation in which an output was said.
func incarnationOf(turns []turn, output uint64) (incarnation uint64) {
	for _, x := range turns {
		if output >= x.outputs {
			incarnation = max(incarnation, x.incarnation)
		}
	}
	return incarnation
}

// Position returns the position that is committed.
func (h *History) Position() uint64 { return h.last.Position }

// Fence returns the commit record by which a new owner takes over from the
// last one: empty, and of the next epoch. last is the last commit record, nil
// when there is none. The new owner commits it expecting the sequence of last,
// and is the owner when that is confirmed by an acknowledgement of its own;
// after any other answer it reads the last record again and makes a new fence.
func Fence(last []byte) ([]byte, error) {
	var h History
	if last != nil {
		if err := h.Add(1, last); err != nil {
			return nil, err
		}
	}
	h.skips = nil // they are named already
	return h.seed(), nil
}

// seed returns a commit record that says what all of them say together, but for
// their outputs, and is of the next epoch.
func (h *History) seed() []byte {
	c := h.last
	c.Epoch++
	c.Skips = h.skips
	return c.Append(nil)
}
