package worker

import (
	"sync/atomic"
	"time"

	"onhand/connectors"
)

// handing is a partition on its way to another worker, its standby, in order.
// First no attempt is begun any more and those under way are waited for, while
// everything else goes on. Then nothing is read; what was decided is committed
// and told; and the heir is named to all. The pause lasts from there until the
// heir, which has followed every commit, puts its fence behind the last one.
type handing struct {
	to    string // the heir; "" = the partition stays
	since time.Time
	quiet bool
	begun atomic.Bool            // for Worker.settle
	heir  atomic.Pointer[string] // named to all; nil = nobody
}

const (
	attemptsWait = 2 * time.Second // for attempts under way, before a move
	moveWait     = 6 * time.Second // for the heir, in all
)

// handOver begins to move the partition.
func (l *loop) handOver(to string) {
	if l.move.to != "" || l.draining || l.reopen || l.p.Following() || !l.p.Live() {
		l.move.begun.Store(l.move.to != "")
		return
	}
	l.log.Info("partition moves", "to", to)
	l.move.to, l.move.since = to, time.Now()
	if l.w.dispatcher == nil {
		return
	}
	for _, j := range l.w.dispatcher.Withdraw(l.part) {
		l.w.underway.Add(-1)
		l.underway.Add(-1)
		l.notAttempted(j)
	}
}

func (l *loop) notAttempted(j connectors.Job) {
	l.p.NotAttempted(Effect{Type: Attempt, Decision: j.Decision, Number: j.Attempt}, "moving", l.w.cfg.Clock())
}

// advance moves a hand-over on.
func (l *loop) advance() {
	m := &l.move
	if m.to == "" || l.err != nil {
		return
	}
	took := time.Since(m.since)
	if took > moveWait { // the heir has not come
		l.log.Warn("the partition stays", "heir", m.to)
		m.to, m.quiet = "", false
		m.heir.Store(nil)
		m.begun.Store(false)
		l.p.Hasten(false)
		l.w.lookAgain()
		return
	}
	if !m.quiet && (l.underway.Load() <= 0 || took > attemptsWait) {
		m.quiet = true
		l.p.Hasten(true)
		l.send()
	}
	if m.quiet && m.heir.Load() == nil && l.p.Quiet() {
		to := m.to
		m.heir.Store(&to)
		l.w.lookAgain()
	}
}

// Hasten makes every position be committed at once, or ends that.
func (p *Partition) Hasten(on bool) { p.commit.hasty = on }

// Quiet reports whether all that was applied is committed and told to whom it
// concerns: what another owner begins with.
func (p *Partition) Quiet() bool {
	o := &p.own
	return p.Live() && p.commit.confirmed.position == p.m.Shop().Position && p.out.Count == 0 && p.InFlight() == nil &&
		p.owed == 0 && p.holding == 0 && !o.busy && !o.unsent && len(o.entries) == 0
}
