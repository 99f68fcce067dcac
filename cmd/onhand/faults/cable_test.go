package faults

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// cable is the way from one worker to one server. It can be cut, as when a
// cable is pulled and both ends notice, and it can be stuck: connections stand
// and nothing comes through, which nobody is told.
type cable struct {
	to       string
	listener net.Listener
	tasks    sync.WaitGroup

	mu         sync.Mutex
	change     *sync.Cond
	conns      map[net.Conn]bool
	off, stuck bool
	ended      bool
}

func newCable(t testing.TB, to string) *cable {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &cable{to: to, listener: l, conns: map[net.Conn]bool{}}
	c.change = sync.NewCond(&c.mu)
	c.tasks.Go(c.accept)
	t.Cleanup(func() {
		c.mu.Lock()
		c.ended = true
		c.mu.Unlock()
		_ = l.Close()
		c.cut()
		c.tasks.Wait()
	})
	return c
}

func (c *cable) url() string { return "nats://" + c.listener.Addr().String() }

func (c *cable) accept() {
	for {
		near, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.tasks.Go(func() { c.connect(near) })
	}
}

// connect joins one connection to the server.
func (c *cable) connect(near net.Conn) {
	defer near.Close()
	if !c.sound() {
		return
	}
	far, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer far.Close()
	c.mu.Lock()
	if c.off || c.ended {
		c.mu.Unlock()
		return
	}
	c.conns[near], c.conns[far] = true, true
	c.mu.Unlock()
	back := make(chan struct{})
	go func() {
		defer close(back)
		c.pump(near, far)
	}()
	c.pump(far, near)
	<-back
	c.mu.Lock()
	delete(c.conns, near)
	delete(c.conns, far)
	c.mu.Unlock()
}

// pump carries bytes one way until an end is closed, and closes both.
func (c *cable) pump(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && c.sound() {
			_, err = to.Write(buf[:n])
		}
		if err != nil || !c.sound() {
			return
		}
	}
}

// sound waits while the cable is stuck, and reports whether it is not cut.
func (c *cable) sound() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.stuck && !c.off && !c.ended {
		c.change.Wait()
	}
	return !c.off && !c.ended
}

// cut ends all connections and lets none through any more.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = true
	for conn := range c.conns {
		_ = conn.Close()
	}
	c.change.Broadcast()
}

// stick lets nothing through any more, and tells nobody.
func (c *cable) stick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stuck = true
}

// mend makes the cable sound again. What was stuck arrives late.
func (c *cable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off, c.stuck = false, false
	c.change.Broadcast()
}
