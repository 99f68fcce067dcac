package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"onhand/connectors"
	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/processor/moments"
	"onhand/state"
)

// loop runs one partition, as its owner or its standby: it does what the
// Partition asks for, in turn, and tells it what came of that. Nothing in it
// decides anything.
//
//	mailbox -> follow -> read and apply -> commits, transfers, entries -> write-behind -> wait
type loop struct {
	mailbox
	reports reports
	w       *Worker
	part    int
	log     *slog.Logger

	store  *state.Store
	p      *Partition
	reader *jetstream.Reader
	timer  *time.Timer
	jobs   sync.WaitGroup // reads and writes beside the loop

	shadow          // of a standby
	move    handing // to another worker
	keeper  keeper  // of checkpoints
	careful careful // after owners that ended

	resending map[int]bool // receivers for whom messages are being read again

	incarnation uint64 // how often the partition was rewound, when its state was opened

	caughtUp bool // the reader had nothing when last asked
	reopen   bool // after a poisoned step
	draining bool // nothing is read any more
	looked   time.Time
	paused   error // why nothing is read for now
	evicted  time.Time
	rules    *moments.File // as last noted, see noteRules
	stamp    int64         // of the last record applied
	err      error         // ends the loop

	phase    atomic.Pointer[string]
	underway atomic.Int64 // attempts given to the dispatcher and not reported
	records  atomic.Uint64
	steps    atomic.Uint64
	lag      atomic.Int64 // ms, of the last record applied
	kept     atomic.Int64 // log time of the oldest checkpoint that is kept, Unix ms; 0 = not known here
	halted   atomic.Bool  // nothing is read for now
	stop     context.CancelFunc
	done     chan struct{}
	ended    error // valid when done is closed
}

// What one turn of a loop does at most, so that the next thing does not wait.
const (
	burstRecords = 64
	burstTime    = 2 * time.Millisecond
	flushSlice   = 128

	retryAfter  = 100 * time.Millisecond
	lookUpWait  = time.Second // a stream without a leader does not answer, and has one a moment later
	healthEvery = 100 * time.Millisecond
	evictEvery  = 100 * time.Millisecond
)

func newLoop(w *Worker, part int, standby bool) *loop {
	l := &loop{w: w, part: part, log: w.cfg.Logger.With("partition", part), done: make(chan struct{})}
	l.standby.Store(standby)
	l.wake = make(chan struct{}, 1)
	l.enter("opening")
	if standby {
		l.enter("following")
	}
	return l
}

func (l *loop) enter(phase string) { l.phase.Store(&phase) }

// run owns the partition, or stands by, until ctx ends, drain is done, or it
// fails.
func (l *loop) run(ctx context.Context) {
	defer close(l.done)
	defer func() {
		if r := recover(); r != nil {
			l.ended = fmt.Errorf("worker: partition %d: %v\n%s", l.part, r, debug.Stack())
		}
	}()
	defer l.close()
	l.keep(ctx)
	if err := l.open(ctx); err != nil {
		l.ended = err
		return
	}
	l.timer = time.NewTimer(time.Hour)
	defer l.timer.Stop()
	for ctx.Err() == nil && l.err == nil && (!l.draining || !l.p.Saved()) {
		busy := l.mailbox.run()
		busy = l.hear() || busy
		busy = l.follow() || busy
		busy = l.read() || busy
		l.noteLevel()
		l.send()
		busy = l.writeBehind() || busy
		l.checkpoint()
		l.advance()
		l.report()
		if !busy && l.err == nil {
			l.wait(ctx)
		}
	}
	l.ended = l.err
}

// open opens the state and takes the partition over. While NATS or the disk
// does not answer it tries again.
func (l *loop) open(ctx context.Context) error {
	for retry := retryAfter; ; retry = min(2*retry, 2*time.Second) {
		err := l.tryOpen(ctx)
		if err == nil || ctx.Err() != nil || !passes(err) {
			return errors.Join(err, ctx.Err())
		}
		l.log.Warn("partition cannot be opened yet", "error", err)
		select {
		case <-time.After(retry):
		case <-ctx.Done():
		}
	}
}

// passes reports whether an error goes away by itself.
func passes(err error) bool {
	return errors.Is(err, jetstream.ErrUnavailable) || errors.Is(err, jetstream.ErrOverloaded) || errors.Is(err, jetstream.ErrUnknown) ||
		errors.Is(err, state.ErrDisk) || errors.Is(err, state.ErrStalled) || errors.Is(err, errFetch)
}

