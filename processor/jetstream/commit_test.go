package jetstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

func TestCommitChain(t *testing.T) {
	l := openLog(t, Options{})
	seq, data, err := l.LastCommit(soon(t), 0)
	require.NoError(t, err)
	require.Zero(t, seq)
	require.Nil(t, data)

	var last uint64
	for i := range 3 {
		last, err = l.Commit(soon(t), 0, fmt.Appendf(nil, "c%d", i), last)
		require.NoError(t, err)
	}
	seq, data, err = l.LastCommit(soon(t), 0)
	require.NoError(t, err)
	require.Equal(t, last, seq)
	require.Equal(t, "c2", string(data))
	m, err := l.CommitAt(soon(t), 0, last-1)
	require.NoError(t, err)
	require.Equal(t, "c1", string(m.Data))
	require.InDelta(t, time.Now().UnixMilli(), m.Stamp, 60_000)
	_, err = l.CommitAt(soon(t), 0, last+1)
	require.ErrorIs(t, err, ErrNotFound)

	r, err := l.ReadCommits(0, 1)
	require.NoError(t, err)
	for i := range 3 {
		m, err := r.Next(soon(t))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("c%d", i), string(m.Data))
	}

	var fenced *FencedError
	_, err = l.Commit(soon(t), 0, nil, last-1)
	require.ErrorAs(t, err, &fenced)
	require.Equal(t, FencedError{"t-out-0", last - 1, last}, *fenced)
	_, err = l.Commit(soon(t), 0, nil, 0)
	require.ErrorAs(t, err, &fenced, "expecting none")

	// Trimming keeps the last one: without it anybody could begin anew.
	require.NoError(t, l.TrimCommits(soon(t), 0, last+100))
	seq, _, err = l.LastCommit(soon(t), 0)
	require.NoError(t, err)
	require.Equal(t, last, seq)
	_, err = l.CommitAt(soon(t), 0, last-1)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = l.Commit(soon(t), 0, nil, 0)
	require.ErrorAs(t, err, &fenced)
}

// takeOver commits until it is the last, as a new owner does.
func takeOver(t testing.TB, l *Log, p int, data string) uint64 {
	expect, _, err := l.LastCommit(soon(t), p)
	require.NoError(t, err)
	for {
		seq, err := l.Commit(soon(t), p, []byte(data), expect)
		if fenced, ok := errors.AsType[*FencedError](err); ok {
			expect = fenced.Last
			continue
		}
		require.NoError(t, err)
		return seq
	}
}

// A zombie that commits as fast as it can loses the partition to each new owner
// and never gets a commit in behind its back.
func TestBusyZombieIsFenced(t *testing.T) {
	t.Parallel()
	srv := startServer(t, ServerOptions{})
	l := openLog(t, Options{Server: srv})
	old := openLog(t, Options{Server: srv})
	for round := range 20 {
		var fenced, committed atomic.Int64
		var zombie sync.WaitGroup
		first := takeOver(t, old, 0, fmt.Sprintf("zombie %d begins", round))
		zombie.Go(func() {
			for last := first; ; {
				seq, err := old.Commit(soon(t), 0, []byte("zombie"), last)
				if err != nil {
					var f *FencedError
					if !errors.As(err, &f) {
						t.Error(err)
					}
					fenced.Store(int64(f.Last))
					return
				}
				last = seq
				committed.Add(1)
			}
		})
		waitFor(t, "a busy zombie", func() bool { return committed.Load() > 5 })
		mine := takeOver(t, l, 0, "mine")
		zombie.Wait()
		require.Equal(t, int64(mine), fenced.Load())
		seq, data, err := l.LastCommit(soon(t), 0)
		require.NoError(t, err)
		require.Equal(t, mine, seq, "%s", data)
	}
}

// What the server refuses because something else is in flight is tried again,
// and is not taken for a fence.
func TestSpuriousRefusalIsRetried(t *testing.T) {
	l := openLog(t, Options{})
	for p, spurious := range []apiError{{400, codeWrongLastNow, "wrong last sequence"}, {400, codeWrongLast, "wrong last sequence: 0"}} {
		result := make(chan error, 1)
		var seq uint64
		c := &commit{log: l, lane: l.lane(p), subject: l.outSubject(p), stream: l.outStream(p), data: []byte("x"),
			header: nats.Header{expectHeader: []string{"0"}},
			done:   func(s uint64, err error) { seq = s; result <- err }}
		refusal, err := json.Marshal(map[string]any{"error": spurious})
		require.NoError(t, err)
		c.answered(&nats.Msg{Data: refusal}, nil)
		require.NoError(t, <-result)
		require.Equal(t, uint64(1), seq)
	}
}

