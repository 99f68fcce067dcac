package processor

import (
	"slices"
	"sort"
	"strings"
)

// List is an ordered map of byte-string keys to small values that may grow to
// millions: a queue of waiting customers, the holders of offers, the watchers
// of an item. It is a tree of two levels: the owner holds the directory, the
// entries live in chunks, entities of their own that are read, changed and
// forgotten one by one.
//
//	owner: [first key, count, chunk] [first key, count, chunk] ...
//	                            |
//	                 Chunk: key value, key value, ... (at most 256)
//
// The zero List is empty. A change of the list is a change of its owner.
type List struct {
	dir []span
	len int
}

type span struct {
	first string
	count int
	chunk uint64 // hash of the Chunk
}

const chunkEntries = 256

// Chunk is a part of a List.
type Chunk struct {
	*head
	keys   []string
	values []string
}

func (c *Chunk) id() string    { return "" }
func (c *Chunk) fire(*Machine) {}

func (c *Chunk) bytes() int {
	n := 96
	for i := range c.keys {
		n += 32 + len(c.keys[i]) + len(c.values[i])
	}
	return n
}

func (c *Chunk) encode(w *writer) {
	w.uint(uint64(len(c.keys)))
	for i := range c.keys {
		w.str(c.keys[i])
		w.str(c.values[i])
	}
}

func (c *Chunk) decode(r *reader) {
	n := r.count(2)
	c.keys, c.values = resize(c.keys, n), resize(c.values, n)
	for i := range n {
		c.keys[i], c.values[i] = r.str(), r.str()
	}
}

// Len returns the number of entries.
func (l *List) Len() int { return l.len }

// at returns the index of the span that holds key, or would.
func (l *List) at(key string) int {
	return max(0, sort.Search(len(l.dir), func(i int) bool { return l.dir[i].first > key })-1)
}

func (m *Machine) chunk(s *span) *Chunk {
	e := m.load(ChunkKind, s.chunk)
	if e == nil {
		panic("processor: a list's chunk is missing")
	}
	return e.(*Chunk)
}

// get returns the value of a key.
func (l *List) get(m *Machine, key string) (string, bool) {
	if len(l.dir) == 0 {
		return "", false
	}
	c := m.chunk(&l.dir[l.at(key)])
	i, ok := slices.BinarySearch(c.keys, key)
	if !ok {
		return "", false
	}
	return c.values[i], true
}

// put sets the value of a key. owner is the entity that holds the list; the
// caller has touched it.
func (l *List) put(m *Machine, owner *head, key, value string) {
	key, value = strings.Clone(key), strings.Clone(value)
	if len(l.dir) == 0 {
		l.dir = append(l.dir, span{first: key, chunk: m.newChunk(owner).hash})
	}
	i := l.at(key)
	s := &l.dir[i]
	c := m.chunk(s)
	m.touch(c)
	j, ok := slices.BinarySearch(c.keys, key)
	if ok {
		c.values[j] = value
		return
	}
	c.keys = slices.Insert(c.keys, j, key)
	c.values = slices.Insert(c.values, j, value)
	s.first = c.keys[0]
	s.count++
	l.len++
	if s.count > chunkEntries {
		// Keys mostly arrive in order, so split near the end: full chunks
		// stay full.
		at := len(c.keys) / 2
		if j == len(c.keys)-1 {
			at = len(c.keys) - 1
		}
		right := m.newChunk(owner)
		right.keys, right.values = slices.Clone(c.keys[at:]), slices.Clone(c.values[at:])
		clear(c.keys[at:])
		clear(c.values[at:])
		c.keys, c.values = c.keys[:at], c.values[:at]
		s.count = at
		l.dir = slices.Insert(l.dir, i+1, span{first: right.keys[0], count: len(right.keys), chunk: right.hash})
	}
}

func (m *Machine) newChunk(owner *head) *Chunk {
	m.shop.Chunks++
	return m.create(ChunkKind, owner.hash&^(1<<52-1)|m.shop.Chunks&(1<<52-1)).(*Chunk)
}

// remove deletes a key and returns the value it had.
func (l *List) remove(m *Machine, key string) (string, bool) {
	if len(l.dir) == 0 {
		return "", false
	}
	i := l.at(key)
	s := &l.dir[i]
	c := m.chunk(s)
	j, ok := slices.BinarySearch(c.keys, key)
	if !ok {
		return "", false
	}
	value := c.values[j]
	m.touch(c)
	c.keys = slices.Delete(c.keys, j, j+1)
	c.values = slices.Delete(c.values, j, j+1)
	s.count--
	l.len--
	if s.count == 0 {
		c.gone = true
		l.dir = slices.Delete(l.dir, i, i+1)
	} else {
		s.first = c.keys[0]
	}
	return value, true
}

// join has the list hold another one's entries as well, which is empty then. Of
// joined lists only dropChunk is asked: their entries are in no order.
func (l *List) join(o *List) {
	l.dir, l.len = append(l.dir, o.dir...), l.len+o.len
	*o = List{}
}

// dropChunk removes the entries of the first chunk and returns their number.
func (l *List) dropChunk(m *Machine) int {
	c, n := m.chunk(&l.dir[0]), l.dir[0].count
	m.touch(c)
	c.gone = true
	l.dir, l.len = slices.Delete(l.dir, 0, 1), l.len-n
	return n
}

// first returns the entry with the smallest key that is not below from.
func (l *List) first(m *Machine, from string) (key, value string, ok bool) {
	l.ascend(m, from, func(k, v string) bool {
		key, value, ok = k, v, true
		return false
	})
	return key, value, ok
}

// ascend calls fn for the entries from the first key that is not below from,
// in order, until fn returns false. fn must not change the list.
func (l *List) ascend(m *Machine, from string, fn func(key, value string) bool) {
	if len(l.dir) == 0 {
		return
	}
	for i := l.at(from); i < len(l.dir); i++ {
		c := m.chunk(&l.dir[i])
		j, _ := slices.BinarySearch(c.keys, from)
		for ; j < len(c.keys); j++ {
			if !fn(c.keys[j], c.values[j]) {
				return
			}
		}
	}
}

// index returns how many keys are below key.
func (l *List) index(m *Machine, key string) int {
	if len(l.dir) == 0 {
		return 0
	}
	n, at := 0, l.at(key)
	for i := range at {
		n += l.dir[i].count
	}
	j, _ := slices.BinarySearch(m.chunk(&l.dir[at]).keys, key)
	return n + j
}

func (l *List) encode(w *writer) {
	w.uint(uint64(len(l.dir)))
	for i := range l.dir {
		s := &l.dir[i]
		w.str(s.first)
		w.uint(uint64(s.count))
		w.u64(s.chunk)
	}
}

func (l *List) decode(r *reader) {
	l.dir, l.len = make([]span, r.count(10)), 0
	for i := range l.dir {
		l.dir[i] = span{first: r.str(), count: int(r.uint()), chunk: r.u64()}
		l.len += l.dir[i].count
	}
}
