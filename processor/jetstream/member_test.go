package jetstream

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// quietAfter is how long a test waits before it believes that nothing comes.
const quietAfter = 100 * time.Millisecond

func ids(m *Member) (all []string) {
	for _, w := range m.Workers() {
		all = append(all, w.ID)
	}
	return all
}

func join(t testing.TB, l *Log, id string) *Member {
	m, err := l.Join(soon(t), id, []byte("info of "+id))
	require.NoError(t, err)
	return m
}

func waitForWorkers(t testing.TB, m *Member, want ...string) {
	waitFor(t, fmt.Sprint(want), func() bool { return fmt.Sprint(ids(m)) == fmt.Sprint(want) })
}

func TestMembersComeAndGo(t *testing.T) {
	t.Parallel()
	srv := startServer(t, ServerOptions{})
	a := join(t, openLog(t, Options{Server: srv, Lease: time.Second}), "a")
	require.Equal(t, []string{"a"}, ids(a))
	logB := openLog(t, Options{Server: srv})
	b := join(t, logB, "b")
	require.Equal(t, []string{"a", "b"}, ids(b), "who comes sees who is there")
	<-a.Changes()
	waitForWorkers(t, a, "a", "b")
	require.Equal(t, "info of b", string(a.Workers()[1].Info))

	b.Update([]byte("news"))
	waitFor(t, "news", func() bool { return string(a.Workers()[1].Info) == "news" })

	// Leaving is known at once, dying after a lease.
	require.NoError(t, b.Leave(soon(t)))
	start := time.Now()
	waitForWorkers(t, a, "a")
	require.Less(t, time.Since(start), logB.lease)

	join(t, logB, "b")
	waitForWorkers(t, a, "a", "b")
	logB.Close()
	start = time.Now()
	waitForWorkers(t, a, "a")
	require.Greater(t, time.Since(start), 500*time.Millisecond)
	require.Less(t, time.Since(start), 5*time.Second)
	require.True(t, a.Alive())

	// The bucket forgets the dead too.
	waitFor(t, "the bucket", func() bool {
		keys, err := a.log.workers.Keys(soon(t))
		return err == nil && len(keys) == 1
	})
	require.Equal(t, time.Second, logB.lease, "as created")
}

// Who cannot reach NATS knows that it is not alive, but keeps its view of the
// others; when the line is back, so is everybody.
func TestMemberOnABrokenLine(t *testing.T) {
	t.Parallel()
	srv := startServer(t, ServerOptions{Listen: "127.0.0.1:0"})
	line := startProxy(t, srv.nats.Addr().String())
	a := join(t, openLog(t, Options{Server: srv, Lease: time.Second}), "a")
	b := join(t, openLog(t, Options{URL: line.url(), Lease: time.Second}), "b")
	waitForWorkers(t, a, "a", "b")
	require.True(t, b.Alive())

	line.set(false, true)
	line.cut()
	waitFor(t, "b not alive", func() bool { return !b.Alive() })
	waitForWorkers(t, a, "a")
	time.Sleep(300 * time.Millisecond)
	require.Equal(t, []string{"a", "b"}, ids(b))

	line.set(false, false)
	waitFor(t, "b alive", b.Alive)
	waitForWorkers(t, a, "a", "b")
	require.Equal(t, []string{"a", "b"}, ids(b))
}

func TestJoinRefusesBadIDs(t *testing.T) {
	l := openLog(t, Options{})
	for _, id := range []string{"", "a.b", "a b", "*", ">"} {
		_, err := l.Join(soon(t), id, nil)
		require.ErrorContains(t, err, "worker id")
	}
	m := join(t, l, "a")
	l.Close()
	require.Error(t, m.Leave(soon(t)))
	_, err := l.Join(soon(t), "b", nil)
	require.Error(t, err)
}

func TestAssign(t *testing.T) {
	require.Empty(t, Assign("partition", nil, 0))
	require.Equal(t, []Place{{}, {}}, Assign("partition", nil, 2))
	require.Equal(t, []Place{{Owner: "a"}, {Owner: "a"}}, Assign("partition", []string{"a"}, 2))
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.SliceOfNDistinct(rapid.StringN(1, 12, -1), 2, 8, rapid.ID).Draw(t, "workers")
		n := rapid.IntRange(1, 200).Draw(t, "n")
		places := Assign("partition", workers, n)
		shuffled := rapid.Permutation(workers).Draw(t, "shuffled")
		require.Equal(t, places, Assign("partition", shuffled, n), "the order of workers does not matter")

		gone := workers[0]
		without := Assign("partition", workers[1:], n)
		for i, was := range places {
			require.NotEqual(t, was.Owner, was.Standby)
			require.Contains(t, workers, was.Owner)
			require.Contains(t, workers, was.Standby)
			switch gone {
			case was.Owner: // its standby takes over
				require.Equal(t, was.Standby, without[i].Owner)
			case was.Standby: // the owner stays
				require.Equal(t, was.Owner, without[i].Owner)
			default: // nothing moves
				require.Equal(t, was, without[i])
			}
		}
	})
}

// Owning is spread evenly, and partitions and shards independently.
func TestAssignIsEven(t *testing.T) {
	workers := []string{"w1", "w2", "w3", "w4"}
	owned, same := map[string]int{}, 0
	shards := Assign("shard", workers, 4096)
	for i, p := range Assign("partition", workers, 4096) {
		owned[p.Owner]++
		if p.Owner == shards[i].Owner {
			same++
		}
	}
	for w, n := range owned {
		require.InDelta(t, 1024, n, 120, w)
	}
	require.InDelta(t, 1024, same, 120)
}
