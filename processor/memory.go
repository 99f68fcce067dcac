package processor

import (
	"encoding/binary"
	"slices"
)

// memory is which entities a partition holds, and how. An entity is live,
// decoded and ready to change, or frozen, as it would be written: a frozen one
// takes a fraction of the room and no pointer, so that millions of them cost
// the garbage collector nothing.
//
//	store --load--> live --freeze--> frozen --forget--> store
//	                  ^---thaw---------'
//
// Live ones are few, those in use now. What is forgotten must be durable; a
// change is frozen like anything else.
//
// Most entities are used once and not again for long. A new live one is young:
// it is frozen soon, while it is still in the processor's cache, unless another
// record uses it first, and so what is used again and again keeps its place
// (S3-FIFO: Yang et al., "FIFO queues are all you need for cache eviction",
// SOSP 2023).
//
//	thaw, create --> young --used again--> old <--used--.
//	                   '--- not used ----> frozen   '--not used--> frozen
type memory struct {
	places places
	bytes  arena
	// whole says that what is not in memory is nowhere, so that the store need
	// not be asked for what is new.
	whole [entityKinds]bool

	young fifo[uint32] // live ones by number, used in one record
	old   fifo[uint32] // live ones, used in several
	// line is the frozen ones. Entries of what was thawed since stay until they
	// come up.
	line   fifo[key]
	turn   uint32
	frozen int // how many there are

	liveBytes, frozenBytes int64
	youngBytes             int64 // part of liveBytes
	limit                  int64 // of live and frozen together
	liveLimit              int64
	sink                   uint64 // so that what is read is not left out
}

// key names an entity in the line of the frozen ones and in a write-behind.
type key struct {
	hash uint64
	turn uint32
	kind EntityKind
}

// frozen is what stands before the value of an entity that is encoded. See head
// for the fields of the same name.
//
//	armed(8) saved(8) size(4) flush(4) turn(4) flags(1) value(size)
type frozen struct {
	armed int64
	saved int64
	size  uint32 // bytes of the value
	flush uint32
	turn  uint32
	flags uint8
}

// frozenHeader is the size of what stands before a value.
const frozenHeader = 29

// What a frozen entity's flags say.
const (
	writtenFlag uint8 = 1 << iota
	listedFlag
	waitsFlag // a customer with pending actions
)

// What an entity takes besides its own bytes: a live one its head, with its
// places in the table and the ring; a frozen one its places in the table and
// the line.
const (
	headBytes   = 168
	frozenBytes = placeBytes + 24
)

// liveShare is the part of the limit that live entities may take: as much as
// keeps those in use from being thawed again and again, and no more, since
// each is many small pieces to follow for the garbage collector.
const liveShare = 3

// youngShare is the part of that which young ones may take.
const youngShare = 10

func newMemory(limit int64, whole bool) memory {
	m := memory{limit: limit, liveLimit: limit / liveShare}
	for k := CustomerKind; k < entityKinds; k++ {
		m.whole[k] = whole
	}
	return m
}

// write puts what stands before a value, and is as long as that.
func (f *frozen) write(b []byte) {
	_ = b[frozenHeader-1]
	binary.LittleEndian.PutUint64(b, uint64(f.armed))
	binary.LittleEndian.PutUint64(b[8:], uint64(f.saved))
	binary.LittleEndian.PutUint32(b[16:], f.size)
	binary.LittleEndian.PutUint32(b[20:], f.flush)
	binary.LittleEndian.PutUint32(b[24:], f.turn)
	b[28] = f.flags
}

func (f *frozen) read(b []byte) {
	_ = b[frozenHeader-1]
	f.armed = int64(binary.LittleEndian.Uint64(b))
	f.saved = int64(binary.LittleEndian.Uint64(b[8:]))
	f.size = binary.LittleEndian.Uint32(b[16:])
	f.flush = binary.LittleEndian.Uint32(b[20:])
	f.turn = binary.LittleEndian.Uint32(b[24:])
	f.flags = b[28]
}

// at returns what is frozen at a place, with its bytes: those of f, then the
// value.
func (m *memory) at(e *place) (f frozen, b []byte) {
	b = m.bytes.get(e.at, int(e.units)*unitBytes)
	f.read(b)
	return f, b
}

func (f *frozen) bytes() int64 {
	return frozenBytes + int64(unitsOf(frozenHeader+int(f.size)))*unitBytes
}

// hold adds a live entity.
func (m *memory) hold(h *head) {
	m.places.add(place{hash: h.hash, at: m.places.number(h), kind: h.kind, live: true})
	m.enter(h, false)
}

// enter puts a live entity in its line; again says that it was in use not long
// ago.
func (m *memory) enter(h *head, again bool) {
	m.weigh(h)
	m.keep(h, !again)
}

// keep puts a live entity at the end of the young or the old ones.
func (m *memory) keep(h *head, young bool) {
	if h.young = young; young {
		m.youngBytes += int64(h.size)
		m.young.push(h.number)
	} else {
		m.old.push(h.number)
	}
}

