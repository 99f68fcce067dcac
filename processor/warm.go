package processor

// Who is frozen was mostly used a while ago, and is many small pieces that have
// left the processor's cache since. One after the other they are waited for one
// by one; read together beforehand, of several entities at a time, they are
// fetched at the same time. Nothing here changes anything.

// warmAhead is how many entities are fetched together.
const warmAhead = 16

// warm fetches the next of a line of live entities, but for those that stay.
func (m *memory) warm(f *fifo[uint32]) {
	var all [warmAhead]*head
	numbers := f.list[f.first:min(f.first+warmAhead, len(f.list))]
	next := all[:len(numbers)]
	for i, n := range numbers {
		next[i] = m.places.live[n]
	}
	sum := m.sink
	for _, h := range next {
		sum += h.since
	}
	for _, h := range next {
		if h.used {
			continue
		}
		x := spread(h.kind, h.hash)
		p := &m.places.parts[x>>(64-placePartBits)]
		sum += p.table[p.slot(x)].hash
		sum += warm(h.live)
	}
	for _, h := range next {
		if c, ok := h.live.(*Customer); ok && !h.used {
			sum += c.warmLists()
		}
	}
	m.sink = sum
}

// warm fetches the next n rooms of a kind to be taken.
func (s *spare) warm(kind EntityKind, n int) (sum uint64) {
	room := s.room[kind]
	for i := range min(n, len(room)) {
		e := room[len(room)-1-i]
		sum += warm(e)
	}
	return sum
}

// warm reads a word of each line that an entity's own fields lie in.
func warm(e entity) (sum uint64) {
	switch x := e.(type) {
	case *Customer:
		p := &x.Profile
		return uint64(x.Last) + uint64(x.Count) + uint64(len(p.Device)) + uint64(len(p.Prefers.Value)) + uint64(p.HomeAt) + uint64(p.PhoneAt) +
			uint64(len(x.Carts)) + uint64(len(x.Ordered.few)) + uint64(len(x.Occurrences)) + uint64(len(x.Sales)) + uint64(len(x.itemAt))
	case *Item:
		return uint64(len(x.SKU)) + uint64(len(x.Product.Title)) + uint64(x.ProductAt) + uint64(len(x.Levels)) + uint64(x.Low) + uint64(x.Facts.At) +
			uint64(len(x.Watchers))
	case *Watch:
		return uint64(len(x.SKU)) + uint64(x.Facts.At) + uint64(len(x.Stake.few)) + uint64(len(x.Waves)) + uint64(x.Most)
	case *Chunk:
		return uint64(len(x.keys))
	}
	return 0
}

// warmLists reads a word of each line of the beginning of a customer's lists.
func (c *Customer) warmLists() (sum uint64) {
	if c.ID != "" {
		sum += uint64(c.ID[0])
	}
	for i := range min(len(c.Profile.Consents), 4) {
		sum += uint64(c.Profile.Consents[i].At)
	}
	if len(c.Carts) > 0 {
		sum += uint64(c.Carts[0].At)
		if l := c.Carts[0].Lines; len(l) > 0 {
			sum += l[0].hash
		}
	}
	if len(c.Orders) > 0 {
		sum += c.Orders[0].ID + uint64(len(c.Orders[0].Less))
	}
	if len(c.Interests) > 0 {
		in := &c.Interests[0]
		sum += in.hash + uint64(in.Quantity) + in.Bought + uint64(in.Told)
	}
	if len(c.Sights) > 0 {
		sum += c.Sights[0].key
	}
	if len(c.Occurrences) > 0 {
		o := &c.Occurrences[0]
		sum += uint64(o.N) + o.Position + o.Rules
	}
	return sum
}
