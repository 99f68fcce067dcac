package worker

// flush is the write-behind of a partition: what changed is encoded in slices
// between steps, then waits until no crash can need what it would overwrite,
// then is committed to the store beside further steps.
type flush struct {
	state    flushState
	batch    Batch
	mark     []byte
	to       uint64   // the position it stands for
	need     []uint64 // by receiver: messages that must be acknowledged
	position uint64   // of the last write-behind in the store
	next     int64    // when the next one is due
	done     int64    // when the last one ended, by the caller's clock
	bytes    int      // of log since the last one began
}

type flushState uint8

const (
	flushIdle       flushState = iota
	flushEncoding              // FlushSome
	flushWaiting               // for commit and messages
	flushCommitting            // the caller commits the batch
)

// FlushDue reports whether a write-behind should begin.
func (p *Partition) FlushDue(now int64) bool {
	f := &p.flush
	return f.state == flushIdle && p.m != nil && p.stopped == nil && p.m.Shop().Position > f.position &&
		(now >= f.next || f.bytes >= p.cfg.FlushBytes)
}

// FlushPosition returns the position of the state in the store.
func (p *Partition) FlushPosition() uint64 { return p.flush.position }

// BeginFlush begins a write-behind of everything as it is now.
func (p *Partition) BeginFlush(now int64) {
	f := &p.flush
	s := p.m.Shop()
	f.state, f.next, f.bytes = flushEncoding, now+p.cfg.FlushEvery, 0
	f.to = s.Position
	f.need = append(f.need[:0], s.Sent...)
	f.batch = p.store.NewBatch()
	f.mark = p.m.BeginFlush(f.batch)
}

// FlushSome encodes up to n entities and reports whether there was anything to
// do. Steps may be applied in between.
func (p *Partition) FlushSome(n int) bool {
	if p.flush.state != flushEncoding || p.m == nil {
		return false
	}
	if p.m.FlushSome(n) {
		p.flush.state = flushWaiting
	}
	return true
}

// FlushReady returns the batch and mark to commit to the store, once everything
// up to there is committed to the log and all messages are in the receivers'
// logs. The caller commits it, on any goroutine, and calls FlushDone.
func (p *Partition) FlushReady() (batch Batch, mark []byte, ok bool) {
	f := &p.flush
	if f.state != flushWaiting || p.m == nil || p.stopped != nil || f.to > p.commit.confirmed.position {
		return nil, nil, false
	}
	for q, n := range f.need {
		if q != p.cfg.Partition && p.boxes[q].acked < n {
			return nil, nil, false
		}
	}
	f.state = flushCommitting
	return f.batch, f.mark, true
}

// Flushing reports whether a batch is being committed.
func (p *Partition) Flushing() bool { return p.flush.state == flushCommitting }

// FlushDone says whether the batch is in the store. If not, FlushReady returns
// it again: after a failure call FlushDone only when it is time to try again.
func (p *Partition) FlushDone(ok bool, now int64) {
	f := &p.flush
	if f.state != flushCommitting {
		return
	}
	f.state = flushWaiting
	if !ok {
		return
	}
	f.state, f.batch, f.mark = flushIdle, nil, nil
	f.position, f.done = f.to, now
	if p.m != nil {
		p.m.FlushDone()
		p.m.Evict()
	}
}

// FlushSoon makes a write-behind due now, or as soon as the running one ends.
func (p *Partition) FlushSoon() { p.flush.next = 0 }

// Saved reports whether all that was applied is committed, told to whom it
// concerns and in the store.
func (p *Partition) Saved() bool {
	return p.m != nil && p.flush.state == flushIdle && p.flush.position == p.m.Shop().Position &&
		p.out.Count == 0 && p.InFlight() == nil && p.owed == 0 && !p.own.busy && !p.own.unsent && len(p.own.entries) == 0
}
