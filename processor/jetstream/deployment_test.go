package jetstream

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"onhand/processor"

	"github.com/stretchr/testify/require"
)

func TestPartitionsAreFixedAtCreation(t *testing.T) {
	srv := startServer(t, ServerOptions{})
	l := openLog(t, Options{Server: srv, Partitions: 3, Shards: 2})
	require.Equal(t, []int{3, 2}, []int{l.Partitions(), l.Shards()})
	require.NotEmpty(t, l.ID())

	_, err := Open(soon(t), Options{Server: srv, Name: "t", Partitions: 4})
	require.ErrorContains(t, err, "has 3 partitions, not 4")
	_, err = Open(soon(t), Options{Server: srv, Name: "t", Shards: 4})
	require.ErrorContains(t, err, "has 2 ingest shards, not 4")

	again, err := Open(soon(t), Options{Server: srv, Name: "t"})
	require.NoError(t, err)
	defer again.Close()
	require.Equal(t, l.record, again.record)

	// Another name is another deployment.
	other := openLog(t, Options{Server: srv, Name: "u", Partitions: 1})
	require.NotEqual(t, l.ID(), other.ID())
	_, err = l.Append(soon(t), 0, number(1))
	require.NoError(t, err)
	_, last, err := other.Bounds(soon(t), 0)
	require.NoError(t, err)
	require.Zero(t, last)
}

// Many that open an absent deployment at once agree on one.
func TestOpenAtOnce(t *testing.T) {
	srv := startServer(t, ServerOptions{})
	var wg sync.WaitGroup
	ids := make([]string, 4)
	for i := range ids {
		wg.Go(func() {
			l, err := Open(soon(t), Options{Server: srv, Name: "t", Partitions: 2})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = l.ID()
			l.Close()
		})
	}
	wg.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
}

func TestBadOptions(t *testing.T) {
	for text, o := range map[string]Options{
		"either Server or URL": {},
		"Name \"a.b\"":         {URL: "x", Name: "a.b"},
		"partitions":           {URL: "x", Partitions: 5000},
		"below 1s":             {URL: "x", Lease: 1},
	} {
		_, err := Open(context.Background(), o)
		require.ErrorContains(t, err, text)
	}
	small := startServer(t, ServerOptions{MaxBytes: 4 << 20})
	_, err := Open(soon(t), Options{Server: small, MaxBytesIn: 1 << 20})
	require.ErrorContains(t, err, "lower MaxBytesIn")
	l, err := Open(soon(t), Options{Server: startServer(t, ServerOptions{MaxBytes: 4 << 20})})
	require.NoError(t, err, "without a limit it takes what fits")
	l.Close()
	for text, o := range map[string]ServerOptions{
		"Dir is empty":           {},
		"not host:port":          {Dir: t.TempDir(), Listen: "4222"},
		"open to other machines": {Dir: t.TempDir(), Listen: "0.0.0.0:0"},
	} {
		_, err := StartServer(o)
		require.ErrorContains(t, err, text)
	}
}

// A foreign client, in plain NATS, publishes with and without keys; each key
// keeps its order within one shard, and positions are kept.
func TestIngestShards(t *testing.T) {
	srv := startServer(t, ServerOptions{Listen: "127.0.0.1:0"})
	l := openLog(t, Options{Server: srv})
	require.Equal(t, 4, l.Shards())
	nc, err := nats.Connect(srv.ClientURL())
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	const keys, each = 20, 10
	for i := range each {
		for k := range keys {
			_, err := js.Publish(soon(t), fmt.Sprintf("t.ingest.customer-%d", k), fmt.Appendf(nil, "%d/%d", k, i))
			require.NoError(t, err)
		}
		_, err := js.Publish(soon(t), "t.ingest", fmt.Appendf(nil, "%d/%d", keys, i))
		require.NoError(t, err)
	}
	_, err = js.Publish(soon(t), "t.ingest.x", make([]byte, 300<<10))
	require.ErrorContains(t, err, "message size exceeds maximum")

	counts := map[int]int{}   // per key
	shardOf := map[int]int{}  // of a key
	lasts := map[int]uint64{} // per shard
	readers := make([]*Reader, l.Shards())
	for s := range readers {
		readers[s], err = l.ReadShard(s, 1)
		require.NoError(t, err)
	}
	all := 0
	waitFor(t, "all events", func() bool {
		for s, r := range readers {
			for {
				m, ok, err := r.TryNext()
				require.NoError(t, err)
				if !ok {
					break
				}
				var k, i int
				_, err = fmt.Sscanf(string(m.Data), "%d/%d", &k, &i)
				require.NoError(t, err)
				require.Equal(t, counts[k], i, "order within key %d", k)
				counts[k]++
				if was, ok := shardOf[k]; ok {
					require.Equal(t, was, s, "shard of key %d", k)
				}
				shardOf[k] = s
				require.Greater(t, m.Seq, lasts[s])
				lasts[s] = m.Seq
				all++
			}
		}
		return all >= (keys+1)*each
	})
	require.Equal(t, (keys+1)*each, all)
	require.Equal(t, 0, shardOf[keys], "events without a key")
	require.Greater(t, len(lasts), 1, "shards used")

	// What is saved is dropped, for this shard alone; what comes later is read.
	seq, err := l.LoadShard(soon(t), 0)
	require.NoError(t, err)
	require.Zero(t, seq)
	require.NoError(t, l.SaveShard(soon(t), 0, lasts[0]))
	seq, err = l.LoadShard(soon(t), 0)
	require.NoError(t, err)
	require.Equal(t, lasts[0], seq)
	zero := 0
	for _, s := range shardOf {
		if s == 0 {
			zero += each
		}
	}
	info, err := l.ingest.Info(soon(t))
	require.NoError(t, err)
	require.Equal(t, all-zero, int(info.State.Msgs))
	_, err = js.Publish(soon(t), "t.ingest", []byte("later"))
	require.NoError(t, err)
	r, err := l.ReadShard(0, seq+1)
	require.NoError(t, err)
	m, err := r.Next(soon(t))
	require.NoError(t, err)
	require.Equal(t, "later", string(m.Data))
}

