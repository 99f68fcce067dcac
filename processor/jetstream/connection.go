package jetstream

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// connection is a connection to NATS that is restored for as long as it takes.
type connection struct {
	nc    *nats.Conn
	up    atomic.Bool   // it stands; asking the client takes its lock
	ended chan struct{} // it is gone
}

const connectTimeout = 2 * time.Second

// inboxPrefix begins the subjects on which the deployment is answered, with all
// that is in its logs. It is none that a user hears who may only publish.
const inboxPrefix = "_ONHAND"

// dial connects. lost and restored are called when the connection breaks, and
// when it is back.
func (o *Options) dial(use string, lost func(), restored func(*connection)) (*connection, error) {
	c := &connection{ended: make(chan struct{})}
	c.up.Store(true)
	opts := []nats.Option{
		nats.Name(o.Name + " " + use),
		nats.CustomInboxPrefix(inboxPrefix),
		nats.Timeout(connectTimeout),
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(func(n int) time.Duration { return min(time.Duration(n)*20*time.Millisecond, time.Second) }),
		// A message kept for a connection to come could be written after its
		// sender was told that it was not.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(3 * time.Second), nats.MaxPingsOutstanding(2),
		nats.FlusherTimeout(ackTimeout),
		nats.ClosedHandler(func(*nats.Conn) { close(c.ended) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			c.up.Store(false)
			if err != nil { // nil: closed by us
				o.Logger.Warn("NATS connection lost", "use", use, "error", err)
			}
			lost()
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			c.up.Store(true)
			o.Logger.Info("NATS connection restored", "use", use)
			restored(c)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			o.Logger.Warn("NATS connection", "use", use, "error", err)
		}),
	}
	if o.Server != nil {
		opts = append(opts, o.Server.inProcess()...)
	}
	var err error
	if c.nc, err = nats.Connect(o.URL, opts...); err != nil {
		return nil, fmt.Errorf("%w (connecting to %s: %w)", ErrUnavailable, where(*o), err)
	}
	return c, nil
}

// close ends the connection and waits for it.
func (c *connection) close() {
	c.nc.Close()
	<-c.ended
}

func where(o Options) string {
	if o.Server != nil {
		return "the embedded server"
	}
	return o.URL
}

// lane is a connection to write to partitions and to read them through, and who
// waits for answers to what was written. A client writes under one lock, hands
// what it has written to an embedded server through a pipe without a buffer, and
// reads on one goroutine: with one connection all partitions of a process wait
// for each other.
//
//	partition 0, 8  <--> lane 0 --.
//	partition 1, 9  <--> lane 1 --+-- NATS
//	...                           |
//	partition 7, 15 <--> lane 7 --'
type lane struct {
	*connection
	requests *requests
}

// laneCount is the number of lanes of a Log.
const laneCount = 8

// newLane connects the lane with a number. lost is called when its connection
// breaks, and what waited for answers has been told; restored when it is back.
func (o *Options) newLane(number int, lost func(), restored func(*connection)) (*lane, error) {
	r := newRequests()
	c, err := o.dial("lane "+strconv.Itoa(number), func() {
		r.fail(time.Time{})
		lost()
	}, restored)
	if err != nil {
		return nil, err
	}
	if err := r.start(c.nc); err != nil {
		c.close()
		return nil, err
	}
	return &lane{c, r}, nil
}
