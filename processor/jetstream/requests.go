package jetstream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// ackTimeout is how long an answer is waited for. The election of a stream
// leader takes 4 to 9 s; waiting for it would hold up everything behind.
const ackTimeout = 3 * time.Second

// requests pairs messages with their answers: one subscription and one table
// for all of them. It costs less than the client's own futures, and what is
// open when the connection breaks fails at once instead of after a timeout.
type requests struct {
	nc      *nats.Conn
	inbox   string // ends with a dot; a number follows
	timeout time.Duration

	mu     sync.Mutex
	last   uint64
	open   map[uint64]request
	closed bool

	arm  chan struct{} // something is open: watch the deadlines
	stop chan struct{}
	done chan struct{}
}

type request struct {
	deadline time.Time
	answer   func(*nats.Msg, error) // called once
}

func newRequests() *requests {
	return &requests{
		inbox: inboxPrefix + "." + nuid.Next() + ".", timeout: ackTimeout,
		open: map[uint64]request{},
		arm:  make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// start begins to use a connection.
func (r *requests) start(nc *nats.Conn) error {
	r.nc = nc
	sub, err := nc.Subscribe(r.inbox+"*", r.receive)
	if err != nil {
		return unsent(err)
	}
	// Answers are few and small, and dropping one would be a lost outcome.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return unsent(err)
	}
	go r.watch()
	return nil
}

// send publishes a message. answer is called once, on a goroutine of the
// package, with the answer or ErrUnknown; not at all when send fails, and then
// the message has not been sent.
func (r *requests) send(subject string, header nats.Header, data []byte, answer func(*nats.Msg, error)) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return ErrClosed
	}
	r.last++
	id := r.last
	r.open[id] = request{time.Now().Add(r.timeout), answer}
	if len(r.open) == 1 {
		signal(r.arm)
	}
	r.mu.Unlock()

	msg := nats.Msg{Subject: subject, Reply: r.inbox + strconv.FormatUint(id, 10), Header: header, Data: data}
	if err := r.nc.PublishMsg(&msg); err != nil {
		if _, mine := r.take(id); !mine {
			return nil // the connection broke meanwhile and the answer was ErrUnknown
		}
		return unsent(err)
	}
	return nil
}

func (r *requests) take(id uint64) (request, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q, ok := r.open[id]
	delete(r.open, id)
	return q, ok
}

func (r *requests) receive(m *nats.Msg) {
	id, err := strconv.ParseUint(m.Subject[len(r.inbox):], 10, 64)
	if err != nil {
		return
	}
	if q, ok := r.take(id); ok {
		q.answer(m, nil)
	}
}

// watch fails requests whose time is over. It sleeps while nothing is open.
func (r *requests) watch() {
	defer close(r.done)
	for {
		select {
		case <-r.arm:
		case <-r.stop:
			return
		}
		for r.fail(time.Now()) > 0 {
			select {
			case <-time.After(r.timeout / 8):
			case <-r.stop:
				return
			}
		}
	}
}

// fail answers ErrUnknown to what is due at now, or to all when now is zero,
// and returns how many are still open.
func (r *requests) fail(now time.Time) int {
	var due []request
	r.mu.Lock()
	for id, q := range r.open {
		if now.IsZero() || now.After(q.deadline) {
			due = append(due, q)
			delete(r.open, id)
		}
	}
	open := len(r.open)
	r.mu.Unlock()
	for _, q := range due {
		q.answer(nil, ErrUnknown)
	}
	return open
}

func (r *requests) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	close(r.stop)
	<-r.done
	r.fail(time.Time{})
}

// signal wakes whoever waits on c, a channel of capacity one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// parseAck reads the answer to a publish: the sequence, or why not.
func parseAck(m *nats.Msg, stream string) (uint64, *apiError, error) {
	if len(m.Data) == 0 {
		return 0, nil, fmt.Errorf("%w (%s: status %q: there is no such stream, or it has no leader)", ErrUnavailable, stream, m.Header.Get("Status"))
	}
	// Nearly all answers are {"stream":"NAME", "seq":N}.
	if rest, ok := bytes.CutPrefix(m.Data, []byte(`{"stream":"`)); ok {
		if _, rest, ok = bytes.Cut(rest, []byte(`", "seq":`)); ok {
			if digits, end := bytes.CutSuffix(rest, []byte(`}`)); end {
				if seq, err := strconv.ParseUint(string(digits), 10, 64); err == nil {
					return seq, nil, nil
				}
			}
		}
	}
	var ack struct {
		Seq   uint64    `json:"seq"`
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return 0, nil, fmt.Errorf("jetstream: %s: answer to a publish: %w", stream, err)
	}
	return ack.Seq, ack.Error, nil
}
