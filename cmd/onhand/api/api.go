package api

import (
	"context"
	"crypto/ed25519"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"onhand/connectors/collector"
	"onhand/connectors/seal"
	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/processor/whatif"
	"onhand/processor/worker"
)

// Config is what the API speaks for.
type Config struct {
	Worker    *worker.Worker
	Log       *jetstream.Log
	Collector *collector.Collector
	Sealer    *seal.Sealer

	ID      string                 // of this worker
	Address func(id string) string // host:port of a worker, "" when it is not known

	Read, Operate []string           // keys; who may operate may read
	Voucher       ed25519.PrivateKey // signs vouchers; nil = none are made
	// Open says that no key at all is configured: everybody may do everything,
	// from this machine.
	Open bool

	// WhatIf is where POST /api/v1/simulate takes the past from; without Past it is
	// refused.
	WhatIf whatif.Options

	Clock   func() time.Time
	Version string
	Logger  *slog.Logger
}

// API is the handler of all paths.
type API struct {
	Config
	guard     guard
	mux       *http.ServeMux
	transport *http.Transport // to other workers
	control   sync.Mutex      // one change of what is in force at a time

	simulating sync.Mutex      // one replay at a time
	ending     context.Context // ends with Close
	end        context.CancelFunc
}

//go:embed openapi.json
var openAPI []byte

// route is one path of the API.
type route struct {
	method, path string
	role         role
	handle       func(*API, http.ResponseWriter, *http.Request) error
}

var routes = []route{
	{"GET", "/healthz", public, (*API).health},
	{"GET", "/readyz", public, (*API).ready},
	{"GET", "/metrics", reader, (*API).metrics},
	{"GET", "/{$}", reader, (*API).page},
	{"GET", "/api/v1/openapi.json", public, (*API).describe},
	{"GET", "/api/v1/status", reader, (*API).status},
	{"GET", "/api/v1/customers/{id}", reader, (*API).customer},
	{"DELETE", "/api/v1/customers/{id}", operator, (*API).erase},
	{"GET", "/api/v1/items/{sku}", reader, (*API).item},
	{"GET", "/api/v1/rewards/{id}", reader, (*API).reward},
	{"POST", "/api/v1/rewards/{id}/redeem", operator, (*API).redeem},
	{"POST", "/api/v1/rewards/{id}/voucher", operator, (*API).voucher},
	{"GET", "/api/v1/vouchers/key", reader, (*API).voucherKey},
	{"GET", "/api/v1/decisions", reader, (*API).decisions},
	{"GET", "/api/v1/moments", reader, (*API).moments},
	{"PUT", "/api/v1/moments", operator, (*API).activate},
	{"GET", "/api/v1/stops", reader, (*API).stops},
	{"POST", "/api/v1/stops", operator, (*API).stop},
	{"DELETE", "/api/v1/stops", operator, (*API).resume},
	{"POST", "/api/v1/checkpoints", operator, (*API).checkpoint},
	{"POST", "/api/v1/partitions/{partition}/rewind", operator, (*API).rewind},
	{"POST", "/api/v1/simulate", operator, (*API).simulate},
	{"GET", "/api/v1/dlq", reader, (*API).letters},
	{"DELETE", "/api/v1/dlq", operator, (*API).purgeAll},
	{"GET", "/api/v1/dlq/{seq}", reader, (*API).letter},
	{"DELETE", "/api/v1/dlq/{seq}", operator, (*API).purge},
	{"POST", "/api/v1/dlq/{seq}/retry", operator, (*API).retry},
}

