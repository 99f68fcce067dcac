package processor

import (
	"slices"

	"github.com/cespare/xxhash/v2"
)

// seen removes inbound duplicates: the same message id for the same customer
// is applied once within seenHours. A copy carries the sender's timestamp of
// the original, so an event later than everything its customer has sent is new
// without a look-up; only the others are looked for, first here, then in the
// store. Ids are kept as 64-bit hashes: among the n ids of 48 hours an event
// that is older than its customer's last one is mistaken for a copy with a
// probability of n / 2^64. The copies of pixel events have timestamps of their
// own; see pixels.
type seen struct {
	now  hours // since the last write-behind began
	prev hours // in the running write-behind
}

// seenHours is how long message ids are kept, by log time.
const seenHours = 48

func hourOf(ms int64) uint32 { return uint32(ms / 3_600_000) }

func seenID(customer uint64, message string) uint64 {
	h := xxhash.Sum64String(message) ^ (customer * 0x9e3779b97f4a7c15)
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	return max(h^h>>32, 1) // 0 marks an empty place
}

// duplicate reports whether the event was applied before, and remembers it. An
// event without a timestamp of its sender can be a copy of anything.
func (c *Customer) duplicate(m *Machine, e *Event) bool {
	if (e.Pixel || c.Pixels != nil) && c.copied(m, e) {
		return true
	}
	id := seenID(c.hash, e.MessageID)
	copied, certain := false, e.Stamped && e.Stamp > c.Last
	if !certain {
		if copied, certain = c.recent.known(e.Stamp, id); !e.Stamped {
			certain = copied
		}
	}
	if copied || !certain && m.wasSeen(id) {
		return true
	}
	c.recent.add(e.Stamp, c.Last, id)
	m.seen.now.add(hourOf(m.shop.Now), id)
	return false
}

// repeated reports whether what was said of an item or a reward, by its hash, was
// applied before, and remembers it.
func (m *Machine) repeated(of uint64, e *Event) bool {
	id := seenID(of, e.MessageID)
	if m.wasSeen(id) {
		return true
	}
	m.seen.now.add(hourOf(m.shop.Now), id)
	return false
}

// wasSeen reports whether an id was applied within seenHours.
func (m *Machine) wasSeen(id uint64) bool {
	since := hourOf(m.shop.Now) - min(hourOf(m.shop.Now), seenHours)
	if m.seen.now.has(id, since) || m.seen.prev.has(id, since) {
		return true
	}
	found, err := m.store.Seen(id, since)
	if err != nil {
		panic(&StoreError{err})
	}
	return found
}

func (s *seen) flush(w Writer, hour uint32) {
	s.now, s.prev = s.prev, s.now
	s.now.clear()
	for i := range s.prev {
		if s.prev[i].n > 0 {
			w.AddSeen(s.prev[i].hour, s.prev[i].sorted())
		}
	}
	w.DropSeen(hour - min(hour, seenHours))
}

func (s *seen) flushed() { s.prev.clear() }

// hours are ids by the hour of the log they were applied in, the last hour at
// the end; mostly there is one. How long an id is known must not depend on when
// it was written behind.
type hours []idSet

func (s *hours) add(hour uint32, id uint64) {
	last := len(*s) - 1
	switch {
	case last < 0 || (*s)[last].n > 0 && (*s)[last].hour != hour:
		*s = append(*s, idSet{hour: hour})
		last++
	default:
		(*s)[last].hour = hour
	}
	(*s)[last].add(id)
}

// has reports whether an id was applied in an hour or later.
func (s hours) has(id uint64, since uint32) bool {
	for i := range s {
		if s[i].hour >= since && s[i].has(id) {
			return true
		}
	}
	return false
}

func (s *hours) clear() {
	if len(*s) > 0 {
		clear((*s)[1:])
		*s = (*s)[:1]
		(*s)[0].clear()
	}
}

// idSet is a set of non-zero hashes without pointers, open addressing.
type idSet struct {
	hour  uint32
	table []uint64
	n     int
}

func (s *idSet) has(id uint64) bool {
	if s.n == 0 {
		return false
	}
	mask := uint64(len(s.table) - 1)
	for i := id & mask; ; i = (i + 1) & mask {
		switch s.table[i] {
		case id:
			return true
		case 0:
			return false
		}
	}
}

func (s *idSet) add(id uint64) {
	if s.n >= len(s.table)/4*3 {
		old := s.table
		s.table, s.n = make([]uint64, max(256, 2*len(old))), 0
		for _, id := range old {
			if id != 0 {
				s.add(id)
			}
		}
	}
	mask := uint64(len(s.table) - 1)
	for i := id & mask; ; i = (i + 1) & mask {
		switch s.table[i] {
		case id:
			return
		case 0:
			s.table[i] = id
			s.n++
			return
		}
	}
}

// clear empties the set. A table that was mostly empty is given back.
func (s *idSet) clear() {
	if s.n < len(s.table)/8 {
		s.table = nil
	}
	clear(s.table)
	s.n = 0
}

func (s *idSet) sorted() []uint64 {
	ids := make([]uint64, 0, s.n)
	for _, id := range s.table {
		if id != 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
