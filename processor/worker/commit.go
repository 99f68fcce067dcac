package worker

import (
	"bytes"

	"onhand/processor"
)

// frontier is a place in the log at which a partition can be committed.
type frontier struct {
	position uint64
	step     uint64
	hash     uint64
	now      int64
	rules    string
	outputs  uint64 // number of the next output
	code     uint64 // version of decisions in force
}

func frontierOf(c *processor.CommitRecord) frontier {
	return frontier{c.Position, c.Step, c.Hash, c.Now, c.Rules, c.First + uint64(c.Count), c.Code}
}

// commits is the state of committing: one record in flight, the next one
// accumulating in Partition.out.
type commits struct {
	epoch uint64
	// incarnation is raised when the partition was rewound on purpose.
	incarnation uint64
	expect      uint64   // sequence of the last commit record
	confirmed   frontier // what it stands for
	at          int64    // when it was confirmed
	hasty       bool     // positions are committed at once

	flight struct {
		data   []byte // the record
		size   int    // of its outputs, at the end of data
		busy   bool
		unsent bool // to be handed out again
		frontier
	}

	// What is too much for one record is committed in several. Only the last of
	// them stands for a new position, that of cut; the others stand where the
	// one before stood, with more outputs. Outputs are told apart by number, so
	// a replay knows which of a record's are out.
	cutting bool
	cut     frontier
	left    int // bytes of out before cut

	effects []Effect
	counts  Counts
}

// EffectType says what is to be done about a confirmed output.
type EffectType uint8

// The effects.
const (
	Attempt   EffectType = iota + 1 // attempt the action of Decision
	Cancel                          // the action ActionID is taken back: drop it if it is queued
	Letter                          // keep Dead as a dead letter
	Republish                       // call Requeue with the messages that Resend names
)

// Effect is something to do in the world, now that its commit is confirmed.
type Effect struct {
	Type     EffectType
	Decision *processor.Decision
	Number   int    // of the attempt, from 1
	ActionID string // Cancel
	Dead     processor.Dead
	Resend   processor.Resend
}

// NextCommit returns a commit record to publish and the sequence it expects to
// be the last. The bytes are valid until its fate is known: CommitDone when it
// is acknowledged, CommitLast when that is unknown or it was refused, and
// CommitUnsent when it has surely not left. Outputs are committed at once, a
// position alone only when a write-behind waits for it or some time has passed.
func (p *Partition) NextCommit(now int64) (data []byte, expect uint64, ok bool) {
	c := &p.commit
	if c.flight.busy || p.stopped != nil || !p.Live() {
		return nil, 0, false
	}
	if c.flight.unsent {
		c.flight.unsent, c.flight.busy = false, true
		return c.flight.data, c.expect, true
	}
	if !c.cutting {
		if p.out.Count == 0 && !p.positionWanted(now) {
			return nil, 0, false
		}
		s := p.m.Shop()
		c.cut = frontier{s.Position, s.Step, s.Hash, s.Now, s.Version, c.confirmed.outputs + uint64(p.out.Count), s.Deployment.Code}
		c.left, c.cutting = len(p.out.Buf), true
	}
	size, count := p.slice()
	to := c.cut
	if size < c.left {
		to = c.confirmed
		to.outputs += uint64(count)
	}
	rec := processor.CommitRecord{
		Epoch: c.epoch, Code: to.code, Rules: to.rules,
		Position: to.position, Step: to.step, First: c.confirmed.outputs, Count: count, Hash: to.hash, Now: to.now,
		Acked: p.ackedNumbers(), Skips: p.skips[p.namedSkips:], Outputs: p.out.Buf[:size],
		Incarnation: c.incarnation,
	}
	p.namedSkips = len(p.skips)
	c.flight.data = rec.Append(c.flight.data[:0])
	c.flight.size, c.flight.frontier, c.flight.busy = size, to, true
	p.out.Buf = append(p.out.Buf[:0], p.out.Buf[size:]...)
	p.out.Count -= count
	c.left -= size
	c.cutting = c.left > 0
	return c.flight.data, c.expect, true
}

// positionWanted reports whether to commit a position without outputs.
func (p *Partition) positionWanted(now int64) bool {
	at, c := p.m.Shop().Position, &p.commit
	if at == c.confirmed.position && len(p.skips) == p.namedSkips {
		return false
	}
	return c.hasty || p.flush.state == flushWaiting && p.flush.to > c.confirmed.position || now-c.at >= p.cfg.CommitEvery
}

// slice returns how many bytes and outputs of what is to be cut fit a record.
func (p *Partition) slice() (size, count int) {
	c := &p.commit
	if c.left <= p.cfg.CommitBytes {
		return c.left, int(c.cut.outputs - c.confirmed.outputs)
	}
	for rest := p.out.Buf; ; count++ {
		_, after, err := processor.NextOutput(rest)
		next := size + len(rest) - len(after)
		if err != nil || count > 0 && next > p.cfg.CommitBytes {
			return size, count
		}
		size, rest = next, after
	}
}

