package jetstream

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

func appendN(t testing.TB, l *Log, p, n int) {
	for i := range n {
		seq, err := l.Append(soon(t), p, fmt.Appendf(nil, "m%d", i+1))
		require.NoError(t, err)
		require.Equal(t, uint64(i+1), seq)
	}
}

func TestReadFromAPosition(t *testing.T) {
	l := openLog(t, Options{})
	appendN(t, l, 0, 5)
	r, err := l.Read(0, 3)
	require.NoError(t, err)
	for seq := uint64(3); seq <= 5; seq++ {
		m, err := r.Next(soon(t))
		require.NoError(t, err)
		require.Equal(t, seq, m.Seq)
		require.Equal(t, fmt.Sprintf("m%d", seq), string(m.Data))
		require.InDelta(t, time.Now().UnixMilli(), m.Stamp, 5000)
	}
	_, ok, err := r.TryNext()
	require.False(t, ok)
	require.NoError(t, err)

	// At the end it waits, and wakes up for what comes.
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err = r.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = l.Append(soon(t), 0, []byte("m6"))
	require.NoError(t, err)
	<-r.Ready()
	m, err := r.Next(soon(t))
	require.NoError(t, err)
	require.Equal(t, uint64(6), m.Seq)

	first, last, err := l.Bounds(soon(t), 0)
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 6}, []uint64{first, last})
	first, last, err = l.Bounds(soon(t), 1)
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 0}, []uint64{first, last})

	r.Stop()
	_, err = r.Next(soon(t))
	require.ErrorIs(t, err, ErrClosed)
}

// A reader that is slower than the log holds no more than its bound, and gets
// everything: small messages, whose number is the bound, and large ones, whose
// bytes are.
func TestReadAheadIsBounded(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 100 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			var log bytes.Buffer
			l := openLog(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			n := 3*aheadMessages + 7
			if size > 1 {
				n = 60
			}
			acked := make(chan error, n)
			for range n {
				require.NoError(t, l.AppendAsync(0, make([]byte, size), func(_ uint64, err error) { acked <- err }))
			}
			for range n {
				require.NoError(t, <-acked)
			}
			r, err := l.Read(0, 1)
			require.NoError(t, err)
			for want := 1; want <= n; want++ {
				if want%50 == 1 {
					time.Sleep(10 * time.Millisecond) // let it read ahead
				}
				m, err := r.Next(soon(t))
				require.NoError(t, err)
				require.Equal(t, uint64(want), m.Seq)
				r.mu.Lock()
				queued, held := r.queued, cap(r.queue)
				r.mu.Unlock()
				require.LessOrEqual(t, queued.messages, aheadMessages)
				require.LessOrEqual(t, queued.bytes, aheadBytes)
				require.LessOrEqual(t, held, 8*aheadMessages)
			}
			// The accounts of the open pull are right: nothing has drifted.
			waitFor(t, "the last pull", func() bool {
				r.mu.Lock()
				defer r.mu.Unlock()
				return !r.short()
			})
			r.Stop()
			require.Positive(t, r.asked.messages)
			require.Positive(t, r.asked.bytes)
			require.LessOrEqual(t, r.asked.bytes, aheadBytes)
			require.NotContains(t, log.String(), "anew", "one consumer did it all")
		})
	}
}

func TestGapIsReported(t *testing.T) {
	srv := startServer(t, ServerOptions{})
	// A stream of the deployment that allows what its own do not: deleting.
	l := openLog(t, Options{Server: srv})
	require.NoError(t, l.js.DeleteStream(soon(t), "t-in-0"))
	s, err := l.js.CreateStream(soon(t), jetstream.StreamConfig{Name: "t-in-0", Subjects: []string{"t.in.0"}})
	require.NoError(t, err)
	appendN(t, l, 0, 6)
	require.NoError(t, s.DeleteMsg(soon(t), 4))

	r, err := l.Read(0, 2)
	require.NoError(t, err)
	for seq := uint64(2); seq <= 3; seq++ {
		m, err := r.Next(soon(t))
		require.NoError(t, err)
		require.Equal(t, seq, m.Seq)
	}
	_, err = r.Next(soon(t))
	var gap *GapError
	require.ErrorAs(t, err, &gap)
	require.Equal(t, GapError{"t-in-0", 4, 5}, *gap)

	// The same when the wanted message is the first one looked for.
	r, err = l.Read(0, 4)
	require.NoError(t, err)
	_, err = r.Next(soon(t))
	require.ErrorAs(t, err, &gap)
	require.Equal(t, uint64(5), gap.Got)
}

func TestStreamsRefuseDeletion(t *testing.T) {
	l := openLog(t, Options{})
	appendN(t, l, 0, 2)
	require.Error(t, l.in[0].DeleteMsg(soon(t), 1))
}

