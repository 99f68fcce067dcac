package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Message is one message of the log. Data belongs to whoever received it.
type Message struct {
	Seq   uint64
	Stamp int64 // the server's clock when it was written first, Unix ms; may go back
	Data  []byte
}

// Reader reads a stream in order from a position, without acknowledging: the
// position is the caller's to keep. It reads ahead a little. One goroutine may
// call Next and TryNext; any may call Stop.
//
// Inside it is a pull consumer that is thrown away and made anew, from the next
// sequence wanted, whenever anything is odd: the connection came back, the
// server fell silent, a sequence was skipped, the stream has what the consumer
// does not bring. What is missing after that is missing from the log.
type Reader struct {
	log    *Log
	conn   *connection
	stream string
	filter []string // subjects; empty = all, and then sequences have no holes
	pull   string   // subject of the API that asks the consumer for messages
	inbox  string

	// Of the goroutine run.
	next     uint64 // sequence wanted next
	nextSent uint64 // consumer sequence wanted next

	mu     sync.Mutex
	asked  amount // asked for and not here yet
	queued amount
	queue  []Message // from head on
	head   int
	err    error

	ready chan struct{} // there may be something in the queue
	room  chan struct{} // there is room in the queue
	fresh chan struct{} // the connection has been restored
	stop  context.CancelFunc
	ctx   context.Context
	done  chan struct{}
}

type amount struct{ messages, bytes int }

const (
	// More is asked for when half of it is left, so that half of the bytes must
	// hold the largest message of any stream.
	aheadMessages = 512
	aheadBytes    = 3 << 19

	pullExpires = 30 * time.Second
	heartbeat   = 3 * time.Second // of the server, while it has nothing to send
	silence     = 2*heartbeat + time.Second
	attachWait  = 5 * time.Second
	firstRetry  = 20 * time.Millisecond
	lastRetry   = time.Second
)

// Read reads the input of a partition from a sequence on; the first is 1. A
// position the log cannot serve is reported by Next.
func (l *Log) Read(p int, from uint64) (*Reader, error) {
	if err := l.checkPartition(p); err != nil {
		return nil, err
	}
	return l.reader(l.lane(p).connection, l.inStream(p), nil, from)
}

// ReadCommits reads the commit records of a partition from a sequence on.
func (l *Log) ReadCommits(p int, from uint64) (*Reader, error) {
	if err := l.checkPartition(p); err != nil {
		return nil, err
	}
	return l.reader(l.lane(p).connection, l.outStream(p), nil, from)
}

func (l *Log) reader(conn *connection, stream string, filter []string, from uint64) (*Reader, error) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Reader{
		log: l, conn: conn, stream: stream, filter: filter, next: max(from, 1),
		ready: make(chan struct{}, 1), room: make(chan struct{}, 1), fresh: make(chan struct{}, 1),
		ctx: ctx, stop: cancel, done: make(chan struct{}),
	}
	if err := l.adopt(r); err != nil {
		cancel()
		return nil, err
	}
	go r.run()
	return r, nil
}

