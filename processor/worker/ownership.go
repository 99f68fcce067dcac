package worker

import (
	"context"
	"errors"
	"time"

	"onhand/processor/jetstream"
)

const (
	handOver   = 10 * time.Second // for a partition that moves to say and save what it has
	fencedWait = time.Second      // before a partition is taken back from who has fenced us
)

// govern keeps this worker running what falls to it: the members of the
// deployment are placed by the same rule everywhere. Who is a member is a hint;
// the commit records say who owns.
func (w *Worker) govern() {
	for {
		w.settle()
		select {
		case <-w.member.Changes():
		case <-w.again:
		case <-w.ctx.Done():
			return
		case <-w.quit:
			return
		}
	}
}

// settle starts and stops partitions and shards as they are placed.
func (w *Worker) settle() {
	var workers []string
	for _, x := range w.member.Workers() {
		workers = append(workers, x.ID)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	w.owners = jetstream.Assign("partition", workers, w.log.Partitions())
	for part, place := range w.owners {
		l, mine := w.loops[part], place.Owner == w.cfg.ID
		switch {
		case mine && l == nil && w.failed[part] == nil:
			w.start(part)
		case !mine && l != nil:
			l.moveAway()
		case !mine:
			delete(w.failed, part)
		}
	}
	for i, place := range jetstream.Assign("shard", workers, w.log.Shards()) {
		s, mine := w.shards[i], place.Owner == w.cfg.ID
		switch {
		case mine && s == nil:
			w.startShard(i)
		case !mine && s != nil:
			s.stop()
		}
	}
}

// start runs a partition. mu is held.
func (w *Worker) start(part int) {
	l := newLoop(w, part)
	ctx, cancel := context.WithCancel(w.ctx)
	l.stop = cancel
	w.loops[part] = l
	w.tasks.Go(func() {
		l.run(ctx)
		cancel()
		w.endedLoop(l)
	})
}

// moveAway ends a loop whose partition falls to another worker.
func (l *loop) moveAway() {
	l.moving.Do(func() {
		l.log.Info("partition moves away")
		l.post(l.drain)
		time.AfterFunc(handOver, l.stop)
	})
}

// endedLoop takes note of the end of a loop.
func (w *Worker) endedLoop(l *loop) {
	w.mu.Lock()
	delete(w.loops, l.part)
	err := l.ended
	switch {
	case w.ctx.Err() != nil || w.ended || err == nil || errors.Is(err, context.Canceled) || errors.Is(err, jetstream.ErrClosed):
	case errors.Is(err, ErrFenced):
		w.counters.Fenced.Add(1)
		l.log.Warn("another worker has taken the partition over")
		// Unless it is placed elsewhere by then, it is ours to take back.
		w.failed[l.part] = err
		time.AfterFunc(fencedWait, func() {
			w.mu.Lock()
			if errors.Is(w.failed[l.part], ErrFenced) {
				delete(w.failed, l.part)
			}
			w.mu.Unlock()
			w.lookAgain()
		})
	default:
		l.log.Error("partition has stopped", "error", err)
		w.failed[l.part] = err
	}
	w.mu.Unlock()
	w.lookAgain()
}

func (w *Worker) lookAgain() {
	select {
	case w.again <- struct{}{}:
	default:
	}
}
