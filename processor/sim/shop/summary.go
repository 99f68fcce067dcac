package shop

import (
	"math"
	"slices"
	"time"
)

// Summary is the outcome of a run, in the form `--summary` writes.
type Summary struct {
	Events          int                       `json:"events"`
	EventsPerSecond float64                   `json:"events_per_second"`
	Decisions       map[string]map[string]int `json:"decisions"` // moment, outcome
	// RestockToOffer is from the acceptance of the level that brought an item
	// back, plus the settle time it must hold, to the commit of the first offer.
	RestockToOffer Spread `json:"restock_to_offer_ms"`
	// EventToDecision is from the acceptance of an event to the commit of a
	// decision that waits for no window.
	EventToDecision Spread    `json:"event_to_decision_ms"`
	Oracle          Verdict   `json:"oracle"`
	Findings        []Finding `json:"findings,omitempty"`
}

// Verdict counts what the oracle found. Wrong includes Places, people served
// before an earlier one, and Unbalanced, candidates with two ends.
type Verdict struct {
	Checked    int `json:"checked"`
	Wrong      int `json:"wrong"`
	Missing    int `json:"missing"`
	Oversold   int `json:"oversold"`
	Duplicates int `json:"duplicates"`
	Places     int `json:"places"`
	Unbalanced int `json:"unbalanced"`
	Candidates int `json:"candidates"` // = ended once or more + pending
	Pending    int `json:"pending"`
	// SlowMS is how many ms an event took at most to be accepted, when that was more
	// than Policy.Grace; else 0.
	SlowMS int64 `json:"slow_ms,omitempty"`
}

// OK reports whether nothing was found.
func (v Verdict) OK() bool {
	return v.Wrong == 0 && v.Missing == 0 && v.Oversold == 0 && v.Duplicates == 0
}

// Spread tells a distribution, in milliseconds.
type Spread struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
	N   int     `json:"n"`
}

func spreadOf(ms []int64) Spread {
	if len(ms) == 0 {
		return Spread{}
	}
	slices.Sort(ms)
	q := func(p float64) float64 { return float64(ms[int(math.Ceil(p*float64(len(ms))))-1]) }
	return Spread{P50: q(0.5), P99: q(0.99), Max: float64(ms[len(ms)-1]), N: len(ms)}
}

func (o *Oracle) summary() Summary {
	s := Summary{Events: o.book.count, Decisions: map[string]map[string]int{}, Findings: o.findings}
	if span := o.book.last - o.book.first; span > 0 {
		s.EventsPerSecond = math.Round(float64(o.book.count) / (time.Duration(span) * time.Millisecond).Seconds())
	}
	for _, d := range o.decisions {
		by := s.Decisions[d.Moment]
		if by == nil {
			by = map[string]int{}
			s.Decisions[d.Moment] = by
		}
		by[d.Outcome]++
	}
	v := &s.Oracle
	if o.book.slow > o.policy.Grace.Milliseconds() {
		v.SlowMS = o.book.slow
	}
	v.Checked = len(o.decisions) + len(o.doubled)
	for _, f := range o.findings {
		switch f.Kind {
		case Wrong:
			v.Wrong++
		case Missing:
			v.Missing++
		case Oversold:
			v.Oversold++
		case Duplicate:
			v.Duplicates++
		case Place:
			v.Wrong++
			v.Places++
		case Unbalanced:
			v.Wrong++
			v.Unbalanced++
		}
	}
	v.Candidates = len(o.candidates)
	for _, records := range o.candidates {
		pending := true
		for _, d := range records {
			pending = pending && !d.final()
		}
		if pending {
			v.Pending++
		}
	}
	s.RestockToOffer, s.EventToDecision = o.restocks(), o.reactions()
	return s
}

// reactions measures the decisions that name an event and waited for nothing.
func (o *Oracle) reactions() Spread {
	var ms []int64
	for _, d := range o.decisions {
		if d.Cause.ID == "" || d.Cause.Timer != "" || d.Cause.Offer != "" || d.Outcome == "retracted" || len(o.candidates[d.candidate()]) > 1 {
			continue
		}
		if at, ok := o.book.AckedAt(d.Cause.ID); ok {
			ms = append(ms, max(0, d.committed-at.UnixMilli()))
		}
	}
	return spreadOf(ms)
}

// restocks measures the first offer after each level that brought an item
// back. Offers later than the hold are about something else.
func (o *Oracle) restocks() Spread {
	var ms []int64
	settle := o.policy.Settle.Milliseconds()
	for _, sku := range sortedKeys(o.offers) {
		s := o.book.items[sku]
		if s == nil {
			continue
		}
		safety, next := o.policy.safety(sku), 0
		for i := 1; i < len(s.views); i++ {
			if s.views[i-1].hi > safety || s.views[i].hi <= safety {
				continue
			}
			from, until := s.views[i].at, int64(forever)
			for _, v := range s.views[i+1:] {
				if v.hi <= safety {
					until = v.at
					break
				}
			}
			for next < len(o.offers[sku]) && o.offers[sku][next].at() < from {
				next++
			}
			waited := false // somebody had asked before
			for _, w := range s.order {
				for _, q := range w.asks {
					waited = waited || q.from < from && q.to > from+settle && o.eligible(w.customer, o.offers[sku][0].Moment, from, from+settle)
				}
			}
			if waited && next < len(o.offers[sku]) && o.offers[sku][next].at() < min(until, from+settle+o.policy.Hold.Milliseconds()) {
				ms = append(ms, max(0, o.offers[sku][next].committed-from-settle))
			}
		}
	}
	return spreadOf(ms)
}
