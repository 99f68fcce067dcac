package processor

// places says where each entity in memory is, by kind and hash. It is asked
// several times for each event, and nearly always the answer is not in the
// processor's cache: one look-up is one line of memory, whatever the entity's
// state, and moving between live and frozen changes the line in place. There is
// no pointer in it.
//
// It is cut into parts, each a table with open addressing, so that growing
// moves a few thousand places and not all of them.
type places struct {
	parts [placeParts]placePart
	count [entityKinds]int
	live  []*head // by number
	spare []uint32
}

type placePart struct {
	table []place // a power of two of them
	n     int
}

// place is where one entity is: while live its number among the live ones,
// else its place in the arena.
type place struct {
	hash  uint64
	at    uint32
	units uint16     // while frozen: what it takes there, maxUnits+1 for what is longer
	kind  EntityKind // 0 = nobody
	live  bool
}

const (
	placeParts    = 256
	minPlacePart  = 8
	placeBytes    = 24 // what one takes, with the room that a table leaves
	placePartBits = 8
)

// spread makes the bits of a hash depend on all before them, and on the kind:
// an item and its watch have one hash, and those of chunks are counted.
func spread(kind EntityKind, hash uint64) uint64 {
	return (hash + uint64(kind)*0x9e3779b97f4a7c15) * 0xd6e8feb86659fd93
}

// slot returns the place in a table at which the search for x begins.
func (p *placePart) slot(x uint64) uint64 { return x >> 20 & uint64(len(p.table)-1) }

// get returns an entity's place, nil when it is not in memory. It is valid until
// the next add or drop.
func (t *places) get(kind EntityKind, hash uint64) *place {
	x := spread(kind, hash)
	p := &t.parts[x>>(64-placePartBits)]
	if p.n == 0 {
		return nil
	}
	for i := p.slot(x); ; i = (i + 1) & uint64(len(p.table)-1) {
		switch e := &p.table[i]; {
		case e.kind == 0:
			return nil
		case e.hash == hash && e.kind == kind:
			return e
		}
	}
}

// add adds an entity that is not in memory.
func (t *places) add(e place) {
	x := spread(e.kind, e.hash)
	p := &t.parts[x>>(64-placePartBits)]
	if p.n >= len(p.table)/4*3 {
		p.grow()
	}
	p.put(x, e)
	p.n++
	t.count[e.kind]++
}

func (p *placePart) grow() {
	old := p.table
	p.table = make([]place, max(minPlacePart, 2*len(old)))
	for _, e := range old {
		if e.kind != 0 {
			p.put(spread(e.kind, e.hash), e)
		}
	}
}

func (p *placePart) put(x uint64, e place) {
	i := p.slot(x)
	for p.table[i].kind != 0 {
		i = (i + 1) & uint64(len(p.table)-1)
	}
	p.table[i] = e
}

// drop takes an entity that is in memory out of it. Those behind that had to
// make way for it move up.
func (t *places) drop(kind EntityKind, hash uint64) {
	x := spread(kind, hash)
	p := &t.parts[x>>(64-placePartBits)]
	mask := uint64(len(p.table) - 1)
	i := p.slot(x)
	for p.table[i].hash != hash || p.table[i].kind != kind {
		i = (i + 1) & mask
	}
	for j := (i + 1) & mask; p.table[j].kind != 0; j = (j + 1) & mask {
		if wanted := p.slot(spread(p.table[j].kind, p.table[j].hash)); (j-wanted)&mask >= (j-i)&mask {
			p.table[i] = p.table[j]
			i = j
		}
	}
	p.table[i] = place{}
	p.n--
	t.count[kind]--
}

// number gives a live entity its number.
func (t *places) number(h *head) uint32 {
	if n := len(t.spare); n > 0 {
		h.number = t.spare[n-1]
		t.spare = t.spare[:n-1]
		t.live[h.number] = h
		return h.number
	}
	h.number = uint32(len(t.live))
	t.live = append(t.live, h)
	return h.number
}

// free takes the number of an entity that is not live any more back.
func (t *places) free(h *head) {
	t.live[h.number] = nil
	t.spare = append(t.spare, h.number)
}

// all calls fn for each entity of a kind, in no order.
func (t *places) all(kind EntityKind, fn func(e *place)) {
	for i := range t.parts {
		for j := range t.parts[i].table {
			if e := &t.parts[i].table[j]; e.kind == kind {
				fn(e)
			}
		}
	}
}
