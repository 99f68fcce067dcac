package sim

// turn picks one thing that may happen and lets it happen.
func (w *world) turn() {
	w.now += w.rng.Int64N(60)
	switch n := w.rng.IntN(100); {
	case n < 12:
		w.live()
	case n < 22:
		w.senders[w.rng.IntN(len(w.senders))].publish(w.rng.IntN(w.cfg.Partitions))
	case n < 40:
		if len(w.net.packets) > 0 {
			w.arrive(w.rng.IntN(len(w.net.packets)))
		}
	case n < 57:
		if len(w.net.answers) > 0 {
			w.answer(w.rng.IntN(len(w.net.answers)))
		}
	case n < 62:
		if i := w.rng.IntN(len(w.attempts) + 1); i < len(w.attempts) && !w.attempts[i].from.process.paused {
			w.deliver(i)
		}
	case n < 65:
		w.now += w.rng.Int64N(5000) // nothing happens for a while
	case n < 68:
		w.fault()
	default:
		p := w.processes[w.rng.IntN(len(w.processes))]
		part := w.rng.IntN(w.cfg.Partitions)
		switch r := p.runners[part]; {
		case p.down || p.paused:
		case r != nil:
			// One who lost a partition hears of it late.
			if w.superfluous(r) && w.rng.IntN(30) == 0 {
				p.leave(part)
				return
			}
			for range 4 {
				if r.gone {
					break
				}
				r.step(w.rng.IntN(len(moves)))
			}
		case w.owner[part] == p.id:
			p.own(part)
		case w.standby[part] == p.id:
			p.standBy(part)
		}
	}
}

// superfluous reports whether a runner is neither the owner that is meant nor
// the standby.
func (w *world) superfluous(r *runner) bool {
	id := r.process.id
	follows := r.p != nil && r.p.Following()
	return w.owner[r.part] != id && (w.standby[r.part] != id || !follows)
}

// fault lets something go wrong.
func (w *world) fault() {
	p := w.processes[w.rng.IntN(len(w.processes))]
	switch w.rng.IntN(10) {
	case 0, 1:
		if !p.down {
			p.crash()
			if w.rng.IntN(5) == 0 { // and the machine with it
				p.wipe()
				p.fetch()
			}
			w.elect()
		}
	case 2, 3, 4:
		if p.down || p.paused || p.cut {
			p.down, p.paused, p.cut = false, false, false
			w.note("resume", -1, p.id, 0)
		}
	case 5:
		if !p.down && !p.paused {
			p.paused = true
			w.note("pause", -1, p.id, 0)
			w.elect()
		}
	case 6, 7:
		part := w.rng.IntN(w.cfg.Partitions)
		if was := w.owner[part]; w.rng.IntN(2) == 0 {
			w.owner[part], w.standby[part] = w.standby[part], was
		} else {
			w.owner[part] = w.rng.IntN(len(w.processes))
		}
		w.note("move", part, w.owner[part], w.standby[part])
		w.elect()
	case 8:
		w.broker.skew = w.rng.Int64N(6000) - 3000
		p.skew = w.rng.Int64N(20_000) - 10_000
		w.note("clocks", -1, p.id, int(w.broker.skew))
	case 9:
		switch n := w.rng.IntN(4); {
		case n == 0:
			w.litter()
		case n == 1 && !p.down && !p.paused:
			p.cut = true
			w.note("cut", -1, p.id, 0)
			w.elect()
		}
	}
}

// elect gives partitions of processes that do not answer to others, some of
// them at once.
func (w *world) elect() {
	for part, id := range w.owner {
		p := w.processes[id]
		if !p.down && !p.paused && !p.cut || w.rng.IntN(3) == 0 {
			continue
		}
		if w.rng.IntN(3) > 0 {
			w.owner[part] = w.standby[part]
		} else {
			w.owner[part] = w.rng.IntN(len(w.processes))
		}
		w.standby[part] = w.rng.IntN(len(w.processes))
	}
}

// maxRounds bounds the rounds in which a world without faults must come to
// rest, so that time passes.
const maxRounds = 3000

// restMS is for how long the world is watched without faults: a timer that is
// due later leaves it at rest.
const restMS = 24 * 3600_000

// settle ends the faults and lets everything go on until nothing is left to do.
func (w *world) settle() {
	w.heal()
	end := w.now + restMS
	for i := 0; i < maxRounds; i++ {
		w.result.Rounds = max(w.result.Rounds, i)
		if len(w.result.Violations) > 0 {
			return
		}
		if w.round() {
			continue
		}
		wake := w.nextWake()
		if wake == 0 || wake > end {
			if left := w.unsettled(); left != "" {
				w.now += 500
				continue
			}
			return
		}
		if wake > w.now+1000 {
			i = 0 // time passes
		}
		w.now = max(w.now+1, wake)
	}
	w.fail("progress", "without faults the world does not come to rest in %d rounds: %s", maxRounds, w.unsettled())
}

// heal brings every process back, and every partition to where it belongs.
func (w *world) heal() {
	for part := range w.owner {
		w.owner[part] = part % len(w.processes)
		w.standby[part] = (part + 1) % len(w.processes)
	}
	for _, p := range w.processes {
		p.down, p.paused, p.cut = false, false, false
	}
}

// round lets everyone do what they can, and reports whether anyone did.
func (w *world) round() (busy bool) {
	w.now++
	for _, s := range w.senders {
		for p := range s.boxes {
			busy = s.publish(p) || busy
		}
	}
	for len(w.net.packets) > 0 {
		w.arrive(0)
		busy = true
	}
	for len(w.net.answers) > 0 {
		w.answer(0)
		busy = true
	}
	for len(w.attempts) > 0 {
		w.deliver(0)
		busy = true
	}
	for _, p := range w.processes {
		for part, r := range p.runners {
			switch {
			case r != nil && w.superfluous(r):
				p.leave(part)
				busy = true
			case r == nil && w.owner[part] == p.id:
				p.own(part)
				busy = true
			case r == nil && w.standby[part] == p.id && w.stands:
				p.standBy(part)
				busy = true
			case r == nil:
			default:
				for i := range moves {
					if r.gone {
						break
					}
					busy = r.step(i) || busy
				}
			}
		}
	}
	return busy
}

// nextWake returns the true time at which a partition has something to do by
// itself, 0 = never.
func (w *world) nextWake() int64 {
	first := int64(0)
	for _, p := range w.processes {
		for _, r := range p.runners {
			if r == nil || r.p == nil {
				continue
			}
			if at := r.p.NextWake(); at != 0 && (first == 0 || at-p.skew < first) {
				first = at - p.skew
			}
		}
	}
	return first
}

// unsettled names something that is not at rest.
func (w *world) unsettled() string {
	for _, s := range w.senders {
		if !s.idle() {
			return "a sender has facts to say"
		}
	}
	for part, id := range w.owner {
		switch r := w.processes[id].runners[part]; {
		case r == nil || r.p == nil:
			return "a partition has no owner"
		case !r.idle() || r.p.Following():
			return r.what()
		}
		if r := w.processes[w.standby[part]].runners[part]; r != nil && r.p != nil && !r.idle() {
			return "standby of " + r.what()
		}
	}
	return ""
}
