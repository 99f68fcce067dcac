package worker

import (
	"errors"
	"maps"
	"slices"

	"onhand/processor"
)

// memStore is a state in memory. What a batch changes becomes visible when it
// is committed, and can be taken away again by a crash, whole batches from the
// last one back.
type memStore struct {
	now    memState
	before []memState // after each of the last batches
	poison map[key]bool
	broken bool // the disk fails
}

type memState struct {
	mark   []byte
	values map[key][]byte
	timers map[wake]bool
	seen   map[uint64]uint32
}

type key struct {
	kind uint8
	hash uint64
}

type wake struct {
	due int64
	key
}

func newMemStore() *memStore {
	return &memStore{now: memState{values: map[key][]byte{}, timers: map[wake]bool{}, seen: map[uint64]uint32{}}, poison: map[key]bool{}}
}

func (s memState) clone() memState {
	return memState{s.mark, maps.Clone(s.values), maps.Clone(s.timers), maps.Clone(s.seen)}
}

// crash loses the last n batches, and returns the store as it is found then.
func (s *memStore) crash(n int) *memStore {
	found := &memStore{now: s.now.clone(), poison: s.poison}
	found.before = slices.Clone(s.before)
	for ; n > 0 && len(found.before) > 0; n-- {
		last := len(found.before) - 1
		found.now, found.before = found.before[last].clone(), found.before[:last]
	}
	return found
}

func (s *memStore) Mark() ([]byte, error) { return s.now.mark, nil }

func (s *memStore) Get(kind uint8, hash uint64, dst []byte) ([]byte, bool, error) {
	if s.broken {
		return dst, false, errors.New("the disk fails")
	}
	if s.poison[key{kind, hash}] {
		panic("poison")
	}
	v, ok := s.now.values[key{kind, hash}]
	return append(dst, v...), ok, nil
}

func (s *memStore) Timers(fn func(due int64, kind uint8, hash uint64) error) error {
	all := slices.SortedFunc(maps.Keys(s.now.timers), func(a, b wake) int {
		if a.due != b.due {
			return int(a.due - b.due)
		}
		if a.kind != b.kind {
			return int(a.kind) - int(b.kind)
		}
		if a.hash < b.hash {
			return -1
		}
		return 1
	})
	for _, w := range all {
		if err := fn(w.due, w.kind, w.hash); err != nil {
			return err
		}
	}
	return nil
}

func (s *memStore) Seen(id uint64, since uint32) (bool, error) {
	h, ok := s.now.seen[id]
	return ok && h >= since, nil
}

func (s *memStore) Scan(kind uint8, fn func(hash uint64, value []byte) error) error {
	var all []uint64
	for k := range s.now.values {
		if k.kind == kind {
			all = append(all, k.hash)
		}
	}
	slices.Sort(all)
	for _, h := range all {
		if err := fn(h, s.now.values[key{kind, h}]); err != nil {
			return err
		}
	}
	return nil
}

func (s *memStore) NewBatch() Batch { return &memBatch{store: s} }

// memBatch keeps its changes in order until it is committed.
type memBatch struct {
	store *memStore
	ops   []func(*memState)
}

func (b *memBatch) op(f func(*memState)) { b.ops = append(b.ops, f) }

func (b *memBatch) Set(kind uint8, hash uint64, v []byte) {
	v = slices.Clone(v)
	b.op(func(s *memState) { s.values[key{kind, hash}] = v })
}

func (b *memBatch) Delete(kind uint8, hash uint64) {
	b.op(func(s *memState) { delete(s.values, key{kind, hash}) })
}

func (b *memBatch) SetTimer(due int64, kind uint8, hash uint64) {
	b.op(func(s *memState) { s.timers[wake{due, key{kind, hash}}] = true })
}

func (b *memBatch) DeleteTimer(due int64, kind uint8, hash uint64) {
	b.op(func(s *memState) { delete(s.timers, wake{due, key{kind, hash}}) })
}

// FiredUpTo drops what should not be there, so that it is missed if it was.
func (b *memBatch) FiredUpTo(due int64) {
	b.op(func(s *memState) {
		maps.DeleteFunc(s.timers, func(x wake, _ bool) bool { return x.due < due })
	})
}

func (b *memBatch) AddSeen(hour uint32, ids []uint64) {
	ids = slices.Clone(ids)
	b.op(func(s *memState) {
		for _, id := range ids {
			s.seen[id] = hour
		}
	})
}

func (b *memBatch) DropSeen(before uint32) {
	b.op(func(s *memState) {
		maps.DeleteFunc(s.seen, func(_ uint64, h uint32) bool { return h < before })
	})
}

func (b *memBatch) Commit(mark []byte) error {
	s := b.store
	s.before = append(s.before, s.now.clone())
	for _, f := range b.ops {
		f(&s.now)
	}
	s.now.mark = slices.Clone(mark)
	return nil
}

var _ processor.Writer = (*memBatch)(nil)