func TestTrimmedPositionIsAGap(t *testing.T) {
	l := openLog(t, Options{})
	appendN(t, l, 0, 5)
	require.NoError(t, l.Trim(soon(t), 0, 4))
	first, last, err := l.Bounds(soon(t), 0)
	require.NoError(t, err)
	require.Equal(t, []uint64{4, 5}, []uint64{first, last})
	r, err := l.Read(0, 3)
	require.NoError(t, err)
	_, err = r.Next(soon(t))
	var gap *GapError
	require.ErrorAs(t, err, &gap)
	require.Equal(t, GapError{"t-in-0", 3, 4}, *gap)
	r, err = l.Read(0, 4)
	require.NoError(t, err)
	m, err := r.Next(soon(t))
	require.NoError(t, err)
	require.Equal(t, uint64(4), m.Seq)
}

func TestLogWentBack(t *testing.T) {
	l := openLog(t, Options{})
	appendN(t, l, 0, 3)
	r, err := l.Read(0, 4) // the next one to come
	require.NoError(t, err)
	_, ok, err := r.TryNext()
	require.False(t, ok)
	require.NoError(t, err)

	r, err = l.Read(0, 5)
	require.NoError(t, err)
	_, err = r.Next(soon(t))
	var back *WentBackError
	require.ErrorAs(t, err, &back)
	require.Equal(t, WentBackError{"t-in-0", 5, 3}, *back)
}

// A stream that is gone, or shorter when it is back, is not waited for.
func TestLogWentBackWhileReading(t *testing.T) {
	for name, again := range map[string]int{"gone": 0, "shorter": 2} {
		t.Run(name, func(t *testing.T) {
			l := openLog(t, Options{})
			appendN(t, l, 0, 3)
			r, err := l.Read(0, 1)
			require.NoError(t, err)
			for range 3 {
				_, err = r.Next(soon(t))
				require.NoError(t, err)
			}
			require.NoError(t, l.js.DeleteStream(soon(t), "t-in-0"))
			if again > 0 {
				_, err := l.js.CreateStream(soon(t), l.in[0].CachedInfo().Config)
				require.NoError(t, err)
				appendN(t, l, 0, again)
			}
			_, err = r.Next(soon(t))
			var back *WentBackError
			require.ErrorAs(t, err, &back)
			require.Equal(t, uint64(4), back.Want)
		})
	}
}

// A consumer that is gone is replaced without anybody noticing.
func TestReaderReplacesItsConsumer(t *testing.T) {
	l := openLog(t, Options{})
	r, err := l.Read(0, 1)
	require.NoError(t, err)
	for round := uint64(1); round <= 3; round++ {
		_, err := l.Append(soon(t), 0, nil)
		require.NoError(t, err)
		m, err := r.Next(soon(t))
		require.NoError(t, err)
		require.Equal(t, round, m.Seq)
		for c := range l.in[0].ConsumerNames(soon(t)).Name() {
			require.NoError(t, l.in[0].DeleteConsumer(soon(t), c))
		}
	}
}

// A consumer on a server that has fallen behind is alive and brings nothing. One
// that is paused does the same.
func TestReaderNoticesAConsumerThatFallsBehind(t *testing.T) {
	t.Parallel()
	l := openLog(t, Options{})
	input, err := l.Read(1, 1)
	require.NoError(t, err)
	shard, err := l.ReadShard(0, 1)
	require.NoError(t, err)
	for _, x := range []struct {
		stream  jetstream.Stream
		subject string
		r       *Reader
	}{{l.in[1], l.inSubject(1), input}, {l.ingest, l.ingestSubject(), shard}} {
		waitFor(t, "its consumer", func() bool { return len(consumers(t, x.stream)) == 1 })
		for _, name := range consumers(t, x.stream) {
			_, err := x.stream.PauseConsumer(soon(t), name, time.Now().Add(time.Hour))
			require.NoError(t, err)
		}
		_, err := l.js.Publish(soon(t), x.subject, []byte("hello"))
		require.NoError(t, err)
	}
	for _, r := range []*Reader{input, shard} {
		m, err := r.Next(soon(t))
		require.NoError(t, err)
		require.Equal(t, "hello", string(m.Data))
		r.Stop()
	}
}

func consumers(t testing.TB, s jetstream.Stream) (names []string) {
	list := s.ConsumerNames(soon(t))
	for name := range list.Name() {
		names = append(names, name)
	}
	require.NoError(t, list.Err())
	return names
}

func TestBadArguments(t *testing.T) {
	l := openLog(t, Options{})
	_, err := l.Read(2, 1)
	require.ErrorContains(t, err, "no partition 2")
	_, err = l.ReadShard(4, 1)
	require.ErrorContains(t, err, "no ingest shard 4")
	_, err = l.Append(soon(t), -1, nil)
	require.ErrorContains(t, err, "no partition -1")
	require.Nil(t, l.Packer(2))
	_, err = l.Append(soon(t), 0, make([]byte, 300<<10))
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = l.Commit(soon(t), 0, make([]byte, 600<<10), 0)
	require.ErrorIs(t, err, ErrTooLarge)
	l.Close()
	_, err = l.Append(soon(t), 0, nil)
	require.ErrorIs(t, err, ErrClosed)
	_, err = l.Read(0, 1)
	require.ErrorIs(t, err, ErrClosed)
}
