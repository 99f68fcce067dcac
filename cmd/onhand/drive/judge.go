package drive

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"onhand/processor"
	"onhand/processor/sim/shop"
)

// Shop makes events and is told what was said to its customers.
type Shop interface {
	Offered(customer, sku, offer string, until time.Time)
}

// Tally is a line of the table at the end.
type Tally struct {
	Moment  string `json:"moment"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
	Count   int    `json:"count"`
}

// Judge keeps the book of what was accepted and hears every decision. Its
// methods may be called from any goroutine; Locked guards the shop, too.
type Judge struct {
	mu      sync.Mutex
	shop    Shop         // nil: nobody knows the truth, decisions are only counted
	book    *shop.Book   // nil without a shop
	oracle  *shop.Oracle // nil without a shop
	tallies map[Tally]int
	events  int
	decided int
	actions int // sent and withdrawn, each to be handed over
	ended   int // actions that were handed over or failed
	lags    map[int]lag
	delays  []int64 // ms, from the log's acceptance of an event to the commit of what was decided at once
}

// NewJudge returns a judge for one run. Without a shop it only counts.
func NewJudge(p shop.Policy, s Shop) *Judge {
	j := &Judge{shop: s, tallies: map[Tally]int{}, lags: map[int]lag{}}
	if s != nil {
		j.book = shop.NewBook(p)
		j.oracle = shop.NewOracle(j.book, p)
	}
	return j
}

// Locked runs f while nobody else uses the shop.
func (j *Judge) Locked(f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f()
}

// Acked tells that the collector has accepted events.
func (j *Judge) Acked(events []shop.Event, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events += len(events)
	if j.book == nil {
		return
	}
	for _, e := range events {
		j.book.Acked(e, at)
	}
}

// Committed takes what a commit record decided, at the time it was committed.
func (j *Judge) Committed(partition int, c *processor.CommitRecord, at time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lags[partition] = lag{time.Now(), at.Sub(time.UnixMilli(c.Now))}
	for rest := c.Outputs; len(rest) > 0; {
		var o processor.Output
		var err error
		if o, rest, err = processor.NextOutput(rest); err != nil {
			return err
		}
		switch o.Type {
		case processor.DecisionOutput:
			err = j.decision(partition, o.Body, at)
		case processor.DeliveryOutput:
			err = j.delivery(o.Body)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (j *Judge) decision(partition int, body []byte, at time.Time) error {
	d, err := processor.ParseDecision(body)
	if err != nil {
		return err
	}
	return j.hear(partition, &d, at)
}

// hear takes one decision.
func (j *Judge) hear(partition int, d *processor.Decision, at time.Time) error {
	j.decided++
	j.tallies[Tally{Moment: d.Moment, Outcome: d.Outcome.String(), Reason: string(d.Reason)}]++
	if d.Action != nil && d.Mode == "live" && (d.Outcome == processor.Sent || d.Outcome == processor.Retracted) {
		j.actions++
	}
	// Log time is the server's stamp of the record that was applied.
	if d.Cause.Timer == "" && d.Cause.Offer == "" && d.Outcome != processor.Deferred && d.Outcome != processor.Expired {
		j.delays = append(j.delays, max(0, at.UnixMilli()-d.At))
	}
	if j.oracle == nil {
		return nil
	}
	if err := j.oracle.Decided(partition, d.AppendJSON(nil), at); err != nil {
		return err
	}
	if d.Outcome == processor.Sent && d.Mode == "live" && d.Action != nil && d.Action.OfferID != "" {
		for _, l := range d.Action.Lines {
			// The ids are views of the commit record; the shop keeps them.
			j.shop.Offered(strings.Clone(d.Customer), strings.Clone(l.SKU), strings.Clone(d.Action.OfferID), time.UnixMilli(d.Action.HoldUntil))
		}
	}
	return nil
}

func (j *Judge) delivery(body []byte) error {
	d, err := processor.ParseDelivery(body)
	if err != nil {
		return err
	}
	if d.Delivery != processor.Retry {
		j.ended++
	}
	if d.Delivery == processor.Failed && j.oracle != nil {
		j.oracle.Failed(strings.Clone(d.Action))
	}
	return nil
}

// lag is how late a partition was when it last committed.
type lag struct {
	heard time.Time
	late  time.Duration // from the log's acceptance of the last record to the commit
}

// lagCounts is how long a commit says something about the present.
const lagCounts = 300 * time.Millisecond

// Lag returns how late the slowest partition is by the wall clock.
func (j *Judge) Lag() (late time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range j.lags {
		if time.Since(l.heard) < lagCounts {
			late = max(late, l.late)
		}
	}
	return late
}

// Progress returns how far the run has come.
func (j *Judge) Progress() (events, decided int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.events, j.decided
}

// Undelivered returns how many actions have neither been handed over nor given
// up.
func (j *Judge) Undelivered() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.actions - j.ended
}

// Report judges everything. end is when the run ended.
func (j *Judge) Report(end time.Time) (shop.Summary, []Tally) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := shop.Summary{Events: j.events, Decisions: map[string]map[string]int{}}
	if j.oracle != nil {
		s = j.oracle.Report(end)
	} else {
		for t, n := range j.tallies {
			if s.Decisions[t.Moment] == nil {
				s.Decisions[t.Moment] = map[string]int{}
			}
			s.Decisions[t.Moment][t.Outcome] += n
		}
	}
	if s.EventToDecision.N == 0 {
		s.EventToDecision = spreadOf(j.delays)
	}
	var all []Tally
	for t, n := range maps.All(j.tallies) {
		t.Count = n
		all = append(all, t)
	}
	slices.SortFunc(all, func(x, y Tally) int {
		if c := strings.Compare(x.Moment+" "+x.Outcome, y.Moment+" "+y.Outcome); c != 0 {
			return c
		}
		return y.Count - x.Count
	})
	return s, all
}

// spreadOf tells the distribution of durations in milliseconds.
func spreadOf(ms []int64) shop.Spread {
	if len(ms) == 0 {
		return shop.Spread{}
	}
	slices.Sort(ms)
	at := func(p float64) float64 { return float64(ms[int(p*float64(len(ms)-1))]) }
	return shop.Spread{P50: at(0.5), P99: at(0.99), Max: at(1), N: len(ms)}
}
