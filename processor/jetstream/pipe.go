package jetstream

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// inProcess connects clients to an embedded server. The server's own pipe has
// no buffer: a client that writes waits, with its lock held, until the server
// has read and worked through what was written before.
type inProcess struct{ server *server.Server }

// InProcessConn returns a connection whose writes never wait.
func (p inProcess) InProcessConn() (net.Conn, error) {
	conn, err := p.server.InProcessConn()
	if err != nil {
		return nil, err
	}
	b := &bufferedConn{Conn: conn, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go b.drain()
	return b, nil
}

// bufferedConn passes on in the background what is written to it. How much
// waits is bounded by whoever writes, since all of it is answered; more than
// maxBuffered means that the other side is gone.
type bufferedConn struct {
	net.Conn

	mu     sync.Mutex
	buf    []byte
	closed bool
	err    error // of the last write

	wake chan struct{}
	done chan struct{}
}

const (
	maxBuffered = 64 << 20
	closeWithin = time.Second // for what was written before Close
)

var errBuffered = errors.New("jetstream: the embedded server does not read")

func (b *bufferedConn) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return 0, net.ErrClosed
	case b.err != nil:
		return 0, b.err
	case len(b.buf)+len(p) > maxBuffered:
		return 0, errBuffered
	}
	b.buf = append(b.buf, p...)
	signal(b.wake)
	return len(p), nil
}

// SetWriteDeadline does nothing: Write does not wait.
func (b *bufferedConn) SetWriteDeadline(time.Time) error { return nil }

// drain writes until the connection is closed.
func (b *bufferedConn) drain() {
	defer close(b.done)
	var spare []byte
	for {
		b.mu.Lock()
		out, closed := b.buf, b.closed
		if len(out) > 0 {
			b.buf = spare[:0]
		}
		b.mu.Unlock()
		if len(out) == 0 {
			if closed {
				return
			}
			<-b.wake
			continue
		}
		if _, err := b.Conn.Write(out); err != nil {
			b.mu.Lock()
			b.err = err
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
	b.mu.Unlock()
	_ = b.Conn.SetWriteDeadline(time.Now().Add(closeWithin))
	signal(b.wake)
	<-b.done
	return b.Conn.Close()
}
