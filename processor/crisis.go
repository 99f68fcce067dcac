package processor

import (
	"fmt"
	"math"
	"slices"
)

// crisisWord is the latest word on the crisis of a tag. Events come twice and
// late: of two words the one that was said later holds, whichever is heard last.
type crisisWord struct {
	Tag string
	At  int64
}

// maxWords bounds them. The oldest on a crisis that is over goes first.
const maxWords = 2 * maxCrises

// crisis declares a crisis of the tags of an event, or ends it.
func (m *Machine) crisis(e *Event) {
	s := &m.shop
	t, at := CrisisOn, min(e.At, s.Now) // who says it may have a clock that is ahead
	if e.Kind == CrisisEnded {
		t = CrisisOff
	}
	for _, tag := range e.Tags {
		i := slices.IndexFunc(s.Words, func(x crisisWord) bool { return x.Tag == tag })
		on := slices.Contains(s.Crises, tag)
		switch {
		case i >= 0 && (at < s.Words[i].At || at == s.Words[i].At && t == CrisisOff):
			continue // a later word is known; of two at once the careful one holds
		case t == CrisisOn && !on && len(s.Crises) >= maxCrises:
			m.dead("limit", fmt.Sprintf("a crisis of %s: there are %d, no more are kept", tag, maxCrises), m.current)
			return
		case i >= 0:
			s.Words[i].At = at
		default:
			s.Words = room(s.Words, maxWords, func(x *crisisWord) int64 {
				if slices.Contains(s.Crises, x.Tag) {
					return math.MaxInt64
				}
				return x.At
			})
			s.Words = append(s.Words, crisisWord{clone(tag), at})
		}
		if on != (t == CrisisOn) {
			m.control(&Control{Type: t, Name: clone(tag), At: e.At})
		}
	}
}

func (s *Shop) encodeWords(w *writer) {
	w.uint(uint64(len(s.Words)))
	for _, x := range s.Words {
		w.str(x.Tag)
		w.int(x.At)
	}
}

func (s *Shop) decodeWords(r *reader) {
	s.Words = nil
	if n := r.count(2); n > 0 {
		s.Words = make([]crisisWord, n)
		for i := range s.Words {
			s.Words[i] = crisisWord{r.str(), r.int()}
		}
	}
}
