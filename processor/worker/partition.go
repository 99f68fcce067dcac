package worker

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"onhand/processor"
)

// Store is where the state of a partition rests.
type Store interface {
	processor.Store
	// NewBatch returns an empty write-behind.
	NewBatch() Batch
}

// Batch is one write-behind. Commit makes it visible as a whole; mark is what
// the store's Mark returns from then on. It may run beside reads of the store.
type Batch interface {
	processor.Writer
	Commit(mark []byte) error
}

// PartitionConfig describes a partition. Durations are in ms.
type PartitionConfig struct {
	Partition, Partitions int
	Memory                int64  // bytes of decoded entities to keep
	Code                  uint64 // newest version of decisions this program makes; default processor.CodeVersion

	FlushEvery  int64 // between write-behinds; default 15 s
	FlushBytes  int   // of log that make a write-behind due earlier; default 32 MiB
	CommitEvery int64 // between commits without outputs; default 200 ms
	CommitBytes int   // of outputs in one commit; default 384 KiB

	// Idempotent says that every channel honours the action's id, so that an
	// attempt whose outcome was lost may be made again.
	Idempotent bool
}

func (c PartitionConfig) withDefaults() PartitionConfig {
	if c.Code == 0 {
		c.Code = processor.CodeVersion
	}
	if c.FlushEvery == 0 {
		c.FlushEvery = 15_000
	}
	if c.FlushBytes == 0 {
		c.FlushBytes = 32 << 20
	}
	if c.CommitEvery == 0 {
		c.CommitEvery = 200
	}
	if c.CommitBytes == 0 {
		c.CommitBytes = 384 << 10
	}
	return c
}

// Partition is the protocol of one partition. It decides what may happen next
// and does nothing itself: the caller feeds it the log, publishes what NextCommit,
// NextTransfer and NextOwn return, and tells it what became of that. Times are
// the caller's clock, Unix ms. It is used by one goroutine.
//
//	Apply ---> collected ---NextCommit---> in flight ---CommitDone---> effects, transfers
//	  |                                                                     |
//	  '------> FlushDue, BeginFlush, FlushSome ---FlushReady (waits for that)---> FlushDone
//
// After any method has returned an error other than ErrPoison the partition
// has stopped, and only Machine may still be used.
type Partition struct {
	cfg     PartitionConfig
	store   Store
	m       *processor.Machine
	stopped error

	// Replay. A record up to high was applied before, by an earlier owner or
	// by the machine a poisoned step has spoilt, and outputs below collected
	// were collected then.
	points    []point // what replay is compared with, ascending
	point     int     // the next one
	high      uint64
	collected uint64
	turns     []turn // of the outputs that a replay may yield again
	inherited uint64 // outputs below are the earlier owner's
	reviewed  uint64 // outputs below were looked at when they were inherited
	live      bool   // the earlier owner's position was reached
	following bool   // a standby: see Follow
	progress  bool   // of a standby: the owner that it has heard of last has committed something

	// Steps passed over: all, and how many of them are in commit records.
	skips      []processor.Skip
	namedSkips int

	out     processor.Outputs // collected, in no commit record yet
	commit  commits
	boxes   []outbox // by receiver
	ready   []int    // receivers with something to publish and nothing in flight
	owed    int      // bytes of transfers not yet acknowledged
	holding int      // receivers that are held, see Hold
	flush   flush
	own     own
}

// maxOwed bounds what may wait to be published before Apply must pause.
const maxOwed = 8 << 20

// OpenPartition opens a partition on its state. h is what was committed, the
// caller's own fence (see Fence) being the last record. Next says where to read
// the log from.
func OpenPartition(cfg PartitionConfig, store Store, h *History, now int64) (*Partition, error) {
	return openPartition(cfg, store, h, now, false)
}

