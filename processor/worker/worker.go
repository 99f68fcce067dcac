package worker

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"onhand/connectors"
	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/processor/moments"
	"onhand/state"
)

// Config describes a worker. ID, Log and DataDir are required.
type Config struct {
	ID      string         // a token no other worker has; the same after a restart
	Log     *jetstream.Log // the deployment; closed by the caller, after the worker
	DataDir string         // state is kept below it, by deployment and partition
	Memory  int64          // bytes of decoded customers and items, all partitions together; default 512 MiB

	// Channels by the names that actions use. Without any nothing is delivered
	// and actions stay pending. A rate is that of all workers together: each has
	// as much of it as it owns of the partitions.
	Channels map[string]connectors.ChannelConfig

	// Rest is for channels that are not among them, see connectors.Config; nil
	// means that there are none.
	Rest func(name string) connectors.ChannelConfig

	Rules *moments.File // see Worker.Rules; nil says nothing

	AddressKey []byte // see segment.PhoneID, segment.EmailID

	// Seal seals the personal data of ingested events; nil leaves it as it is.
	Seal func(context.Context, []processor.Event) error

	// SealCall seals a message of an ingest shard that is refused, as it was
	// sent; nil leaves it as it is.
	SealCall func(ctx context.Context, call []byte) (string, error)

	State *state.SharedOptions // nil means the defaults

	Checkpoints *Checkpoints // nil means none; the log is never trimmed then

	FlushEvery time.Duration    // between write-behinds of a partition; default 15 s
	Clock      func() time.Time // default time.Now; another one is the Log's too, and who moves it calls Nudge
	Logger     *slog.Logger     // nil discards

	code       uint64        // newest version of decisions; tests set another one
	raiseAfter time.Duration // see deployment
	stallAfter time.Duration
	poisonRest time.Duration
	noteGap    time.Duration // see cut
}

// Worker is a process of the deployment: it owns some of the partitions and
// ingest shards, and runs them, and stands by for others. Its methods may be called from any goroutine.
type Worker struct {
	cfg        Config
	log        *jetstream.Log
	shared     *state.Shared
	dispatcher *connectors.Dispatcher
	idempotent bool
	letters    *letters
	counters   counters
	held       held
	rules      atomic.Pointer[moments.File] // see Rules
	submitted  atomic.Uint64                // jobs given to the dispatcher
	underway   atomic.Int64                 // of them, those not yet reported

	ctx    context.Context // of everything; ends abruptly
	cancel context.CancelFunc
	member *jetstream.Member
	tasks  sync.WaitGroup // govern, letters

	outcomes sync.WaitGroup // on their way into logs of others; see addOutcome

	mu     sync.Mutex
	loops  map[int]*loop
	failed map[int]error // partitions that stopped; not started again here
	owning int           // partitions, as the dispatcher was told
	seats  []seat
	shards map[int]*shard
	health deployment
	told   bulletin // last one, without positions
	toldAt time.Time
	again  chan struct{} // look at the assignment again
	quit   chan struct{} // govern ends

	leaving, ended bool

	uploads chan struct{} // capacity 1: one checkpoint at a time
	backing sync.Mutex    // one backup at a time
}

// What a memtable may take: beyond it, more of them make nothing faster.
const (
	minMemTable = 1 << 20
	maxMemTable = 16 << 20
)

