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
	shop    Shop // nil: nothing is offered back
	book    *shop.Book
	oracle  *shop.Oracle
	tallies map[Tally]int
	events  int
	decided int
	actions int // sent and withdrawn, each to be handed over
	ended   int // actions that were handed over or failed
	first   time.Time
	last    time.Time
}

// NewJudge returns a judge for one run.
func NewJudge(p shop.Policy, s Shop) *Judge {
	b := shop.NewBook(p)
	return &Judge{shop: s, book: b, oracle: shop.NewOracle(b, p), tallies: map[Tally]int{}}
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
	if j.first.IsZero() {
		j.first = at
	}
	j.last = at
	j.events += len(events)
	for _, e := range events {
		j.book.Acked(e, at)
	}
}

// Committed takes what a commit record decided, at the time it was committed.
func (j *Judge) Committed(partition int, c *processor.CommitRecord, at time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
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
	j.decided++
	j.tallies[Tally{Moment: d.Moment, Outcome: d.Outcome.String(), Reason: string(d.Reason)}]++
	if d.Action != nil && d.Mode == "live" && (d.Outcome == processor.Sent || d.Outcome == processor.Retracted) {
		j.actions++
	}
	if err := j.oracle.Decided(partition, d.AppendJSON(nil), at); err != nil {
		return err
	}
	if d.Outcome == processor.Sent && d.Mode == "live" && d.Action != nil && d.Action.OfferID != "" && j.shop != nil {
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
	if d.Delivery == processor.Failed {
		j.oracle.Failed(strings.Clone(d.Action))
	}
	return nil
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
	s := j.oracle.Report(end)
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
