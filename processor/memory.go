package processor

import "slices"

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
type memory struct {
	live   [entityKinds]map[uint64]*head
	frozen [entityKinds]map[uint64]frozen
	bytes  arena
	// whole says that what is not in memory is nowhere, so that the store need
	// not be asked for what is new.
	whole [entityKinds]bool

	ring []*head // the live ones, passed by the hand of a clock
	hand int
	// line is the frozen ones, those frozen first in front. Entries of what was
	// thawed since stay until they come up.
	line  []key
	front int
	turn  uint32

	liveBytes, frozenBytes int64
	limit                  int64 // of both together
	liveLimit              int64
}

// key names an entity in the line of the frozen ones and in a write-behind.
type key struct {
	hash uint64
	turn uint32
	kind EntityKind
}

// frozen is an entity's place while it is encoded. See head for the fields of
// the same name.
type frozen struct {
	armed int64
	saved int64
	place uint32 // in the arena
	size  uint32 // bytes of the value
	flush uint32
	turn  uint32
	flags uint8
}

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
	frozenBytes = 88
)

// liveShare is the part of the limit that live entities may take: as much as
// keeps those in use from being thawed again and again, and no more, since
// each is many small pieces to follow for the garbage collector.
const liveShare = 4

func newMemory(limit int64, whole bool) memory {
	m := memory{limit: limit, liveLimit: limit / liveShare}
	for k := CustomerKind; k < entityKinds; k++ {
		m.live[k], m.frozen[k], m.whole[k] = map[uint64]*head{}, map[uint64]frozen{}, whole
	}
	return m
}

func (f *frozen) bytes() int64 { return frozenBytes + int64(unitsOf(int(f.size)))*unitBytes }

// hold adds a live entity.
func (m *memory) hold(h *head) {
	h.used = true
	m.live[h.kind][h.hash] = h
	m.ring = append(m.ring, h)
	m.weigh(h)
}

// weigh works out anew what a live entity takes.
func (m *memory) weigh(h *head) {
	size := int32(headBytes + h.live.bytes())
	m.liveBytes += int64(size - h.size)
	h.size = size
}

// forgetLive takes the live entity at a place of the ring out of memory.
func (m *memory) forgetLive(i int) {
	h := m.ring[i]
	m.liveBytes -= int64(h.size)
	delete(m.live[h.kind], h.hash)
	last := len(m.ring) - 1
	m.ring[i] = m.ring[last]
	m.ring[last] = nil
	m.ring = m.ring[:last]
	h.live = nil
}

// freeze keeps the live entity at a place of the ring as value from now on.
func (m *memory) freeze(i int, value []byte) {
	h := m.ring[i]
	f := frozen{armed: h.armed, saved: h.saved, place: m.bytes.put(value), size: uint32(len(value)), flush: h.flush}
	if h.written {
		f.flags |= writtenFlag
	}
	if h.listed {
		f.flags |= listedFlag
	}
	if h.waits() {
		f.flags |= waitsFlag
	}
	m.forgetLive(i)
	m.queue(h.kind, h.hash, &f)
	m.frozenBytes += f.bytes()
}

// queue puts a frozen entity at the end of the line.
func (m *memory) queue(kind EntityKind, hash uint64, f *frozen) {
	if count := m.frozenCount(); len(m.line)-m.front > 2*count+1024 {
		m.line = slices.DeleteFunc(m.line[m.front:], func(k key) bool {
			f, ok := m.frozen[k.kind][k.hash]
			return !ok || f.turn != k.turn
		})
		m.front = 0
	} else if m.front > len(m.line)/2 {
		m.line = m.line[:copy(m.line, m.line[m.front:])]
		m.front = 0
	}
	m.turn++
	f.turn = m.turn
	m.frozen[kind][hash] = *f
	m.line = append(m.line, key{hash, f.turn, kind})
}

func (m *memory) frozenCount() (n int) {
	for k := range m.frozen {
		n += len(m.frozen[k])
	}
	return n
}

// thaw takes a frozen entity out and returns it live, but for its decoding,
// with its value, which is valid until the next freeze.
func (m *memory) thaw(kind EntityKind, hash uint64) (*head, []byte) {
	f, ok := m.frozen[kind][hash]
	if !ok {
		return nil, nil
	}
	h := &head{
		kind: kind, hash: hash, armed: f.armed, saved: f.saved, flush: f.flush,
		written: f.flags&writtenFlag != 0, listed: f.flags&listedFlag != 0,
	}
	value := m.bytes.get(f.place, int(f.size))
	delete(m.frozen[kind], hash)
	m.bytes.drop(f.place, int(f.size))
	m.frozenBytes -= f.bytes()
	return h, value
}

// forgetOldest forgets frozen entities, those frozen first, until what is held
// fits the limit. Only those that durable says are in the store may go.
func (m *memory) forgetOldest(durable func(flush uint32) bool) {
	for tries := len(m.line) - m.front; tries > 0 && m.liveBytes+m.frozenBytes > m.limit; tries-- {
		k := m.line[m.front]
		m.front++
		f, ok := m.frozen[k.kind][k.hash]
		switch {
		case !ok || f.turn != k.turn:
		case durable(f.flush):
			delete(m.frozen[k.kind], k.hash)
			m.bytes.drop(f.place, int(f.size))
			m.frozenBytes -= f.bytes()
			m.whole[k.kind] = false
		default:
			m.queue(k.kind, k.hash, &f)
		}
	}
}

// hashes returns the hashes of the entities of a kind in memory, ascending.
func (m *memory) hashes(kind EntityKind) []uint64 {
	all := make([]uint64, 0, len(m.live[kind])+len(m.frozen[kind]))
	for hash := range m.live[kind] {
		all = append(all, hash)
	}
	for hash := range m.frozen[kind] {
		all = append(all, hash)
	}
	slices.Sort(all)
	return all
}

// has reports whether an entity is in memory.
func (m *memory) has(kind EntityKind, hash uint64) bool {
	if _, ok := m.live[kind][hash]; ok {
		return true
	}
	_, ok := m.frozen[kind][hash]
	return ok
}
