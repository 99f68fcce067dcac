package processor

import (
	"slices"
)

// memStore is a Store and Writer in memory, with what one write-behind sets
// becoming visible at once.
type memStore struct {
	mark   []byte
	values [entityKinds]map[uint64][]byte
	timers map[wake]bool
	seen   map[uint64]uint32
	fired  int64
}

func newMemStore() *memStore {
	s := &memStore{timers: map[wake]bool{}, seen: map[uint64]uint32{}}
	for k := range s.values {
		s.values[k] = map[uint64][]byte{}
	}
	return s
}

func (s *memStore) Mark() ([]byte, error) { return s.mark, nil }

func (s *memStore) Get(kind uint8, hash uint64, dst []byte) ([]byte, bool, error) {
	v, ok := s.values[kind][hash]
	return append(dst, v...), ok, nil
}

func (s *memStore) Timers(fn func(due int64, kind uint8, hash uint64) error) error {
	var all []wake
	for w := range s.timers {
		if w.due >= s.fired {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b wake) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	for _, w := range all {
		if err := fn(w.due, uint8(w.kind), w.hash); err != nil {
			return err
		}
	}
	return nil
}

func (s *memStore) Seen(id uint64, since uint32) (bool, error) {
	h, ok := s.seen[id]
	return ok && h >= since, nil
}

func (s *memStore) Scan(kind uint8, fn func(hash uint64, value []byte) error) error {
	var all []uint64
	for h := range s.values[kind] {
		all = append(all, h)
	}
	slices.Sort(all)
	for _, h := range all {
		if err := fn(h, s.values[kind][h]); err != nil {
			return err
		}
	}
	return nil
}

func (s *memStore) Set(kind uint8, hash uint64, v []byte) { s.values[kind][hash] = slices.Clone(v) }
func (s *memStore) Delete(kind uint8, hash uint64)        { delete(s.values[kind], hash) }
func (s *memStore) FiredUpTo(due int64)                   { s.fired = due }
func (s *memStore) SetTimer(due int64, kind uint8, hash uint64) {
	s.timers[wake{due, hash, EntityKind(kind)}] = true
}

func (s *memStore) DeleteTimer(due int64, kind uint8, hash uint64) {
	delete(s.timers, wake{due, hash, EntityKind(kind)})
}

func (s *memStore) AddSeen(hour uint32, ids []uint64) {
	for _, id := range ids {
		s.seen[id] = hour
	}
}
func (s *memStore) DropSeen(uint32) {}

// flush writes everything that changed, n entities at a time with do between.
func (s *memStore) flush(m *Machine, n int, do func()) {
	mark := m.BeginFlush(s)
	for !m.FlushSome(n) {
		if do != nil {
			do()
		}
	}
	s.mark = mark
	m.FlushDone()
}
