package processor

import "fmt"

// Store is where entities rest that are not in memory: the partition's
// database, as of the last write-behind. Errors mean that the disk failed; the
// partition then stops, it never guesses.
type Store interface {
	// Mark returns the mark of the last write-behind, nil when there was none.
	Mark() ([]byte, error)
	// Get appends an entity's value to dst; false when there is none.
	Get(kind uint8, hash uint64, dst []byte) ([]byte, bool, error)
	// Timers calls fn for each armed timer in the order (due, kind, hash).
	Timers(fn func(due int64, kind uint8, hash uint64) error) error
	// Seen reports whether the message id was recorded in sinceHour or later.
	Seen(id uint64, sinceHour uint32) (bool, error)
	// Scan calls fn for each entity of a kind, in the order of hashes. The
	// value is valid during the call.
	Scan(kind uint8, fn func(hash uint64, value []byte) error) error
}

// Writer takes one write-behind: what changed since the last one. It becomes
// durable as a whole or not at all.
type Writer interface {
	Set(kind uint8, hash uint64, value []byte)
	Delete(kind uint8, hash uint64)
	SetTimer(due int64, kind uint8, hash uint64)
	DeleteTimer(due int64, kind uint8, hash uint64)
	AddSeen(hour uint32, ids []uint64)
	DropSeen(beforeHour uint32)
	// FiredUpTo says that no timer is armed before due any more: where the
	// next Timers may begin.
	FiredUpTo(due int64)
}

// entity is one keyed thing of the partition: a customer, an item, an item as
// the partition's customers see it, or a chunk of a long list. Each embeds its
// *head.
type entity interface {
	base() *head
	// id is the name the entity was asked for by, told apart from another one
	// with the same hash.
	id() string
	encode(w *writer)
	decode(r *reader)
	// fire does one bounded unit of what is due and sets the next due time.
	fire(m *Machine)
	// bytes estimates what the entity holds in memory.
	bytes() int
}

// head is an entity's place in memory, and the bookkeeping that goes with it.
// The entity is live, decoded and ready to change, or frozen, as it would be
// written; a frozen one takes a fraction of the memory and is decoded when it
// is next asked for.
type head struct {
	live   entity
	frozen []byte

	hash  uint64 // Hash of the id, moved on by one for each id already there
	due   int64  // earliest time this entity has something to do; 0 = none
	armed int64  // due time of its entry in the queue; 0 = not known
	saved int64  // due time on disk
	// flush is the number of the write-behind that holds the latest change;
	// 0 = unchanged since it was read.
	flush   uint32
	size    int32
	kind    EntityKind
	pending bool // listed for the running write-behind, not encoded yet
	used    bool // touched since the clock hand passed
	listed  bool // a customer the store lists as having pending actions
	gone    bool // a chunk no list names any more
}

func (h *head) base() *head { return h }

// headBytes is what a head takes besides what it holds: itself and its places
// in the table and the ring.
const headBytes = 168

// probes bounds how many ids of one hash are told apart.
const probes = 16

// get returns the entity of an id, nil when there is none.
func (m *Machine) get(kind EntityKind, id string) entity {
	e, _ := m.find(kind, id, Hash(id))
	return e
}

// find returns the entity of an id, or nil and the place where it would be.
func (m *Machine) find(kind EntityKind, id string, hash uint64) (entity, uint64) {
	for i := range uint64(probes) {
		e := m.load(kind, hash+i)
		if e == nil {
			return nil, hash + i
		}
		if e.id() == id {
			return e, hash + i
		}
	}
	panic(fmt.Errorf("processor: %d ids share the hash of %q", probes, id))
}

