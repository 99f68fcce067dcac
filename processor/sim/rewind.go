package sim

import (
	"fmt"
	"slices"

	"onhand/processor"
)

// rewind makes a partition whose log went back go on from what the log has left,
// by the recipe of package worker: a record in its log that has it ask the others
// for what it has not heard, and a commit record, of a new incarnation, where the
// log was what it is last. States from behind it are dropped. The world must come
// to rest again, and the logs must say what was decided.
//
// Logs of which something was dropped are left as they are: there the recipe may
// ask for a backup.
func (w *world) rewind(l *lost) {
	s := &w.broker.streams[l.part]
	i := slices.IndexFunc(s.commits, func(c processor.CommitRecord) bool { return c.Position > l.end })
	if w.trims || i < 1 || s.commits[i-1].Position == 0 {
		return
	}
	i = slices.IndexFunc(s.commits, func(c processor.CommitRecord) bool { return c.Position == s.commits[i-1].Position })
	r, newest := s.commits[i], s.commits[len(s.commits)-1]
	w.copies[l.part] = slices.DeleteFunc(w.copies[l.part], func(c copied) bool { return c.position > r.Position })
	for _, p := range w.processes {
		if p.crash(); p.disks[l.part].position > r.Position {
			p.disks[l.part] = newDisk()
		}
	}
	w.net.packets, w.net.answers = nil, nil
	w.lost = nil
	w.broker.append(l.part, record{data: processor.AppendRecordEntry(processor.AppendRecordHeader(nil, w.now),
		processor.AppendControl(nil, &processor.Control{Type: processor.Rewound}))}, w.now)
	r.Epoch, r.Incarnation = newest.Epoch+1, newest.Incarnation+1
	r.First, r.Count, r.Outputs, r.Skips = r.First+uint64(r.Count), 0, nil, nil
	at := len(s.out)
	w.broker.commit(l.part, r.Append(nil), uint64(at))
	w.note("rewound", l.part, int(r.Position), len(s.in))
	w.heal()
	w.settle()
	if len(w.result.Violations) > 0 {
		return
	}
	s.commits = slices.Delete(s.commits, i+1, at) // taken back
	w.judgeRewound(l.part, r.Position)
}

// judgeRewound asks what must hold in spite of it: what was committed and not
// taken back is what the logs say, and all messages were heard. Others may have
// heard more from the partition: what is taken back and was not said anew.
func (w *world) judgeRewound(part int, position uint64) {
	var all []*replayed
	for p := range w.broker.streams {
		r, err := replay(w.broker, p)
		if err != nil {
			w.fail("rewound", "partition %d cannot be replayed: %v", p, err)
			return
		}
		all = append(all, r)
		w.replayEqual(p, r)
		if at, end := w.broker.committed(p), len(w.broker.streams[p].in); at != uint64(end) {
			w.fail("rewound", "partition %d is committed up to record %d of %d", p, at, end)
		}
	}
	for p, r := range all {
		for q, n := range r.steps[len(r.steps)-1].sent {
			silent := p == part && n == r.steps[position].sent[q]
			if have := all[q].accepted[p]; have < n || have > n && !silent {
				w.fail("rewound", "partition %d said %d messages to partition %d, which accepted %d; %d was rewound", p, n, q, have, part)
			}
		}
	}
}

// republish publishes again what the commit records say that a receiver was told
// from a number on, but for what was taken back.
func (r *runner) republish(x processor.Resend) {
	type message struct {
		processor.Transfer
		output uint64
	}
	var told []message
	incarnation := uint64(0)
	for _, c := range r.process.w.broker.streams[r.part].commits {
		if c.Incarnation > incarnation {
			told = slices.DeleteFunc(told, func(t message) bool { return t.output >= c.First })
		}
		incarnation = c.Incarnation
		output := c.First
		for rest := c.Outputs; len(rest) > 0; output++ {
			var o processor.Output
			var err error
			if o, rest, err = processor.NextOutput(rest); err != nil {
				r.failed(err)
				return
			}
			if o.Type != processor.TransferOutput {
				continue
			}
			t, err := processor.ParseTransfer(o.Body)
			if err != nil {
				r.failed(err)
				return
			}
			t.Incarnation = c.Incarnation
			told = append(told, message{t, output})
		}
	}
	var again []processor.Transfer
	for _, t := range told {
		if t.Receiver == x.Receiver && t.Number >= x.From {
			again = append(again, t.Transfer)
		}
	}
	if err := r.p.Requeue(x.Receiver, again); err != nil {
		r.failed(err)
	}
}

// livesIn returns a customer of a partition.
func (w *world) livesIn(part int) string {
	for i := 0; ; i++ {
		if c := fmt.Sprint("c", i); partitionOf(c, w.cfg.Partitions) == part {
			return c
		}
	}
}
