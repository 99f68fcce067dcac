package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"onhand/processor"
	"onhand/processor/jetstream"
)

// A step that panics is passed over, see Partition. One that ends the process
// (the memory runs out, the stack does) cannot be: it would end the process of
// whoever takes the partition over, one worker after the other. The commit
// records tell: an epoch that is a fence and nothing else was barren, though
// there was something to read.
//
//	fence 7, outputs..., fence 8, fence 9, mark 9, fence 10, mark 10
//	         progress    barren   barren, at the next record for certain
//
// Whoever follows a barren epoch goes carefully: it first marks, in the commit
// records, that it has replayed all and reads on from here, and then commits
// record by record. Who finds two barren epochs at one position, the last of which
// has marked and said nothing more, leaves the partition alone for a while: it was
// not the replay that ended it. Rivals that fence each other are barren as well,
// but not for long.

// barren is what the commit records say of the last owners.
type barren struct {
	position uint64 // where they stood
	epochs   int    // without progress, one after the other
	lasted   int    // of them, those that were not fenced at once
	ended    bool   // the last one marked and said nothing more for a while
	marked   int64  // the server's stamp of its mark, Unix ms
}

const (
	barrenBack  = 16              // commit records to look back
	carefulMost = 4096            // records that are committed one by one
	poisonRest  = 5 * time.Minute // nobody tries meanwhile
	deadlyAfter = 2               // epochs without progress at one position
)

// DeadlyError means that the next record of a partition seems to end the
// process that applies it.
type DeadlyError struct {
	Partition int
	Position  uint64    // of the record, or of one soon after
	Epochs    int       // owners that ended there
	Until     time.Time // when it is tried again
}

func (e *DeadlyError) Error() string {
	return fmt.Sprintf("worker: partition %d: %d owners in a row have ended at record %d of the log without committing anything: it seems to end the process, as when memory runs out. "+
		"Nobody tries again before %s; give the worker more memory, or run a version without the fault",
		e.Partition, e.Epochs, e.Position, e.Until.UTC().Format(time.RFC3339))
}

// barrenEpochs looks at the last commit records of a partition. Without
// anything to read no epoch is barren. An epoch lasts for silence at least, and an
// owner that said nothing for so long after its mark has ended.
func barrenEpochs(ctx context.Context, log *jetstream.Log, part int, silence time.Duration) (b barren, err error) {
	seq, data, err := log.LastCommit(ctx, part)
	if err != nil || seq == 0 {
		return b, err
	}
	c, err := processor.ParseCommit(data)
	if err != nil || c.Count > 0 || len(c.Skips) > 0 {
		return b, err
	}
	b.position = c.Position
	until := time.Now().UnixMilli() // the next epoch's fence
	var mark, fence int64           // of this epoch; of the last one
	for range min(barrenBack, seq-1) {
		m, err := log.CommitAt(ctx, part, seq)
		if errors.Is(err, jetstream.ErrNotFound) {
			break
		}
		if err != nil {
			return barren{}, err
		}
		before, err := log.CommitAt(ctx, part, seq-1)
		if errors.Is(err, jetstream.ErrNotFound) {
			break
		}
		if err != nil {
			return barren{}, err
		}
		p, err := processor.ParseCommit(before.Data)
		if err != nil {
			return barren{}, err
		}
		if p.Epoch == c.Epoch && p.Position == b.position && c.Count == 0 && len(c.Skips) == 0 {
			mark = m.Stamp
			c, seq = p, seq-1
			continue
		}
		if p.Epoch == c.Epoch || c.Count > 0 || len(c.Skips) > 0 || p.Incarnation != c.Incarnation {
			break // it has made progress, or was rewound
		}
		if b.epochs++; b.epochs == 1 {
			fence, b.marked = m.Stamp, mark
			b.ended = mark != 0 && until-mark >= silence.Milliseconds()
		}
		if until-m.Stamp >= silence.Milliseconds() {
			b.lasted++
		}
		if p.Position != b.position {
			break // the one before has made progress
		}
		until, mark = m.Stamp, 0
		c, seq = p, seq-1
	}
	if b.epochs == 0 {
		return barren{}, nil
	}
	next, err := log.RecordAt(ctx, part, b.position+1)
	if errors.Is(err, jetstream.ErrNotFound) || err == nil && next.Stamp > fence {
		return barren{}, nil
	}
	return b, err
}

