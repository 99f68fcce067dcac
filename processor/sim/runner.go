package sim

import (
	"bytes"
	"fmt"
	"math"
)

// unread reports whether the log holds records that were not applied.
func (r *runner) unread() bool {
	return !r.process.cut && r.p.Next() <= uint64(len(r.process.w.broker.streams[r.part].in))
}

// read applies a few records.
func (r *runner) read() bool {
	w := r.process.w
	s := &w.broker.streams[r.part]
	did := false
	for range 1 + w.rng.IntN(4) {
		if !r.p.Room() || !r.unread() {
			break
		}
		seq := r.p.Next()
		if seq < s.first {
			r.failed(errGap)
			return true
		}
		x := s.in[seq-1]
		if w.cfg.Plant == OtherLog && r.p.Following() && seq%50 == 0 {
			x.data = altered(x.data)
		}
		if err := r.p.Apply(seq, x.stamp, x.data); err != nil {
			r.failed(err)
			return true
		}
		did = true
	}
	if did {
		s := r.p.Machine().Shop()
		w.note("read", r.part, int(s.Position), int(s.Hash&0xffff))
		if w.rng.IntN(4) == 0 {
			r.p.Machine().Evict()
		}
	}
	return did
}

// commit publishes what was decided.
func (r *runner) commit() bool {
	w := r.process.w
	data, expect, ok := r.p.NextCommit(r.process.now())
	if !ok {
		return false
	}
	w.send(&packet{partition: r.part, commit: true, expect: expect, record: record{data: bytes.Clone(data)}, reply: func(a answer, seq uint64) {
		if !r.live() {
			return
		}
		switch a {
		case stored:
			r.done(seq)
		case busy:
			r.p.CommitUnsent()
		default:
			r.asks = true
		}
	}})
	return true
}

func (r *runner) done(seq uint64) {
	effects, err := r.p.CommitDone(seq, r.process.now())
	if err != nil {
		r.failed(err)
		return
	}
	r.effects(effects)
}

// ask looks up what became of the commit in flight.
func (r *runner) ask() bool {
	if !r.asks || r.process.cut {
		return false
	}
	r.asks = false
	seq, last := r.process.w.broker.last(r.part)
	effects, err := r.p.CommitLast(seq, last, r.process.now())
	if err != nil {
		r.failed(err)
		return true
	}
	r.effects(effects)
	return true
}

// tell publishes messages to another partition.
func (r *runner) tell() bool {
	w := r.process.w
	q, data, ok := r.p.NextTransfer(r.process.now())
	if !ok {
		return false
	}
	w.send(&packet{partition: q, record: record{data: bytes.Clone(data)}, reply: func(a answer, _ uint64) {
		if r.live() {
			r.p.TransferDone(q, a == stored || w.cfg.Plant == TrustTheNet)
		}
	}})
	return true
}

// own publishes a tick, outcomes and requests for release.
func (r *runner) own() bool {
	data, ok := r.p.NextOwn(r.process.now(), !r.unread())
	if !ok {
		return false
	}
	r.process.w.send(&packet{partition: r.part, record: record{data: bytes.Clone(data)}, reply: func(a answer, seq uint64) {
		if r.live() {
			if a != stored {
				seq = 0
			}
			r.p.OwnDone(seq)
		}
	}})
	return true
}

// flush begins a write-behind or encodes a slice of it.
func (r *runner) flush() bool {
	w := r.process.w
	now := r.process.now()
	if !r.p.FlushDue(now) {
		return r.p.FlushSome(1 + w.rng.IntN(8))
	}
	if w.cfg.Plant == FlushEarly {
		r.flushEarly()
	}
	r.p.BeginFlush(now)
	return true
}

// flushEarly writes the state behind without waiting for anything.
func (r *runner) flushEarly() {
	m := r.p.Machine()
	b := r.disk.store.NewBatch()
	mark := m.BeginFlush(b)
	m.FlushSome(math.MaxInt)
	if err := b.Commit(mark); err != nil {
		r.failed(err)
		return
	}
	m.FlushDone()
	r.saved(m.Shop().Position)
}

// save commits the write-behind to the store: first it is taken, in a later
// turn it is done, for this happens beside the loop.
func (r *runner) save() bool {
	if r.batch == nil {
		batch, mark, ok := r.p.FlushReady()
		if !ok {
			return false
		}
		r.batch, r.mark = batch, mark
		return true
	}
	if w := r.process.w; w.faulty && w.rng.IntN(20) == 0 { // the disk takes nothing now
		r.batch = nil
		r.p.FlushDone(false, r.process.now())
		return true
	}
	if err := r.batch.Commit(r.mark); err != nil {
		r.failed(err)
		return true
	}
	r.batch = nil
	r.p.FlushDone(true, r.process.now())
	r.saved(r.p.FlushPosition())
	return true
}

// saved notes that the store holds the state at a position.
func (r *runner) saved(position uint64) {
	w := r.process.w
	r.disk.position = position
	w.note("saved", r.part, int(position), 0)
	x := saved{part: r.part, position: position, committed: w.broker.committed(r.part)}
	for q := range w.broker.streams {
		x.landed = append(x.landed, w.broker.streams[q].landed[r.part])
	}
	w.saves = append(w.saves, x)
}

// sync makes durable what the store holds.
func (r *runner) sync() bool {
	if r.disk.durable == r.disk.position {
		return false
	}
	if err := r.disk.flush(); err != nil {
		r.failed(err)
		return true
	}
	r.process.w.note("durable", r.part, int(r.disk.durable), 0)
	if r.process.w.faulty {
		r.checkpoint()
	}
	return true
}

// idle reports whether nothing is left to do now. In a world of days something
// wakes some partition all the time, and they save in turn.
func (r *runner) idle() bool {
	if r.p != nil && r.p.Following() {
		return r.p.Level() && int(r.p.Followed()) == len(r.process.w.broker.streams[r.part].out)
	}
	return r.p != nil && r.p.Live() && !r.unread() && !r.asks && r.batch == nil && r.p.Idle(r.process.now()) && (r.p.Saved() || r.process.w.cfg.Whole)
}

// what says why the runner is not idle.
func (r *runner) what() string {
	s := r.p.Machine().Shop()
	return fmt.Sprintf("partition %d in process %d: live %v, position %d of %d, asks %v, idle %v, saved %v at %d", r.part, r.process.id, r.p.Live(),
		s.Position, len(r.process.w.broker.streams[r.part].in), r.asks, r.p.Idle(r.process.now()), r.p.Saved(), r.p.FlushPosition())
}
