package sim

import (
	"bytes"
)

// judge asks whether every promise was kept.
func (w *world) judge() {
	all, ok := w.replays()
	if !ok {
		return
	}
	w.oneDecisionPerCause(all)
	w.balanced(all)
	w.attemptedOnce()
	o := newOracle(w, all)
	o.carts()
	o.offers()
	o.places()
	o.audiences()
	o.budget()
}

// replays reads all logs again and asks what holds for any world: what was
// committed is what they say, and nothing was lost on the way. It reports
// whether there is anything to be judged.
func (w *world) replays() (all []*replayed, ok bool) {
	b := w.broker
	w.result.Facts = len(w.facts)
	for p := range b.streams {
		w.result.Records += len(b.streams[p].in)
		w.result.Commits += len(b.streams[p].out)
	}
	if len(w.result.Violations) > 0 {
		return nil, false // what comes after is only its consequence
	}
	for p := range b.streams {
		r, err := replay(b, p)
		if err != nil {
			w.fail("replay equal", "partition %d cannot be replayed: %v", p, err)
			return nil, false
		}
		all = append(all, r)
	}
	for p, r := range all {
		w.replayEqual(p, r)
		w.nothingLost(p, r)
		w.flushBehindCommit(p, r)
		r.all(func(s *said) {
			w.result.Decisions++
			if s.outcome == "sent" {
				w.result.Sent++
			}
		})
	}
	w.messagesOnce(all)
	return all, true
}

// replayEqual: what was committed, by whichever owner, in whatever pieces, is
// what an undisturbed replay gives, byte for byte and hash for hash.
func (w *world) replayEqual(p int, r *replayed) {
	var committed []byte
	var next uint64
	for i, c := range w.broker.streams[p].commits {
		if c.First != next && c.Count > 0 {
			w.fail("replay equal", "commit %d of partition %d begins with output %d, %d outputs were committed before it", i+1, p, c.First, next)
			return
		}
		next += uint64(c.Count)
		committed = append(committed, c.Outputs...)
		if c.Position >= uint64(len(r.steps)) {
			w.fail("replay equal", "commit %d of partition %d stands at record %d, the log ends at %d", i+1, p, c.Position, len(r.steps)-1)
			return
		}
		if h := r.steps[c.Position].hash; c.Hash != h {
			w.fail("replay equal", "commit %d of partition %d has hash %016x at record %d, the replay has %016x", i+1, p, c.Hash, c.Position, h)
			return
		}
		if len(c.Skips) > 0 {
			w.fail("replay equal", "commit %d of partition %d passes over steps that fail: %v", i+1, p, c.Skips)
		}
	}
	if !bytes.Equal(committed, r.outputs) {
		w.fail("replay equal", "partition %d committed %d bytes of outputs, the replay gives %d, or others", p, len(committed), len(r.outputs))
	}
}

// nothingLost: every fact a sender was told is safe is in the log, every record
// is applied and committed, and what cannot be read is in the dead letters, with
// nothing else.
func (w *world) nothingLost(p int, r *replayed) {
	s := &w.broker.streams[p]
	if at := w.broker.committed(p); at != uint64(len(s.in)) {
		w.fail("nothing lost", "partition %d is committed up to record %d of %d", p, at, len(s.in))
	}
	there := map[*fact]bool{}
	for i := range s.in {
		x := &s.in[i]
		for _, f := range x.facts {
			there[f] = true
		}
		switch dead := r.steps[i+1].dead; {
		case x.garbage && len(dead) != 1:
			w.fail("nothing lost", "record %d of partition %d cannot be read and has %d dead letters", i+1, p, len(dead))
		case !x.garbage && len(dead) > 0:
			w.fail("nothing lost", "record %d of partition %d is in the dead letters: %s, %s", i+1, p, dead[0].Reason, dead[0].Detail)
		}
	}
	for _, f := range w.facts {
		if f.accepted && !there[f] && f.partition(w.cfg.Partitions) == p {
			w.fail("nothing lost", "%s was accepted and is not in the log of partition %d", f, p)
		}
	}
}

