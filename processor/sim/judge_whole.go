package sim

import (
	"sort"

	"onhand/processor"
	"onhand/processor/sim/whole"
)

// slackMS is how far two clocks of a world may be apart.
const slackMS = 40_000

// judgeWhole asks whether every promise was kept in a world with the whole
// file: those about the logs as everywhere, and of what was decided whatever
// package whole asks.
func (w *world) judgeWhole(end int64) {
	all, ok := w.replays()
	if !ok {
		return
	}
	w.oneDecisionPerCause(all)
	w.actionsEnd(all)
	w.attemptedOnce()
	var events []*processor.Event
	for _, f := range w.facts {
		events = append(events, f.whole)
	}
	for _, text := range whole.Judge(whole.RulesOf(w.cfg.Seed), events, w.told(all), end, slackMS) {
		w.fail("whole", "%s", text)
	}
}

// place is where a fact lies first.
type place struct {
	part     int
	position uint64
	order    uint64
}

// places returns where each fact lies.
func (w *world) places() map[*fact]place {
	at := map[*fact]place{}
	for p := range w.broker.streams {
		for i, x := range w.broker.streams[p].in {
			for _, f := range x.facts {
				if _, ok := at[f]; !ok {
					at[f] = place{p, uint64(i + 1), x.order}
				}
			}
		}
	}
	return at
}

// told returns all decisions, in the order of the records they were made with,
// and what was known then: of a customer's own facts whatever lay in its log
// before, of others what lay in any log when the world was last at rest, for
// that had arrived. What was said since may have arrived.
func (w *world) told(all []*replayed) (list []whole.Told) {
	at := w.places()
	failed := map[string]bool{}
	type made struct {
		whole.Told
		order uint64
	}
	var sorted []made
	for p, r := range all {
		for i := range r.steps {
			for _, e := range r.steps[i].ends {
				failed[e.action] = failed[e.action] || e.delivery == "failed"
			}
		}
		r.all(func(s *said) {
			m := made{whole.Told{Decision: *s.decision}, w.broker.streams[p].in[s.position-1].order}
			cut := uint64(0)
			if i := sort.Search(len(w.cuts), func(i int) bool { return w.cuts[i] >= m.order }); i > 0 {
				cut = w.cuts[i-1]
			}
			for _, f := range w.facts {
				x := at[f]
				own := x.part == p && f.key() == s.customer
				switch {
				case own && x.position < s.position || x.order <= cut:
					m.Known = append(m.Known, f.whole)
				case own && x.position == s.position || !own && x.order <= m.order:
					m.Maybe = append(m.Maybe, f.whole)
				}
			}
			sorted = append(sorted, m)
		})
	}
	sort.SliceStable(sorted, func(i, j int) bool { return sorted[i].order < sorted[j].order })
	for _, m := range sorted {
		m.Failed = m.Action != nil && (failed[m.Action.ID] || !w.reached(m.Action.ID))
		list = append(list, m.Told)
	}
	return list
}

// reached reports whether a provider may have taken an action.
func (w *world) reached(action string) bool {
	h := w.handed[action]
	if h == nil {
		return false
	}
	total := 0
	for _, n := range h.attempts {
		total += n
	}
	return total > h.retries
}

// actionsEnd: every action that was sent was delivered, failed, is unknown, or
// was withdrawn; whoever knows of it.
func (w *world) actionsEnd(all []*replayed) {
	over, sent := map[string]bool{}, map[string]*said{}
	for _, r := range all {
		for i := range r.steps {
			for _, e := range r.steps[i].ends {
				over[e.action] = over[e.action] || e.delivery != "retry"
			}
		}
		r.all(func(s *said) { sent[s.id] = s })
	}
	for _, r := range all {
		r.all(func(s *said) {
			if was := sent[s.retracts]; was != nil {
				over[was.action] = true
			}
		})
	}
	for _, r := range all {
		r.all(func(s *said) {
			if s.action != "" && !over[s.action] {
				w.fail("actions end", "nobody knows what became of %v", s)
			}
		})
	}
}
