package bench

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"onhand/connectors"
	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/processor/moments"
	"onhand/processor/worker"
)

// rig is a deployment in a folder of its own: server, log, worker, and the
// pipe that the load goes through.
type rig struct {
	h      *harness
	dir    string
	server *jetstream.Server
	log    *jetstream.Log
	pipe   *Pipe
	follow *followers

	worker *worker.Worker
	kill   context.CancelFunc // of the worker
	back   atomic.Int64       // how far the clocks are behind, ns
	handed atomic.Pointer[watch]
}

// Partitions of every rig.
const partitions = 16

// rigConfig says what a row needs changed.
type rigConfig struct {
	rules      []byte        // nil means Options.Moments
	flushEvery time.Duration // 0 means the worker's default
	behind     time.Duration // of the clocks at first
	bare       bool          // no worker
}

// openRig starts a deployment with rules in force and nobody in it.
func (h *harness) openRig(ctx context.Context, c rigConfig) (_ *rig, err error) {
	runtime.GC()
	debug.FreeOSMemory()
	dir, err := os.MkdirTemp(h.Dir, "bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w; choose a folder with room", err)
	}
	r := &rig{h: h, dir: dir}
	r.back.Store(int64(c.behind))
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	so := jetstream.ServerOptions{Dir: filepath.Join(dir, "nats")}
	if h.Sync == SyncInterval {
		so.SyncInterval = 2 * time.Minute
	}
	if r.server, err = jetstream.StartServer(so); err != nil {
		return nil, err
	}
	r.log, err = patiently(ctx, func() (*jetstream.Log, error) {
		return jetstream.Open(ctx, jetstream.Options{Server: r.server, Partitions: partitions, Lease: time.Second, Clock: r.now})
	})
	if err != nil {
		return nil, err
	}
	r.pipe = NewPipe(r.log)
	if r.follow, err = follow(ctx, r.log, r.pipe); err != nil || c.bare {
		return r, err
	}
	if err = r.start(ctx, c.flushEvery); err != nil {
		return nil, err
	}
	if c.rules == nil {
		c.rules = h.Moments
	}
	_, err = patiently(ctx, func() (none struct{}, err error) {
		return none, r.worker.Control(ctx, &processor.Control{Type: processor.Activate, At: r.ms(), Text: c.rules})
	})
	if err != nil {
		return nil, err
	}
	return r, r.worker.WaitIdle(ctx)
}

// patiently does what a disk that stands still for seconds must not fail.
func patiently[T any](ctx context.Context, do func() (T, error)) (T, error) {
	return jetstream.Patiently(ctx, slog.New(slog.DiscardHandler), do)
}

func (r *rig) now() time.Time { return time.Now().Add(-time.Duration(r.back.Load())) }
func (r *rig) ms() int64      { return r.now().UnixMilli() }

// start runs a worker on the rig's folder until all partitions are live.
func (r *rig) start(ctx context.Context, flushEvery time.Duration) error {
	names := []string{"email", "push", "sms", "whatsapp", "onsite", "ads", "social", "desk", "orders"}
	channels := make(map[string]connectors.ChannelConfig, len(names))
	for _, name := range names {
		channels[name] = connectors.ChannelConfig{Channel: hole{&r.handed}, Queue: 1 << 17}
	}
	logger := slog.New(slog.DiscardHandler)
	if os.Getenv("BENCH_LOG") != "" {
		logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	w, err := worker.New(worker.Config{
		ID: "bench", Log: r.log, DataDir: filepath.Join(r.dir, "state"), Memory: worker.EntityMemory(r.h.Memory),
		Channels: channels, FlushEvery: flushEvery, Clock: r.now, Logger: logger,
	})
	if err != nil {
		return err
	}
	running, kill := context.WithCancel(context.Background())
	if _, err := patiently(ctx, func() (none struct{}, err error) { return none, w.Start(running) }); err != nil {
		kill()
		return err
	}
	r.worker, r.kill = w, kill
	return r.waitLive(ctx)
}

func (r *rig) waitLive(ctx context.Context) error {
	for ctx.Err() == nil {
		live := 0
		for _, s := range r.worker.Status(ctx) {
			switch s.Phase {
			case "live":
				live++
			case "stopped":
				return fmt.Errorf("bench: partition %d stopped: %s", s.Partition, s.Reason)
			}
		}
		if live == partitions {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return ctx.Err()
}

// stop ends the worker in order: everything applied is saved.
func (r *rig) stop() error {
	if r.worker == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := r.worker.Close(ctx)
	r.kill()
	r.worker = nil
	return err
}

// crash ends the worker as the death of its process would.
func (r *rig) crash() {
	r.kill()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.worker.Close(ctx)
	r.worker = nil
}

func (r *rig) close() {
	if r.worker != nil {
		r.crash()
	}
	if r.follow != nil {
		r.follow.stop()
	}
	if r.log != nil {
		r.log.Close()
		r.pipe.Close()
		if n := r.pipe.resent.Load(); n > 0 {
			r.h.say("%d times the log did not answer in its time, and the events were sent again", n)
		}
	}
	if r.server != nil {
		r.server.Close()
	}
	os.RemoveAll(r.dir)
}

// identify makes every customer of a population known.
func (r *rig) identify(ctx context.Context, g *Generator) error {
	i := 0
	return r.pipe.Press(ctx, r.now, func(at int64) (*processor.Event, int) {
		if i == g.pop.Customers {
			return nil, 0
		}
		i++
		return g.Identify(i-1, at)
	})
}

// put sends a list of events and waits until commit records cover them.
func (r *rig) put(ctx context.Context, n int, event func(i int) *processor.Event) error {
	i := 0
	return r.pipe.Press(ctx, r.now, func(int64) (*processor.Event, int) {
		if i == n {
			return nil, 0
		}
		e := event(i)
		i++
		return e, partitionOf(e, partitions)
	})
}

// storeFigures are what the stores of the worker say of themselves.
type storeFigures struct{ bytes, debt uint64 }

func (f storeFigures) String() string {
	return fmt.Sprintf("%d MiB with %d MiB of compaction debt", f.bytes>>20, f.debt>>20)
}

func (r *rig) stores(ctx context.Context) (f storeFigures) {
	for _, s := range r.worker.Status(ctx) {
		f.bytes += s.StateSize
		f.debt += s.StateDebt
	}
	return f
}

// faster returns three moments with levels that count at once, so that
// what is measured is the engine and not the policy's patience.
func faster() []byte {
	rules := moments.Three()
	out := bytes.Replace(rules, []byte("settle: 3s"), []byte("settle: 0s"), 1)
	if bytes.Equal(out, rules) {
		panic("bench: the three moments have no `settle: 3s` any more")
	}
	return out
}

// hole is a channel that takes everything.
type hole struct {
	seen *atomic.Pointer[watch] // told of each decision, if set
}

func (hole) Name() string     { return "hole" }
func (hole) Idempotent() bool { return true }
func (hole) Close() error     { return nil }
func (h hole) Deliver(_ context.Context, d *processor.Decision) connectors.Result {
	if w := h.seen.Load(); w != nil {
		w.seen(d, time.Now())
	}
	return connectors.Result{Delivery: processor.Delivered, Code: "200"}
}
