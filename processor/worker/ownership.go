package worker

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"onhand/processor/jetstream"
	"onhand/state"
)

const (
	fencedWait = time.Second      // before a partition is taken back from who has fenced us
	leaveWait  = 10 * time.Second // for the heirs of a worker that leaves
	maxMoves   = 2                // partitions that move to another worker at once, for balance
	maxLeaving = 8                // and from a worker that leaves
)

// govern keeps this worker running what falls to it. Who is a member, and what
// the members say of their partitions, is a hint; the commit records say who
// owns.
func (w *Worker) govern() {
	tick := time.NewTicker(w.member.Lease() / 4)
	defer tick.Stop()
	for {
		w.settle()
		select {
		case <-w.member.Changes():
		case <-w.again:
		case <-tick.C:
		case <-w.ctx.Done():
			return
		case <-w.quit:
			return
		}
	}
}

// settle says how the partitions stand here, and starts, stops and moves
// partitions and shards as they are placed.
func (w *Worker) settle() {
	peers := peersOf(w.member.Workers())
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	mine := w.bulletin()
	w.tell(mine)
	known := false
	for i := range peers {
		if peers[i].id == w.cfg.ID {
			peers[i].bulletin, known = mine, true
		}
	}
	if !known {
		peers = append(peers, peer{w.cfg.ID, mine})
	}
	w.seats = seats(peers, w.log.Partitions())
	w.look(peers)
	moving := 0
	for _, l := range w.loops {
		if l.move.begun.Load() {
			moving++
		}
	}
	for part := range w.seats {
		if w.place(part, moving) {
			moving++
		}
	}
	w.shareRates()
	var staying []string
	for i := range peers {
		if !peers[i].Leaving {
			staying = append(staying, peers[i].id)
		}
	}
	for i, place := range jetstream.Assign("shard", staying, w.log.Shards()) {
		s, mine := w.shards[i], place.Owner == w.cfg.ID
		switch {
		case mine && s == nil:
			w.startShard(i)
		case !mine && s != nil:
			s.stop()
		}
	}
}

// shareRates takes as much of the rates of channels as there are partitions
// owned here. mu is held.
func (w *Worker) shareRates() {
	n := 0
	for _, l := range w.loops {
		if !l.standby.Load() {
			n++
		}
	}
	if w.dispatcher != nil && n != w.owning {
		w.owning = n
		w.dispatcher.Share(float64(max(n, 1)) / float64(w.log.Partitions()))
	}
}

// place makes this worker what it should be to a partition. It reports whether
// the partition begins to move away; moving is how many do already. mu is held.
func (w *Worker) place(part, moving int) bool {
	s, l, me := &w.seats[part], w.loops[part], w.cfg.ID
	limit := maxMoves
	if w.leaving {
		limit = maxLeaving
	}
	switch {
	case l == nil:
		if w.failed[part] == nil && !w.leaving && (s.Owner == me || s.Standby == me) {
			w.start(part, s.Owner != me)
		}
	case l.standby.Load():
		switch {
		case s.Owner == me:
			l.post(l.takeOver)
		case s.Standby != me && (s.ready || s.Standby == ""):
			l.stop() // there is another one
		}
	case s.holder != me:
		if heir := l.move.heir.Load(); heir != nil && *heir == s.holder {
			l.stop() // it has moved
		} else {
			epoch := s.epoch
			l.post(func() { l.replaced(epoch) })
		}
	case s.Owner == me && s.ready && (s.Wanted == s.Standby || l.halted.Load()) && moving < limit && !l.move.begun.Load():
		l.move.begun.Store(true)
		to := s.Standby
		return l.post(func() { l.handOver(to) })
	}
	return false
}

// replaced ends an owner when another one has said that it owns the partition
// with a later epoch. An earlier one is told of until the others have heard of
// this owner, which may have taken over while they were being looked at.
func (l *loop) replaced(epoch uint64) {
	if epoch > l.p.Epoch() {
		l.fail(ErrFenced)
	}
}

// bulletin returns how the partitions stand here. mu is held.
func (w *Worker) bulletin() bulletin {
	b := bulletin{Code: w.cfg.code, Leaving: w.leaving}
	for part := range w.log.Partitions() {
		if l := w.loops[part]; l != nil {
			b.Stands = append(b.Stands, l.stand())
		} else if err := w.failed[part]; err != nil && !errors.Is(err, ErrFenced) {
			b.Stands = append(b.Stands, stand{Partition: part, Role: fails})
		}
	}
	return b
}

