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

// head is a live entity's place in memory, and the bookkeeping that goes with
// it.
type head struct {
	live entity

	hash  uint64 // Hash of the id, moved on by one for each id already there
	due   int64  // earliest time this entity has something to do; 0 = none
	armed int64  // due time of its entry in the queue; 0 = not known
	saved int64  // due time on disk
	since uint64 // record that made it live
	// flush is the number of the write-behind that holds the latest change;
	// 0 = unchanged since it was read.
	flush   uint32
	size    int32
	number  uint32 // among the live ones; see places
	kind    EntityKind
	written bool // into the write-behind of that number
	used    bool // by a later record, since its turn to go came up last
	young   bool // see memory
	listed  bool // a customer the store lists as having pending actions
	gone    bool // a chunk no list names any more, a household that all have left
}

func (h *head) base() *head { return h }

// waits reports whether the entity is a customer with pending actions.
func (h *head) waits() bool {
	c, ok := h.live.(*Customer)
	return ok && len(c.Pending) > 0
}

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
	// among thousands is a cache miss.
	if h := m.latest[kind]; h != nil && h.hash == hash && h.live != nil {
		return h.live
	}
	e := m.memory.places.get(kind, hash)
	if e != nil && e.live {
		h := m.memory.places.live[e.at]
		if h.since != m.shop.Position {
			h.used = true
		}
		m.latest[kind] = h
		return h.live
	}
	var h *head
	if e != nil {
		h = m.newEntity(kind, hash)
		value, again := m.memory.thaw(h, e)
		h.read(&m.reader, value)
		m.memory.enter(h, again)
	} else {
		if m.memory.whole[kind] {
			return nil
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
		h = m.newEntity(kind, hash)
		h.read(&m.reader, value)
		h.saved = h.due
		h.listed = h.waits()
		m.memory.hold(h)
	}
	m.latest[kind] = h
	return h.live
}

// entityVersion is the first byte of every entity's value.
const entityVersion = 1

// read decodes a value into the live entity, with a reader that it may use.
func (h *head) read(r *reader, value []byte) {
	// One copy of the value holds all of the entity's strings.
	*r = reader{b: value, s: string(value)}
	if v := r.u8(); v != entityVersion {
		panic(&StoreError{fmt.Errorf("%s %016x has version %d, this program reads %d", h.kind, h.hash, v, entityVersion)})
	}
	h.due = r.int()
	h.live.decode(r)
	if r.err != nil {
		panic(&StoreError{fmt.Errorf("%s %016x: %w", h.kind, h.hash, r.err)})
	}
	*r = reader{}
}

// write encodes the entity as it is stored.
func (h *head) write(w *writer) {
	w.u8(entityVersion)
	w.int(h.due)
	h.live.encode(w)
}

// create makes a new entity at a hash that find returned.
func (m *Machine) create(kind EntityKind, hash uint64) entity {
	h := m.newEntity(kind, hash)
	m.memory.hold(h)
	m.touch(h.live)
	return h.live
}

// touch must be called before an entity changes: it writes the old state to a
// running write-behind that has not come to it yet, and lists the entity for
// the next one.
func (m *Machine) touch(e entity) {
	h := e.base()
	if m.unwritten(h.flush, h.written) {
		m.save(h)
	}
	m.last = h
	if h.flush != m.flush {
		h.flush, h.written = m.flush, false
		m.dirty = append(m.dirty, key{hash: h.hash, kind: h.kind})
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
