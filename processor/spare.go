package processor

// spare is the room of entities that were frozen, by kind: an entity is made of
// many small pieces, and is made again and again.
type spare struct {
	room  [entityKinds][]entity
	bytes int64
}

// spareShare is the part of what live entities may take that spare room may
// take besides, and maxSpareBytes how large one may be.
const (
	spareShare    = 8
	maxSpareBytes = 8 << 10
)

// keep keeps the room of an entity that was frozen, unless there is enough.
func (s *spare) keep(e entity, size, limit int64) {
	if size > maxSpareBytes || s.bytes+size > limit {
		return
	}
	switch e.(type) {
	case *Customer, *Item, *Watch, *Chunk:
		kind := e.base().kind
		s.room[kind] = append(s.room[kind], e)
		e.base().size = int32(size)
		s.bytes += size
	}
}

// take returns the room of an entity of a kind, with its head, that hold
// nothing; nil when there is none.
func (s *spare) take(kind EntityKind) *head {
	n := len(s.room[kind])
	if n == 0 {
		return nil
	}
	e := s.room[kind][n-1]
	s.room[kind][n-1] = nil
	s.room[kind] = s.room[kind][:n-1]
	h := e.base()
	s.bytes -= int64(h.size)
	*h = head{live: e}
	switch x := e.(type) {
	case *Customer:
		x.empty()
	case *Item:
		*x = Item{head: h, Levels: x.Levels[:0], Sold: x.Sold[:0], Watchers: x.Watchers[:0]}
	case *Watch:
		*x = Watch{head: h, Stake: x.Stake.empty(), Interested: x.Interested.empty()}
	case *Chunk:
		clear(x.keys)
		clear(x.values)
		x.keys, x.values = x.keys[:0], x.values[:0]
	}
	return h
}

// newEntity returns the head of an entity that holds nothing, and is live.
func (m *Machine) newEntity(kind EntityKind, hash uint64) *head {
	h := m.spare.take(kind)
	if h == nil {
		h = makeEntity(kind)
	}
	h.kind, h.hash, h.since = kind, hash, m.shop.Position
	return h
}

// makeEntity makes an entity and its head, which are used together, in one
// piece.
func makeEntity(kind EntityKind) (h *head) {
	switch kind {
	case CustomerKind:
		x := &struct {
			h head
			e Customer
		}{}
		h, x.e.head, x.h.live = &x.h, &x.h, &x.e
	case ItemKind:
		x := &struct {
			h head
			e Item
		}{}
		h, x.e.head, x.h.live = &x.h, &x.h, &x.e
	case WatchKind:
		x := &struct {
			h head
			e Watch
		}{}
		h, x.e.head, x.h.live = &x.h, &x.h, &x.e
	case ChunkKind:
		x := &struct {
			h head
			e Chunk
		}{}
		h, x.e.head, x.h.live = &x.h, &x.h, &x.e
	case SaleKind:
		h = &head{}
		h.live = &Sale{head: h}
	case RewardKind:
		h = &head{}
		h.live = &Ledger{head: h}
	case QuorumKind:
		h = &head{}
		h.live = &Quorum{head: h}
	case HouseholdKind:
		h = &head{}
		h.live = &Household{head: h}
	default:
		panic("processor: no such kind of entity")
	}
	return h
}
