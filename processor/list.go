package processor

import (
	"slices"
	"sort"
	"strings"
)

// List is an ordered map of byte-string keys to small values that may grow to
// millions: a queue of waiting customers, the holders of offers, the watchers
// of an item. Most stay short, and lie in their owner. A long one is a tree of
// two levels: the owner holds the directory, the entries live in chunks,
// entities of their own that are read, changed and forgotten one by one.
//
//	owner: key value, key value, ... (at most 8)
//	owner: [first key, count, chunk] [first key, count, chunk] ...
//	                            |
//	                 Chunk: key value, key value, ... (at most 256)
//
// The zero List is empty. A change of the list is a change of its owner.
type List struct {
	few  []pair // in order
	tree *tree  // nil for a short list; a long one has no few, unless it was joined
}

type pair struct{ key, value string }

type tree struct {
	dir []span
	len int
}

type span struct {
	first string
	count int
	chunk uint64 // hash of the Chunk
}

const (
	fewEntries   = 8
	chunkEntries = 256
)

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
func (l *List) Len() int {
	n := len(l.few)
	if l.tree != nil {
		n += l.tree.len
	}
	return n
}

// bytes estimates what a list takes in its owner, besides itself.
func (l *List) bytes() int {
	n := 48 * cap(l.few)
	if l.tree != nil {
		n += 32 + 64*cap(l.tree.dir)
	}
	return n
}

// empty returns an empty list that uses the room of this one again.
func (l *List) empty() List {
	clear(l.few)
	return List{few: l.few[:0]}
}

// fewAt returns the index of a key among the entries of a short list, or where
// it would be.
func (l *List) fewAt(key string) (int, bool) {
	return slices.BinarySearchFunc(l.few, key, func(e pair, key string) int { return strings.Compare(e.key, key) })
}

// at returns the index of the span that holds key, or would.
func (t *tree) at(key string) int {
	return max(0, sort.Search(len(t.dir), func(i int) bool { return t.dir[i].first > key })-1)
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
	t := l.tree
	if t == nil {
		if i, ok := l.fewAt(key); ok {
			return l.few[i].value, true
		}
		return "", false
	}
	c := m.chunk(&t.dir[t.at(key)])
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
	if l.tree == nil {
		i, ok := l.fewAt(key)
		switch {
		case ok:
			l.few[i].value = value
			return
		case len(l.few) < fewEntries:
			l.few = slices.Insert(l.few, i, pair{key, value})
			return
		}
		l.grow(m, owner)
	}
	t := l.tree
	i := t.at(key)
	s := &t.dir[i]
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
	t.len++
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
		t.dir = slices.Insert(t.dir, i+1, span{first: right.keys[0], count: len(right.keys), chunk: right.hash})
	}
}

// grow moves the entries of a short list into a chunk.
func (l *List) grow(m *Machine, owner *head) {
	c := m.newChunk(owner)
	for _, e := range l.few {
		c.keys, c.values = append(c.keys, e.key), append(c.values, e.value)
	}
	l.few, l.tree = nil, &tree{dir: []span{{first: c.keys[0], count: len(c.keys), chunk: c.hash}}, len: len(c.keys)}
}

func (m *Machine) newChunk(owner *head) *Chunk {
	m.shop.Chunks++
	return m.create(ChunkKind, owner.hash&^(1<<52-1)|m.shop.Chunks&(1<<52-1)).(*Chunk)
}

// remove deletes a key and returns the value it had.
func (l *List) remove(m *Machine, key string) (string, bool) {
	t := l.tree
	if t == nil {
		i, ok := l.fewAt(key)
		if !ok {
			return "", false
		}
		value := l.few[i].value
		l.few = slices.Delete(l.few, i, i+1)
		return value, true
	}
	i := t.at(key)
	s := &t.dir[i]
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
	t.len--
	if s.count > 0 {
		s.first = c.keys[0]
	} else {
		l.dropSpan(m, i)
	}
	return value, true
}

// dropSpan takes a chunk out, with what is left in it.
func (l *List) dropSpan(m *Machine, i int) {
	t := l.tree
	c := m.chunk(&t.dir[i])
	m.touch(c)
	c.gone = true
	t.len -= t.dir[i].count
	if t.dir = slices.Delete(t.dir, i, i+1); len(t.dir) == 0 {
		l.tree = nil
	}
}

// join has the list hold another one's entries as well, which is empty then. Of
// joined lists only dropChunk is asked: their entries are in no order.
func (l *List) join(o *List) {
	l.few = append(l.few, o.few...)
	if l.tree == nil {
		l.tree = o.tree
	} else if o.tree != nil {
		l.tree.dir, l.tree.len = append(l.tree.dir, o.tree.dir...), l.tree.len+o.tree.len
	}
	*o = List{}
}

// dropChunk removes the entries that lie in the owner, or those of the first
// chunk, and returns their number.
func (l *List) dropChunk(m *Machine) int {
	if n := len(l.few); n > 0 {
		l.few = nil
		return n
	}
	n := l.tree.dir[0].count
	l.dropSpan(m, 0)
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
	t := l.tree
	if t == nil {
		i, _ := l.fewAt(from)
		for i < len(l.few) && fn(l.few[i].key, l.few[i].value) {
			i++
		}
		return
	}
	for i := t.at(from); i < len(t.dir); i++ {
		c := m.chunk(&t.dir[i])
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
	t := l.tree
	if t == nil {
		i, _ := l.fewAt(key)
		return i
	}
	n, at := 0, t.at(key)
	for i := range at {
		n += t.dir[i].count
	}
	i, _ := slices.BinarySearch(m.chunk(&t.dir[at]).keys, key)
	return n + i
}

func (l *List) encode(w *writer) {
	w.uint(uint64(len(l.few)))
	for i := range l.few {
		w.str(l.few[i].key)
		w.str(l.few[i].value)
	}
	if l.tree == nil {
		w.uint(0)
		return
	}
	w.uint(uint64(len(l.tree.dir)))
	for i := range l.tree.dir {
		s := &l.tree.dir[i]
		w.str(s.first)
		w.uint(uint64(s.count))
		w.u64(s.chunk)
	}
}

func (l *List) decode(r *reader) {
	l.few, l.tree = resize(l.few, r.count(2)), nil
	for i := range l.few {
		l.few[i] = pair{r.str(), r.str()}
	}
	n := r.count(10)
	if n == 0 {
		return
	}
	t := &tree{dir: make([]span, n)}
	for i := range t.dir {
		t.dir[i] = span{first: r.str(), count: int(r.uint()), chunk: r.u64()}
		t.len += t.dir[i].count
	}
	l.tree = t
}
