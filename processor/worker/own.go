package worker

import (
	"slices"
	"time"

	"onhand/connectors"
	"onhand/processor"
)

// own is what a partition has to say to its own log: that a timer is due, what
// became of attempts, and that an action's turn has come. One record is in
// flight; one whose fate is unknown is published again, for applying these
// entries twice does nothing.
type own struct {
	entries [][]byte // framed when they leave
	later   []later  // by time
	record  []byte
	taken   int    // entries in record
	busy    bool   // record is in flight
	unsent  bool   // record is to be handed out again
	until   uint64 // sequence of the last record in the log
	tick    int64  // the caller's clock at the last tick
	scratch []byte
}

// later is a release to be asked for at a time.
type later struct {
	at               int64
	customer, action string
	attempt          int
}

// request asks the gate for an attempt.
func (o *own) request(customer, action string, attempt int, idempotent bool) {
	o.entries = append(o.entries, processor.AppendReleaseRequest(nil, customer, action, attempt, idempotent))
}

// pending reports whether something is to be said, is in flight, or is in the
// log and not applied at position.
func (o *own) pending(position uint64) bool {
	return o.busy || o.unsent || len(o.entries) > 0 || position < o.until
}

// Report takes what became of an attempt. One to be repeated asks for release
// again when its time has come.
func (p *Partition) Report(r connectors.Report) {
	p.own.entries = append(p.own.entries, outcomeEntry(&r))
	if r.Delivery == processor.Retry {
		at := int64(0)
		if !r.RetryAt.IsZero() {
			at = r.RetryAt.UnixMilli()
		}
		p.later(later{at, r.Customer, r.ActionID, r.Attempt + 1})
	}
}

// NotAttempted takes back an Attempt effect that could not be queued, for
// example because the queue is full: it is asked for again at retry.
func (p *Partition) NotAttempted(e Effect, code string, retry time.Time) {
	p.Report(connectors.Report{
		Customer: e.Decision.Customer, ActionID: e.Decision.Action.ID, Attempt: e.Number,
		Delivery: processor.Retry, Code: code, RetryAt: retry,
	})
}

func (p *Partition) later(x later) {
	l := &p.own.later
	i, _ := slices.BinarySearchFunc(*l, x.at+1, func(a later, at int64) int { return int(a.at - at) })
	*l = slices.Insert(*l, i, x)
}

// tickAt returns when a tick is due by the caller's clock, 0 = never. A log
// time that is behind that clock, as the server's is, must get there first.
func (p *Partition) tickAt() int64 {
	due := p.m.NextWake()
	if due == 0 {
		return 0
	}
	if behind := due - p.m.Shop().Now; behind > 0 && p.own.tick != 0 {
		return max(due, p.own.tick+behind)
	}
	return due
}

// NextOwn returns a record to publish in the partition's own log, valid until
// OwnDone. A tick is among it when one is due; idle says that the caller knows
// of no unread record, which would move the clock by itself.
func (p *Partition) NextOwn(now int64, idle bool) (record []byte, ok bool) {
	o := &p.own
	if o.busy || p.stopped != nil || !p.Live() {
		return nil, false
	}
	if o.unsent {
		o.unsent, o.busy = false, true
		processor.AppendRecordHeader(o.record[:0], now)
		return o.record, true
	}
	for len(o.later) > 0 && o.later[0].at <= now {
		x := o.later[0]
		o.later = slices.Delete(o.later, 0, 1)
		o.request(x.customer, x.action, x.attempt, p.cfg.Idempotent)
	}
	tick := int64(0)
	if idle && p.m.Shop().Position >= o.until {
		tick = p.tickAt()
	}
	if len(o.entries) == 0 && (tick == 0 || tick > now) {
		return nil, false
	}
	o.record = processor.AppendRecordHeader(o.record[:0], now)
	if tick != 0 && tick <= now {
		o.record = processor.AppendRecordEntry(o.record, []byte{byte(processor.TickEntry)})
		o.tick = now
	}
	for o.taken = 0; o.taken < len(o.entries) && o.taken < processor.MaxRecordEntries-1; o.taken++ {
		e := o.entries[o.taken]
		if len(o.record)+maxSizeBytes+len(e) > processor.MaxRecordBytes {
			break
		}
		o.record = processor.AppendRecordEntry(o.record, e)
	}
	o.busy = true
	return o.record, true
}

// OwnDone says that the record of NextOwn is in the log as seq; 0 when it is
// not, or when that is unknown. NextOwn then returns it again: after a failure
// call OwnDone only when it is time to try again.
func (p *Partition) OwnDone(seq uint64) {
	o := &p.own
	if !o.busy {
		return
	}
	o.busy = false
	if seq == 0 {
		o.unsent = true
		return
	}
	o.until = max(o.until, seq)
	o.entries = slices.Delete(o.entries, 0, o.taken)
	o.taken = 0
}

// Idle reports whether nothing is on its way: no output that is not committed,
// no commit, message or entry in flight, nothing to say at now.
func (p *Partition) Idle(now int64) bool {
	if !p.Live() || p.out.Count > 0 || p.InFlight() != nil || p.owed > 0 || p.holding > 0 || p.own.pending(p.m.Shop().Position) {
		return false
	}
	due := p.dueAt()
	return due == 0 || due > now
}

// dueAt returns when the partition has something to say by itself, 0 = never.
func (p *Partition) dueAt() int64 {
	due := p.tickAt()
	if len(p.own.later) > 0 && (due == 0 || p.own.later[0].at < due) {
		due = max(p.own.later[0].at, 1)
	}
	return due
}

// NextWake returns when, by the caller's clock, the partition has something to
// do though nothing has come; 0 = never.
func (p *Partition) NextWake() int64 {
	if p.stopped != nil || p.m == nil {
		return 0
	}
	at := int64(0)
	earliest := func(t int64) {
		if t != 0 && (at == 0 || t < at) {
			at = t
		}
	}
	s := p.m.Shop()
	if p.Live() {
		if !p.own.pending(s.Position) {
			earliest(p.dueAt())
		}
		if p.InFlight() == nil && s.Position > p.commit.confirmed.position {
			earliest(p.commit.at + p.cfg.CommitEvery)
		}
	}
	if p.flush.state == flushIdle && s.Position > p.flush.position {
		earliest(max(p.flush.next, 1))
	}
	return at
}