// Next returns the next message, waiting for it. It returns what came before an
// error first; an error (GapError, WentBackError, ErrClosed) is final. When ctx
// ends it returns its error, and the Reader can be used further.
func (r *Reader) Next(ctx context.Context) (Message, error) {
	for {
		m, ok, err := r.TryNext()
		if ok || err != nil {
			return m, err
		}
		select {
		case <-r.ready:
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
}

// TryNext returns the next message if it has arrived.
func (r *Reader) TryNext() (Message, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.head == len(r.queue) {
		return Message{}, false, r.err
	}
	m := r.queue[r.head]
	r.queue[r.head] = Message{}
	r.head++
	short := r.short()
	r.queued.messages--
	r.queued.bytes -= len(m.Data)
	if !short && r.short() {
		signal(r.room)
	}
	return m, true, nil
}

// Waiting returns how many messages have arrived and were not taken.
func (r *Reader) Waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queued.messages
}

// Ready is signalled when TryNext may have something to return: a message or an
// error. After a signal call TryNext until it returns neither.
func (r *Reader) Ready() <-chan struct{} { return r.ready }

// Stop ends the Reader and waits until it has. Next then returns ErrClosed
// after what has arrived.
func (r *Reader) Stop() { r.halt() }

func (r *Reader) halt() {
	r.stop()
	<-r.done
}

func (r *Reader) reconnected(c *connection) {
	if c == r.conn {
		signal(r.fresh)
	}
}

// errOdd makes the Reader start anew from the next sequence wanted.
var errOdd = errors.New("jetstream: reader")

// run attaches and follows until something final happens.
func (r *Reader) run() {
	defer close(r.done)
	defer r.log.release(r)
	retry, said := firstRetry, false
	for {
		before := r.next
		err := r.attach()
		if final(err) || r.ctx.Err() != nil {
			r.end(err)
			return
		}
		if retry = min(2*retry, lastRetry); r.next > before {
			retry = firstRetry
		}
		level := slog.LevelWarn
		odd := errors.Is(err, errOdd)
		switch {
		case !r.conn.up.Load(), said && !odd: // the connection has said it, or this reader
			level = slog.LevelDebug
		case odd:
			level = slog.LevelInfo
		}
		said = !odd && r.next == before
		r.log.logger.Log(r.ctx, level, "reader starts anew", "stream", r.stream, "next", r.next, "reason", err)
		select {
		case <-time.After(retry):
		case <-r.fresh:
		case <-r.ctx.Done():
		}
	}
}

func final(err error) bool {
	var gap *GapError
	var back *WentBackError
	return errors.As(err, &gap) || errors.As(err, &back)
}

func (r *Reader) end(err error) {
	if !final(err) {
		err = ErrClosed
	}
	r.mu.Lock()
	r.err = err
	r.mu.Unlock()
	signal(r.ready)
}

// attach makes a consumer and follows it until something is odd.
func (r *Reader) attach() error {
	ctx, cancel := context.WithTimeout(r.ctx, attachWait)
	defer cancel()
	if err := r.checkBounds(ctx); err != nil {
		return err
	}
	// A consumer whose server went away would leave its answers to the old
	// inbox, so each has one of its own.
	r.inbox = r.conn.nc.NewInbox()
	arrivals := make(chan *nats.Msg, aheadMessages+64) // more than is ever asked for, and its status messages
	sub, err := r.conn.nc.ChanSubscribe(r.inbox, arrivals)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	var name string
	if err := r.log.ask(ctx, "reading "+r.stream, func(ctx context.Context) error {
		c, err := r.log.js.CreateConsumer(ctx, r.stream, jetstream.ConsumerConfig{
			AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: r.next,
			FilterSubjects: r.filter, MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Minute,
		})
		if err == nil {
			name = c.CachedInfo().Name
		}
		return err
	}); err != nil {
		return err
	}
	// Not answered: if it is lost the server drops the consumer a minute later.
	defer func() { _ = r.conn.nc.Publish("$JS.API.CONSUMER.DELETE."+r.stream+"."+name, nil) }()
	r.pull = "$JS.API.CONSUMER.MSG.NEXT." + r.stream + "." + name
	r.nextSent = 1
	r.mu.Lock()
	r.asked = amount{}
	r.mu.Unlock()
	return r.follow(arrivals)
}

// checkBounds compares the position with the stream. A consumer that starts
// beyond the end would wait there in silence.
func (r *Reader) checkBounds(ctx context.Context) error {
	first, last, err := r.log.bounds(ctx, r.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) && r.next > 1 {
		err = nil // and everything that was read is gone
	}
	switch {
	case err != nil:
		return err
	case last < r.next-1:
		return &WentBackError{r.stream, r.next, last}
	case first > r.next && len(r.filter) == 0:
		return &GapError{r.stream, r.next, first}
	}
	return nil
}

// behind asks the stream's leader whether it has the next message. The consumer
// lives on any of the servers that keep the stream: on one that has fallen behind
// the others it is alive and has nothing to say. Who cannot be asked has none.
func (r *Reader) behind() bool {
	ctx, cancel := context.WithTimeout(r.ctx, attachWait)
	defer cancel()
	if len(r.filter) == 0 {
		_, last, err := r.log.bounds(ctx, r.stream)
		return err == nil && last >= r.next
	}
	for _, subject := range r.filter {
		if _, err := r.log.get(ctx, r.log.ingest, r.next, jetstream.WithGetMsgSubject(subject)); err == nil {
			return true
		}
	}
	return false
}

// follow takes messages as they arrive and asks for more.
func (r *Reader) follow(arrivals <-chan *nats.Msg) error {
	heard, came := time.Now(), time.Now() // a sign of life; a message, or that there is none
	missed := uint64(0)                   // the next one was there when it was last asked for
	watch := time.NewTicker(heartbeat)
	defer watch.Stop()
	for {
		if err := r.ask(); err != nil {
			return err
		}
		select {
		case m := <-arrivals:
			heard = time.Now()
			before := r.next
			if err := r.take(m, arrivals); err != nil {
				return err
			}
			if r.next > before {
				came, missed = heard, 0
			}
		case <-r.room:
		case <-watch.C:
			if time.Since(heard) > silence && r.expects() {
				return fmt.Errorf("%w: the server is silent", errOdd)
			}
			switch {
			case time.Since(came) <= silence || !r.expects():
			case !r.behind():
				came, missed = time.Now(), 0
			case missed == r.next:
				return fmt.Errorf("%w: the consumer does not bring what the stream has", errOdd)
			default:
				missed = r.next // it may have come by the next look
			}
		case <-r.fresh:
			return fmt.Errorf("%w: the connection was restored", errOdd)
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
}

// take queues a message and those that have arrived behind it.
func (r *Reader) take(m *nats.Msg, arrivals <-chan *nats.Msg) (err error) {
	r.mu.Lock()
	before := r.next
	for more := true; more && err == nil; {
		err = r.accept(m)
		select {
		case m = <-arrivals:
		default:
			more = false
		}
	}
	some := r.next > before
	r.mu.Unlock()
	if some {
		signal(r.ready)
	}
	return err
}

// accept checks one message and queues it. mu is held.
func (r *Reader) accept(m *nats.Msg) error {
	if m.Reply == "" {
		return r.status(m)
	}
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("%w: %w", errOdd, err)
	}
	r.asked.messages--
	r.asked.bytes -= m.Size()
	seq, first := meta.Sequence.Stream, r.nextSent == 1
	if meta.Sequence.Consumer != r.nextSent {
		return fmt.Errorf("%w: the consumer skipped from %d to %d", errOdd, r.nextSent, meta.Sequence.Consumer)
	}
	r.nextSent++
	switch {
	case seq < r.next:
		return &WentBackError{r.stream, r.next, seq}
	case seq > r.next && len(r.filter) == 0 && first:
		return &GapError{r.stream, r.next, seq}
	case seq > r.next && len(r.filter) == 0:
		return fmt.Errorf("%w: skipped from %d to %d", errOdd, r.next, seq)
	}
	r.next = seq + 1
	if r.head == len(r.queue) || r.head >= aheadMessages {
		n := copy(r.queue, r.queue[r.head:])
		clear(r.queue[n:])
		r.queue, r.head = r.queue[:n], 0
	}
	r.queue = append(r.queue, Message{Seq: seq, Stamp: stampOf(m.Header, meta.Timestamp), Data: m.Data})
	r.queued.messages++
	r.queued.bytes += len(m.Data)
	return nil
}

// status reads a message of the server about a pull.
func (r *Reader) status(m *nats.Msg) error {
	code := m.Header.Get("Status")
	switch code {
	case "100":
		return nil // a heartbeat
	case "503":
		return fmt.Errorf("%w: the stream has no leader yet", errOdd)
	}
	messages, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
	bytes, err2 := strconv.Atoi(m.Header.Get("Nats-Pending-Bytes"))
	text := m.Header.Get("Description")
	if err != nil || err2 != nil || text == "Server Shutdown" {
		return fmt.Errorf("%w: the server says %s %q", errOdd, code, text)
	}
	// The pull is over: it expired, or its bytes are used up.
	r.asked.messages -= messages
	r.asked.bytes -= bytes
	return nil
}

// short reports whether half of what may be read ahead is neither here nor on
// its way. mu is held.
func (r *Reader) short() bool {
	return r.queued.messages+r.asked.messages <= aheadMessages/2 && r.queued.bytes+r.asked.bytes <= aheadBytes/2
}

// expects reports whether the server ought to be heard of: a pull is open, or
// none can be though nothing waits here.
func (r *Reader) expects() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked.messages > 0 || r.queued.messages == 0
}

// ask asks the server for more messages when it is time to.
func (r *Reader) ask() error {
	r.mu.Lock()
	if !r.short() {
		r.mu.Unlock()
		return nil
	}
	more := amount{aheadMessages - r.queued.messages - r.asked.messages, aheadBytes - r.queued.bytes - r.asked.bytes}
	r.asked.messages += more.messages
	r.asked.bytes += more.bytes
	r.mu.Unlock()
	pull, _ := json.Marshal(struct {
		Batch     int           `json:"batch"`
		MaxBytes  int           `json:"max_bytes"`
		Expires   time.Duration `json:"expires"`
		Heartbeat time.Duration `json:"idle_heartbeat"`
	}{more.messages, more.bytes, pullExpires, heartbeat})
	return r.conn.nc.PublishRequest(r.pull, r.inbox, pull)
}