// New returns the handler.
func New(c Config) *API {
	a := &API{Config: c, guard: newGuard(c), mux: http.NewServeMux()}
	a.ending, a.end = context.WithCancel(context.Background())
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: othersAnswer}).DialContext
	transport.ResponseHeaderTimeout = forwardWait
	a.transport = transport
	a.mux.Handle("/v1/", c.Collector)
	queries, err := parameters(openAPI)
	if err != nil {
		panic(err) // the document is part of the program
	}
	for _, r := range routes {
		pattern := r.method + " " + r.path
		a.mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
			err := a.guard.allow(req, r.role)
			if err == nil && strings.HasPrefix(r.path, "/api/") {
				err = known(req, queries[pattern])
			}
			if err == nil {
				err = r.handle(a, w, req)
			}
			if err != nil {
				a.fail(w, req, err)
			}
		})
	}
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if methods := allowed(r.URL.Path); methods != "" {
			w.Header().Set("Allow", methods)
			a.fail(w, r, &problem{Status: http.StatusMethodNotAllowed, Detail: "only " + methods})
			return
		}
		a.fail(w, r, &problem{Status: http.StatusNotFound, Detail: "no such path; see /api/v1/openapi.json"})
	})
	return a
}

// Close ends a replay and lets go of connections to other workers.
func (a *API) Close() {
	a.end()
	a.transport.CloseIdleConnections()
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if err := a.guard.host(r); err != nil {
		a.fail(w, r, err)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// allowed returns the methods of a path, "" when it is none of ours.
func allowed(path string) (methods string) {
	probe := http.NewServeMux()
	for _, r := range routes {
		probe.HandleFunc(r.method+" "+r.path, func(http.ResponseWriter, *http.Request) {})
	}
	for _, m := range []string{"GET", "POST", "PUT", "DELETE"} {
		req, err := http.NewRequest(m, path, nil)
		if err != nil {
			return ""
		}
		if _, pattern := probe.Handler(req); pattern != "" {
			if methods != "" {
				methods += ", "
			}
			methods += m
		}
	}
	return methods
}

func (a *API) health(w http.ResponseWriter, _ *http.Request) error {
	return reply(w, map[string]string{"status": "ok", "version": a.Version})
}

func (a *API) ready(w http.ResponseWriter, r *http.Request) error {
	if err := Ready(r.Context(), a.Log, a.Worker); err != nil {
		w.Header().Set("Retry-After", "1")
		return &problem{Status: http.StatusServiceUnavailable, Detail: err.Error()}
	}
	return reply(w, map[string]string{"status": "ready"})
}

func (a *API) describe(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(openAPI)
	return err
}

// Live reports whether a partition runs here and everything that was committed
// has been replayed; one that was saved up to its last commit has nothing to.
func Live(p worker.PartitionStatus) bool {
	return p.Phase == "live" || p.Phase == "replaying" && p.Epoch > 0 && p.Position >= p.Committed
}

// Ready reports why a worker is not what it should be yet, nil when it is: it
// serves, and what it stands by for is level with its owners. A restart of many
// workers waits for that before it goes on to the next one.
func Ready(ctx context.Context, log *jetstream.Log, w *worker.Worker) error {
	if err := Serves(ctx, log, w); err != nil {
		return err
	}
	for _, p := range w.Status(ctx) {
		if p.Phase == "following" {
			return fmt.Errorf("the standby of partition %d is catching up", p.Partition)
		}
	}
	return nil
}

// Serves reports why a worker cannot serve yet, nil when it can: the log is
// connected, the partitions that fall to it are live, and rules are in force in
// each of them.
func Serves(ctx context.Context, log *jetstream.Log, w *worker.Worker) error {
	if !log.Connected() {
		return errors.New("the log cannot be reached")
	}
	for _, p := range w.Status(ctx) {
		switch {
		case p.Owner == "":
			return errors.New("partitions have not been shared out yet")
		case p.Phase == "elsewhere" || p.Phase == "standby" || p.Phase == "following":
			continue
		case !Live(p):
			return errors.New(strings.TrimSpace(fmt.Sprintf("partition %d is %s %s", p.Partition, p.Phase, p.Reason)))
		}
		active := false
		err := w.Ask(ctx, p.Partition, func(m *processor.Machine) { active = m.Shop().Version != "" })
		if errors.Is(err, worker.ErrNotOwned) {
			continue // it has just moved
		}
		if err != nil {
			return err
		}
		if !active {
			return fmt.Errorf("partition %d has no moments in force yet", p.Partition)
		}
	}
	return nil
}
