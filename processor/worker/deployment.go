package worker

import (
	"context"
	"slices"
	"time"

	"onhand/processor"
)

// deployment is what this worker makes of all heartbeats together: which
// partitions nobody runs, and which version of decisions everybody could make.
type deployment struct {
	idle   map[int]time.Time // partitions that nobody runs, since when
	stalls []uint32          // of them, those for too long, ascending

	code   uint64 // newest version that every live worker makes
	since  time.Time
	raised uint64 // asked for
}

const (
	// A partition that nobody has run for so long has stalled, and every other
	// one is told. A takeover without a standby may take that long.
	stallAfter = 10 * time.Second

	// So long all live workers must be able to make a version of decisions before
	// it comes into force: one that restarts is not live, and may come back as an
	// older program.
	raiseAfter = 30 * time.Second
)

// look takes the heartbeats in, and says in the logs of the partitions owned
// here what follows from them. mu is held.
func (w *Worker) look(peers []peer) {
	if !w.member.Alive() {
		return // who is not heard may be deaf too
	}
	h, now := &w.health, time.Now()
	var stalls []uint32
	for part := range w.seats {
		since, known := h.idle[part]
		switch {
		case w.seats[part].runs:
			delete(h.idle, part)
		case !known:
			h.idle[part] = now
		case now.Sub(since) > w.cfg.stallAfter:
			stalls = append(stalls, uint32(part))
		}
	}
	if !slices.Equal(stalls, h.stalls) {
		w.cfg.Logger.Warn("partitions that nobody runs", "partitions", stalls)
		h.stalls = stalls
	}
	for _, l := range w.loops {
		if !l.standby.Load() && (len(stalls) > 0 || l.stalls.Load() > 0) {
			l.post(func() { l.announce(stalls) })
		}
	}
	w.raise(peers, now)
}

// announce says in the partition's own log which of the others have stalled.
func (l *loop) announce(stalls []uint32) {
	if l.err == nil && l.move.to == "" && l.p.Live() {
		l.p.Announce(stalls)
	}
}

// Announce says in the partition's own log which of the other partitions have
// stalled (ascending), if the log does not say so yet.
func (p *Partition) Announce(stalls []uint32) {
	if p.stopped != nil || !p.Live() {
		return
	}
	s := p.m.Shop()
	said := s.Deployment.Stalled
	if slices.Equal(said, stalls) || p.own.pending(s.Position) {
		return
	}
	say := func(t processor.ControlType, which, besides []uint32) {
		for _, q := range which {
			if _, both := slices.BinarySearch(besides, q); !both && int(q) != p.cfg.Partition {
				p.own.entries = append(p.own.entries, processor.AppendControl(nil, &processor.Control{Type: t, At: int64(q)}))
			}
		}
	}
	say(processor.StallBegan, stalls, said)
	say(processor.StallEnded, said, stalls)
}

// raise brings a newer version of decisions into force when every live worker
// has been able to make it for a while. The owner of the first partition does.
// mu is held.
func (w *Worker) raise(peers []peer, now time.Time) {
	h, lowest := &w.health, w.cfg.code
	for i := range peers {
		lowest = min(lowest, peers[i].Code)
	}
	if lowest != h.code {
		h.code, h.since = lowest, now
	}
	l := w.loops[0]
	if l == nil || l.standby.Load() || l.code.Load() == 0 || lowest <= max(l.code.Load(), h.raised) || now.Sub(h.since) < w.cfg.raiseAfter {
		return
	}
	h.raised = lowest
	w.cfg.Logger.Info("a newer version of decisions comes into force", "version", lowest)
	w.tasks.Go(func() {
		ctx, cancel := context.WithTimeout(w.ctx, claimWait)
		defer cancel()
		if err := w.Control(ctx, &processor.Control{Type: processor.RaiseCode, At: int64(lowest)}); err != nil {
			w.mu.Lock()
			w.health.raised = 0 // again
			w.mu.Unlock()
		}
	})
}
