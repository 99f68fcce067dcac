package scenario

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"onhand/processor"
)

// store is a partition's database in memory. A write-behind into it is seen at
// once, which is enough: the cluster runs one to its end before it goes on.
type store struct {
	mark   []byte
	values map[place][]byte
	timers map[timer]bool
	seen   map[uint64]uint32 // message id -> latest hour
}

type place struct {
	kind uint8
	hash uint64
}

type timer struct {
	due int64
	place
}

func newStore() *store {
	return &store{values: map[place][]byte{}, timers: map[timer]bool{}, seen: map[uint64]uint32{}}
}

// Mark implements processor.Store.
func (s *store) Mark() ([]byte, error) { return s.mark, nil }

// Get implements processor.Store.
func (s *store) Get(kind uint8, hash uint64, dst []byte) ([]byte, bool, error) {
	v, ok := s.values[place{kind, hash}]
	return append(dst, v...), ok, nil
}

// Timers implements processor.Store.
func (s *store) Timers(fn func(due int64, kind uint8, hash uint64) error) error {
	all := slices.SortedFunc(maps.Keys(s.timers), func(a, b timer) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.kind, b.kind), cmp.Compare(a.hash, b.hash))
	})
	for _, t := range all {
		if err := fn(t.due, t.kind, t.hash); err != nil {
			return err
		}
	}
	return nil
}

// Seen implements processor.Store.
func (s *store) Seen(id uint64, sinceHour uint32) (bool, error) {
	hour, ok := s.seen[id]
	return ok && hour >= sinceHour, nil
}

// Scan implements processor.Store.
func (s *store) Scan(kind uint8, fn func(hash uint64, value []byte) error) error {
	var hashes []uint64
	for p := range s.values {
		if p.kind == kind {
			hashes = append(hashes, p.hash)
		}
	}
	slices.Sort(hashes)
	for _, h := range hashes {
		if err := fn(h, s.values[place{kind, h}]); err != nil {
			return err
		}
	}
	return nil
}

// Set implements processor.Writer.
func (s *store) Set(kind uint8, hash uint64, value []byte) {
	s.values[place{kind, hash}] = slices.Clone(value)
}

// Delete implements processor.Writer.
func (s *store) Delete(kind uint8, hash uint64) { delete(s.values, place{kind, hash}) }

// FiredUpTo implements processor.Writer.
func (s *store) FiredUpTo(int64) {}

// SetTimer implements processor.Writer.
func (s *store) SetTimer(due int64, kind uint8, hash uint64) {
	s.timers[timer{due, place{kind, hash}}] = true
}

// DeleteTimer implements processor.Writer.
func (s *store) DeleteTimer(due int64, kind uint8, hash uint64) {
	delete(s.timers, timer{due, place{kind, hash}})
}

// AddSeen implements processor.Writer.
func (s *store) AddSeen(hour uint32, ids []uint64) {
	for _, id := range ids {
		s.seen[id] = max(s.seen[id], hour)
	}
}

// DropSeen implements processor.Writer.
func (s *store) DropSeen(beforeHour uint32) {
	maps.DeleteFunc(s.seen, func(_ uint64, hour uint32) bool { return hour < beforeHour })
}

// flush makes everything the machine holds durable.
func (s *store) flush(m *processor.Machine) {
	mark := m.BeginFlush(s)
	m.FlushSome(math.MaxInt)
	s.mark = mark
	m.FlushDone()
}
