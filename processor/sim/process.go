package sim

import (
	"errors"
	"slices"

	"onhand/processor/worker"
)

// process is one worker: a clock, a disk for each partition it ever owned, and
// a runner for each it owns, or believes to own.
type process struct {
	w       *world
	id      int
	skew    int64 // of its clock
	disks   []*disk
	runners []*runner
	down    bool // killed, not started again
	paused  bool // does nothing, and does not know it
	cut     bool // reaches nobody
}

func newProcess(w *world, id int) *process {
	p := &process{w: w, id: id, disks: make([]*disk, w.cfg.Partitions), runners: make([]*runner, w.cfg.Partitions)}
	for i := range p.disks {
		p.disks[i] = newDisk()
	}
	return p
}

func (p *process) now() int64 { return p.w.now + p.skew }

// own begins to run a partition.
func (p *process) own(part int) { p.begin(part, "own") }

// begin opens the state of a partition and returns its runner, nil when it
// cannot.
func (p *process) begin(part int, what string) *runner {
	if p.w.lost.stopped(part, p.id) {
		return nil
	}
	p.ensure(part)
	r := &runner{process: p, part: part, disk: p.disks[part]}
	if err := r.disk.open(p.w.shared); err != nil {
		p.w.fail("state", "process %d cannot open the state of partition %d: %v", p.id, part, err)
		return nil
	}
	p.runners[part] = r
	p.w.note(what, part, p.id, 0)
	return r
}

// leave ends a runner in order.
func (p *process) leave(part int) {
	r := p.runners[part]
	p.runners[part], r.gone = nil, true
	p.w.dropAttempts(func(a *attempt) bool { return a.from == r })
	if err := r.disk.close(); err != nil {
		p.w.fail("state", "process %d cannot close the state of partition %d: %v", p.id, part, err)
	}
	p.w.note("leave", part, p.id, 0)
}

// crash ends everything at once.
func (p *process) crash() {
	p.w.note("crash", -1, p.id, 0)
	p.w.result.Crashes++
	p.down, p.paused, p.cut = true, false, false
	for part, r := range p.runners {
		if r != nil {
			r.gone, p.runners[part] = true, nil
			if err := r.disk.crash(); err != nil {
				p.w.fail("state", "process %d: %v", p.id, err)
			}
		}
	}
	p.w.dropAttempts(func(a *attempt) bool { return a.from.process == p })
}

// wipe takes the disks of a process that is down.
func (p *process) wipe() {
	p.w.note("wipe", -1, p.id, 0)
	for i := range p.disks {
		p.disks[i] = newDisk()
	}
}

func (w *world) dropAttempts(which func(*attempt) bool) {
	for i, v := range slices.Backward(w.attempts) {
		if which(v) {
			take(&w.attempts, i)
		}
	}
}

// runner runs one partition in one process: the loop of a worker, taken apart
// into moves that may come in any order.
type runner struct {
	process *process
	part    int
	disk    *disk
	p       *worker.Partition // nil while it is being taken over
	gone    bool

	fencing bool         // a fence is on its way
	fence   uint64       // of a standby that takes over, to be reached
	asks    bool         // the fate of the commit in flight is to be looked up
	batch   worker.Batch // being committed to the store
	mark    []byte
}

func (r *runner) live() bool { return !r.gone && r.p != nil }

// moves are what a runner can do. Each reports whether it did anything.
var moves = []func(*runner) bool{
	(*runner).read, (*runner).read, (*runner).read, (*runner).commit, (*runner).commit, (*runner).ask, (*runner).tell, (*runner).tell,
	(*runner).own, (*runner).own, (*runner).flush, (*runner).flush, (*runner).save, (*runner).sync,
}

// rareMove is the one that makes durable, which nobody waits for.
const rareMove = 13

// step makes one move.
func (r *runner) step(move int) bool {
	w := r.process.w
	w.severed = r.process.cut
	defer func() { w.severed = false }()
	switch {
	case r.p == nil:
		return r.claim()
	case r.p.Following():
		return shadows[move%len(shadows)](r)
	}
	return moves[move](r)
}

// claim takes a partition over from nothing but its state.
func (r *runner) claim() bool {
	return !r.fencing && r.putFence(func(seq uint64) {
		if !r.gone {
			r.open(seq)
		}
	})
}

// putFence puts a fence behind the last commit record; then is called when it
// stands.
func (r *runner) putFence(then func(seq uint64)) bool {
	w := r.process.w
	seq, last := w.broker.last(r.part)
	fence, err := worker.Fence(last)
	if err != nil {
		w.fail("takeover", "partition %d: %v", r.part, err)
		return false
	}
	return r.put(fence, seq, then)
}

// put puts a fence behind the commit record with a sequence, which has to be the
// last.
func (r *runner) put(fence []byte, behind uint64, then func(seq uint64)) bool {
	r.fencing = true
	r.process.w.send(&packet{partition: r.part, commit: true, expect: behind, record: record{data: fence}, reply: func(a answer, seq uint64) {
		if r.fencing = false; a == stored {
			then(seq)
		}
	}})
	return true
}

// open opens the partition behind its own fence.
func (r *runner) open(fence uint64) {
	w := r.process.w
	s := &w.broker.streams[r.part]
	from := int(s.firstOut) - 1
	if w.rng.IntN(2) == 0 { // only as much as the state needs
		for i := from; i < int(fence); i++ {
			if s.commits[i].Position <= r.disk.position {
				from = i
			}
		}
	}
	if r.opened(worker.OpenPartition, from, int(fence)) {
		w.result.Takeovers++
	}
}

// opened opens the partition, with the commit records between two indexes.
func (r *runner) opened(how opening, from, to int) bool {
	w := r.process.w
	h := &worker.History{}
	for i := from; i < to; i++ {
		if err := h.Add(uint64(i+1), w.broker.streams[r.part].out[i]); err != nil {
			w.fail("takeover", "partition %d: %v", r.part, err)
			return false
		}
	}
	if err := h.Within(r.part, uint64(len(w.broker.streams[r.part].in))); err != nil {
		r.failed(err)
		return false
	}
	p, err := how(worker.PartitionConfig{
		Partition: r.part, Partitions: w.cfg.Partitions, Memory: w.memory, Idempotent: w.idempotent,
		FlushEvery: w.flushEvery, CommitBytes: w.commitBytes,
	}, storeOf{r.disk.store}, h, r.process.now())
	if err == nil {
		err = w.sameLog(r.part, p.Machine().Shop())
	}
	if err != nil {
		r.failed(err)
		return false
	}
	r.p = p
	w.note("open", r.part, r.process.id, int(p.FlushPosition()))
	if at := p.FlushPosition(); at != r.disk.position {
		w.fail("acked <= durable", "process %d finds the state of partition %d at %d; %d was what it had saved", r.process.id, r.part, at, r.disk.position)
	}
	return true
}

// opening is how a partition is opened: as its owner or as a standby.
type opening func(worker.PartitionConfig, worker.Store, *worker.History, int64) (*worker.Partition, error)

// failed takes an error of the protocol.
func (r *runner) failed(err error) {
	w := r.process.w
	if errors.Is(err, worker.ErrFenced) || errors.Is(err, errGap) {
		w.note(err.Error(), r.part, r.process.id, 0)
		r.process.leave(r.part)
		return
	}
	if w.lost.stops(r, err) {
		r.process.leave(r.part)
		return
	}
	w.fail("protocol", "process %d, partition %d: %v", r.process.id, r.part, err)
}