// beware returns a DeadlyError when the partition is to be left alone, and else
// up to where to go carefully; 0 = there is no reason to.
func (l *loop) beware(ctx context.Context) (upTo uint64, err error) {
	b, err := barrenEpochs(ctx, l.w.log, l.part, l.w.member.Lease()/2)
	if err != nil || b.epochs == 0 {
		return 0, err
	}
	if until := time.UnixMilli(b.marked).Add(l.w.cfg.poisonRest); b.ended && b.lasted >= deadlyAfter && time.Now().Before(until) {
		return 0, &DeadlyError{l.part, b.position + 1, b.lasted, until}
	}
	_, last, err := l.w.log.Bounds(ctx, l.part)
	return min(last, b.position+carefulMost), err
}

// careful is how an owner goes on where those before it have ended.
type careful struct {
	upTo            uint64 // records are committed one by one until there; 0 = it is not careful
	marking, marked bool
}

func (l *loop) beCareful(upTo uint64) {
	if upTo > 0 {
		l.log.Warn("the last owner has ended without committing anything: records are committed one by one", "up to", upTo)
		l.careful = careful{upTo: upTo}
	}
}

// step reports whether a careful owner may read one record now.
func (c *careful) step(l *loop) bool {
	switch p := l.p; {
	case !p.Live():
		return true
	case p.out.Count > 0 || p.InFlight() != nil:
		return false
	case !c.marked:
		l.mark()
		return false
	case p.commit.confirmed.position < p.m.Shop().Position:
		return false
	case p.m.Shop().Position >= c.upTo:
		l.careful = careful{}
		l.p.Hasten(l.move.to != "")
		return true
	}
	l.p.Hasten(true)
	return true
}

// mark says in the commit records that all was replayed.
func (l *loop) mark() {
	if l.careful.marking {
		return
	}
	l.careful.marking = true
	record, expect := l.p.mark()
	l.jobs.Go(func() {
		ctx, cancel := context.WithTimeout(l.w.ctx, claimWait)
		defer cancel()
		seq, err := l.w.log.Commit(ctx, l.part, record, expect)
		if err != nil { // it may be there, or another owner's fence
			var last []byte
			if seq, last, err = l.w.log.LastCommit(ctx, l.part); err == nil && !bytes.Equal(last, record) {
				if seq > expect {
					err = ErrFenced
				} else {
					err = jetstream.ErrUnknown
				}
			}
		}
		switch {
		case errors.Is(err, ErrFenced):
			l.post(func() { l.fail(err) })
			return
		case err != nil:
			l.later(retryAfter, func() { l.careful.marking = false })
			return
		}
		l.post(func() { l.careful.marking, l.careful.marked = false, true; l.p.commit.expect = seq })
	})
}

// mark returns an empty commit record that stands where the last one stands,
// and the sequence it expects.
func (p *Partition) mark() (record []byte, expect uint64) { return p.stay(p.commit.epoch) }

// stay is mark in an epoch.
func (p *Partition) stay(epoch uint64) (record []byte, expect uint64) {
	at := &p.commit.confirmed
	c := processor.CommitRecord{
		Epoch: epoch, Code: at.code, Rules: at.rules, Position: at.position, Step: at.step,
		First: at.outputs, Hash: at.hash, Now: at.now, Acked: p.ackedNumbers(), Incarnation: p.commit.incarnation,
	}
	return c.Append(nil), p.commit.expect
}