// weigh works out anew what a live entity takes.
func (m *memory) weigh(h *head) {
	more := int32(headBytes+h.live.bytes()) - h.size
	h.size += more
	m.liveBytes += int64(more)
	if h.young {
		m.youngBytes += int64(more)
	}
}

// next takes the live entity whose turn it is to go out of its line, and says
// which it was.
func (m *memory) next() (h *head, young bool) {
	if m.young.len() > 0 && (m.youngBytes > m.liveLimit/youngShare || m.old.len() == 0) {
		if m.young.first%warmAhead == 0 {
			m.warm(&m.young)
		}
		h = m.places.live[m.young.pop()]
		m.youngBytes -= int64(h.size)
		h.young = false
		return h, true
	}
	if m.old.first%warmAhead == 0 {
		m.warm(&m.old)
	}
	return m.places.live[m.old.pop()], false
}

// forgetLive takes a live entity that next returned out of memory.
func (m *memory) forgetLive(h *head) {
	m.places.free(h)
	m.places.drop(h.kind, h.hash)
	m.leave(h)
}

// leave has a live entity be none any more.
func (m *memory) leave(h *head) {
	m.liveBytes -= int64(h.size)
	h.live = nil
}

// freeze keeps a live entity that next returned as its value from now on. b is
// the value, behind room for what stands before it.
func (m *memory) freeze(h *head, b []byte) {
	f := frozen{armed: h.armed, saved: h.saved, size: uint32(len(b) - frozenHeader), flush: h.flush}
	if h.written {
		f.flags |= writtenFlag
	}
	if h.listed {
		f.flags |= listedFlag
	}
	if h.waits() {
		f.flags |= waitsFlag
	}
	f.turn = m.queue(h.kind, h.hash)
	f.write(b)
	e := m.places.get(h.kind, h.hash)
	m.places.free(h)
	e.at, e.units, e.live = m.bytes.put(b), uint16(min(unitsOf(len(b)), maxUnits+1)), false
	m.leave(h)
	m.frozen++
	m.frozenBytes += f.bytes()
}

// queue puts a frozen entity at the end of the line and returns its turn.
func (m *memory) queue(kind EntityKind, hash uint64) uint32 {
	if m.line.len() > 2*m.frozen+1024 {
		m.line.sift(func(k key) bool {
			e := m.places.get(k.kind, k.hash)
			if e == nil || e.live {
				return false
			}
			f, _ := m.at(e)
			return f.turn == k.turn
		})
	}
	m.turn++
	m.line.push(key{hash, m.turn, kind})
	return m.turn
}

// thaw makes a frozen entity live, but for its decoding: h is its head from now
// on. It returns the value, which is valid until the next freeze, and whether it
// was frozen not long ago.
func (m *memory) thaw(h *head, e *place) (value []byte, again bool) {
	f, b := m.at(e)
	h.armed, h.saved, h.flush = f.armed, f.saved, f.flush
	h.written, h.listed = f.flags&writtenFlag != 0, f.flags&listedFlag != 0
	m.bytes.drop(e.at, len(b))
	e.at, e.units, e.live = m.places.number(h), 0, true
	m.frozen--
	m.frozenBytes -= f.bytes()
	return b[frozenHeader:][:f.size], m.turn-f.turn < uint32(m.young.len()+m.old.len())
}

// maxForgotten bounds the frozen entities that are looked at when there is too
// much: while a write-behind is awaited, few of them are durable.
const maxForgotten = 4096

// forgetOldest forgets frozen entities, those frozen first, until what is held
// fits the limit. Only those that durable says are in the store may go.
func (m *memory) forgetOldest(durable func(flush uint32) bool) {
	for tries := min(m.line.len(), maxForgotten); tries > 0 && m.liveBytes+m.frozenBytes > m.limit; tries-- {
		k := m.line.pop()
		e := m.places.get(k.kind, k.hash)
		if e == nil || e.live {
			continue
		}
		f, b := m.at(e)
		switch {
		case f.turn != k.turn:
		case durable(f.flush):
			m.bytes.drop(e.at, len(b))
			m.places.drop(k.kind, k.hash)
			m.frozen--
			m.frozenBytes -= f.bytes()
			m.whole[k.kind] = false
		default:
			f.turn = m.queue(k.kind, k.hash)
			f.write(b)
		}
	}
}

// fifo is a list that grows at its end and shrinks from its beginning.
type fifo[T any] struct {
	list  []T
	first int
}

func (f *fifo[T]) len() int { return len(f.list) - f.first }

func (f *fifo[T]) push(x T) { f.list = append(f.list, x) }

// pop takes the first out of a list that is not empty.
func (f *fifo[T]) pop() T {
	x := f.list[f.first]
	var none T
	f.list[f.first] = none
	if f.first++; f.first > len(f.list)/2 {
		f.sift(nil)
	}
	return x
}

// sift keeps what keep says, nil = all, in its order.
func (f *fifo[T]) sift(keep func(T) bool) {
	rest := f.list[:copy(f.list, f.list[f.first:])]
	if keep != nil {
		rest = slices.DeleteFunc(rest, func(x T) bool { return !keep(x) })
	}
	clear(f.list[len(rest):])
	f.list, f.first = rest, 0
}