func openPartition(cfg PartitionConfig, store Store, h *History, now int64, following bool) (*Partition, error) {
	cfg = cfg.withDefaults()
	if h.last.Code > cfg.Code {
		return nil, &NewerError{cfg.Partition, h.last.Code, cfg.Code}
	}
	p := &Partition{
		cfg: cfg, store: store, following: following,
		points: h.points, high: h.last.Position, turns: h.turns, skips: slices.Clone(h.skips), namedSkips: len(h.skips),
		boxes: make([]outbox, cfg.Partitions),
	}
	p.commit = commits{epoch: h.last.Epoch, incarnation: h.last.Incarnation, expect: h.seq, confirmed: frontierOf(&h.last), at: now}
	p.collected = p.commit.confirmed.outputs
	p.inherited = p.collected
	for q := range p.boxes {
		if q < len(h.last.Acked) {
			p.boxes[q].queued, p.boxes[q].acked = h.last.Acked[q], h.last.Acked[q]
		}
	}
	p.flush.next = now + cfg.FlushEvery*int64(1+cfg.Partition)/int64(cfg.Partitions)
	if err := p.open(); err != nil {
		return nil, err
	}
	return p, nil
}

// open makes a machine on the last write-behind.
func (p *Partition) open() (err error) {
	p.m, err = processor.NewMachine(processor.Config{
		Partition: p.cfg.Partition, Partitions: p.cfg.Partitions, Memory: p.cfg.Memory, Skips: p.skips,
	}, p.store)
	if err != nil {
		return p.stop(err)
	}
	at := p.m.Shop().Position
	p.flush.position = at
	for q, n := range p.m.Shop().Sent {
		// What the state has sent was acknowledged before it was written.
		b := &p.boxes[q]
		b.queued, b.acked = max(b.queued, n), max(b.acked, n)
	}
	if at > p.commit.confirmed.position {
		return p.stop(&WentBackError{p.cfg.Partition, at, p.commit.confirmed.position})
	}
	p.point, _ = slices.BinarySearchFunc(p.points, at, func(x point, at uint64) int { return int(int64(x.position - at)) })
	if err := p.compare(); err != nil {
		return err
	}
	return p.goLive()
}

// stop ends the partition with an error.
func (p *Partition) stop(err error) error {
	if p.stopped == nil {
		p.stopped = err
	}
	return p.stopped
}

// Err returns why the partition has stopped, nil while it has not.
func (p *Partition) Err() error { return p.stopped }

// Machine returns the partition's state, to be read between steps. It is nil
// after ErrPoison until Reopen.
func (p *Partition) Machine() *processor.Machine { return p.m }

// Next returns the sequence of the record that Apply expects.
func (p *Partition) Next() uint64 { return p.m.Shop().Position + 1 }

// Live reports whether everything that was committed has been replayed.
func (p *Partition) Live() bool { return p.live && p.m != nil && p.m.Shop().Position >= p.high }

// Epoch returns the epoch of this owner.
func (p *Partition) Epoch() uint64 { return p.commit.epoch }

// Room reports whether Apply may go on. It may not while too much waits to be
// committed or published; in a standby, beyond the last commit record.
func (p *Partition) Room() bool {
	if p.following && p.Next() > p.high {
		return false
	}
	return len(p.out.Buf) < 4*p.cfg.CommitBytes && p.owed < maxOwed
}

// Apply applies the next record of the log: its sequence, the server's stamp
// (Unix ms) and its bytes, which are not kept. After ErrPoison see Reopen.
func (p *Partition) Apply(seq uint64, stamp int64, data []byte) error {
	if p.stopped != nil {
		return p.stopped
	}
	if want := p.Next(); seq != want {
		return p.stop(fmt.Errorf("worker: partition %d: record %d of the log where %d was expected", p.cfg.Partition, seq, want))
	}
	first, size, count := p.m.Shop().Outputs, len(p.out.Buf), p.out.Count
	if err := p.step(seq, stamp, data); err != nil {
		p.out.Buf, p.out.Count = p.out.Buf[:size], count
		return err
	}
	if first < p.collected && len(p.out.Buf) > size {
		if err := p.mute(size, first); err != nil {
			return err
		}
	}
	if code := p.m.Shop().Deployment.Code; code > p.cfg.Code {
		return p.stop(&NewerError{p.cfg.Partition, code, p.cfg.Code})
	}
	p.collected = max(p.collected, p.m.Shop().Outputs)
	p.high = max(p.high, seq)
	p.flush.bytes += len(data)
	if p.point < len(p.points) {
		if err := p.compare(); err != nil {
			return err
		}
	}
	if !p.live {
		p.m.TakeEnded(func(string, uint64) {}) // the owner of then has counted them
		return p.goLive()
	}
	return nil
}

