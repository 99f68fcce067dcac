package collector

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"onhand/connectors/segment"
	"onhand/processor"
	"onhand/processor/moments"
)

// Appender appends events to the log. Append returns nil when the log has
// acknowledged all of them, ErrOverloaded when the sender must slow down, and
// any other error when they may or may not be in the log. It is called in
// parallel. It must not hold on to the events, nor to what they point at, after
// it has returned.
type Appender interface {
	Append(ctx context.Context, events []processor.Event) error
}

// ErrOverloaded says that the log takes no more for now.
type ErrOverloaded struct {
	RetryAfter time.Duration // when to try again; at least a second is told
}

func (e ErrOverloaded) Error() string {
	return fmt.Sprintf("collector: overloaded, try again in %s", e.RetryAfter)
}

// Refused is a call of a batch that was refused.
type Refused struct {
	Source string // name of the write key's source
	Reason string // all its faults, for people
	Field  string // of the first fault, "" for the call as a whole
	Body   []byte // the call as sent, its first MaxEventBytes bytes when it is larger; the receiver's own
	At     int64  // time of arrival, Unix ms
}

// DeadLetter keeps refused calls. An error makes the sender repeat the batch.
// It is called in parallel.
type DeadLetter interface {
	Refuse(ctx context.Context, r Refused) error
}

// Config configures a Collector. Zero limits mean the defaults.
type Config struct {
	// Keys maps write keys to the names of their sources. Without keys
	// everybody may write, as OpenSource: the caller sees to it that only
	// loopback is listened on.
	Keys map[string]string

	// Pages maps the keys that stand in pages and apps, where anybody can read
	// them: they may send less.
	Pages map[string]PageKey

	OpenSource string // "" means "http"

	// Rules returns the moments in force: their currency is that of amounts whose
	// event names none, their country that of the shop, see segment.PhoneID. While
	// it returns an error nothing is taken. nil means that nothing is said of either.
	Rules func(context.Context) (*moments.File, error)

	MaxSkew time.Duration // how far ahead of its arrival an event may have happened; 0 means 48 h

	MaxBody    int    // bytes of one request, unpacked and packed; 0 means 4 MiB
	MaxRatio   int    // how many times its size a compressed body of more than 1 MiB may unpack to; 0 means 400
	AddressKey []byte // see segment.PhoneID, segment.EmailID

	MaxInFlight int // bytes of bodies held at once by all requests; 0 means 64 MiB

	Clock  func() int64 // Unix ms; nil means the wall clock
	Logger *slog.Logger // nil means slog.Default()
}

// PageKey is a write key that stands in pages and apps.
type PageKey struct {
	Source string // its name
	Only   segment.Kinds
}

const (
	defaultMaxBody     = 4 << 20
	defaultMaxRatio    = 400
	defaultMaxInFlight = 64 << 20

	// appendEvents is how many events go to the log in one call.
	appendEvents = 512
)

// Counters count since the start. All of them only grow.
type Counters struct {
	Requests     atomic.Uint64                  // that named one of our paths
	Accepted     atomic.Uint64                  // events the log has acknowledged
	Refused      [segment.Classes]atomic.Uint64 // calls refused, by class of their first fault
	Bytes        atomic.Uint64                  // of bodies as received
	Decoded      atomic.Uint64                  // of bodies unpacked
	Unauthorized atomic.Uint64                  // requests answered 401
	TooLarge     atomic.Uint64                  // requests answered 413
	Overloaded   atomic.Uint64                  // requests answered 429
	Unavailable  atomic.Uint64                  // requests answered 503
}

// Collector is the HTTP handler of the inlet. Timeouts for slow senders are
// the server's.
type Collector struct {
	Counters Counters

	cfg      Config
	keys     []key
	log      Appender
	dead     DeadLetter
	inFlight atomic.Int64
	failing  atomic.Bool // the last request could not be stored; logged once
	requests sync.Pool
}

// key is a write key by its hash, so that comparing takes the same time
// whatever was presented.
type key struct {
	hash   [sha256.Size]byte
	sender sender
}

// sender is who sends with a write key.
type sender struct {
	source string
	only   *segment.Kinds // nil = everything
}

