package faults

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"onhand/processor/jetstream/clustertest"
)

// cluster is three servers, each a process, that keep every message three
// times.
type cluster struct {
	t       testing.TB
	servers []*process
	clients []string // addresses for clients, by server
}

func startCluster(t testing.TB) *cluster {
	c := &cluster{t: t}
	var routes, peers []string
	for range 3 {
		peers = append(peers, freeAddress(t))
		routes = append(routes, "nats://"+peers[len(peers)-1])
		c.clients = append(c.clients, freeAddress(t))
	}
	for i := range 3 {
		p := &process{t: t, name: fmt.Sprint("server ", i), data: filepath.Join(t.TempDir(), "nats"), addr: freeAddress(t), path: os.Args[0]}
		server := clustertest.Server{
			Name: fmt.Sprint("s", i), Dir: p.data, Client: portOf(t, c.clients[i]), Cluster: portOf(t, peers[i]), Monitor: portOf(t, p.addr), Routes: routes,
		}
		p.env = []string{server.Env()}
		c.servers = append(c.servers, p.untilEnd())
		p.start()
	}
	c.waitHealthy()
	return c
}

func portOf(t testing.TB, address string) int {
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	return n
}

// waitHealthy waits until every server has caught up with the others.
func (c *cluster) waitHealthy() {
	c.t.Helper()
	for _, s := range c.servers {
		waitFor(c.t, s.name+" to be healthy", func() string {
			if !s.running() {
				require.FailNow(c.t, s.name+" has ended", "%v", s.cmd.ProcessState)
			}
			if status, body := s.get("/healthz"); status != http.StatusOK {
				return string(body)
			}
			return ""
		})
	}
}

// url returns the addresses of all servers.
func (c *cluster) url() string { return "nats://" + strings.Join(c.clients, ",nats://") }

// leader returns the server that leads a stream.
func (c *cluster) leader(stream string) *process {
	c.t.Helper()
	nc, err := nats.Connect(c.url())
	require.NoError(c.t, err)
	defer nc.Close()
	js, err := natsjs.New(nc)
	require.NoError(c.t, err)
	s, err := js.Stream(c.t.Context(), stream)
	require.NoError(c.t, err)
	for i, p := range c.servers {
		if s.CachedInfo().Cluster.Leader == fmt.Sprint("s", i) {
			return p
		}
	}
	require.FailNow(c.t, "stream "+stream+" has no leader")
	return nil
}