func (l *loop) tryOpen(ctx context.Context) (err error) {
	if l.store == nil {
		if err := l.openStore(ctx); err != nil {
			return err
		}
	}
	cfg := PartitionConfig{
		Partition: l.part, Partitions: l.w.log.Partitions(), Memory: l.w.share(), Idempotent: l.w.idempotent, Code: l.w.cfg.code,
		FlushEvery: l.w.cfg.FlushEvery.Milliseconds(),
	}
	store := diskStore{l.store}
	if l.standby.Load() {
		return l.openStandby(ctx, cfg, store)
	}
	upTo, err := l.beware(ctx)
	if err != nil {
		return err
	}
	h, err := claim(ctx, l.w.log, l.part, store)
	if err != nil {
		return err
	}
	p, err := OpenPartition(cfg, store, h, l.now())
	if err != nil {
		return err
	}
	if err := sameLog(ctx, l.w.log, l.part, p.Machine().Shop()); err != nil {
		return err
	}
	l.reader, err = l.w.log.Read(l.part, p.Next())
	if err != nil {
		return err
	}
	l.p = p
	l.beCareful(upTo)
	l.log.Info("partition opened", "epoch", p.Epoch(), "state", p.FlushPosition(), "committed", h.Position())
	l.enter("replaying")
	return nil
}

// close lets go of everything.
func (l *loop) close() {
	l.mailbox.close()
	if l.reader != nil {
		l.reader.Stop()
	}
	if l.commits != nil {
		l.commits.Stop()
	}
	if l.keeper.end != nil {
		l.keeper.end()
	}
	l.jobs.Wait()
	l.leaveReports()
	if l.w.dispatcher != nil {
		l.w.underway.Add(-int64(l.w.dispatcher.Drain(l.part)))
	}
	if l.store != nil {
		if err := l.store.Close(); err != nil {
			l.log.Warn("state was closed without its last changes, they are replayed", "error", err)
		}
	}
	if errors.Is(l.err, state.ErrCorrupt) {
		if err := l.putAside(); err != nil {
			l.log.Warn("the corrupt state stays where it is", "error", err)
		}
	}
}

func (l *loop) now() int64 { return l.w.cfg.Clock().UnixMilli() }

func (l *loop) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// later posts f after a while.
func (l *loop) later(d time.Duration, f func()) { time.AfterFunc(d, func() { l.post(f) }) }

// drain stops reading and ends the loop when everything is safe.
func (l *loop) drain() {
	l.draining = true
	if l.p != nil {
		l.p.FlushSoon()
	}
}

// read applies what has arrived, a burst at most.
func (l *loop) read() (busy bool) {
	if l.reopen && !l.reread() || l.draining || l.move.quiet || !l.healthy() || !l.p.Room() {
		return false
	}
	burst := burstRecords
	if l.careful.upTo > 0 {
		if burst = 1; !l.careful.step(l) {
			return false
		}
	}
	start := time.Now()
	var last jetstream.Message
	n, size := 0, 0
	for l.caughtUp = false; n < burst && l.p.Room(); {
		m, ok, err := l.reader.TryNext()
		if err != nil {
			l.fail(err)
			break
		}
		if !ok {
			l.caughtUp = true
			break
		}
		if err := l.p.Apply(m.Seq, m.Stamp, m.Data); err != nil {
			l.applyFailed(err)
			break
		}
		last = m
		size += len(m.Data)
		if n++; n%8 == 0 && time.Since(start) > burstTime {
			break
		}
	}
	if n > 0 {
		l.records.Add(uint64(n))
		l.stamp = last.Stamp
		l.keeper.applied += uint64(size)
		l.lag.Store(max(0, time.Now().UnixMilli()-last.Stamp))
		if m := l.p.Machine(); m != nil {
			l.steps.Store(m.Shop().Step)
		}
	}
	// With nothing to replay it is live before anything has come.
	if l.p.Live() && *l.phase.Load() == "replaying" {
		l.enter("live")
	}
	l.noteRules()
	if l.p.Machine() != nil && start.Sub(l.evicted) > evictEvery {
		l.evicted = start
		l.p.Machine().Evict()
	}
	return n > 0 || l.reopen
}