// New returns a collector that appends to log and gives what it refuses in
// batches to dead.
func New(cfg Config, log Appender, dead DeadLetter) *Collector {
	if cfg.OpenSource == "" {
		cfg.OpenSource = "http"
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = defaultMaxBody
	}
	if cfg.MaxRatio == 0 {
		cfg.MaxRatio = defaultMaxRatio
	}
	if cfg.MaxInFlight == 0 {
		cfg.MaxInFlight = defaultMaxInFlight
	}
	if cfg.Rules == nil {
		cfg.Rules = func(context.Context) (*moments.File, error) { return &moments.File{}, nil }
	}
	if cfg.Clock == nil {
		cfg.Clock = func() int64 { return time.Now().UnixMilli() }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	c := &Collector{cfg: cfg, log: log, dead: dead}
	for k, source := range cfg.Keys {
		c.keys = append(c.keys, key{sha256.Sum256([]byte(k)), sender{source: source}})
	}
	for k, x := range cfg.Pages {
		c.keys = append(c.keys, key{sha256.Sum256([]byte(k)), sender{x.Source, &x.Only}})
	}
	c.requests.New = func() any { return new(request) }
	return c
}

// batch is the type of the paths that take a list of calls.
const batch = "batch"

// paths maps the last part of a path to the type of call it takes.
var paths = map[string]string{
	"track": "track", "identify": "identify", "alias": "alias", "page": "page", "screen": "screen", "group": "group", batch: batch,
	"t": "track", "i": "identify", "a": "alias", "p": "page", "s": "screen", "g": "group", "b": batch,
}

// ServeHTTP answers the paths under /v1/.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ours := strings.CutPrefix(r.URL.Path, "/v1/")
	typ := paths[name]
	if !ours || typ == "" {
		answer(w, http.StatusNotFound, "no such path; calls go to /v1/batch, track, identify, alias, page, screen or group", nil)
		return
	}
	h := w.Header()
	// Pages of any origin carry the keys that are made for them.
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Retry-After")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "POST, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Content-Encoding, X-Retry-Count")
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if r.Method != http.MethodPost {
		h.Set("Allow", "POST, OPTIONS")
		answer(w, http.StatusMethodNotAllowed, "only POST", nil)
		return
	}
	c.Counters.Requests.Add(1)
	refused, err := c.serve(r, typ)
	c.answer(w, err, refused)
}

// serve handles a request of a path of this type and returns how many of its
// calls went to the dead letter.
func (c *Collector) serve(r *http.Request, typ string) (refused int, err error) {
	q := c.requests.Get().(*request)
	q.c, q.r, q.typ = c, r, typ
	defer q.release()
	err = q.handle()
	return q.refused, err
}

// answer writes the answer for the outcome of a request.
func (c *Collector) answer(w http.ResponseWriter, err error, refused int) {
	var stop *problem
	var overloaded ErrOverloaded
	var faults segment.Faults
	switch {
	case err == nil:
		if c.failing.Load() && c.failing.Swap(false) {
			c.cfg.Logger.Info("requests are stored again")
		}
		w.Header().Set("Content-Type", "application/json")
		if refused == 0 {
			w.Write(success)
		} else {
			fmt.Fprintf(w, `{"success":true,"refused":%d}`, refused)
		}
	case errors.As(err, &faults):
		c.Counters.Refused[faults[0].Class].Add(1)
		status := http.StatusBadRequest
		switch faults[0].Class {
		case segment.TooLarge:
			status = http.StatusRequestEntityTooLarge
			c.Counters.TooLarge.Add(1)
		case segment.Forbidden:
			status = http.StatusForbidden
		}
		answer(w, status, faults.Error(), faults)
	case errors.As(err, &stop):
		switch stop.status {
		case http.StatusUnauthorized:
			c.Counters.Unauthorized.Add(1)
			w.Header().Set("WWW-Authenticate", `Basic realm="write key"`)
		case http.StatusRequestEntityTooLarge:
			c.Counters.TooLarge.Add(1)
			w.Header().Set("Connection", "close") // the rest of the body is not worth reading
		}
		answer(w, stop.status, stop.detail, nil)
	case errors.As(err, &overloaded):
		c.Counters.Overloaded.Add(1)
		retryAfter(w, overloaded.RetryAfter)
		answer(w, http.StatusTooManyRequests, "the log takes no more for now; repeat the request", nil)
	default:
		c.Counters.Unavailable.Add(1)
		if !errors.Is(err, context.Canceled) && !errors.Is(err, errInFlight) && !c.failing.Swap(true) {
			c.cfg.Logger.Warn("requests are not stored; senders are told to repeat them", "error", err)
		}
		retryAfter(w, time.Second)
		answer(w, http.StatusServiceUnavailable, "not stored; repeat the request", nil)
	}
}

var success = []byte(`{"success":true}`)

// sender returns who sends with a write key.
func (c *Collector) sender(writeKey string) (who sender, found bool) {
	hash := sha256.Sum256([]byte(writeKey))
	for i := range c.keys {
		if subtle.ConstantTimeCompare(hash[:], c.keys[i].hash[:]) == 1 {
			who, found = c.keys[i].sender, true
		}
	}
	return who, found
}
