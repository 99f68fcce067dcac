package sim

import (
	"onhand/processor"
	"onhand/processor/worker"
)

// standBy begins to follow a partition.
func (p *process) standBy(part int) {
	if r := p.begin(part, "stand by"); r != nil {
		s := &p.w.broker.streams[part]
		r.opened(worker.OpenStandby, int(s.firstOut)-1, len(s.out))
	}
}

// shadows are what a runner of a standby can do.
var shadows = []func(*runner) bool{
	(*runner).follow, (*runner).read, (*runner).read, (*runner).follow, (*runner).takeOver,
	(*runner).flush, (*runner).flush, (*runner).save, (*runner).sync,
}

// follow takes the next commit record, and leads behind its own fence.
func (r *runner) follow() bool {
	w := r.process.w
	s := &w.broker.streams[r.part]
	out := s.out
	at := int(r.p.Followed())
	if at == len(out) || r.process.cut {
		return false
	}
	if uint64(at+1) < s.firstOut {
		r.failed(errGap)
		return true
	}
	if err := r.p.Follow(uint64(at+1), out[at], r.process.now()); err != nil {
		r.failed(err)
		return true
	}
	w.note("follow", r.part, r.process.id, at+1)
	r.lead()
	return true
}

// takeOver puts a fence behind the last commit record when the partition falls
// to the standby. One that has followed all there is makes the fence of that and
// does not wait until it has read it.
func (r *runner) takeOver() bool {
	if r.process.w.owner[r.part] != r.process.id || r.fencing || r.fence != 0 {
		return false
	}
	fence, last := r.p.Claim()
	reach := func(seq uint64) {
		if r.live() {
			r.fence = seq
			r.lead()
		}
	}
	if end, _ := r.process.w.broker.last(r.part); end != last {
		return r.putFence(reach)
	}
	return r.put(fence, last, func(seq uint64) {
		if !r.live() || r.p.Followed() != last {
			reach(seq)
			return
		}
		if err := r.p.Follow(seq, fence, r.process.now()); err != nil {
			r.failed(err)
			return
		}
		reach(seq)
	})
}

// lead makes the standby the owner when its fence is the last record followed.
func (r *runner) lead() {
	at := r.p.Followed()
	if r.fence == 0 || at < r.fence {
		return
	}
	fence := r.fence
	if r.fence = 0; at > fence {
		return // somebody has taken over since
	}
	if err := r.p.Lead(r.process.now()); err != nil {
		r.failed(err)
		return
	}
	w := r.process.w
	w.result.Takeovers++
	w.result.Promoted++
	w.note("lead", r.part, r.process.id, int(fence))
}

// altered is a record as a planted mistake makes a standby read it: without its
// last entry.
func altered(data []byte) []byte {
	entries := entriesOf(data)
	if len(entries) == 0 {
		return data
	}
	to := append([]byte(nil), data[:processor.RecordHeaderBytes]...)
	for _, e := range entries[:len(entries)-1] {
		to = processor.AppendRecordEntry(to, e)
	}
	return to
}
