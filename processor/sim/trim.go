package sim

import (
	"errors"
	"math"
)

// What nobody needs any more is dropped from the logs, as in package worker:
// records that every kept checkpoint covers and every state in use, and commit
// records of the time before. Who comes back with an older state begins on a
// checkpoint. The judges read what was dropped all the same.

// errGap is what a reader hears who asks for a record that was dropped.
var errGap = errors.New("messages that should be in the log are not there")

// trim drops what is covered, behind a checkpoint that was just made.
func (w *world) trim(part int) {
	floor := uint64(math.MaxUint64)
	for _, c := range w.copies[part] {
		floor = min(floor, c.position)
	}
	for _, p := range w.processes {
		if r := p.runners[part]; r != nil && r.p != nil && !p.paused && !p.cut {
			floor = min(floor, r.p.FlushPosition())
		}
	}
	if w.cfg.Plant == TrimEarly {
		floor = w.broker.committed(part)
	}
	s := &w.broker.streams[part]
	s.first = max(s.first, floor+1)
	for s.firstOut < uint64(len(s.commits)) && s.commits[s.firstOut].Position <= floor {
		s.firstOut++ // the one that covers it stays
	}
	w.note("trim", part, int(s.first), int(s.firstOut))
}

// covers reports whether the logs hold all that is needed to go on from a
// position.
func (s *stream) covers(position uint64) bool {
	return position+1 >= s.first && (s.firstOut == 1 || s.commits[s.firstOut-1].Position <= position)
}

// ensure gives a process a checkpoint of a partition when its own state is
// older than the log.
func (p *process) ensure(part int) {
	s := &p.w.broker.streams[part]
	if s.covers(p.disks[part].position) {
		return
	}
	var all []copied
	for _, c := range p.w.copies[part] {
		if s.covers(c.position) {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		p.w.fail("state", "process %d has partition %d at record %d, the log begins at %d, and there is no checkpoint between", p.id, part, p.disks[part].position, s.first)
		return
	}
	p.take(part, all[p.w.rng.IntN(len(all))])
}
