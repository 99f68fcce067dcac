package processor

// BeginFlush starts a write-behind of everything that changed, as of now, into
// w. It returns the mark to commit with it. FlushSome encodes the entities;
// steps may run in between. Only one write-behind runs at a time: the caller
// waits for FlushDone before the next.
func (m *Machine) BeginFlush(w Writer) (mark []byte) {
	m.writer = w
	m.flushing, m.dirty = m.dirty, m.flushing[:0]
	m.flush++
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
		k := m.flushing[last]
		m.flushing = m.flushing[:last]
		e := m.memory.places.get(k.kind, k.hash)
		switch {
		case e == nil:
		case e.live:
			if h := m.memory.places.live[e.at]; m.unwritten(h.flush, h.written) {
				m.save(h)
			}
		default:
			if f, b := m.memory.at(e); m.unwritten(f.flush, f.flags&writtenFlag != 0) {
				m.saveFrozen(k, &f, b)
			}
		}
	}
	return len(m.flushing) == 0
}

// unwritten reports whether the running write-behind has yet to come to an
// entity.
func (m *Machine) unwritten(flush uint32, written bool) bool {
	return m.writer != nil && flush == m.flush-1 && !written
}

// FlushDone says that the write-behind is committed to the store.
func (m *Machine) FlushDone() {
	m.writer = nil
	m.flushed = m.flush - 1
	m.seen.flushed()
}

// save puts a live entity into the running write-behind.
func (m *Machine) save(h *head) {
	h.written = true
	if h.gone {
		if h.saved != 0 {
			m.writer.DeleteTimer(h.saved, uint8(h.kind), h.hash)
			h.saved = 0
		}
		m.writer.Delete(uint8(h.kind), h.hash)
		return
	}
	m.memory.weigh(h) // it has grown since it was last looked at
	h.listed = m.put(h.kind, h.hash, m.encoded(h), h.saved, h.due, h.listed, h.waits())
	h.saved = h.due
}

// saveFrozen does the same for a frozen one, whose bytes are b.
func (m *Machine) saveFrozen(k key, f *frozen, b []byte) {
	value := b[frozenHeader:][:f.size]
	r := reader{b: value[1:]} // behind the version
	due := r.int()
	f.flags |= writtenFlag
	if m.put(k.kind, k.hash, value, f.saved, due, f.flags&listedFlag != 0, f.flags&waitsFlag != 0) {
		f.flags |= listedFlag
	} else {
		f.flags &^= listedFlag
	}
	f.saved = due
	f.write(b)
}

// put writes an entity's value, moves its timer and its row in the list of
// customers with pending actions, and returns whether it has one now.
func (m *Machine) put(kind EntityKind, hash uint64, value []byte, saved, due int64, listed, waits bool) bool {
	m.writer.Set(uint8(kind), hash, value)
	if saved != due {
		if saved != 0 {
			m.writer.DeleteTimer(saved, uint8(kind), hash)
		}
		if due != 0 {
			m.writer.SetTimer(due, uint8(kind), hash)
		}
	}
	if listed != waits {
		if waits {
			m.writer.Set(uint8(OutboxKind), hash, nil)
		} else {
			m.writer.Delete(uint8(OutboxKind), hash)
		}
	}
	return waits
}

// encoded returns a live entity as it is stored; valid until the next call.
func (m *Machine) encoded(h *head) []byte {
	w := &m.coder
	w.b = w.b[:0]
	h.write(w)
	return w.b
}

// Evict makes room: what was not used lately is frozen, and what was frozen
// long ago is forgotten, if it is durable. It is called between records.
func (m *Machine) Evict() {
	mem := &m.memory
	if mem.liveBytes <= mem.liveLimit && mem.liveBytes+mem.frozenBytes <= mem.limit {
		return
	}
	m.freeze(mem.liveLimit)
	mem.forgetOldest(m.durable)
}

// FreezeAll freezes all that is live, whatever room there is. Nothing a machine
// says may depend on it, which is what it is for: a test calls it between any
// two records and compares.
func (m *Machine) FreezeAll() {
	if !noParticulars.none() {
		panic("processor: something was noted in the particulars of all interests that have none")
	}
	m.freeze(0)
}

// freeze freezes what was not used lately until the live entities take no more
// than a limit.
func (m *Machine) freeze(limit int64) {
	mem := &m.memory
	clear(m.latest[:])
	for tries := 2 * (mem.young.len() + mem.old.len()); mem.liveBytes > limit && tries > 0; tries-- {
		h, young := mem.next()
		switch {
		case h.used || h.gone && !m.durable(h.flush):
			h.used = false
			if young {
				mem.weigh(h) // mostly it was made, and has grown since
			}
			mem.keep(h, false)
		case h.gone:
			mem.forgetLive(h)
		default:
			e, w := h.live, &m.coder
			w.b = append(w.b[:0], make([]byte, frozenHeader)...)
			h.write(w)
			mem.freeze(h, w.b)
			m.spare.keep(e, int64(h.size), mem.liveLimit/spareShare)
		}
	}
}

// durable reports whether a change that went into a write-behind is in the
// store.
func (m *Machine) durable(flush uint32) bool { return flush <= m.flushed }
