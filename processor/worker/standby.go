package worker

import (
	"fmt"

	"onhand/processor"
)

// A standby is a second replay of a partition that another worker owns. It
// applies the log up to the last commit record it has read, never further: what
// lies beyond may yield outputs that nobody has published yet. Its outputs are
// muted, its hash is held against every commit record, and it saves its state
// as an owner does. When it leads, it has nothing left to load.
//
//	out.<p> --Follow--> how far the log is committed, what it was passed over,
//	                    which messages have arrived
//	in.<p>  --Apply---> state, up to there
//	        --Lead----> the owner: the rest of the log, live

// OpenStandby opens a partition as a standby on its state. h is what was
// committed; the zero value when nothing was. Next says where to read the log
// from, and Follow takes the commit records after the last one of h.
func OpenStandby(cfg PartitionConfig, store Store, h *History, now int64) (*Partition, error) {
	return openPartition(cfg, store, h, now, true)
}

// Following reports whether the partition is a standby.
func (p *Partition) Following() bool { return p.following }

// Followed returns the sequence of the last commit record known.
func (p *Partition) Followed() uint64 { return p.commit.expect }

// Level reports whether a standby has applied all that it knows is committed.
func (p *Partition) Level() bool { return p.m != nil && p.m.Shop().Position >= p.high }

// Ahead returns how many commit records a standby knows and has not reached.
func (p *Partition) Ahead() int { return len(p.points) - p.point }

// Follow gives a standby the next commit record, and its sequence.
func (p *Partition) Follow(seq uint64, data []byte, now int64) error {
	if p.stopped != nil {
		return p.stopped
	}
	c, err := processor.ParseCommit(data)
	if err != nil {
		return p.stop(fmt.Errorf("worker: partition %d: commit record %d: %w", p.cfg.Partition, seq, err))
	}
	was := &p.commit.confirmed
	switch {
	case c.Incarnation > p.commit.incarnation && p.commit.expect > 0:
		return p.stop(ErrRewound)
	case c.Code > p.cfg.Code:
		return p.stop(&NewerError{p.cfg.Partition, c.Code, p.cfg.Code})
	case seq <= p.commit.expect || c.Epoch < p.commit.epoch || c.Position < was.position || c.First != was.outputs:
		return p.stop(fmt.Errorf("worker: partition %d: commit record %d (epoch %d, position %d, first output %d) does not follow record %d (epoch %d, position %d, %d outputs)",
			p.cfg.Partition, seq, c.Epoch, c.Position, c.First, p.commit.expect, p.commit.epoch, was.position, was.outputs))
	case c.Position == was.position && c.Hash != was.hash && c.Position > 0:
		return p.stop(&DivergedError{p.cfg.Partition, c.Position, c.Hash, was.hash})
	}
	p.progress = p.progress && c.Epoch == p.commit.epoch || c.Position > was.position || c.Count > 0 || len(c.Skips) > 0
	if c.Position > was.position {
		if p.point == len(p.points) {
			p.points, p.point = p.points[:0], 0
		}
		p.points = append(p.points, point{c.Position, c.Step, c.Hash})
	}
	for _, s := range c.Skips {
		p.skips = append(p.skips, s)
		p.m.PassOver(s)
	}
	p.namedSkips = len(p.skips)
	p.high = c.Position
	p.commit.incarnation = c.Incarnation
	p.commit.epoch, p.commit.expect, p.commit.confirmed, p.commit.at = c.Epoch, seq, frontierOf(&c), now
	p.collected, p.inherited = p.commit.confirmed.outputs, p.commit.confirmed.outputs
	for q := range p.boxes {
		if q < len(c.Acked) && q != p.cfg.Partition {
			p.told(q, c.Acked[q])
		}
	}
	return nil
}

// Claim returns the fence (see Fence) that a standby puts behind the last commit
// record it has followed, and the sequence of that: who takes over so asks for
// nothing. It is refused when more was committed.
func (p *Partition) Claim() (fence []byte, last uint64) { return p.stay(p.commit.epoch + 1) }

// Lead makes a standby the owner: the caller's own fence (see Fence) was the
// last commit record it followed. It goes live as soon as it is level, and
// applies the rest of the log as an owner.
func (p *Partition) Lead(now int64) error {
	if p.stopped != nil {
		return p.stopped
	}
	p.following = false
	p.commit.at = now
	return p.goLive()
}
