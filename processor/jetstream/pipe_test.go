package jetstream

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func bufferedPipe() (*bufferedConn, net.Conn) {
	here, there := net.Pipe()
	b := &bufferedConn{Conn: here, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go b.drain()
	return b, there
}

// What is written arrives in its order, though nobody read while it was
// written, and what was written before Close still does.
func TestBufferedConnPassesEverythingOn(t *testing.T) {
	b, there := bufferedPipe()
	want := []byte{}
	for i := range 2000 {
		part := bytes.Repeat([]byte{byte(i)}, i%97)
		want = append(want, part...)
		n, err := b.Write(part)
		require.NoError(t, err)
		require.Equal(t, len(part), n)
		if i%500 == 0 { // caught up with now and then
			got := make([]byte, len(want))
			_, err := io.ReadFull(there, got)
			require.NoError(t, err)
			require.Equal(t, want, got)
			want = want[:0]
		}
	}
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	got := make([]byte, len(want))
	_, err := io.ReadFull(there, got)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, <-closed)
	_, err = b.Write([]byte("x"))
	require.ErrorIs(t, err, net.ErrClosed)
}

// A side that does not read holds nobody up: not who writes, and who closes no
// longer than a second.
func TestBufferedConnDoesNotWait(t *testing.T) {
	b, there := bufferedPipe()
	defer there.Close()
	some := make([]byte, 1<<20)
	var err error
	for n := 0; err == nil; n += len(some) {
		require.LessOrEqual(t, n, 2*maxBuffered)
		_, err = b.Write(some)
	}
	require.ErrorIs(t, err, errBuffered)
	start := time.Now()
	require.NoError(t, b.Close())
	require.Less(t, time.Since(start), 10*closeWithin)
}