// load returns the entity at a hash, from memory or from the store.
func (m *Machine) load(kind EntityKind, hash uint64) entity {
	// An event asks for the same few entities again and again, and a look-up
	// among a million is a cache miss.
	if h := m.latest[kind]; h != nil && h.hash == hash && h.live != nil {
		return h.live
	}
	if h, ok := m.tables[kind][hash]; ok {
		h.used = true
		m.latest[kind] = h
		if h.live == nil {
			m.thaw(h)
		}
		return h.live
	}
	value, ok, err := m.store.Get(uint8(kind), hash, m.scratch[:0])
	if err != nil {
		panic(&StoreError{err})
	}
	m.scratch = value
	if !ok {
		return nil
	}
	m.misses++
	h := &head{kind: kind, hash: hash}
	h.live = newEntity(h)
	h.read(value)
	h.saved = h.due
	if c, ok := h.live.(*Customer); ok {
		h.listed = len(c.Pending) > 0
	}
	m.keep(h)
	return h.live
}

// entityVersion is the first byte of every entity's value.
const entityVersion = 1

// read decodes a value into the live entity.
func (h *head) read(value []byte) {
	r := &reader{b: value}
	if v := r.u8(); v != entityVersion {
		panic(&StoreError{fmt.Errorf("%s %016x has version %d, this program reads %d", h.kind, h.hash, v, entityVersion)})
	}
	h.due = r.int()
	h.live.decode(r)
	if r.err != nil {
		panic(&StoreError{fmt.Errorf("%s %016x: %w", h.kind, h.hash, r.err)})
	}
}

// write encodes the entity as it is stored.
func (h *head) write(w *writer) {
	w.u8(entityVersion)
	w.int(h.due)
	h.live.encode(w)
}

func newEntity(h *head) entity {
	switch h.kind {
	case CustomerKind:
		return &Customer{head: h}
	case ItemKind:
		return &Item{head: h}
	case WatchKind:
		return &Watch{head: h}
	case ChunkKind:
		return &Chunk{head: h}
	case SaleKind:
		return &Sale{head: h}
	}
	panic("processor: no such kind of entity")
}

// create makes a new entity at a hash that find returned.
func (m *Machine) create(kind EntityKind, hash uint64) entity {
	h := &head{kind: kind, hash: hash}
	h.live = newEntity(h)
	m.keep(h)
	m.touch(h.live)
	return h.live
}

func (m *Machine) keep(h *head) {
	h.used = true
	m.weigh(h)
	m.tables[h.kind][h.hash] = h
	m.ring = append(m.ring, h)
}

// weigh works out anew what an entity takes.
func (m *Machine) weigh(h *head) {
	was := h.size
	if h.live != nil {
		h.size = int32(headBytes + h.live.bytes())
	} else {
		h.size = int32(headBytes + len(h.frozen))
	}
	m.memory += int64(h.size - was)
}

func (m *Machine) thaw(h *head) {
	h.live = newEntity(h)
	h.read(h.frozen)
	h.frozen = nil
	m.weigh(h)
}

func (m *Machine) freeze(h *head) {
	w := writer{b: m.saveBuf[:0]}
	h.write(&w)
	m.saveBuf = w.b
	h.frozen = append(make([]byte, 0, len(w.b)), w.b...)
	h.live = nil
	m.weigh(h)
}

// touch must be called before an entity changes: it writes the old state to a
// running write-behind that has not come to it yet, and lists the entity for
// the next one.
func (m *Machine) touch(e entity) {
	h := e.base()
	if h.pending {
		m.save(h)
	}
	m.last = h
	if h.flush != m.flush {
		h.flush = m.flush
		m.dirty = append(m.dirty, h)
	}
}

// arm sets the time at which an entity wakes next; 0 = never. A time behind
// the clock is moved just ahead of it, so that work put off is work queued
// behind what was due before.
func (m *Machine) arm(e entity, due int64) {
	h := e.base()
	if due != 0 && due != h.due && due <= m.shop.Now {
		due = m.shop.Now + 1
	}
	h.due = due
	if due != 0 && (h.armed == 0 || due < h.armed) {
		h.armed = due
		m.timers.push(wake{due: due, hash: h.hash, kind: h.kind})
	}
}