// noteRules makes the moments that came into force here those of the worker. Old
// ones that are only replayed do not.
func (l *loop) noteRules() {
	if !l.p.Live() && (!l.standby.Load() || !l.caughtUp) {
		return
	}
	if m := l.p.Machine(); m != nil && m.Shop().Version != "" && m.Rules() != l.rules {
		l.rules = m.Rules()
		l.w.rules.Store(l.rules)
	}
}

func (l *loop) applyFailed(err error) {
	if !errors.Is(err, ErrPoison) {
		l.fail(err)
		return
	}
	l.log.Error("a step failed, it is passed over", "error", err)
	l.w.counters.Poisoned.Add(1)
	l.reopen = true
}

// reread makes the partition whole after a poisoned step.
func (l *loop) reread() bool {
	if l.p.Flushing() {
		return false // its end is posted
	}
	l.reopen = false
	from, err := l.p.Reopen(l.now())
	if err == nil {
		l.reader.Stop()
		l.reader, err = l.w.log.Read(l.part, from)
	}
	if err != nil {
		l.fail(err)
		return false
	}
	return true
}

// healthy reports whether the state takes what reading would add to it.
func (l *loop) healthy() bool {
	if now := time.Now(); now.Sub(l.looked) > healthEvery {
		l.looked = now
		was := l.paused
		l.paused = l.store.Healthy()
		switch {
		case errors.Is(l.paused, state.ErrCorrupt):
			l.fail(l.paused)
		case l.paused != nil && was == nil:
			l.log.Warn("reading pauses", "error", l.paused)
		case l.paused == nil && was != nil:
			l.log.Info("reading goes on")
		}
	}
	if pauses := l.paused != nil; l.halted.Swap(pauses) != pauses {
		l.w.lookAgain()
	}
	return l.paused == nil
}

// send publishes what may be published.
func (l *loop) send() {
	if l.err != nil || l.p.Machine() == nil || l.p.Following() {
		return
	}
	now := l.now()
	if data, expect, ok := l.p.NextCommit(now); ok {
		start := time.Now()
		err := l.w.log.CommitAsync(l.part, data, expect, func(seq uint64, err error) {
			l.post(func() { l.committed(seq, err, start) })
		})
		if err != nil {
			l.committed(0, err, start)
		}
	}
	for {
		q, record, ok := l.p.NextTransfer(now)
		if !ok {
			break
		}
		done := func(err error) {
			if err != nil {
				l.retry("message to another partition", err, func() { l.p.TransferDone(q, false) })
				return
			}
			l.p.TransferDone(q, true)
		}
		if err := l.w.log.Packer(q).AddOwn(record, func(err error) { l.post(func() { done(err) }) }); err != nil {
			done(err)
		}
	}
	if record, ok := l.p.NextOwn(now, l.caughtUp && !l.draining && !l.move.quiet); ok {
		done := func(seq uint64, err error) {
			if err != nil {
				l.retry("entry of the partition's own", err, func() { l.p.OwnDone(0) })
				return
			}
			l.p.OwnDone(seq)
		}
		packer := l.w.log.Packer(l.part)
		err := packer.AddOwn(record, func(err error) {
			seq := packer.Acked()
			l.post(func() { done(seq, err) })
		})
		if err != nil {
			done(0, err)
		}
	}
}

// retry does f after a while when an error may pass, and ends the loop when not.
func (l *loop) retry(what string, err error, f func()) {
	if errors.Is(err, jetstream.ErrTooLarge) || errors.Is(err, jetstream.ErrClosed) {
		l.fail(fmt.Errorf("worker: partition %d: %s: %w", l.part, what, err))
		return
	}
	l.log.Debug("publishing again", "what", what, "error", err)
	l.later(retryAfter, f)
}

// committed continues when the commit in flight has an answer.
func (l *loop) committed(seq uint64, err error, start time.Time) {
	var fenced *jetstream.FencedError
	switch {
	case err == nil:
		l.w.counters.CommitLatency.observe(time.Since(start))
		l.effects(l.p.CommitDone(seq, l.now()))
	case errors.As(err, &fenced), errors.Is(err, jetstream.ErrUnknown):
		l.lookUp()
	default:
		l.retry("commit", err, l.p.CommitUnsent)
	}
}

