package faults

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// childServer names the variable that makes the test program a NATS server.
// Its value is what runChildServer takes.
const childServer = "ONHAND_TEST_NATS"

// runChildServer runs a server of a cluster until it is killed: "name folder
// clients cluster monitor route...", addresses but for the routes, which are
// URLs. Clients are not told of the other servers: they are to keep to the
// addresses that the test can cut.
func runChildServer(what string) {
	f := strings.Fields(what)
	o := &server.Options{ServerName: f[0], StoreDir: f[1], JetStream: true, NoSigs: true}
	_, err := fmt.Sscanf(strings.ReplaceAll(strings.Join(f[2:5], " "), "127.0.0.1:", ""), "%d %d %d", &o.Port, &o.Cluster.Port, &o.HTTPPort)
	if err != nil {
		panic(err)
	}
	o.Host, o.HTTPHost, o.Cluster.Host = "127.0.0.1", "127.0.0.1", "127.0.0.1"
	o.Cluster.Name, o.Cluster.NoAdvertise = "c", true
	for _, route := range f[5:] {
		u, err := url.Parse(route)
		if err != nil {
			panic(err)
		}
		o.Routes = append(o.Routes, u)
	}
	s, err := server.NewServer(o)
	if err != nil {
		panic(err)
	}
	s.Start()
	s.WaitForShutdown()
}

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
		p.env = []string{fmt.Sprintf("%s=s%d %s %s %s %s %s", childServer, i, p.data, c.clients[i], peers[i], p.addr, strings.Join(routes, " "))}
		c.servers = append(c.servers, p.untilEnd())
		p.start()
	}
	c.waitHealthy()
	return c
}

// waitHealthy waits until every server has caught up with the others.
func (c *cluster) waitHealthy() {
	c.t.Helper()
	for _, s := range c.servers {
		waitFor(c.t, 60*time.Second, s.name+" to be healthy", func() string {
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
