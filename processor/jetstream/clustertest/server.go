// Package clustertest lets a test program be the NATS servers of a cluster:
// processes of their own, which a test can kill, freeze and start again.
//
//	func TestMain(m *testing.M) {
//		if clustertest.Main() {
//			return
//		}
//		os.Exit(m.Run())
//	}
package clustertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/nats-io/nats-server/v2/server"
)

// variable names the variable that makes the test program a server. Its value
// is a Server.
const variable = "ONHAND_TEST_NATS"

// Server is one server of a cluster on this machine. Clients are not told of
// the other servers: they keep to the addresses they were given.
type Server struct {
	Name    string
	Dir     string // of its streams
	Client  int    // ports of 127.0.0.1
	Cluster int
	Monitor int      // 0 = none
	Routes  []string // URLs of all servers' cluster ports

	UntilInput bool // it ends when its standard input does, as when its parent dies
}

var nextPort atomic.Uint32

func init() { nextPort.Store(rand.Uint32N(1 << 20)) }

// FreePort returns a port of 127.0.0.1 that nothing listens on. It is one that
// systems give to nobody who does not ask for it: it stays free while its server
// is away. A test program is given each only once; two of them begin anywhere.
func FreePort() (int, error) {
	const lowest, ports = 10_000, 20_000
	for {
		port := lowest + int(nextPort.Add(1)%ports)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		switch {
		case err == nil:
			return port, l.Close()
		case !errors.Is(err, syscall.EADDRINUSE):
			return 0, err
		}
	}
}

// Env returns the environment variable with which the test program, started
// again (os.Args[0]), is this server.
func (s *Server) Env() string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return variable + "=" + string(data)
}

// Main reports whether this process is to be a server, and if so returns when
// it has ended.
func Main() bool {
	text := os.Getenv(variable)
	if text == "" {
		return false
	}
	var s Server
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		panic(err)
	}
	s.run()
	return true
}

func (s *Server) run() {
	const host = "127.0.0.1"
	o := &server.Options{
		ServerName: s.Name, StoreDir: s.Dir, JetStream: true, NoSigs: true, Host: host, Port: s.Client, HTTPHost: host, HTTPPort: s.Monitor,
		Cluster: server.ClusterOpts{Name: "c", Host: host, Port: s.Cluster, NoAdvertise: true},
	}
	for _, route := range s.Routes {
		u, err := url.Parse(route)
		if err != nil {
			panic(err)
		}
		o.Routes = append(o.Routes, u)
	}
	n, err := server.NewServer(o)
	if err != nil {
		panic(err)
	}
	n.Start()
	if s.UntilInput {
		_, _ = os.Stdin.Read(make([]byte, 1))
		return
	}
	n.WaitForShutdown()
}
