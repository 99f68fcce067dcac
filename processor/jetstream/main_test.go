package jetstream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"onhand/processor"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startServer starts a server that syncs rarely, as tests do not cut the power.
func startServer(t testing.TB, o ServerOptions) *Server {
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.SyncInterval == 0 {
		o.SyncInterval = time.Minute
	}
	s, err := StartServer(o)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// openLog opens a small deployment on a server of its own, or on the one in o.
func openLog(t testing.TB, o Options) *Log {
	if o.Server == nil && o.URL == "" {
		o.Server = startServer(t, ServerOptions{})
	}
	if o.Partitions == 0 {
		o.Partitions = 2
	}
	if o.Name == "" {
		o.Name = "t"
	}
	l, err := Open(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

// soon is a context for what should take milliseconds.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// number and numberOf are the entries of the tests: a number each.
func number(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

func numbersIn(t testing.TB, record []byte) (all []int) {
	r, err := processor.ParseRecord(record)
	require.NoError(t, err)
	for {
		e, err := r.Next()
		require.NoError(t, err)
		if e == nil {
			return all
		}
		all = append(all, int(binary.BigEndian.Uint32(e)))
	}
}

// readNumbers reads records until it has n numbers.
func readNumbers(t testing.TB, r *Reader, n int) (all []int, records int) {
	for ctx := soon(t); len(all) < n; records++ {
		m, err := r.Next(ctx)
		require.NoError(t, err)
		all = append(all, numbersIn(t, m.Data)...)
	}
	return all, records
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// proxy stands between a client and a server and can break the line.
type proxy struct {
	net.Listener
	target string

	mu    sync.Mutex
	deaf  bool // what the server says is dropped
	down  bool // new connections are refused
	most  int  // of connections at a time, 0 = any number
	conns map[net.Conn]struct{}
	wg    sync.WaitGroup
}

func startProxy(t testing.TB, target string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{Listener: l, target: target, conns: map[net.Conn]struct{}{}}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", target)
			p.mu.Lock()
			if err != nil || p.down || p.most > 0 && len(p.conns) >= 2*p.most {
				c.Close()
				if err == nil {
					s.Close()
				}
			} else {
				p.conns[c], p.conns[s] = struct{}{}, struct{}{}
				p.wg.Go(func() { p.pipe(s, c, false) })
				p.wg.Go(func() { p.pipe(c, s, true) })
			}
			p.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.Addr().String() }

func (p *proxy) pipe(to, from net.Conn, answers bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		drop := answers && p.deaf
		p.mu.Unlock()
		if !drop && n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if errors.Is(err, io.EOF) || err != nil {
			return
		}
	}
}

// cut breaks all connections and makes the line whole for new ones.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
	p.deaf = false
}

func (p *proxy) set(deaf, down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf, p.down = deaf, down
}

// waitFor fails the test when cond does not become true.
func waitFor(t testing.TB, what string, cond func() bool) {
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			require.FailNow(t, fmt.Sprintf("waited a minute for: %s", what))
		}
	}
}
