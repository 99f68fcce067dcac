package jetstream

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The server is stopped and started again, on the same port and folder, while a
// packer, a reader and a chain of commits are at work. Nothing acknowledged is
// lost, nothing is read twice, and everything goes on by itself.
func TestServerRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv, err := StartServer(ServerOptions{Dir: dir, Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	address := srv.nats.Addr().String()
	l := openLog(t, Options{URL: "nats://" + address})
	stop := make(chan struct{})
	var work sync.WaitGroup

	// The sender sends one entry at a time, and again when it did not arrive or
	// nobody knows; the receiver's part is to drop copies.
	sent := 0
	work.Go(func() {
		for ; ; sent++ {
			for {
				select {
				case <-stop:
					return
				default:
				}
				done := make(chan error, 1)
				err := l.Packer(0).Add(number(sent), func(err error) { done <- err })
				if err == nil {
					err = <-done
				}
				if err == nil {
					break
				}
				if !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrUnknown) {
					t.Error(err)
					return
				}
				time.Sleep(time.Millisecond)
			}
		}
	})

	// The committer keeps its chain, learning the fate of what has no answer.
	var committed []string
	work.Go(func() {
		last := uint64(0)
		for n := 0; ; n++ {
			data := fmt.Sprintf("c%d", n)
			for {
				select {
				case <-stop:
					return
				default:
				}
				seq, err := l.Commit(soon(t), 0, []byte(data), last)
				if err != nil && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrUnknown) {
					t.Error(err)
					return
				}
				if err != nil {
					var found []byte
					waitFor(t, "the fate of a commit", func() bool {
						seq, found, err = l.LastCommit(soon(t), 0)
						return err == nil
					})
					if seq == last {
						continue
					}
					if string(found) != data {
						t.Errorf("found %q, sent %q", found, data)
						return
					}
				}
				last = seq
				committed = append(committed, data)
				break
			}
		}
	})

	r, err := l.Read(0, 1)
	require.NoError(t, err)
	var read []int
	next := uint64(1)
	readUntil := func(done func() bool) {
		for !done() {
			m, err := r.Next(soon(t))
			require.NoError(t, err)
			require.Equal(t, next, m.Seq)
			next++
			for _, n := range numbersIn(t, m.Data) {
				if len(read) == 0 || n != read[len(read)-1] { // a copy of unknown fate
					read = append(read, n)
				}
			}
		}
	}
	for range 3 {
		had := len(read)
		readUntil(func() bool { return len(read) > had+30 })
		srv.Close()
		waitFor(t, "the loss to be noticed", func() bool { return !slices.ContainsFunc(l.lanes, func(x *lane) bool { return x.up.Load() }) })
		require.False(t, l.Connected())
		_, err := l.Append(soon(t), 1, number(1))
		require.ErrorIs(t, err, ErrUnavailable, "and it fails at once")
		srv, err = StartServer(ServerOptions{Dir: dir, Listen: address})
		require.NoError(t, err)
		waitFor(t, "the connection", l.Connected)
	}
	defer func() { srv.Close() }()
	had := len(read)
	readUntil(func() bool { return len(read) > had+30 })
	close(stop)
	work.Wait()
	readUntil(func() bool { return len(read) >= sent })
	require.Equal(t, upTo(len(read)), read)

	commits, err := l.ReadCommits(0, 1)
	require.NoError(t, err)
	for _, want := range committed {
		m, err := commits.Next(soon(t))
		require.NoError(t, err)
		require.Equal(t, want, string(m.Data))
	}
}

// A line that breaks often, in the middle of much reading: the reader misses
// nothing and repeats nothing.
func TestReaderOnABrokenLine(t *testing.T) {
	t.Parallel()
	srv := startServer(t, ServerOptions{Listen: "127.0.0.1:0"})
	line := startProxy(t, srv.nats.Addr().String())
	writer := openLog(t, Options{Server: srv})
	const n = 5000
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		require.NoError(t, writer.AppendAsync(0, fmt.Appendf(nil, "%0500d", i), func(uint64, error) { wg.Done() }))
		if i%500 == 0 {
			wg.Wait()
		}
	}
	wg.Wait()
	r, err := openLog(t, Options{URL: line.url()}).Read(0, 1)
	require.NoError(t, err)
	start := time.Now()
	for i := range n {
		if i%700 == 100 {
			line.cut()
		}
		m, err := r.Next(soon(t))
		require.NoError(t, err)
		require.Equal(t, uint64(i+1), m.Seq)
	}
	require.Less(t, time.Since(start), 2*silence, "it does not wait for the server to be silent")
}

// Opening without a server fails, soon, and says where it looked.
func TestOpenWithoutServer(t *testing.T) {
	start := time.Now()
	_, err := Open(soon(t), Options{URL: "nats://127.0.0.1:1"})
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "127.0.0.1:1")
	require.Less(t, time.Since(start), 5*time.Second)
}

// An Open that gets only some of its connections leaves nothing behind: the
// package's tests end with no goroutine left.
func TestOpenHalf(t *testing.T) {
	srv := startServer(t, ServerOptions{Listen: "127.0.0.1:0"})
	line := startProxy(t, srv.nats.Addr().String())
	line.mu.Lock()
	line.most = 3
	line.mu.Unlock()
	_, err := Open(soon(t), Options{URL: line.url(), Name: "t"})
	require.ErrorIs(t, err, ErrUnavailable)
}
