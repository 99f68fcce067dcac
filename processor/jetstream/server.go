package jetstream

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Server is a NATS server with JetStream inside this process.
type Server struct {
	nats     *server.Server
	password string // of internalUser; "" when the server has no users
	disk     space
	log      *serverLog
}

// ServerOptions describe an embedded server.
type ServerOptions struct {
	// Dir is the folder of the streams. Required. One server at a time.
	Dir string

	// SyncInterval is how long an acknowledged message may be lost by a power
	// failure. 0 means never: each write is on disk before it is acknowledged.
	// The death of the process loses nothing either way.
	SyncInterval time.Duration

	// Listen is host:port for clients in other processes; "" means none. The
	// host defaults to 127.0.0.1; any that is not loopback demands Users.
	Listen string

	// Users may connect over TCP. Without any, everybody may.
	Users []User

	// MaxBytes bounds the disk space of all streams. 0 means three quarters of
	// what is free.
	MaxBytes int64

	// Logger takes the server's messages. nil discards them.
	Logger *slog.Logger
}

// User is a name and password for clients in other processes.
type User struct {
	Name, Password string

	// Publish lists the subjects the user may publish to, for example
	// "onhand.ingest.>"; answers are allowed. None means that the user may do
	// everything, as another worker must.
	Publish []string
}

const (
	internalUser = "onhand-internal"
	serverStart  = 20 * time.Second
)

// StartServer starts a server and waits until it can be used.
func StartServer(o ServerOptions) (*Server, error) {
	if o.Dir == "" {
		return nil, errors.New("jetstream: server: Dir is empty: name a folder for the streams")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	opts := &server.Options{
		ServerName: "onhand",
		JetStream:  true, StoreDir: o.Dir, JetStreamMaxStore: o.MaxBytes,
		SyncInterval: o.SyncInterval, SyncAlways: o.SyncInterval <= 0,
		MaxPending: 256 << 20, // many readers share one connection
		DontListen: o.Listen == "", NoSigs: true,
	}
	if o.Listen != "" {
		if err := listen(opts, o); err != nil {
			return nil, err
		}
	}
	s := &Server{disk: space{dir: o.Dir}, log: &serverLog{Logger: o.Logger, broken: make(chan error, 1)}}
	if len(o.Users) > 0 {
		s.password = rand.Text()
		opts.Users = append(opts.Users, &server.User{Username: internalUser, Password: s.password})
		for _, u := range o.Users {
			opts.Users = append(opts.Users, u.withPermissions())
		}
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("jetstream: server: %w", err)
	}
	ns.SetLoggerV2(s.log, false, false, false)
	s.nats = ns
	ns.Start()
	if !ns.ReadyForConnections(serverStart) || !ns.JetStreamEnabled() {
		s.Close()
		why := "not ready after " + serverStart.String()
		if text := s.log.fatal.Load(); text != nil {
			why = *text
		}
		return nil, fmt.Errorf("jetstream: server in %s does not start: %s", o.Dir, why)
	}
	return s, nil
}

// listen sets the TCP listener.
func listen(opts *server.Options, o ServerOptions) error {
	host, port, err := net.SplitHostPort(o.Listen)
	if err == nil {
		opts.Port, err = strconv.Atoi(port)
	}
	if err != nil {
		return fmt.Errorf("jetstream: server: Listen %q is not host:port: %w", o.Listen, err)
	}
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	if opts.Host = host; host == "" {
		opts.Host = "127.0.0.1"
	}
	ip := net.ParseIP(opts.Host)
	if opts.Host != "localhost" && (ip == nil || !ip.IsLoopback()) && len(o.Users) == 0 {
		return fmt.Errorf("jetstream: server: Listen %q is open to other machines: add Users, or listen on 127.0.0.1", o.Listen)
	}
	return nil
}

func (u User) withPermissions() *server.User {
	su := &server.User{Username: u.Name, Password: u.Password}
	if len(u.Publish) > 0 {
		su.Permissions = &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: u.Publish},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}}, // where clients in any language are answered
		}
	}
	return su
}

// ClientURL returns the address for clients in other processes, "" without a
// listener.
func (s *Server) ClientURL() string {
	if s.nats.Addr() == nil {
		return ""
	}
	return s.nats.ClientURL()
}

// Failed yields an error when the server could not write to its disk. It
// writes nothing more until it is started anew, even when there is space
// again: what it has acknowledged is safe, but the process should end.
func (s *Server) Failed() <-chan error { return s.log.broken }

// Close stops the server and waits until it has. Close the Logs on it first.
func (s *Server) Close() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
}

// inProcess returns the options of a connection that needs no socket.
func (s *Server) inProcess() []nats.Option {
	opts := []nats.Option{nats.InProcessServer(inProcess{s.nats})}
	if s.password != "" {
		opts = append(opts, nats.UserInfo(internalUser, s.password))
	}
	return opts
}

// storeLimit returns the bytes all streams may take together.
func (s *Server) storeLimit() int64 {
	if c := s.nats.JetStreamConfig(); c != nil {
		return c.MaxStore
	}
	return 0
}

// serverLog passes the server's messages to slog. A fatal one is kept: it says
// why the server does not start. The server tells of a disk it could not write
// to in no other way than by a message.
type serverLog struct {
	*slog.Logger
	fatal  atomic.Pointer[string]
	broken chan error
}

func (l *serverLog) Noticef(f string, v ...any) { l.Debug(fmt.Sprintf(f, v...)) }
func (l *serverLog) Warnf(f string, v ...any)   { l.Warn(fmt.Sprintf(f, v...)) }
func (l *serverLog) Debugf(string, ...any)      {}
func (l *serverLog) Tracef(string, ...any)      {}

func (l *serverLog) Errorf(f string, v ...any) {
	text := fmt.Sprintf(f, v...)
	l.Error(text)
	if strings.Contains(strings.ToLower(text), "critical write error") || strings.Contains(text, "will be DISABLED") {
		select {
		case l.broken <- fmt.Errorf("jetstream: the log cannot be written any more: %s: see to the disk and start again", text):
		default:
		}
	}
}

func (l *serverLog) Fatalf(f string, v ...any) {
	text := fmt.Sprintf(f, v...)
	l.fatal.CompareAndSwap(nil, &text)
	l.Error(text)
}
