package state

import (
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// scheduler gives out the one turn to compact. Every store is a member; a
// member that is refused waits, and when the turn is free a goroutine of the
// scheduler asks those who wait and gives it to the most urgent.
//
//	store --TrySchedule--> free and nobody waits?  yes: go
//	                                               no:  waiting, wake the grant loop
//	compaction done ---------------------------------------> wake the grant loop
//
// Locks: Pebble calls TrySchedule with the store's lock held, so the
// scheduler's lock comes after a store's: no store is called while it is held.
type scheduler struct {
	mu      sync.Mutex
	wake    *sync.Cond // something changed: for the grant loop and for leave
	members map[*member]struct{}
	calling *member // the member the grant loop is in a call with
	taken   bool    // the turn is given out
	stopped bool
	done    chan struct{}
}

// member is one store's place in the scheduler.
type member struct {
	s       *scheduler
	db      pebble.DBForCompaction
	waiting bool // guarded by s.mu; has asked and was refused
	gone    bool // guarded by s.mu
	passed  int  // turns of others while it waited; the grant loop's
}

// maxPassed is how many turns more urgent stores may have before one that
// waits. With n stores that all wait so long, each gets one turn in n.
const maxPassed = 8

func newScheduler() *scheduler {
	s := &scheduler{members: map[*member]struct{}{}, done: make(chan struct{})}
	s.wake = sync.NewCond(&s.mu)
	go s.grantLoop()
	return s
}

// stop ends the grant loop and waits for it.
func (s *scheduler) stop() {
	s.mu.Lock()
	s.stopped = true
	s.wake.Broadcast()
	s.mu.Unlock()
	<-s.done
}

func (s *scheduler) grantLoop() {
	defer close(s.done)
	for {
		s.mu.Lock()
		for !s.stopped && (s.taken || !s.anyWaiting()) {
			s.wake.Wait()
		}
		if s.stopped {
			s.mu.Unlock()
			return
		}
		s.taken = true
		s.mu.Unlock()
		best, others := s.mostUrgent()
		if best == nil || !s.offer(best) {
			s.release()
			continue
		}
		best.passed = 0
		for _, m := range others {
			m.passed++
		}
	}
}

func (s *scheduler) anyWaiting() bool {
	for m := range s.members {
		if m.waiting {
			return true
		}
	}
	return false
}

// mostUrgent asks all who wait what for, and returns who is next and who has to
// wait on. The mark of waiting is taken off before the question: a store that
// answers no may ask anew at once, and that must not be lost.
func (s *scheduler) mostUrgent() (best *member, others []*member) {
	s.mu.Lock()
	var asked []*member
	for m := range s.members {
		if m.waiting {
			m.waiting = false
			asked = append(asked, m)
		}
	}
	s.mu.Unlock()
	var most pebble.WaitingCompaction
	for _, m := range asked {
		var yes bool
		var w pebble.WaitingCompaction
		s.call(m, func() { yes, w = m.db.GetWaitingCompaction() })
		if !yes {
			m.passed = 0
			continue
		}
		s.wait(m)
		if best == nil || m.before(best, w, most) {
			best, most = m, w
		}
	}
	return best, slices.DeleteFunc(asked, func(m *member) bool { return m == best })
}

// before reports whether a member is to have its turn before another. Who was
// passed over too often comes first, and of those who waited longest.
func (m *member) before(o *member, a, b pebble.WaitingCompaction) bool {
	if max(m.passed, o.passed) >= maxPassed && m.passed != o.passed {
		return m.passed > o.passed
	}
	if a.Optional != b.Optional {
		return b.Optional
	}
	if a.Priority != b.Priority {
		return a.Priority > b.Priority
	}
	return a.Score > b.Score
}

// offer gives the turn to a member and reports whether it took it. One that
// took it may have more to do and still waits; one that did not says so when
// it wants to again.
func (s *scheduler) offer(m *member) (took bool) {
	s.mu.Lock()
	m.waiting = false
	s.mu.Unlock()
	s.call(m, func() { took = m.db.Schedule(turn{s}) })
	if took {
		s.wait(m)
	}
	return took
}

// call runs a call into a store without the lock, in a way leave can wait for.
func (s *scheduler) call(m *member, f func()) {
	s.mu.Lock()
	if m.gone {
		s.mu.Unlock()
		return
	}
	s.calling = m
	s.mu.Unlock()
	f()
	s.mu.Lock()
	s.calling = nil
	s.wake.Broadcast()
	s.mu.Unlock()
}

func (s *scheduler) wait(m *member) {
	s.mu.Lock()
	m.waiting = !m.gone
	s.wake.Broadcast()
	s.mu.Unlock()
}

func (s *scheduler) release() {
	s.mu.Lock()
	s.taken = false
	s.wake.Broadcast()
	s.mu.Unlock()
}

// The member's side of pebble.CompactionScheduler.

func (m *member) Register(_ int, db pebble.DBForCompaction) {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	m.db = db
	m.s.members[m] = struct{}{}
}

// Unregister takes the member out and waits for the call it may be in. Its
// running compaction, if any, gives the turn back by itself.
func (m *member) Unregister() {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	m.gone, m.waiting = true, false
	delete(m.s.members, m)
	for m.s.calling == m {
		m.s.wake.Wait()
	}
}

// TrySchedule gives the turn if it is free and nobody waits for it. Otherwise
// a store that has just finished would take it again and again.
func (m *member) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	s := m.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.gone || s.stopped {
		return false, nil
	}
	if s.taken || s.anyWaiting() {
		m.waiting = true
		s.wake.Broadcast()
		return false, nil
	}
	s.taken = true
	return true, turn{s}
}

// UpdateGetAllowedWithoutPermission tells of a store that may run more than
// one compaction. None may.
func (m *member) UpdateGetAllowedWithoutPermission() {}

// turn is the turn to compact, given back with Done.
type turn struct{ s *scheduler }

func (t turn) Started()                                          {}
func (t turn) MeasureCPU(pebble.CompactionGoroutineKind)         {}
func (t turn) CumulativeStats(pebble.CompactionGrantHandleStats) {}
func (t turn) Done()                                             { t.s.release() }
