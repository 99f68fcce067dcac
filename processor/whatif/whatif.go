package whatif

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/processor/moments"
	"onhand/state"
	"onhand/state/checkpoint"
)

// Options say what is asked. Past, Dir, Rules, From and To are required.
type Options struct {
	Past *jetstream.Past
	// Checkpoints is where states are kept, as the service has it; nil: the log is
	// replayed from its beginning. They are read only.
	Checkpoints Checkpoints
	Dir         string // folder in which one is made for the run, and removed
	Rules       []byte // the moments file that is to hold instead; checked by the caller
	From, To    int64  // the span, by log time in Unix ms; To itself is in it

	Memory   int64   // bytes for what is decoded; default 256 MiB
	Share    float64 // of one processor that the run may use, from 0 to 1; default 1
	Examples int     // of each change; 0 = none
	// Progress is told now and then how far the run has come, from 0 to 1, and at
	// which log time it is. nil: nobody is.
	Progress func(done float64, at int64)
	Logger   *slog.Logger
}

// Checkpoints is a place for checkpoints as far as reading it goes.
type Checkpoints interface {
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	List(ctx context.Context, prefix string) ([]string, error)
}

// readOnly is a place for checkpoints in which nothing can be put or deleted.
type readOnly struct{ Checkpoints }

var errReadOnly = errors.New("whatif: checkpoints are read only")

func (readOnly) Put(context.Context, string, io.Reader, int64) error { return errReadOnly }
func (readOnly) Create(context.Context, string, []byte) error        { return errReadOnly }
func (readOnly) Delete(context.Context, string) error                { return errReadOnly }

// Sends that are no further apart are the same, in ms: in two worlds, and in a
// replay and in truth. There timers fire a little late, later when the service is
// behind, and messages between partitions take their time.
const (
	worldTolerance  = 1_000
	recordTolerance = 60_000
)

// BeforeError means that the span ends before the log begins.
type BeforeError struct {
	To     int64 // end of the span, Unix ms
	Begins int64 // the first record, Unix ms; 0 = the log is empty
}

func (e *BeforeError) Error() string {
	if e.Begins == 0 {
		return "the log is empty: nothing has happened that could be replayed"
	}
	return fmt.Sprintf("the log begins at %s, and the span ends at %s", clockOf(e.Begins), clockOf(e.To))
}

// run is one question being answered.
type run struct {
	o          Options
	partitions int
	from, to   int64
	dir        string
	shared     *state.Shared
	blobs      checkpoint.Blobs // nil = none
	report     *Report
	whole      bool // no commit record is missing
	pace       pace
	told       func(done float64, at int64)
	last       time.Time
}

// Run replays the span by the rules as they were and by those given, and
// returns the difference. It sends and writes nothing. The error is a
// *TrimmedError when what is known does not reach back that far, and a
// *BeforeError when nothing had happened yet.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	if o.From >= o.To {
		return nil, fmt.Errorf("the span is empty: it begins at %s and ends at %s", clockOf(o.From), clockOf(o.To))
	}
	if o.Memory == 0 {
		o.Memory = 256 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &run{
		o: o, partitions: o.Past.Partitions(), from: o.From, to: o.To, whole: true,
		report: &Report{Now: moments.Hash(o.Rules), Partitions: o.Past.Partitions(), Notes: []string{}},
		pace:   pace{share: o.Share, since: time.Now()},
	}
	if o.Checkpoints != nil {
		r.blobs = readOnly{o.Checkpoints}
	}
	r.told = func(done float64, at int64) {
		if o.Progress != nil && time.Since(r.last) > tellEvery {
			r.last = time.Now()
			o.Progress(done, at)
		}
	}
	if r.dir, err = os.MkdirTemp(o.Dir, "whatif-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	r.shared = state.NewShared(state.SharedOptions{
		CacheBytes: o.Memory / 8, MemTableBytes: 2 << 20, Stores: 2 * r.partitions, Logger: o.Logger,
	})
	defer r.shared.Close()
	if err := r.answer(ctx); err != nil {
		return nil, err
	}
	return r.report, nil
}

