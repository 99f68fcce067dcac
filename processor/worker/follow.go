package worker

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"onhand/processor/jetstream"
)

// shadow is what a loop has more as a standby: the commit records it follows,
// and how it takes over. What others read is atomic.
type shadow struct {
	standby  atomic.Bool
	commits  *jetstream.Reader // nil in an owner
	claiming bool              // a fence is on its way
	fence    uint64            // sequence of the fence, to be reached

	followed bool      // all commit records that had come were taken
	levelAt  time.Time // was level last
	level    atomic.Bool

	position, epoch, flushed, code, held, stalls atomic.Uint64
}

const (
	maxAhead  = 4096            // commit records a standby knows and has not reached
	levelKept = 2 * time.Second // how long a busy standby that was level counts as level
	claimWait = 2 * time.Second
)

// openStandby opens the state and follows what is committed.
func (l *loop) openStandby(ctx context.Context, cfg PartitionConfig, store Store) error {
	h, err := soFar(ctx, l.w.log, l.part, store)
	if err != nil {
		return err
	}
	p, err := OpenStandby(cfg, store, h, l.now())
	if err != nil {
		return err
	}
	if err := sameLog(ctx, l.w.log, l.part, p.Machine().Shop()); err != nil {
		return err
	}
	commits, err := l.w.log.ReadCommits(l.part, h.seq+1)
	if err != nil {
		return err
	}
	l.commits = commits
	if l.reader, err = l.w.log.Read(l.part, p.Next()); err != nil {
		return err
	}
	l.p = p
	l.log.Info("standing by", "state", p.FlushPosition(), "committed", h.Position())
	return nil
}

// followable is signalled when more may be committed; nil in an owner.
func (l *loop) followable() <-chan struct{} {
	if l.commits == nil {
		return nil
	}
	return l.commits.Ready()
}

// follow takes commit records that have arrived, a burst at most.
func (l *loop) follow() (busy bool) {
	if l.commits == nil || l.err != nil {
		return false
	}
	l.followed = false
	for n := 0; n < burstRecords && l.p.Ahead() < maxAhead; n++ {
		m, ok, err := l.commits.TryNext()
		if err == nil && ok {
			err = l.p.Follow(m.Seq, m.Data, l.now())
		}
		if err != nil {
			l.fail(err)
			return false
		}
		if !ok {
			l.followed = true
			break
		}
		busy = true
		if l.reached() {
			return true
		}
	}
	return busy
}

// noteLevel takes note of whether a standby is level: it has applied all that was
// committed when it last asked. More will have been by then on a busy machine.
func (l *loop) noteLevel() {
	if l.commits == nil || l.err != nil {
		return
	}
	now := time.Now()
	switch {
	case l.followed && l.p.Level():
		l.levelAt = now
		if !l.level.Swap(true) {
			l.enter("standby")
			l.w.lookAgain() // a move may wait for it
		}
	case now.Sub(l.levelAt) > levelKept && l.level.Swap(false):
		l.enter("following")
	}
}

// reached makes this loop the owner when its own fence is the last commit
// record it followed.
func (l *loop) reached() bool {
	switch at := l.p.Followed(); {
	case l.fence == 0 || l.commits == nil || at < l.fence:
		return false
	case at > l.fence: // somebody has taken over since
		l.fence = 0
		return false
	}
	l.fence = 0
	l.jobs.Go(l.commits.Stop)
	l.commits = nil
	l.enter("replaying")
	if err := l.p.Lead(l.now()); err != nil {
		l.fail(err)
		return true
	}
	l.log.Info("standby has taken over", "epoch", l.p.Epoch(), "position", l.position.Load())
	l.report()
	l.standby.Store(false)
	l.level.Store(false)
	l.w.lookAgain()
	return true
}

// takeOver makes a standby the owner: it puts a fence behind the last commit
// record, follows up to it and leads. Mostly it has followed all there is, knows
// by that what the fence has to say, and need not read it back.
func (l *loop) takeOver() {
	if l.commits == nil || l.claiming || l.fence != 0 {
		return
	}
	l.claiming = true
	fruitful := l.p.progress
	record, last := l.p.Claim()
	l.jobs.Go(func() {
		ctx, cancel := context.WithTimeout(l.w.ctx, claimWait)
		defer cancel()
		var upTo, seq uint64
		var err error
		if !fruitful {
			upTo, err = l.beware(ctx)
		}
		if err == nil {
			seq, err = putFence(ctx, l.w.log, l.part, record, last)
		}
		own := seq > 0
		if !own && err == nil {
			seq, err = fence(ctx, l.w.log, l.part)
		}
		l.post(func() {
			l.claiming = false
			switch {
			case err == nil:
				l.beCareful(upTo)
				if own && l.p.Followed() == last {
					if err := l.p.Follow(seq, record, l.now()); err != nil {
						l.fail(err)
						return
					}
				}
				l.fence = seq
				l.reached()
			case passes(err) || errors.Is(err, context.DeadlineExceeded):
				l.later(retryAfter, l.w.lookAgain) // whether it still falls to us
			case l.w.ctx.Err() == nil:
				l.fail(err)
			}
		})
	})
}

// report writes down where the partition stands, for the other workers.
func (l *loop) report() {
	if l.p == nil || l.p.Machine() == nil {
		return
	}
	s := l.p.Machine().Shop()
	l.held.Store(l.p.Machine().HeldBack())
	l.position.Store(s.Position)
	l.code.Store(s.Deployment.Code)
	l.stalls.Store(uint64(len(s.Deployment.Stalled)))
	if l.epoch.Swap(l.p.Epoch()) == 0 && !l.standby.Load() {
		l.w.lookAgain() // the others hear that it runs
	}
	l.flushed.Store(l.p.FlushPosition())
}
