package sim

import (
	"slices"

	"onhand/processor/sim/whole"
)

// weeks lets the shop of package whole happen, with the whole moments file in
// force, in a cluster in which things fail. What happens at once is said at
// once, by several senders; then the world comes to rest, through all faults,
// and the clock goes on from timer to timer to what happens next. So it is
// known, but for what was said at once, what everyone knew when.
//
// It returns when the last day is over.
func (w *world) weeks() (end int64) {
	w.now = whole.Begin
	drawn, end := whole.Draw(w.cfg.Seed, whole.Shape{Events: 20 + w.rng.IntN(30), Crowded: true, Days: 8})
	w.stands = w.rng.IntN(2) == 0
	w.trouble = []int{30, 100, 300}[w.rng.IntN(3)]
	rules := whole.RulesOf(w.cfg.Seed)
	if rules.Late != 0 {
		w.trouble = max(w.trouble, 100) // who waits for a source asks every minute: the logs are long, and take long to be read again
	}
	w.activate(rules.Text)
	w.flushEvery = []int64{60_000, 3600_000, 12 * 3600_000}[w.rng.IntN(3)]
	w.wrongClocks()
	for i := range drawn {
		e := &drawn[i]
		f := &fact{id: e.MessageID, whole: e, at: e.At, hidden: w.cfg.Hide.Hides(e)}
		if w.faulty = e.At > drawn[0].At+whole.AtOnce; i > 0 && e.At > drawn[i-1].At+whole.AtOnce {
			w.pass(e.At)
		}
		if len(w.result.Violations) > 0 {
			return end
		}
		w.now = max(w.now, e.At)
		w.facts = append(w.facts, f)
		w.anySender().say(f)
		if w.faulty && w.rng.IntN(4) == 0 { // a copy of this or of another
			if again := w.facts[w.rng.IntN(len(w.facts))]; w.now-again.at < whole.Copies {
				w.anySender().say(again)
			}
		}
	}
	w.pass(w.now + whole.AtOnce)
	w.faulty = false
	w.heal()
	w.pass(end)
	w.settle()
	return end
}

func (w *world) anySender() *sender { return w.senders[w.rng.IntN(len(w.senders))] }

// pass lets the world come to rest and time go on, until a time. It comes to
// rest before each timer.
func (w *world) pass(until int64) {
	for n := 0; n < maxRounds; n++ {
		switch {
		case len(w.result.Violations) > 0:
			return
		case w.troubled():
		case w.restless():
			w.now += w.rng.Int64N(500)
			if p := w.processes[w.rng.IntN(len(w.processes))]; w.rng.IntN(4) == 0 {
				p.down, p.paused, p.cut = false, false, false
			}
		default:
			if n := len(w.cuts); n == 0 || w.cuts[n-1] != w.broker.order {
				w.cuts = append(w.cuts, w.broker.order)
			}
			wake := w.ownersWake()
			if wake == 0 || wake > until {
				w.now = max(w.now, until)
				return
			}
			if wake > w.now+1000 {
				n = 0 // it passes
			}
			w.now = max(w.now+1, wake)
		}
	}
	w.fail("progress", "time does not pass in %d rounds: %s", maxRounds, w.unsettled())
}

// troubled lets everyone do what they can, in any order, and things fail
// meanwhile, a process between any two of its moves. It reports whether
// anything was done.
func (w *world) troubled() (busy bool) {
	w.now++
	w.result.Turns++
	if w.faulty && w.rng.IntN(w.trouble) == 0 {
		w.fault()
	}
	for _, s := range w.senders {
		for p := range s.boxes {
			busy = s.publish(p) || busy
		}
	}
	for len(w.net.packets) > 0 && w.rng.IntN(8) > 0 {
		w.arrive(w.rng.IntN(len(w.net.packets)))
		busy = true
	}
	for len(w.net.answers) > 0 && w.rng.IntN(8) > 0 {
		w.answer(w.rng.IntN(len(w.net.answers)))
		busy = true
	}
	for i, a := range slices.Backward(w.attempts) {
		if !a.from.process.paused && w.rng.IntN(8) > 0 {
			w.deliver(i)
			busy = true
		}
	}
	for _, p := range w.processes {
		for part := range p.runners {
			if p.down || p.paused {
				break
			}
			busy = w.moves(p, part) || busy
		}
	}
	return busy
}

// moves lets a process do what it can for a partition.
func (w *world) moves(p *process, part int) (busy bool) {
	r := p.runners[part]
	switch {
	case r != nil && w.superfluous(r):
		if w.faulty && w.rng.IntN(8) > 0 {
			break // it hears of that late
		}
		p.leave(part)
		return true
	case r == nil && w.owner[part] == p.id:
		p.own(part)
		return true
	case r == nil && w.standby[part] == p.id && w.stands:
		p.standBy(part)
		return true
	}
	for i := range moves {
		if r == nil || r.gone || i == rareMove && w.rng.IntN(20) > 0 {
			break
		}
		if w.faulty && w.rng.IntN(300*w.trouble) == 0 {
			p.crash()
			w.elect()
			return true
		}
		busy = r.step(i) || busy
	}
	return busy && w.owner[part] == p.id
}

// restless reports whether something is on its way or waits for someone.
func (w *world) restless() bool {
	if len(w.net.packets) > 0 || len(w.net.answers) > 0 || len(w.attempts) > 0 {
		return true
	}
	for _, s := range w.senders {
		if !s.idle() {
			return true
		}
	}
	for part, id := range w.owner {
		r := w.processes[id].runners[part]
		if r == nil || r.p == nil || r.p.Following() || r.unread() || r.asks || !r.p.Idle(r.process.now()) || w.processes[id].paused || w.processes[id].cut {
			return true
		}
	}
	return false
}

// ownersWake returns the true time at which an owner has something to do by
// itself, 0 = never.
func (w *world) ownersWake() (first int64) {
	for part, id := range w.owner {
		p := w.processes[id]
		if at := p.runners[part].p.NextWake(); at != 0 && (first == 0 || at-p.skew < first) {
			first = at - p.skew
		}
	}
	return first
}