const tellEvery = 200 * time.Millisecond

// share returns what one machine may keep decoded.
func (r *run) share() int64 { return r.o.Memory / int64(2*r.partitions) }

// answer does the run in its three parts: up to the span, through it, and the
// difference.
func (r *run) answer(ctx context.Context) error {
	chosen, err := r.chooseAll(ctx)
	if err != nil {
		return err
	}
	var bases []*base
	defer func() {
		for _, b := range bases {
			b.close()
		}
	}()
	for p, m := range chosen {
		b, err := r.openBase(ctx, p, m)
		if err != nil {
			return err
		}
		bases = append(bases, b)
	}
	r.report.Was = bases[0].version
	worlds := [2]*world{{}, {rules: r.o.Rules}}
	between := newComparison(worldTolerance, r.o.Examples)
	truth := newComparison(recordTolerance, r.o.Examples)
	worlds[asWas].said = func(d *processor.Decision) error {
		return errors.Join(between.add(asWas, d), truth.add(1, d))
	}
	worlds[given].said = func(d *processor.Decision) error { return between.add(given, d) }
	for i, w := range worlds {
		w.rest = func() error { return r.pace.rest(ctx) }
		defer w.close()
		if err := w.begin(bases, func(part int) (*machine, error) {
			return openMachine(processor.Config{Partition: part, Partitions: r.partitions, Memory: r.share()}, dirOf(r.dir, worldNames[i], part), r.shared)
		}); err != nil {
			return err
		}
	}
	if err := r.span(ctx, bases, worlds, truth); err != nil {
		return err
	}
	between.finish()
	truth.finish()
	r.conclude(between, truth, worlds)
	return nil
}

// conclude fills the report.
func (r *run) conclude(between, truth *comparison, worlds [2]*world) {
	x := r.report
	x.Moments, x.Changes = between.result()
	x.Same = between.same
	x.LeftOut, x.Assumed = worlds[given].left, worlds[given].assumed.count
	recorded, changes := truth.result()
	x.Recorded.Same, x.Recorded.Missing = truth.same, !r.whole
	for i := range recorded {
		t := &recorded[i].Before
		x.Recorded.Decisions += t.Sent + t.Shadow + t.Suppressed + t.Expired + t.Waiting + t.Retracted
	}
	x.Recorded.Changes = changes
	note := func(yes bool, format string, args ...any) {
		if yes {
			x.Notes = append(x.Notes, fmt.Sprintf(format, args...))
		}
	}
	note(x.Assumed > 0, "of %d actions, by the moments given, no outcome is recorded within a minute: they count as delivered then", x.Assumed)
	note(x.LeftOut > 0, "moments were activated %d times within the span: the rules given hold in their place", x.LeftOut)
	note(x.PassedOver > 0, "%d records are left out: a step of them failed in truth", x.PassedOver)
	note(worlds[given].assumed.dropped > 0, "%d recorded outcomes had no room: their actions count as delivered", worlds[given].assumed.dropped)
	note(x.Recorded.Missing, "commit records of the span have been dropped: the replay cannot be compared with all that was decided")
	note(x.Recorded.Diverged != "", "before the span, at %s, the replay comes to another state than was committed: it was decided by another version of this program", x.Recorded.Diverged)
	for _, w := range worlds {
		note(len(w.held) > 0, "%d messages between partitions wait for one that was lost", len(w.held))
	}
	x.Notes = slices.Compact(x.Notes)
}

// pace keeps a run within its share of a processor.
type pace struct {
	share float64
	since time.Time
}

// longestRest is at most slept in one go, so that whoever asked hears of
// progress, however small the share.
const longestRest = time.Second

// rest sleeps when it is time to.
func (p *pace) rest(ctx context.Context) error {
	if p.share <= 0 || p.share >= 1 {
		return ctx.Err()
	}
	worked := time.Since(p.since)
	if worked < time.Millisecond {
		return ctx.Err()
	}
	select {
	case <-time.After(min(longestRest, time.Duration(float64(worked)*(1-p.share)/p.share))):
	case <-ctx.Done():
	}
	p.since = time.Now()
	return ctx.Err()
}