func TestParseAck(t *testing.T) {
	for _, c := range []struct {
		data    string
		seq     uint64
		refused int
		fails   bool
	}{
		{`{"stream":"t-in-0", "seq":17}`, 17, 0, false},
		{`{"stream":"t-in-0","seq":18,"duplicate":true}`, 18, 0, false},
		{`{"stream":"t-in-0", "seq":19,"domain":"hub"}`, 19, 0, false},
		{`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 6"},"stream":"x","seq":0}`, 0, 10071, false},
		{``, 0, 0, true},
		{`{`, 0, 0, true},
	} {
		seq, refusal, err := parseAck(&nats.Msg{Data: []byte(c.data)}, "s")
		require.Equal(t, c.fails, err != nil, c.data)
		require.Equal(t, c.seq, seq, c.data)
		if c.refused == 0 {
			require.Nil(t, refusal, c.data)
			continue
		}
		require.Equal(t, c.refused, refusal.ErrCode)
		last, ok := refusal.lastSequence()
		require.True(t, ok)
		require.Equal(t, uint64(6), last)
	}
}

// The short way of reading an acknowledgement agrees with the long one.
func FuzzParseAck(f *testing.F) {
	for _, s := range []string{`{"stream":"a", "seq":1}`, `{"stream":"a", "seq":1,"duplicate":true}`, `{"stream":"a", "seq":1}}`,
		`{"stream":"a\\", "seq":1}`, `{"error":{"err_code":10071,"description":"wrong last sequence: 7"}}`, `{"stream":"", "seq":-1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		seq, refusal, err := parseAck(&nats.Msg{Data: data}, "s")
		var ack struct {
			Seq   uint64
			Error *apiError
		}
		if json.Unmarshal(data, &ack) != nil || err != nil {
			return // neither is ever sent by a server
		}
		require.Equal(t, ack.Seq, seq)
		require.Equal(t, ack.Error, refusal)
		if refusal != nil {
			refusal.lastSequence()
		}
	})
}

// The answer to a commit is lost with the connection. The caller is told that
// the fate is unknown, and finds the commit in the log.
func TestUnknownFateIsLearned(t *testing.T) {
	srv := startServer(t, ServerOptions{Listen: "127.0.0.1:0"})
	line := startProxy(t, srv.nats.Addr().String())
	l := openLog(t, Options{URL: line.url()})
	first, err := l.Commit(soon(t), 0, []byte("first"), 0)
	require.NoError(t, err)

	line.set(true, false)
	result := make(chan error, 1)
	require.NoError(t, l.CommitAsync(0, []byte("second"), first, func(_ uint64, err error) { result <- err }))
	added := make(chan error, 1)
	require.NoError(t, l.Packer(0).Add(number(7), func(err error) { added <- err }))
	other := openLog(t, Options{Server: srv})
	waitFor(t, "the commit in the log", func() bool {
		seq, _, err := other.LastCommit(soon(t), 0)
		return err == nil && seq > first
	})
	line.cut()
	start := time.Now()
	require.ErrorIs(t, <-result, ErrUnknown)
	require.ErrorIs(t, <-added, ErrUnknown)
	require.Less(t, time.Since(start), ackTimeout/2, "it fails with the connection, not when the time is over")

	var seq uint64
	var data []byte
	waitFor(t, "the connection", func() bool {
		seq, data, err = l.LastCommit(soon(t), 0)
		return err == nil
	})
	require.Equal(t, "second", string(data))
	_, err = l.Commit(soon(t), 0, []byte("third"), seq)
	require.NoError(t, err)
}

// No answer, though the connection stands: the time runs out.
func TestAnswerThatNeverComes(t *testing.T) {
	srv := startServer(t, ServerOptions{Listen: "127.0.0.1:0"})
	line := startProxy(t, srv.nats.Addr().String())
	l := openLog(t, Options{URL: line.url()})
	l.lane(0).requests.timeout = 200 * time.Millisecond
	line.set(true, false)
	start := time.Now()
	_, err := l.Append(soon(t), 0, number(1))
	require.ErrorIs(t, err, ErrUnknown)
	require.Less(t, time.Since(start), 2*time.Second)
	line.cut()
}
