package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Log is a deployment on JetStream: the input and the commits of its
// partitions, its ingest stream, dead letters, keys and members. It is safe for
// concurrent use.
type Log struct {
	name   string
	record deployment
	clock  func() time.Time
	start  time.Time
	logger *slog.Logger
	server *Server // embedded, nil when it runs elsewhere

	// Reading has a connection of its own: a server drops a connection that
	// reads too slowly, and with it the answers to what was being written.
	read        *connection
	lanes       []*lane             // partition p writes through lane p modulo their number
	js          jetstream.JetStream // on the first lane
	meta        jetstream.KeyValue  // the deployment record, shard positions
	workers     jetstream.KeyValue  // heartbeats
	lease       time.Duration       // of a heartbeat
	in, out     []jetstream.Stream
	ingest      jetstream.Stream
	dead        jetstream.Stream
	deadRoom    sync.Mutex
	deadDropped atomic.Uint64
	keys        jetstream.Stream
	packers     []*Packer

	mu     sync.Mutex
	line   context.Context // ends with the connection of the first lane; the next one has another
	cut    context.CancelFunc
	closed bool
	parts  map[part]struct{}
	later  sync.WaitGroup
}

// part is what lives until the Log is closed: readers and members.
type part interface {
	halt()                     // stops and waits
	reconnected(c *connection) // a connection has been restored
}

// Options describe a deployment. One of Server and URL is required.
type Options struct {
	Server *Server // embedded, used without a socket
	URL    string  // of NATS servers, separated by commas; may carry user:password@

	// Name begins the names of all streams and subjects. Letters, digits, - and
	// _. Default "onhand".
	Name string

	// Partitions and Shards (of the ingest stream) are fixed when a deployment
	// is created. 0 means as created; 16 and 4 on creation.
	Partitions, Shards int

	// Replicas of each stream, on creation. Default 1.
	Replicas int

	// MaxBytesIn bounds the input of each partition; a full one refuses. 0 means
	// as created; on creation 1 GiB, or less when the disk of the embedded
	// server is small.
	MaxBytesIn int64

	// Lease is how long a member without a heartbeat counts as alive, on
	// creation. At least 1 s, default 1.5 s.
	Lease time.Duration

	// Clock stamps records. Default: the time at Open plus what has passed
	// since on the monotonic clock.
	Clock func() time.Time

	// Logger takes what happens to the connections. nil discards it.
	Logger *slog.Logger

	origin *Origin // of a deployment that is restored
}

// DefaultName is the name of a deployment that is given none.
const DefaultName = "onhand"

// Limits of the messages of a deployment.
const (
	MaxCommitBytes = 512 << 10 // of a commit record
	MaxIngestBytes = 256 << 10 // of an event from a foreign client
)