// lookUp learns the fate of the commit in flight.
func (l *loop) lookUp() {
	l.jobs.Go(func() {
		ctx, cancel := context.WithTimeout(l.w.ctx, lookUpWait)
		defer cancel()
		seq, last, err := l.w.log.LastCommit(ctx, l.part)
		if err != nil {
			l.later(retryAfter, l.lookUp)
			return
		}
		l.post(func() { l.effects(l.p.CommitLast(seq, last, l.now())) })
	})
}

// effects does what a confirmed commit asks for.
func (l *loop) effects(effects []Effect, err error) {
	if err != nil {
		l.fail(err)
		return
	}
	l.w.counters.add(l.p.Counts())
	for i := range effects {
		switch e := &effects[i]; e.Type {
		case Attempt:
			l.attempt(e)
		case Cancel:
			if l.w.dispatcher != nil && l.w.dispatcher.Cancel(e.ActionID) {
				l.w.underway.Add(-1)
				l.underway.Add(-1)
			}
		case Republish:
			l.republish(e.Resend)
		case Letter:
			l.w.letters.put(stepLetter(l.part, &e.Dead, l.now()))
		}
	}
}

func (l *loop) attempt(e *Effect) {
	if l.w.dispatcher == nil {
		return
	}
	if l.move.to != "" {
		l.p.NotAttempted(*e, "moving", l.w.cfg.Clock())
		return
	}
	l.w.submitted.Add(1)
	l.w.underway.Add(1)
	l.underway.Add(1)
	err := l.w.dispatcher.Submit(connectors.Job{Partition: l.part, Decision: e.Decision, Attempt: e.Number})
	if err != nil {
		l.w.underway.Add(-1)
		l.underway.Add(-1)
	}
	switch {
	case errors.Is(err, connectors.ErrFull):
		l.p.NotAttempted(*e, "queue_full", l.w.cfg.Clock().Add(time.Second))
	case errors.Is(err, connectors.ErrUnknownChannel):
		l.p.Report(connectors.Report{
			Customer: e.Decision.Customer, ActionID: e.Decision.Action.ID, Attempt: e.Number,
			Delivery: processor.Failed, Code: "no_such_channel",
		})
	}
}

// writeBehind moves the running write-behind on.
func (l *loop) writeBehind() (busy bool) {
	if l.err != nil || l.reopen {
		return false
	}
	now := l.now()
	if l.p.FlushDue(now) && l.paused == nil {
		l.p.BeginFlush(now)
	}
	busy = l.p.FlushSome(flushSlice)
	if l.keeper.copying {
		return busy
	}
	if batch, mark, ok := l.p.FlushReady(); ok {
		l.jobs.Go(func() {
			err := batch.Commit(mark)
			l.post(func() { l.saved(err) })
		})
	}
	return busy
}

func (l *loop) saved(err error) {
	switch {
	case err == nil:
		l.p.FlushDone(true, l.now())
	case errors.Is(err, state.ErrDisk), errors.Is(err, state.ErrStalled):
		l.log.Warn("state cannot be saved yet", "error", err)
		l.later(5*retryAfter, func() { l.p.FlushDone(false, l.now()) })
	default:
		l.fail(err)
	}
}

// wait sleeps until something comes or is due.
func (l *loop) wait(ctx context.Context) {
	sleep := time.Hour
	if at := l.p.NextWake(); at != 0 {
		sleep = max(0, time.Duration(at-l.now())*time.Millisecond)
	}
	if l.keeper.repo != nil {
		sleep = min(sleep, max(time.Second, time.Until(l.keeper.due)))
	}
	ready, commits := l.reader.Ready(), l.followable()
	switch {
	case l.paused != nil || l.draining || l.move.to != "" || l.reopen || l.careful.upTo > 0:
		ready, sleep = nil, min(sleep, healthEvery/10)
	case l.p.Following() && l.p.Level():
		ready = nil // until more is committed
	case !l.p.Room():
		ready, sleep = nil, min(sleep, healthEvery/10)
	}
	l.timer.Reset(max(sleep, 100*time.Microsecond))
	select {
	case <-ready:
	case <-commits:
	case <-l.wake:
	case <-l.timer.C:
	case <-ctx.Done():
	}
}

// diskStore is a state.Store as a Partition uses it.
type diskStore struct{ *state.Store }

func (s diskStore) NewBatch() Batch { return s.Store.NewBatch() }