// New prepares a worker. Start starts it.
func New(c Config) (*Worker, error) {
	if c.ID == "" || c.Log == nil || c.DataDir == "" {
		return nil, errors.New("worker: config: ID, Log and DataDir are required")
	}
	if c.Memory == 0 {
		c.Memory = 512 << 20
	}
	if c.FlushEvery == 0 {
		c.FlushEvery = 15 * time.Second
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.poisonRest == 0 {
		c.poisonRest = poisonRest
	}
	if c.code == 0 {
		c.code, c.raiseAfter, c.stallAfter = processor.CodeVersion, raiseAfter, stallAfter
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Worker{
		cfg: c, log: c.Log, idempotent: true,
		loops: map[int]*loop{}, failed: map[int]error{}, shards: map[int]*shard{}, health: deployment{idle: map[int]time.Time{}},
		again: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	if c.Checkpoints != nil {
		c.Checkpoints.setDefaults()
		w.uploads = make(chan struct{}, 1)
	}
	for _, channel := range c.Channels {
		if channel.Channel != nil {
			w.idempotent = w.idempotent && channel.Channel.Idempotent()
		}
	}
	return w, nil
}

// Start joins the deployment and takes the partitions that fall to this worker.
// It returns when the worker is among the members; partitions open one by one
// after that, see Status. When ctx ends the worker stops at once, as if it were
// killed; Close stops it in order. Close must be called in either case.
// When it returns an error, it has begun nothing and may be called again.
func (w *Worker) Start(ctx context.Context) error {
	member, err := w.log.Join(ctx, w.cfg.ID, nil)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	w.member = member
	w.ctx, w.cancel = context.WithCancel(ctx)
	options := state.SharedOptions{}
	if w.cfg.State != nil {
		options = *w.cfg.State
	}
	if options.Logger == nil {
		options.Logger = w.cfg.Logger
	}
	if options.Stores == 0 {
		options.Stores = w.log.Partitions() // all of them may fall to this worker
	}
	share := w.cfg.Memory / storeShare
	if options.CacheBytes == 0 {
		options.CacheBytes = share
	}
	if options.MemTableBytes == 0 {
		options.MemTableBytes = uint64(min(max(share/int64(options.Stores), minMemTable), maxMemTable))
	}
	w.shared = state.NewShared(options)
	if len(w.cfg.Channels) > 0 || w.cfg.Rest != nil {
		w.dispatcher = connectors.NewDispatcher(connectors.Config{
			Channels: w.cfg.Channels, Rest: w.cfg.Rest, Report: w.report, Now: w.cfg.Clock, Logger: w.cfg.Logger,
		})
	}
	w.letters = newLetters(w.log.DeadLetters(), w.cfg.Logger)
	w.tasks.Go(func() { w.letters.run(w.ctx) })
	w.tasks.Go(w.govern)
	return nil
}

// Close stops the worker in order: partitions move to their standbys, and then
// what is left ends: intake from shards, deliveries, partitions with what they
// have still to say and to save, membership. What is not done
// when ctx ends is left to the next owner. Calling it again does nothing.
func (w *Worker) Close(ctx context.Context) error {
	w.mu.Lock()
	closing := w.leaving
	w.leaving = true
	w.mu.Unlock()
	if closing || w.cancel == nil {
		return nil
	}
	defer w.shared.Close()
	w.leave(ctx)
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	close(w.quit)
	abandon := context.AfterFunc(ctx, w.cancel)
	defer abandon()
	w.mu.Lock()
	loops, shards := maps.Clone(w.loops), maps.Clone(w.shards)
	w.mu.Unlock()
	for _, s := range shards {
		s.stop()
	}
	var err error
	if w.dispatcher != nil {
		err = w.dispatcher.Close(ctx)
	}
	for _, l := range loops {
		if l.standby.Load() {
			l.stop()
		}
		l.post(l.drain)
	}
	for _, s := range shards {
		<-s.done
	}
	for _, l := range loops {
		<-l.done
		l.stop()
	}
	w.outcomes.Wait()
	if w.ctx.Err() == nil {
		err = errors.Join(err, w.letters.flush(ctx), w.member.Leave(ctx))
	}
	w.cancel()
	w.tasks.Wait()
	return err
}

// share returns how much memory a partition may have.
func (w *Worker) share() int64 {
	n := max(1, len(w.member.Workers()))
	here := (w.log.Partitions()*min(n, 2) + n - 1) / n // owned, or stood by for
	return w.cfg.Memory / int64(here)
}

// Nudge makes every partition look at the clock.
func (w *Worker) Nudge() {
	for _, l := range w.running() {
		l.nudge()
	}
}

// running returns the loops of this worker, those of standbys among them.
func (w *Worker) running() []*loop {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]*loop, 0, len(w.loops))
	for p := range w.log.Partitions() {
		if l := w.loops[p]; l != nil {
			all = append(all, l)
		}
	}
	return all
}

// owned returns the loops of the partitions that this worker owns.
func (w *Worker) owned() []*loop {
	return slices.DeleteFunc(w.running(), func(l *loop) bool { return l.standby.Load() })
}

// ask runs f on the loop's goroutine, or never when it returns an error.
func (l *loop) ask(ctx context.Context, f func(*Partition)) error {
	var taken atomic.Bool // by the loop, or by giving up
	done := make(chan struct{})
	ok := l.post(func() {
		if taken.CompareAndSwap(false, true) {
			f(l.p)
			close(done)
		}
	})
	if !ok {
		return fmt.Errorf("%w (partition %d)", ErrNotOwned, l.part)
	}
	select {
	case <-done:
		return nil
	case <-l.done:
	case <-ctx.Done():
		if taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
	}
	select {
	case <-done:
		return nil
	case <-l.done:
		return fmt.Errorf("%w (partition %d)", ErrNotOwned, l.part)
	}
}

// Rules returns the moments in force as far as a partition here knows them, be it
// as a standby; before that those of the configuration. They are never changed.
func (w *Worker) Rules() *moments.File {
	return cmp.Or(w.rules.Load(), w.cfg.Rules, &moments.File{})
}

// InForce returns Rules when they are those in force: what comes in must not be
// read by others, as its amounts and telephone numbers stand in the log for good.
// A worker with no partition, not even as a standby, has none to learn them from.
func (w *Worker) InForce() (*moments.File, error) {
	if w.rules.Load() == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.loops) > 0 {
			return nil, errors.New("no partition here knows yet which moments are in force")
		}
	}
	return w.Rules(), nil
}

// Control appends a change for the whole shop to the log. It holds from its
// place in the log on; the caller has checked it. An activation is given the
// secret that keys codes: chance comes into the core by the log alone.
func (w *Worker) Control(ctx context.Context, c *processor.Control) error {
	if (c.Type == processor.Activate || c.Type == processor.ActivateKeeping) && c.Name == "" {
		with := *c
		with.Name, c = rand.Text(), &with
	}
	record := processor.AppendRecordHeader(nil, w.cfg.Clock().UnixMilli())
	record = processor.AppendRecordEntry(record, processor.AppendControl(nil, c))
	_, err := w.log.Append(ctx, 0, record)
	return err
}
