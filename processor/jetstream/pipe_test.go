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
	return newBufferedConn(here), there
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

// A side that does not read for a while holds nobody up who writes little. Who
// writes much waits for it, and who closes waits a second.
func TestBufferedConnWaitsWhenFull(t *testing.T) {
	b, there := bufferedPipe()
	defer there.Close()
	some := make([]byte, maxBuffered/4)
	written := make(chan int)
	var failed error
	go func() {
		for n := 0; failed == nil; n += len(some) {
			written <- n
			_, failed = b.Write(some)
		}
		close(written)
	}()
	for range 5 { // at most four to be buffered, and one on its way
		<-written
	}
	last := 0
	for full := false; !full; {
		select {
		case last = <-written:
		case <-time.After(50 * time.Millisecond):
			full = true
		}
	}
	require.LessOrEqual(t, last, 2*maxBuffered+len(some))
	_, err := io.CopyN(io.Discard, there, int64(last))
	require.NoError(t, err)
	<-written // there is room again
	start := time.Now()
	closed := make(chan struct{})
	go func() { _ = b.Close(); close(closed) }()
	for range written {
	}
	require.ErrorIs(t, failed, net.ErrClosed)
	<-closed
	require.Less(t, time.Since(start), 10*closeWithin)
}
