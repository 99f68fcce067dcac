package processor

import (
	"maps"
	"slices"
)

// What is pending when the rules change is gated by the new ones from then on.
// An activation may also let it keep its own: then the old file stays in force
// for what began under it, until an event begins it anew.
//
//	activation    1           2, keeping      3, keeping      4
//	              |-- file A --|-- file B -----|-- file C -----|-- file D, for all
//	began under 1 |            A               A               D
//	began under 2              B               B               D

// Kept is a file that was replaced and still holds for what is pending.
type Kept struct {
	Upto uint64 // for what began under this activation or an earlier one
	Text []byte // the moments file
}

// maxKept bounds the files kept beside the one in force. Beyond it the oldest
// goes, and what was pending under it is gated by the one that followed.
const maxKept = 4

func (s *Shop) encodeKept(w *writer) {
	w.uint(s.Activations)
	w.uint(uint64(len(s.Kept)))
	for _, k := range s.Kept {
		w.uint(k.Upto)
		w.bytes(k.Text)
	}
}

func (s *Shop) decodeKept(r *reader) {
	s.Activations, s.Kept = r.uint(), nil
	if n := r.count(2); n > 0 {
		s.Kept = make([]Kept, n)
		for i := range s.Kept {
			s.Kept[i] = Kept{r.uint(), r.bytes()}
		}
	}
}

// replace counts an activation and notes what is pending: keep lets it have
// the rules it began under.
func (s *Shop) replace(keep bool) {
	switch {
	case !keep:
		s.Kept = nil
	case len(s.Rules) > 0:
		s.Kept = append(s.Kept, Kept{s.Activations, s.Rules})
		s.Kept = s.Kept[max(0, len(s.Kept)-maxKept):]
	}
	s.Activations++
}

// keeping returns rules beside which older files are kept. What an event or a
// fact may mean to any of them is asked of all.
func (r *rules) keeping(list []Kept) (*rules, error) {
	if len(list) == 0 {
		return r, nil
	}
	newest := *r
	newest.dated, newest.usedUp = maps.Clone(r.dated), maps.Clone(r.usedUp)
	newest.traits.names = slices.Clone(r.traits.names)
	all := make([]*rules, len(list))
	for i := range list {
		old, err := compileRules(list[i].Text, "")
		if err != nil {
			return nil, err
		}
		k := *old
		k.upto, k.newest, k.kept = list[i].Upto, &newest, all
		all[i] = &k
		maps.Copy(newest.dated, k.dated)
		maps.Copy(newest.usedUp, k.usedUp)
		for e := range newest.moves {
			newest.moves[e] = newest.moves[e] || k.moves[e]
		}
		newest.facts |= k.facts
		newest.traits.add(k.traits.names, k.traits.all)
		newest.families = newest.families || k.families
		newest.accessories = newest.accessories || k.accessories
		newest.audiencesByItem = newest.audiencesByItem && k.audiencesByItem
		newest.audiences = append(slices.Clip(newest.audiences), k.audiences...)
		newest.together = append(slices.Clip(newest.together), k.together...)
		newest.longestCap = max(newest.longestCap, k.longestCap)
	}
	newest.kept = all
	return &newest, nil
}

// of returns the rules for what began under an activation.
func (r *rules) of(activation uint64) *rules {
	if len(r.kept) == 0 {
		return r
	}
	for _, k := range r.kept {
		if activation <= k.upto {
			return k
		}
	}
	if r.newest != nil {
		return r.newest
	}
	return r
}

// under has what follows go by the rules that something pending began under. It
// returns those in force, for m.rules when it is done.
func (m *Machine) under(activation uint64) (inForce *rules) {
	inForce = m.rules
	m.rules = inForce.of(activation)
	return inForce
}
