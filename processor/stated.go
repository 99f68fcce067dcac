package processor

// Stated is the latest word on one thing about a customer.
type Stated struct {
	Value string // "" = not known, or taken back
	At    int64  // when it was said; 0 = nobody said it, it is a guess if it is anything
}

// hear takes another word, "" taking back what was said. Of two that arrive in
// the wrong order the later said one holds, and a guess only where nothing was
// said.
func (s *Stated) hear(value string, at int64, how Provenance) {
	switch {
	case how != Explicit && *s == Stated{}:
		s.Value = clone(value)
	case how == Explicit && at >= s.At:
		*s = Stated{clone(value), at}
	}
}

// merge takes what another profile knows, where that was said later.
func (s *Stated) merge(q Stated) {
	if q.At > s.At || *s == (Stated{}) {
		*s = q
	}
}

// encodeStated writes what was mostly said together: each says how long before
// the latest.
func encodeStated(w *writer, list ...*Stated) {
	latest := int64(0)
	for _, s := range list {
		latest = max(latest, s.At)
	}
	w.int(latest)
	for _, s := range list {
		w.str(s.Value)
		if s.At == 0 {
			w.uint(0)
		} else {
			w.uint(uint64(latest-s.At) + 1)
		}
	}
}

func decodeStated(r *reader, list ...*Stated) {
	latest := r.int()
	for _, s := range list {
		s.Value, s.At = r.str(), 0
		if before := r.uint(); before > 0 {
			s.At = latest - int64(before-1)
		}
	}
}
