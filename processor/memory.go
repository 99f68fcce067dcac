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
	live   [entityKinds]map[uint64]*head
	frozen [entityKinds]map[uint64]frozen
	bytes  arena
	// whole says that what is not in memory is nowhere, so that the store need
	// not be asked for what is new.
	whole [entityKinds]bool

	young fifo[*head] // live ones, used in one record
	old   fifo[*head] // live ones, used in several
	// line is the frozen ones. Entries of what was thawed since stay until they
	// come up.
	line fifo[key]
	turn uint32

	liveBytes, frozenBytes int64
	youngBytes             int64 // part of liveBytes
	limit                  int64 // of live and frozen together
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

// youngShare is the part of that which young ones may take.
const youngShare = 10

func newMemory(limit int64, whole bool) memory {
	m := memory{limit: limit, liveLimit: limit / liveShare}
	for k := CustomerKind; k < entityKinds; k++ {
		m.live[k], m.frozen[k], m.whole[k] = map[uint64]*head{}, map[uint64]frozen{}, whole
	}
	return m
}

func (f *frozen) bytes() int64 { return frozenBytes + int64(unitsOf(int(f.size)))*unitBytes }

// hold adds a live entity; again says that it was in use not long ago.
func (m *memory) hold(h *head, again bool) {
	m.live[h.kind][h.hash] = h
	m.weigh(h)
	m.keep(h, !again)
}

// keep puts a live entity at the end of the young or the old ones.
func (m *memory) keep(h *head, young bool) {
	if h.young = young; young {
		m.youngBytes += int64(h.size)
		m.young.push(h)
	} else {
		m.old.push(h)
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

// next takes the live entity whose turn it is to go out of its line.
func (m *memory) next() *head {
	if m.young.len() > 0 && (m.youngBytes > m.liveLimit/youngShare || m.old.len() == 0) {
		h := m.young.pop()
		m.youngBytes -= int64(h.size)
		h.young = false
		return h
	}
	return m.old.pop()
}

// forgetLive takes a live entity that next returned out of memory.
func (m *memory) forgetLive(h *head) {
	m.liveBytes -= int64(h.size)
	delete(m.live[h.kind], h.hash)
	h.live = nil
}

// freeze keeps a live entity that next returned as value from now on.
func (m *memory) freeze(h *head, value []byte) {
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
	m.forgetLive(h)
	m.queue(h.kind, h.hash, &f)
	m.frozenBytes += f.bytes()
}

// queue puts a frozen entity at the end of the line.
func (m *memory) queue(kind EntityKind, hash uint64, f *frozen) {
	if m.line.len() > 2*m.frozenCount()+1024 {
		m.line.sift(func(k key) bool {
			f, ok := m.frozen[k.kind][k.hash]
			return ok && f.turn == k.turn
		})
	}
	m.turn++
	f.turn = m.turn
	m.frozen[kind][hash] = *f
	m.line.push(key{hash, f.turn, kind})
}

func (m *memory) frozenCount() (n int) {
	for k := range m.frozen {
		n += len(m.frozen[k])
	}
	return n
}

// thaw takes a frozen entity out and returns it live, but for its decoding,
// with its value, which is valid until the next freeze, and whether it was
// frozen not long ago.
func (m *memory) thaw(kind EntityKind, hash uint64) (h *head, value []byte, again bool) {
	f, ok := m.frozen[kind][hash]
	if !ok {
		return nil, nil, false
	}
	h = &head{
		kind: kind, hash: hash, armed: f.armed, saved: f.saved, flush: f.flush,
		written: f.flags&writtenFlag != 0, listed: f.flags&listedFlag != 0,
	}
	value = m.bytes.get(f.place, int(f.size))
	delete(m.frozen[kind], hash)
	m.bytes.drop(f.place, int(f.size))
	m.frozenBytes -= f.bytes()
	return h, value, m.turn-f.turn < uint32(m.young.len()+m.old.len())
}

// maxForgotten bounds the frozen entities that are looked at when there is too
// much: while a write-behind is awaited, few of them are durable.
const maxForgotten = 4096

// forgetOldest forgets frozen entities, those frozen first, until what is held
// fits the limit. Only those that durable says are in the store may go.
func (m *memory) forgetOldest(durable func(flush uint32) bool) {
	for tries := min(m.line.len(), maxForgotten); tries > 0 && m.liveBytes+m.frozenBytes > m.limit; tries-- {
		k := m.line.pop()
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