// Open connects to a deployment and creates what is absent. ctx bounds the
// opening only. It fails when NATS cannot be reached; later on the connection
// is restored for as long as it takes.
func Open(ctx context.Context, o Options) (*Log, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	l, err := dial(o)
	if err != nil {
		return nil, err
	}
	if err := l.create(ctx, o); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// dial returns a Log that is connected and has no streams yet.
func dial(o Options) (*Log, error) {
	l := &Log{name: o.Name, clock: o.Clock, start: time.Now(), logger: o.Logger, server: o.Server, parts: map[part]struct{}{}}
	l.line, l.cut = context.WithCancel(context.Background())
	if err := l.connect(o); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (o *Options) setDefaults() error {
	if (o.Server == nil) == (o.URL == "") {
		return errors.New("jetstream: options: give either Server or URL")
	}
	if o.Name == "" {
		o.Name = DefaultName
	}
	if !isToken(o.Name) {
		return fmt.Errorf("jetstream: options: Name %q: use letters, digits, - and _", o.Name)
	}
	if o.Partitions < 0 || o.Partitions > maxPartitions || o.Shards < 0 || o.Shards > maxShards {
		return fmt.Errorf("jetstream: options: %d partitions (at most %d), %d shards (at most %d)", o.Partitions, maxPartitions, o.Shards, maxShards)
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.Lease == 0 {
		o.Lease = 1500 * time.Millisecond
	}
	if o.Lease < time.Second {
		return fmt.Errorf("jetstream: options: Lease %v is below 1s", o.Lease)
	}
	if o.Clock == nil {
		start := time.Now()
		o.Clock = func() time.Time { return start.Add(time.Since(start)) }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

func isToken(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

// connect opens the connections.
func (l *Log) connect(o Options) (err error) {
	lost := l.lost // the questions go through the first
	restored := func(c *connection) {
		for _, p := range l.living() {
			p.reconnected(c)
		}
	}
	for len(l.lanes) < laneCount {
		lane, err := o.newLane(len(l.lanes), lost, restored)
		if err != nil {
			return err
		}
		l.lanes = append(l.lanes, lane)
		lost = func() {}
	}
	if l.read, err = o.dial("read", func() {}, restored); err != nil {
		return err
	}
	l.js, err = jetstream.New(l.lanes[0].nc)
	return err
}

// lane returns the lane of a partition.
func (l *Log) lane(p int) *lane { return l.lanes[p%len(l.lanes)] }

// lost fails the questions whose answer cannot come any more.
func (l *Log) lost() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut()
	l.line, l.cut = context.WithCancel(context.Background())
}

// ask runs a question to JetStream that also ends, with ErrUnavailable, when
// the connection does. what says in errors what it is about.
func (l *Log) ask(ctx context.Context, what string, question func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l.mu.Lock()
	line := l.line
	l.mu.Unlock()
	defer context.AfterFunc(line, func() { cancel(ErrUnavailable) })()
	err := question(ctx)
	if err != nil && errors.Is(context.Cause(ctx), ErrUnavailable) {
		return fmt.Errorf("%w (%s: the connection was lost)", ErrUnavailable, what)
	}
	return asked(err, what)
}

// Close stops readers and members without leaving, fails what waits, closes
// the connections and waits for all of it.
func (l *Log) Close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	l.mu.Unlock()
	for _, p := range l.living() {
		p.halt()
	}
	for _, p := range l.packers {
		p.close()
	}
	for _, lane := range l.lanes {
		lane.requests.close()
	}
	l.later.Wait()
	l.mu.Lock()
	l.cut()
	l.mu.Unlock()
	for _, lane := range l.lanes {
		lane.close()
	}
	if l.read != nil { // it was opened
		l.read.close()
	}
}

func (l *Log) living() []part {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]part, 0, len(l.parts))
	for p := range l.parts {
		all = append(all, p)
	}
	return all
}

// adopt makes the Log stop p when it is closed.
func (l *Log) adopt(p part) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.parts[p] = struct{}{}
	return nil
}

func (l *Log) release(p part) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.parts, p)
}

// after runs f in d, a few milliseconds, and Close waits for it. It reports
// false when the Log is closed.
func (l *Log) after(d time.Duration, f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.later.Add(1)
	time.AfterFunc(d, func() {
		defer l.later.Done()
		f()
	})
	return true
}

// now is the monotonic clock.
func (l *Log) now() time.Duration { return time.Since(l.start) }

// Partitions returns the number of partitions, fixed at creation.
func (l *Log) Partitions() int { return l.record.Partitions }

// Shards returns the number of shards of the ingest stream, fixed at creation.
func (l *Log) Shards() int { return l.record.Shards }

// ID names this incarnation of the deployment. A log that was deleted and
// created again has another one.
func (l *Log) ID() string { return l.record.ID }

// Connected reports whether the connections stand.
func (l *Log) Connected() bool {
	return l.read.up.Load() && !slices.ContainsFunc(l.lanes, func(x *lane) bool { return !x.up.Load() })
}

// checkPartition refuses a partition that does not exist.
func (l *Log) checkPartition(p int) error {
	if p < 0 || p >= l.record.Partitions {
		return fmt.Errorf("jetstream: there is no partition %d, they are 0 to %d", p, l.record.Partitions-1)
	}
	return nil
}
