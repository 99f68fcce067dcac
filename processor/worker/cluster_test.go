package worker

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"onhand/processor/jetstream"
	"onhand/processor/jetstream/clustertest"
)

// cluster is three servers that keep every message three times.
type cluster struct {
	urls    []string
	servers map[string]*exec.Cmd // by name
}

func startCluster(t testing.TB) *cluster {
	var ports []int
	for range 6 {
		port, err := clustertest.FreePort()
		require.NoError(t, err)
		ports = append(ports, port)
	}
	c := &cluster{servers: map[string]*exec.Cmd{}}
	var routes []string
	for n := range 3 {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", ports[3+n]))
		c.urls = append(c.urls, fmt.Sprintf("nats://127.0.0.1:%d", ports[n]))
	}
	dir := t.TempDir()
	for n := range 3 {
		cmd := exec.Command(os.Args[0])
		server := clustertest.Server{
			Name: fmt.Sprint("s", n), Dir: filepath.Join(dir, fmt.Sprint(n)), Client: ports[n], Cluster: ports[3+n], Routes: routes, UntilInput: true,
		}
		cmd.Env = append(os.Environ(), server.Env())
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		c.servers[fmt.Sprint("s", n)] = cmd
		t.Cleanup(func() {
			_ = in.Close()
			if cmd.Process != nil {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}
		})
	}
	return c
}

func (c *cluster) start(t testing.TB) {
	for _, cmd := range c.servers {
		require.NoError(t, cmd.Start())
	}
}

func (c *cluster) open(t testing.TB, partitions int) *jetstream.Log {
	var log *jetstream.Log
	for end := time.Now().Add(40 * time.Second); log == nil; {
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
		l, err := jetstream.Open(ctx, jetstream.Options{URL: strings.Join(c.urls, ","), Name: "t", Partitions: partitions, Shards: 1, Replicas: 3})
		cancel()
		if log = l; err != nil {
			require.True(t, time.Now().Before(end), "the cluster does not come up: %v", err)
			time.Sleep(200 * time.Millisecond)
		}
	}
	t.Cleanup(log.Close)
	return log
}

// The leader of a stream is killed. Publishing waits for the servers' election;
// then everything goes on, and nothing is lost or done twice.
func TestTheLeaderOfAStreamIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for elections")
	}
	c := startCluster(t)
	c.start(t)
	logA, logB := c.open(t, 2), c.open(t, 2)
	channel := newPost()
	a := startWorker(context.Background(), t, Config{ID: "a", Log: logA, DataDir: t.TempDir(), Channels: email(channel)})
	activate(t, a)
	b := startWorker(context.Background(), t, Config{ID: "b", Log: logB, DataDir: t.TempDir(), Channels: email(channel)})
	waitFor(t, "a standby for each partition", func() bool {
		n := 0
		for _, w := range []*Worker{a, b} {
			for _, s := range w.Status(soon(t)) {
				if s.Phase == "standby" {
					n++
				}
			}
		}
		return n == 2
	})
	p := startPulse(t, logB)
	p.beating(t)
	p.forget()

	nc, err := nats.Connect(strings.Join(c.urls, ","))
	require.NoError(t, err)
	defer nc.Close()
	api, err := js.New(nc)
	require.NoError(t, err)
	stream, err := api.Stream(soon(t), "t-out-0")
	require.NoError(t, err)
	leader := stream.CachedInfo().Cluster.Leader
	cmd := c.servers[leader]
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	killed := time.Now()
	// The servers' elections take 4 to 9 s, and as long again when the votes are
	// split; what comes after is ours.
	waitFor(t, "new leaders", func() bool {
		for _, name := range []string{"t-in-0", "t-out-0", "t-in-1", "t-out-1"} {
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			s, err := api.Stream(ctx, name)
			cancel()
			if err != nil || s.CachedInfo().Cluster.Leader == "" || s.CachedInfo().Cluster.Leader == leader {
				return false
			}
		}
		return true
	})
	elected := time.Since(killed)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && !p.fresh(killed.Add(time.Second)); {
		time.Sleep(50 * time.Millisecond)
	}
	p.within(t, max(12*time.Second, elected+6*time.Second))
	t.Logf("%s killed: leaders elected after %v, longest without a decision %v", leader, elected, p.longest())
	p.end()
	for _, w := range []*Worker{a, b} {
		require.NoError(t, w.WaitIdle(soon(t)))
	}
	p.decided(t)
	once(t, logB)
}