// What was personal in an event on the ingest subject is on the disk until its
// shard has moved it, and no longer.
func TestWhatWasMovedIsNotOnTheDisk(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, Options{Server: startServer(t, ServerOptions{Dir: dir}), Shards: 2})
	js, err := jetstream.New(l.read.nc)
	require.NoError(t, err)
	secret := func(i int) []byte { return fmt.Appendf(nil, "secret-%056d", i) }
	for i := range 50 {
		_, err = js.Publish(soon(t), fmt.Sprint("t.ingest.c", i), secret(i))
		require.NoError(t, err)
	}
	require.True(t, onDisk(t, dir, secret(7)), "what is looked for can be found while it is there")
	for shard := range 2 {
		require.NoError(t, l.SaveShard(soon(t), shard, 50))
	}
	for i := range 50 {
		require.False(t, onDisk(t, dir, secret(i)), i)
	}
}

// A user for events may send events, and nothing else.
func TestUserForEvents(t *testing.T) {
	srv := startServer(t, ServerOptions{Listen: "127.0.0.1:0", Users: []User{
		{Name: "shop", Password: "s1", Publish: []string{"t.ingest", "t.ingest.*"}}, {Name: "worker", Password: "s2"}}})
	l := openLog(t, Options{Server: srv})
	worker := openLog(t, Options{URL: "nats://worker:s2@" + srv.nats.Addr().String()})
	require.Equal(t, l.ID(), worker.ID())
	nc, err := nats.Connect(srv.ClientURL(), nats.UserInfo("shop", "s1"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	_, err = js.Publish(soon(t), "t.ingest.k", []byte("event"))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), quietAfter)
	defer cancel()
	_, err = js.Publish(ctx, "t.in.0", []byte("record"))
	require.Error(t, err)
	_, last, err := l.Bounds(soon(t), 0)
	require.NoError(t, err)
	require.Zero(t, last)
	_, err = nats.Connect(srv.ClientURL())
	require.ErrorIs(t, err, nats.ErrAuthorization)
}