// step applies a record and catches what it throws.
func (p *Partition) step(seq uint64, stamp int64, data []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = p.failed(r)
		}
	}()
	p.m.Apply(seq, stamp, data, &p.out)
	return nil
}

// failed drops a machine that panicked. A step that is at fault is passed over
// from now on; a disk is not the step's fault.
func (p *Partition) failed(cause any) error {
	at := p.m.At()
	p.m = nil
	if err, ok := cause.(error); ok {
		if _, ok := errors.AsType[*processor.StoreError](err); ok {
			return p.stop(fmt.Errorf("worker: partition %d, record %d: %w", p.cfg.Partition, at.Position, err))
		}
	}
	if p.following {
		return p.stop(fmt.Errorf("worker: partition %d: the standby fails at step %d of record %d, which the owner has applied: %v\n%s",
			p.cfg.Partition, at.Index, at.Position, cause, debug.Stack()))
	}
	if slices.Contains(p.skips, at) {
		return p.stop(&PoisonError{p.cfg.Partition, at, cause})
	}
	p.skips = append(p.skips, at)
	return fmt.Errorf("%w (partition %d, step %d of record %d: %v)\n%s", ErrPoison, p.cfg.Partition, at.Index, at.Position, cause, debug.Stack())
}

// Reopen makes a new machine after ErrPoison, on the last write-behind, and
// returns where to read the log from. It must not be called while a
// write-behind is being committed: see Flushing.
func (p *Partition) Reopen(now int64) (from uint64, err error) {
	if p.stopped != nil {
		return 0, p.stopped
	}
	p.flush.state, p.flush.bytes = flushIdle, 0
	// Save soon: the next poisoned step then costs a shorter replay.
	p.flush.next = now
	if err := p.open(); err != nil {
		return 0, err
	}
	return p.Next(), nil
}

// compare checks the replay against the commit records that end where it is.
func (p *Partition) compare() error {
	s := p.m.Shop()
	for ; p.point < len(p.points) && p.points[p.point].position <= s.Position; p.point++ {
		x := p.points[p.point]
		if x.position == s.Position && (x.step != s.Step || x.hash != s.Hash) {
			return p.stop(&DivergedError{p.cfg.Partition, s.Position, x.hash, s.Hash})
		}
	}
	return nil
}

// mute takes out of what was collected the outputs of the last record that
// were collected before. first is the number of its first output, size
// what was collected before it.
func (p *Partition) mute(size int, first uint64) error {
	rest := p.out.Buf[size:]
	for n := first; n < p.collected && len(rest) > 0; n++ {
		o, after, err := processor.NextOutput(rest)
		if err == nil && n < p.commit.confirmed.outputs {
			err = p.recall(o, n)
		}
		if err != nil {
			return p.stop(err)
		}
		rest = after
		p.out.Count--
	}
	p.out.Buf = append(p.out.Buf[:size], rest...)
	return nil
}

// recall looks at a confirmed output that a replay yields again: a message may
// not have reached its receiver, and an action that Outbox did not list, as it
// belongs to a record that was committed in part, may not have been attempted.
func (p *Partition) recall(o processor.Output, n uint64) error {
	switch o.Type {
	case processor.TransferOutput:
		return p.transfer(o.Body, incarnationOf(p.turns, n))
	case processor.DecisionOutput, processor.ReleaseOutput:
		if !p.live || n >= p.inherited || n < p.reviewed {
			return nil
		}
		p.reviewed = n + 1
		if o.Type == processor.ReleaseOutput {
			r, err := processor.ParseRelease(o.Body)
			if err == nil {
				p.own.request(r.Decision.Customer, r.Decision.Action.ID, r.Attempt+1, p.cfg.Idempotent)
			}
			return err
		}
		d, err := processor.ParseDecision(o.Body)
		if err == nil && attempts(&d) {
			p.own.request(d.Customer, d.Action.ID, 2, p.cfg.Idempotent)
		}
		return err
	}
	return nil
}

// goLive asks once, when all that was committed is replayed, for the release
// of every action that has no outcome.
func (p *Partition) goLive() error {
	if p.live || p.following || p.m.Shop().Position < p.high {
		return nil
	}
	p.live = true
	err := p.m.Outbox(func(customer, action string, attempt int) {
		p.own.request(customer, action, attempt, p.cfg.Idempotent)
	})
	if err != nil {
		return p.stop(err)
	}
	return nil
}
