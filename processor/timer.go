package processor

// wake is one entry of the timer queue: at due, look whether the entity has
// something to do. Entries are hints. An entity's own due time is the truth,
// so moving a timer later costs nothing: the old entry finds the new due time
// when it comes up and is queued again then.
type wake struct {
	due  int64 // Unix ms
	hash uint64
	kind EntityKind
}

func (a wake) before(b wake) bool {
	if a.due != b.due {
		return a.due < b.due
	}
	if a.kind != b.kind {
		return a.kind < b.kind
	}
	return a.hash < b.hash
}

// timers is a 4-ary heap of wakes in the order (due, kind, hash), the order in
// which timers fire, in memory and on disk.
type timers struct{ heap []wake }

func (t *timers) push(w wake) {
	h := append(t.heap, w)
	i := len(h) - 1
	for i > 0 {
		p := (i - 1) / 4
		if !w.before(h[p]) {
			break
		}
		h[i] = h[p]
		i = p
	}
	h[i] = w
	t.heap = h
}

func (t *timers) peek() (wake, bool) {
	if len(t.heap) == 0 {
		return wake{}, false
	}
	return t.heap[0], true
}

func (t *timers) pop() wake {
	h := t.heap
	top, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	t.heap = h
	if len(h) == 0 {
		return top
	}
	i := 0
	for {
		c := 4*i + 1
		if c >= len(h) {
			break
		}
		for j, end := c+1, min(c+4, len(h)); j < end; j++ {
			if h[j].before(h[c]) {
				c = j
			}
		}
		if !h[c].before(last) {
			break
		}
		h[i] = h[c]
		i = c
	}
	h[i] = last
	return top
}