// A user for events does not hear what the deployment is answered, which is all
// that stands in its logs.
func TestUserForEventsHearsNothing(t *testing.T) {
	srv := startServer(t, ServerOptions{Listen: "127.0.0.1:0", Users: []User{{Name: "shop", Password: "s1", Publish: []string{"t.ingest"}}}})
	nc, err := nats.Connect(srv.ClientURL(), nats.UserInfo("shop", "s1"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	require.NoError(t, err)
	defer nc.Close()
	heard := make(chan *nats.Msg, 100)
	for _, subject := range []string{"_INBOX.>", ">", inboxPrefix + ".>"} {
		_, err = nc.ChanSubscribe(subject, heard)
		require.NoError(t, err)
	}
	require.NoError(t, nc.Flush())
	l := openLog(t, Options{Server: srv})
	_, err = l.Append(soon(t), 0, processor.AppendRecordEntry(processor.AppendRecordHeader(nil, 1), []byte{byte(processor.TickEntry)}))
	require.NoError(t, err)
	r, err := l.Read(0, 1)
	require.NoError(t, err)
	_, err = r.Next(soon(t))
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	select {
	case m := <-heard:
		require.Fail(t, "heard", "%s: %q", m.Subject, m.Data)
	default:
	}
}

func TestDeadLetters(t *testing.T) {
	d := openLog(t, Options{}).DeadLetters()
	for i := range 4 {
		seq, err := d.Put(soon(t), RefusedLetter, fmt.Sprintf("cause %d", i+1), number(i))
		require.NoError(t, err)
		require.Equal(t, uint64(i+1), seq)
	}
	require.NoError(t, d.Purge(soon(t), 2))
	require.ErrorIs(t, d.Purge(soon(t), 2), ErrNotFound)
	_, err := d.Get(soon(t), 2)
	require.ErrorIs(t, err, ErrNotFound)
	got, err := d.Get(soon(t), 3)
	require.NoError(t, err)
	require.Equal(t, "cause 3", got.Key)
	require.Equal(t, number(2), got.Data)

	seqs := func(from uint64, n int) (all []uint64) {
		list, err := d.List(soon(t), from, n)
		require.NoError(t, err)
		for _, letter := range list {
			all = append(all, letter.Seq)
		}
		return all
	}
	require.Equal(t, []uint64{1, 3, 4}, seqs(0, 10))
	require.Equal(t, []uint64{3}, seqs(2, 1))
	require.NoError(t, d.PurgeAll(soon(t), 3))
	require.Equal(t, []uint64{4}, seqs(0, 10))
}

// Whoever sends rubbish fills the dead letters with it and holds up nobody: the
// oldest rubbish goes, counted and logged. What had been accepted stays, and
// when nothing else is left a new letter is refused.
func TestDeadLettersThatAreFull(t *testing.T) {
	var said strings.Builder
	l := openLog(t, Options{MaxBytesIn: 64 << 10, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	d := l.DeadLetters()
	put := func(kind LetterKind, n int) error {
		_, err := d.Put(soon(t), kind, fmt.Sprint(kind, n), make([]byte, 2<<10))
		return err
	}
	require.NoError(t, put(FailedLetter, 0))
	last := 0
	for n := range 200 {
		require.NoError(t, put(RefusedLetter, n))
		last = n
	}
	require.NoError(t, put(FailedLetter, 1))
	list, err := d.List(soon(t), 0, 1000)
	require.NoError(t, err)
	require.Equal(t, "failed0", list[0].Key)
	require.Equal(t, "failed1", list[len(list)-1].Key)
	require.Greater(t, len(list), 15)
	for i, x := range list[1 : len(list)-1] {
		require.Equal(t, fmt.Sprint("refused", last-(len(list)-3)+i), x.Key, "the newest are left")
	}
	require.Equal(t, 202, len(list)+int(d.Dropped()))
	require.Contains(t, said.String(), "the dead letters were full")

	// Many at once make room once each time.
	before := d.Dropped()
	var group sync.WaitGroup
	for n := range 40 {
		group.Go(func() {
			if err := put(RefusedLetter, 1000+n); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Less(t, d.Dropped()-before, uint64(60))

	for n := 0; err == nil; n++ {
		require.Less(t, n, 100)
		err = put(FailedLetter, 2+n)
	}
	require.ErrorIs(t, err, ErrOverloaded)
	require.ErrorIs(t, put(RefusedLetter, 0), ErrOverloaded)
	list, err = d.List(soon(t), 0, 1000)
	require.NoError(t, err)
	for i, x := range list {
		require.Equal(t, fmt.Sprint("failed", i), x.Key)
	}
}

// A question that nobody answered in time may be asked again: its leader may
// have died with it.
func TestAskedInVain(t *testing.T) {
	err := asked(context.DeadlineExceeded, "stream x")
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.True(t, forming(err))
}

// A server that has not heard yet of what another one made says that it is not
// there: as what is asked for was found or made a moment before, it will be.
func TestAskedOfAServerThatIsBehind(t *testing.T) {
	l := openLog(t, Options{})
	_, err := l.js.Stream(soon(t), "t-nowhere")
	require.True(t, forming(asked(err, "stream nowhere")), "%v", err)
	_, err = l.js.KeyValue(soon(t), "t-nowhere")
	require.True(t, forming(asked(err, "bucket nowhere")), "%v", err)
	_, err = l.js.CreateStream(soon(t), jetstream.StreamConfig{Name: "no name"})
	require.Error(t, err)
	require.False(t, forming(asked(err, "stream no name")), "%v", err)
}