// flushBehindCommit: state is saved only when the commit records cover it and
// the messages up to there are in the logs of their receivers.
func (w *world) flushBehindCommit(p int, r *replayed) {
	for _, s := range w.saves {
		if s.part != p {
			continue
		}
		if s.position > s.committed {
			w.fail("flush behind commit", "partition %d saved its state at record %d when commits stood at %d", p, s.position, s.committed)
			return
		}
		for q, n := range r.steps[s.position].sent {
			if q != p && n > s.landed[q] {
				w.fail("flush behind commit", "partition %d saved its state at record %d when partition %d had its messages up to %d, not %d", p, s.position, q, s.landed[q], n)
				return
			}
		}
	}
}

// messagesOnce: each message between partitions was accepted once.
func (w *world) messagesOnce(all []*replayed) {
	for p, r := range all {
		for q, n := range r.steps[len(r.steps)-1].sent {
			if have := all[q].accepted[p]; have != n {
				w.fail("messages once", "partition %d said %d messages to partition %d, which accepted %d", p, n, q, have)
			}
		}
	}
}

// oneDecisionPerCause: ids are used once, and a candidate is decided for good
// once. An audience is a state, not a candidate: see balanced.
func (w *world) oneDecisionPerCause(all []*replayed) {
	ids, actions, ends := map[string]*said{}, map[string]*said{}, map[string]*said{}
	for _, r := range all {
		r.all(func(s *said) {
			if before := ids[s.id]; before != nil {
				w.fail("one decision per cause", "id of %v was used by %v", s, before)
			}
			ids[s.id] = s
			if before := actions[s.action]; before != nil && s.action != "" {
				w.fail("one decision per cause", "action of %v is that of %v", s, before)
			}
			actions[s.action] = s
			if s.outcome == "deferred" || s.outcome == "retracted" || s.moment == "retarget_ads" {
				return
			}
			if before := ends[s.key()]; before != nil {
				w.fail("one decision per cause", "%v had ended before: %v", s, before)
			}
			ends[s.key()] = s
		})
	}
}

// balanced: what was deferred was decided in the end, what is retracted was
// sent before, and every action that was sent has an end.
func (w *world) balanced(all []*replayed) {
	for p, r := range all {
		open, sent, over := map[string]*said{}, map[string]*said{}, map[string]bool{}
		in := map[string]*said{} // audiences
		r.all(func(s *said) {
			switch s.outcome {
			case "deferred":
				open[s.key()] = s
				return
			case "retracted":
				if sent[s.retracts] == nil {
					w.fail("balanced", "%v withdraws %s, which was not sent", s, s.retracts)
					return
				}
				over[sent[s.retracts].action] = true
			}
			delete(open, s.key())
			if s.outcome == "sent" {
				sent[s.id] = s
			}
			if s.moment == "retarget_ads" && s.outcome != "suppressed" {
				k := s.customer + " " + s.value
				if was := in[k]; was != nil && s.outcome == "sent" {
					w.fail("balanced", "%v, who is in since %v", s, was)
				}
				in[k] = s
				if s.outcome == "retracted" {
					delete(in, k)
				}
			}
		})
		for i := range r.steps {
			for _, e := range r.steps[i].ends {
				over[e.action] = over[e.action] || e.delivery != "retry"
			}
		}
		r.all(func(s *said) {
			if s.action != "" && !over[s.action] {
				w.fail("balanced", "nobody knows what became of %v", s)
			}
			if open[s.key()] == s {
				w.fail("balanced", "partition %d is at rest, but nothing became of %v", p, s)
			}
		})
	}
}

// attemptedOnce: one attempt is made once, and where a provider cannot tell
// copies apart another is made only when it was asked for.
func (w *world) attemptedOnce() {
	for _, id := range sortedKeys(w.handed) {
		h, total := w.handed[id], 0
		for n := range 100 {
			if total += h.attempts[n]; h.attempts[n] > 1 {
				w.fail("attempted once", "attempt %d of action %s was made %d times", n, id, h.attempts[n])
			}
		}
		if !w.idempotent && total > 1+h.retries {
			w.fail("attempted once", "action %s was attempted %d times, another attempt was asked for %d times", id, total, h.retries)
		}
	}
}