func (p *Partition) ackedNumbers() []uint64 {
	acked := make([]uint64, len(p.boxes))
	for q := range p.boxes {
		acked[q] = p.boxes[q].acked
	}
	return acked
}

// InFlight returns the commit record whose fate is not known, nil when there
// is none.
func (p *Partition) InFlight() []byte {
	if p.commit.flight.busy || p.commit.flight.unsent {
		return p.commit.flight.data
	}
	return nil
}

// CommitUnsent says that the commit record in flight has not left this
// process. NextCommit hands it out again.
func (p *Partition) CommitUnsent() {
	p.commit.flight.busy, p.commit.flight.unsent = false, true
}

// CommitLast tells the last commit record in the log, after the answer to the
// one in flight was lost or a refusal. It is the one in flight (then it is
// done), the one before (then NextCommit hands the same bytes out again), or
// another owner's: the error is ErrFenced then.
func (p *Partition) CommitLast(seq uint64, last []byte, now int64) ([]Effect, error) {
	switch {
	case !p.commit.flight.busy:
		return nil, nil
	case seq > p.commit.expect && bytes.Equal(last, p.commit.flight.data):
		return p.CommitDone(seq, now)
	case seq == p.commit.expect:
		p.CommitUnsent()
		return nil, nil
	}
	return nil, p.stop(ErrFenced)
}

// CommitDone says that the commit record in flight is in the log as seq. Its
// messages to other partitions can be published from now on; the rest of what
// it asks for is returned, valid until the next call.
func (p *Partition) CommitDone(seq uint64, now int64) ([]Effect, error) {
	c := &p.commit
	f := &c.flight
	f.busy = false
	c.expect, c.confirmed, c.at = seq, f.frontier, now
	if n := len(p.points); n == 0 || p.points[n-1].position < f.position {
		p.points, p.point = append(p.points[:0], point{f.position, f.step, f.hash}), 1
	}
	clear(c.effects)
	c.effects = c.effects[:0]
	for rest := f.data[len(f.data)-f.size:]; len(rest) > 0; {
		o, after, err := processor.NextOutput(rest)
		if err == nil {
			err = p.confirm(o, now)
		}
		if err != nil {
			return nil, p.stop(err)
		}
		rest = after
	}
	return c.effects, nil
}

// directMS is how old a decision may be, by the caller's clock, for its commit
// to be its release. An older one passes the gate again.
const directMS = 1000

// attempts reports whether a decision asks for an attempt.
func attempts(d *processor.Decision) bool {
	return d.Action != nil && d.Mode == "live" && (d.Outcome == processor.Sent || d.Outcome == processor.Retracted)
}

// confirm acts on an output that is in the log.
func (p *Partition) confirm(o processor.Output, now int64) error {
	c := &p.commit
	switch o.Type {
	case processor.TransferOutput:
		return p.transfer(o.Body, p.commit.incarnation)
	case processor.DecisionOutput:
		d, err := processor.ParseDecision(o.Body)
		if err != nil {
			return err
		}
		c.counts.decision(&d)
		if d.Outcome == processor.Retracted {
			p.cancel(d.Retracts)
		}
		switch {
		case !attempts(&d):
		case now-d.At < directMS:
			asked := d // most ask for nothing, and need no place of their own
			c.effects = append(c.effects, Effect{Type: Attempt, Decision: &asked, Number: 1})
		default:
			// Nobody has attempted it, and the gate must hear so before it is asked
			// again.
			p.own.entries = append(p.own.entries, processor.AppendOutcome(nil, d.Customer, d.Action.ID, 1, processor.Retry, "late"))
			p.own.request(d.Customer, d.Action.ID, 2, p.cfg.Idempotent)
		}
	case processor.ReleaseOutput:
		r, err := processor.ParseRelease(o.Body)
		if err != nil {
			return err
		}
		c.effects = append(c.effects, Effect{Type: Attempt, Decision: &r.Decision, Number: r.Attempt})
	case processor.DeliveryOutput:
		d, err := processor.ParseDelivery(o.Body)
		if err != nil {
			return err
		}
		c.counts.delivery(&d)
	case processor.ResendOutput:
		x, err := processor.ParseResend(o.Body)
		if err != nil {
			return err
		}
		c.effects = append(c.effects, Effect{Type: Republish, Resend: x})
	case processor.CorrectionOutput:
		x, err := processor.ParseCorrection(o.Body)
		if err != nil {
			return err
		}
		c.counts.correction(&x)
	case processor.DeadOutput:
		d, err := processor.ParseDead(o.Body)
		if err != nil {
			return err
		}
		c.counts.dead(d.Reason)
		c.effects = append(c.effects, Effect{Type: Letter, Dead: d})
	}
	return nil
}

// cancel takes an attempt out of the effects, or asks to drop it from the
// queue of its channel.
func (p *Partition) cancel(action string) {
	for i, e := range p.commit.effects {
		if e.Type == Attempt && e.Decision.Action.ID == action {
			p.commit.effects = append(p.commit.effects[:i], p.commit.effects[i+1:]...)
			return
		}
	}
	p.commit.effects = append(p.commit.effects, Effect{Type: Cancel, ActionID: action})
}
