package sim

import (
	"onhand/connectors"
	"onhand/processor"
	"onhand/processor/worker"
	"slices"
	"time"
)

// attempt is an action in the queue of a process's channel.
type attempt struct {
	from   *runner
	effect worker.Effect
}

// handed is what a provider has seen of an action.
type handed struct {
	attempts map[int]int // how often each attempt arrived
	retries  int         // answers that asked for another one
}

// effects does what a confirmed commit asks for.
func (r *runner) effects(effects []worker.Effect) {
	w := r.process.w
	for _, e := range effects {
		switch e.Type {
		case worker.Attempt:
			d := *e.Decision
			e.Decision = &d
			w.attempts = append(w.attempts, &attempt{r, e})
			if x := (offer{d.Customer, d.Cause.Value, d.Action.OfferID}); d.Moment == "back_in_stock" && !slices.Contains(w.offers, x) {
				w.offers = append(w.offers, x)
			}
		case worker.Republish:
			r.republish(e.Resend)
		case worker.Cancel:
			for i, v := range slices.Backward(w.attempts) {
				if a := v; a.from.process == r.process && a.effect.Decision.ID == e.ActionID {
					take(&w.attempts, i)
				}
			}
		}
	}
}

// deliver makes the attempt i and reports what became of it, unless the process
// has ended meanwhile.
func (w *world) deliver(i int) {
	a := take(&w.attempts, i)
	d := a.effect.Decision
	w.note("attempt", a.from.part, a.effect.Number, 0)
	if w.faulty && w.rng.IntN(30) == 0 && a.from.live() { // the queue was full
		a.from.p.NotAttempted(a.effect, "queue_full", time.UnixMilli(a.from.process.now()+1000))
		return
	}
	h := w.handed[d.Action.ID]
	if h == nil {
		h = &handed{attempts: map[int]int{}}
		w.handed[d.Action.ID] = h
	}
	h.attempts[a.effect.Number]++
	r := connectors.Report{
		Partition: a.from.part, Customer: d.Customer, ActionID: d.Action.ID, Attempt: a.effect.Number, Attempted: true,
		Delivery: processor.Delivered, Code: "200",
	}
	if w.faulty {
		switch n := w.rng.IntN(100); {
		case n < 12:
			h.retries++
			r.Delivery, r.Code = processor.Retry, "503"
			r.RetryAt = time.UnixMilli(a.from.process.now() + w.rng.Int64N(4000))
		case n < 15:
			r.Delivery, r.Code = processor.Failed, "410"
		case n < 17:
			r.Delivery, r.Code = processor.Unknown, "timeout"
		}
	}
	if a.from.live() {
		a.from.p.Report(r)
	}
}
