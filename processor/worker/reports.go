package worker

import (
	"slices"
	"sync"
	"time"

	"onhand/connectors"
	"onhand/processor"
)

// reports are what became of attempts, on the way to the partition that made
// them. An attempt ends when it likes, also while the partition moves, stops or
// fails. What the loop has not taken when it ends, or could not say in its log any
// more, is put there all the same, where the next owner finds it:
//
//	attempt --report--> loop --> Partition.Report --> in.<p>
//	             |        |           |                 ^
//	             |  no loop any more  | the loop ends   |
//	             '--------'-----------'--> addOutcome --'
//
// About an attempt that is to be repeated the next owner thinks itself.
type reports struct {
	mu     sync.Mutex
	list   []connectors.Report
	closed bool
}

// put takes a report; false when the loop has ended.
func (x *reports) put(r connectors.Report) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.closed {
		x.list = append(x.list, r)
	}
	return !x.closed
}

// take returns the reports that have come since.
func (x *reports) take() []connectors.Report {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := x.list
	x.list = nil
	return list
}

// close takes no more reports, and returns those that nobody has taken.
func (x *reports) close() []connectors.Report {
	list := x.take()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	return append(list, x.list...)
}

// hear gives the partition the reports that have come.
func (l *loop) hear() bool {
	list := l.reports.take()
	for _, r := range list {
		l.p.Report(r)
	}
	return len(list) > 0
}

// leaveReports puts into the log what the partition has not said when it ends.
func (l *loop) leaveReports() {
	for _, r := range l.reports.close() {
		l.w.addOutcome(l.part, outcomeEntry(&r))
	}
	if l.p != nil {
		for _, e := range l.p.own.entries {
			l.w.addOutcome(l.part, slices.Clone(e))
		}
	}
}

// report gives the outcome of an attempt to its partition.
func (w *Worker) report(r connectors.Report) {
	defer w.underway.Add(-1)
	w.tellHeld(&r)
	w.mu.Lock()
	l := w.loops[r.Partition]
	w.mu.Unlock()
	if l != nil && !l.standby.Load() {
		l.underway.Add(-1)
		if l.reports.put(r) {
			l.nudge()
			return
		}
	}
	w.addOutcome(r.Partition, outcomeEntry(&r))
}

const (
	outcomeTries = 30 // to put an outcome into a log that is not ours any more
	outcomeRetry = time.Second
)

// addOutcome puts an entry into the log of a partition that does not run here
// any more, if it says for good what became of an attempt. Who is killed says
// nothing.
func (w *Worker) addOutcome(part int, entry []byte) {
	if d, ok := processor.OutcomeIn(entry); !ok || d == processor.Retry || w.ctx.Err() != nil {
		return
	}
	w.outcomes.Go(func() {
		for range outcomeTries {
			record := processor.AppendRecordHeader(nil, w.cfg.Clock().UnixMilli())
			if _, err := w.log.Append(w.ctx, part, processor.AppendRecordEntry(record, entry)); err == nil {
				return
			}
			if pauseFor(w.ctx, outcomeRetry) != nil {
				return
			}
		}
		w.cfg.Logger.Warn("what became of an attempt is not in the log", "partition", part)
	})
}

// outcomeEntry is the entry that says what a report does.
func outcomeEntry(r *connectors.Report) []byte {
	e := processor.AppendOutcome(nil, r.Customer, r.ActionID, r.Attempt, r.Delivery, r.Code)
	if r.EffectiveAt.IsZero() && r.Reference == "" {
		return e
	}
	effective := int64(0)
	if !r.EffectiveAt.IsZero() {
		effective = r.EffectiveAt.UnixMilli()
	}
	if e = processor.AppendEffective(e, effective); r.Reference != "" {
		e = processor.AppendReference(e, r.Reference)
	}
	return e
}