// StoreError is the panic of a read that failed. It is not the fault of the
// step that asked: the partition stops instead of skipping the step.
type StoreError struct{ Err error }

func (e *StoreError) Error() string { return "state: " + e.Err.Error() }
func (e *StoreError) Unwrap() error { return e.Err }

// BeginFlush starts a write-behind of everything that changed, as of now, into
// w. It returns the mark to commit with it. FlushSome encodes the entities;
// steps may run in between. Only one write-behind runs at a time: the caller
// waits for FlushDone before the next.
func (m *Machine) BeginFlush(w Writer) (mark []byte) {
	m.writer = w
	m.flushing, m.dirty = m.dirty, m.flushing[:0]
	m.flush++
	for _, h := range m.flushing {
		h.pending = true
	}
	m.seen.flush(w, hourOf(m.shop.Now))
	fired := m.shop.Now
	if first, ok := m.timers.peek(); ok {
		fired = min(fired, first.due)
	}
	w.FiredUpTo(fired)
	out := writer{b: make([]byte, 0, 4096)}
	m.shop.encode(&out)
	return out.b
}

// FlushSome encodes up to n entities and reports whether it was the last.
func (m *Machine) FlushSome(n int) (done bool) {
	for ; n > 0 && len(m.flushing) > 0; n-- {
		last := len(m.flushing) - 1
		h := m.flushing[last]
		m.flushing[last] = nil
		m.flushing = m.flushing[:last]
		if h.pending {
			m.save(h)
		}
	}
	return len(m.flushing) == 0
}

// FlushDone says that the write-behind is committed to the store.
func (m *Machine) FlushDone() {
	m.writer = nil
	m.flushed = m.flush - 1
	m.seen.flushed()
}

// save puts an entity into the running write-behind.
func (m *Machine) save(h *head) {
	h.pending = false
	if h.gone {
		m.writer.Delete(uint8(h.kind), h.hash)
		return
	}
	value := h.frozen
	if h.live != nil {
		w := writer{b: m.saveBuf[:0]}
		h.write(&w)
		m.saveBuf = w.b
		value = w.b
		m.weigh(h) // it has grown since it was last looked at
	}
	m.writer.Set(uint8(h.kind), h.hash, value)
	if h.saved != h.due {
		if h.saved != 0 {
			m.writer.DeleteTimer(h.saved, uint8(h.kind), h.hash)
		}
		if h.due != 0 {
			m.writer.SetTimer(h.due, uint8(h.kind), h.hash)
		}
		h.saved = h.due
	}
	if c, ok := h.live.(*Customer); ok && h.listed != (len(c.Pending) > 0) {
		if h.listed = !h.listed; h.listed {
			m.writer.Set(uint8(OutboxKind), h.hash, nil)
		} else {
			m.writer.Delete(uint8(OutboxKind), h.hash)
		}
	}
}

// Evict makes room until what is held fits the limit: what was not used
// lately is frozen first, then forgotten, if it is durable. It is called
// between records.
func (m *Machine) Evict() {
	clear(m.latest[:])
	for tries := 3 * len(m.ring); m.memory > m.limit && tries > 0; tries-- {
		if m.hand >= len(m.ring) {
			m.hand = 0
		}
		h := m.ring[m.hand]
		m.weigh(h)
		switch {
		case h.used:
			h.used = false
			m.hand++
		case h.live != nil && h.freezable():
			m.freeze(h)
			m.hand++
		case h.pending || h.flush > m.flushed:
			m.hand++
		default:
			m.memory -= int64(h.size)
			delete(m.tables[h.kind], h.hash)
			last := len(m.ring) - 1
			m.ring[m.hand] = m.ring[last]
			m.ring[last] = nil
			m.ring = m.ring[:last]
		}
	}
}

// freezable reports whether the entity can be kept encoded. A customer whose
// row in the outbox list must change has to be looked at when it is saved.
func (h *head) freezable() bool {
	c, ok := h.live.(*Customer)
	return !h.gone && (!ok || h.listed == (len(c.Pending) > 0))
}
