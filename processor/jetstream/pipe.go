package jetstream

import (
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// inProcess connects clients to an embedded server. The server's own pipe has
// no buffer: a client that writes waits, with its lock held, until the server
// has read and worked through what was written before.
type inProcess struct{ server *server.Server }

// InProcessConn returns a connection whose writes do not wait for the server
// while it is not far behind.
func (p inProcess) InProcessConn() (net.Conn, error) {
	conn, err := p.server.InProcessConn()
	if err != nil {
		return nil, err
	}
	return newBufferedConn(conn), nil
}

// bufferedConn passes on in the background what is written to it. As with a
// socket, who writes waits while maxBuffered bytes are on their way: an upload
// would otherwise run away from the server, which then refuses its messages.
type bufferedConn struct {
	net.Conn

	mu     sync.Mutex
	change sync.Cond // of what follows
	buf    []byte
	closed bool
	err    error // of the last write
	done   chan struct{}
}

const (
	maxBuffered = 1 << 20
	takenWithin = ackTimeout  // or the other side is gone
	closeWithin = time.Second // for what was written before Close
)

func newBufferedConn(conn net.Conn) *bufferedConn {
	b := &bufferedConn{Conn: conn, done: make(chan struct{})}
	b.change.L = &b.mu
	go b.drain()
	return b
}

// Write takes p, however long it is, when there is room.
func (b *bufferedConn) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.buf) >= maxBuffered && b.err == nil && !b.closed {
		b.change.Wait()
	}
	if b.closed {
		return 0, net.ErrClosed
	}
	if b.err != nil {
		return 0, b.err
	}
	b.buf = append(b.buf, p...)
	b.change.Broadcast()
	return len(p), nil
}

// SetWriteDeadline does nothing: drain sets its own, and who writes waits no
// longer than that.
func (b *bufferedConn) SetWriteDeadline(time.Time) error { return nil }

// drain writes until the connection is closed.
func (b *bufferedConn) drain() {
	defer close(b.done)
	var spare []byte
	for {
		b.mu.Lock()
		for len(b.buf) == 0 && !b.closed {
			b.change.Wait()
		}
		out := b.buf
		if len(out) == 0 {
			b.mu.Unlock()
			return
		}
		b.buf = spare[:0]
		if !b.closed {
			_ = b.Conn.SetWriteDeadline(time.Now().Add(takenWithin))
		}
		b.change.Broadcast()
		b.mu.Unlock()
		if _, err := b.Conn.Write(out); err != nil {
			b.mu.Lock()
			b.err = err
			b.change.Broadcast()
			b.mu.Unlock()
			return
		}
		spare = out
	}
}

// Close passes on what was written, if the other side takes it in time, and
// closes the connection.
func (b *bufferedConn) Close() error {
	b.mu.Lock()
	b.closed = true
	_ = b.Conn.SetWriteDeadline(time.Now().Add(closeWithin))
	b.change.Broadcast()
	b.mu.Unlock()
	<-b.done
	return b.Conn.Close()
}