// stand returns how the partition stands here.
func (l *loop) stand() stand {
	s := stand{Partition: l.part, Role: owns, Position: l.position.Load(), Saved: l.flushed.Load(), Level: l.level.Load()}
	if l.standby.Load() {
		s.Role = follows
		return s
	}
	s.Epoch, s.Paused, s.Kept = l.epoch.Load(), l.halted.Load(), l.kept.Load()
	if heir := l.move.heir.Load(); heir != nil {
		s.Heir = *heir
	}
	return s
}

// tell tells the others how the partitions stand here: at once when something
// but a position is new, else with every heartbeat. mu is held.
func (w *Worker) tell(b bulletin) {
	now := time.Now()
	plain := bulletin{b.Code, b.Leaving, slices.Clone(b.Stands)}
	for i := range plain.Stands {
		plain.Stands[i].Position, plain.Stands[i].Saved, plain.Stands[i].Kept = 0, 0, 0
	}
	if now.Sub(w.toldAt) < w.member.Lease()/5 && plain.Leaving == w.told.Leaving && slices.Equal(plain.Stands, w.told.Stands) {
		return
	}
	w.toldAt, w.told = now, plain
	if data, err := json.Marshal(b); err == nil {
		w.member.Update(data)
	}
}

// start runs a partition, as its owner or as a standby. mu is held.
func (w *Worker) start(part int, standby bool) {
	l := newLoop(w, part, standby)
	ctx, cancel := context.WithCancel(w.ctx)
	l.stop = cancel
	w.loops[part] = l
	w.tasks.Go(func() {
		l.run(ctx)
		cancel()
		w.endedLoop(l)
	})
	w.lookAgain() // the others hear of it
}

// leave hands over what can be handed over.
func (w *Worker) leave(ctx context.Context) {
	w.mu.Lock()
	w.leaving = true
	w.mu.Unlock()
	w.lookAgain()
	limit := time.NewTimer(leaveWait)
	defer limit.Stop()
	for w.heirs() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		case <-w.ctx.Done():
			return
		}
	}
}

// heirs reports whether a partition that is owned here can still be handed
// over.
func (w *Worker) heirs() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for part, l := range w.loops {
		if !l.standby.Load() && l.epoch.Load() > 0 && part < len(w.seats) && w.seats[part].Standby != "" {
			return true
		}
	}
	return false
}

// endedLoop takes note of the end of a loop.
func (w *Worker) endedLoop(l *loop) {
	w.mu.Lock()
	delete(w.loops, l.part)
	err := l.ended
	var deadly *DeadlyError
	switch {
	case w.ctx.Err() != nil || w.ended || err == nil || errors.Is(err, context.Canceled) || errors.Is(err, jetstream.ErrClosed):
	case errors.Is(err, ErrFenced):
		w.counters.Fenced.Add(1)
		l.log.Warn("another worker has taken the partition over")
		// Unless it is placed elsewhere by then, it is ours to take back.
		w.rest(l.part, err, fencedWait)
	case errors.Is(err, ErrRewound):
		l.log.Warn("the partition was rewound, its state here is made anew")
		w.rest(l.part, err, fencedWait)
	case errors.Is(err, state.ErrCorrupt):
		l.log.Error("partition begins anew on a checkpoint or the log", "error", err)
		w.rest(l.part, err, fencedWait)
	case errors.As(err, &deadly):
		l.log.Error("partition is left alone", "until", deadly.Until, "error", err)
		w.rest(l.part, err, time.Until(deadly.Until))
	default:
		l.log.Error("partition has stopped", "error", err)
		w.failed[l.part] = err
	}
	w.mu.Unlock()
	w.lookAgain()
}

// rest keeps a partition from being started again for a while. mu is held.
func (w *Worker) rest(part int, why error, d time.Duration) {
	w.failed[part] = why
	time.AfterFunc(d, func() {
		w.mu.Lock()
		if errors.Is(w.failed[part], why) {
			delete(w.failed, part)
		}
		w.mu.Unlock()
		w.lookAgain()
	})
}

func (w *Worker) lookAgain() {
	select {
	case w.again <- struct{}{}:
	default:
	}
}
