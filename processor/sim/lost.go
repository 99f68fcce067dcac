package sim

import (
	"errors"
	"fmt"

	"onhand/processor"
	"onhand/processor/worker"
)

// lost is a log that has lost its end, with messages it had acknowledged, which
// no protocol can mend. What is promised is that this is noticed: whoever opens
// the partition stops with a word that says why, and nothing more is decided.
type lost struct {
	part    int
	end     uint64 // last record that was left
	commits int    // how many there were
	why     map[int]error
}

// stopped reports whether a process has given a partition up.
func (l *lost) stopped(part, process int) bool {
	return l != nil && l.part == part && l.why[process] != nil
}

// stops takes an error by which a process gives a partition up, and reports
// whether it is one that says what has happened.
func (l *lost) stops(r *runner, err error) bool {
	if l == nil || l.part != r.part {
		return false
	}
	var (
		ahead    *worker.WentBackError
		short    *worker.ShortLogError
		other    *worker.OtherLogError
		diverged *worker.DivergedError
	)
	if !errors.As(err, &ahead) && !errors.As(err, &short) && !errors.As(err, &other) && !errors.As(err, &diverged) {
		return false
	}
	l.why[r.process.id] = err
	r.process.w.note(err.Error(), r.part, r.process.id, 0)
	return true
}

// sameLog compares the last record that a state has applied with the log.
func (w *world) sameLog(part int, s *processor.Shop) error {
	in := &w.broker.streams[part]
	if s.Position < in.first || s.Position > uint64(len(in.in)) {
		return nil
	}
	x := in.in[s.Position-1]
	return worker.SameRecord(part, s, x.stamp, x.data)
}

// wentBack cuts off the end of a log in a world that is at rest and was judged,
// cuts the power everywhere, perhaps puts other records in the place of those
// that are gone, and lets everyone begin again. In the end the partition is rewound.
func (w *world) wentBack() {
	if len(w.result.Violations) > 0 || w.rng.IntN(3) > 0 {
		return
	}
	part := w.rng.IntN(w.cfg.Partitions)
	s := &w.broker.streams[part]
	left := len(s.in) - int(s.first) + 1
	if left < 1 || w.broker.committed(part) != uint64(len(s.in)) {
		return
	}
	gone := 1 + w.rng.IntN(min(left, 12))
	s.in = s.in[:len(s.in)-gone]
	l := &lost{part: part, end: uint64(len(s.in)), commits: len(s.out), why: map[int]error{}}
	w.lost = l
	w.note("went back", part, int(l.end), gone)
	for _, p := range w.processes {
		p.crash()
		if w.rng.IntN(3) == 0 {
			p.wipe()
			p.fetch()
		}
	}
	w.net.packets, w.net.answers, w.attempts = nil, nil, nil
	for i := range w.rng.IntN(2) * w.rng.IntN(2*gone) {
		f := &fact{kind: added, id: fmt.Sprint("x", i), customer: w.livesIn(part), cart: "x", sku: "s0", n: 1, at: w.now}
		data := processor.AppendRecordHeader(nil, w.now)
		w.broker.append(part, record{data: processor.AppendRecordEntry(data, processor.AppendEvent([]byte{byte(processor.EventEntry)}, f.event()))}, w.now)
		w.now += w.rng.Int64N(1000)
	}
	w.heal()
	for range maxRounds {
		if len(w.result.Violations) > 0 || l.why[w.owner[part]] != nil {
			break
		}
		if !w.round() {
			w.now += 500
		}
	}
	why := l.why[w.owner[part]]
	if why == nil && len(w.result.Violations) == 0 {
		w.fail("log went back", "partition %d lost its records from %d on, now ends at %d, was committed up to %d, and nobody noticed",
			part, l.end+1, len(s.in), w.broker.committed(part))
	}
	for i, c := range s.commits[l.commits:] {
		if last := s.commits[l.commits-1]; c.Count > 0 || c.Position != last.Position || c.Hash != last.Hash {
			w.fail("log went back", "partition %d lost its records from %d on, and commit %d says more than was said: %d outputs, record %d",
				part, l.end+1, l.commits+i+1, c.Count, c.Position)
		}
	}
	if len(w.result.Violations) == 0 {
		w.rewind(l)
	}
}
