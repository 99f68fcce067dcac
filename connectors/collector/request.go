package collector

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"onhand/connectors/segment"
	"onhand/processor"
)

// request is one request being handled, with memory that the next one uses
// again.
type request struct {
	c   *Collector
	r   *http.Request
	typ string

	raw, body []byte // as received; unpacked
	reserved  int64  // bytes counted as in flight
	gz        gzip.Reader
	calls     [][]byte
	parser    segment.Parser
	events    []processor.Event
	refused   int // calls given to the dead letter
}

// keepBytes bounds the memory a request leaves to the next one, so that one
// large body does not stay for ever.
const keepBytes = 1 << 20

// firstBytes is the memory a body gets before anything of it has arrived.
const firstBytes = 64 << 10

func (q *request) release() {
	c := q.c
	c.inFlight.Add(-q.reserved)
	q.c, q.r, q.reserved, q.refused = nil, nil, 0, 0
	q.calls = q.calls[:0]
	q.parser.Reset()
	if cap(q.raw) <= keepBytes && cap(q.body) <= keepBytes && cap(q.calls) <= appendEvents {
		c.requests.Put(q)
	}
}

// handle reads and appends the calls of the request. The error is Faults, a
// *problem, ErrOverloaded, or what the log or the dead letter said.
func (q *request) handle() error {
	who, known, err := q.authorize()
	if err != nil {
		return err
	}
	body, err := q.read()
	if err != nil {
		return err
	}
	rules, err := q.c.cfg.Rules(q.r.Context())
	if err != nil {
		return err
	}
	o := segment.Options{Now: q.c.cfg.Clock(), Currency: rules.Currency, MaxSkew: q.c.cfg.MaxSkew, Country: rules.Country, AddressKey: q.c.cfg.AddressKey,
		UserAgent: q.r.Header.Get("User-Agent"), Prefetched: prefetched(q.r.Header)}
	if q.typ != batch {
		if !known {
			if who, known = q.c.sender(segment.WriteKey(body)); !known {
				return unauthorized
			}
		}
		o.Source, o.Only, o.Type = who.source, who.only, q.typ
		if q.events, err = q.parser.Parse(q.events[:0], body, o); err != nil {
			return err
		}
		return q.append()
	}
	var env segment.Envelope
	if q.calls, env, err = segment.SplitBatch(q.calls[:0], body); err != nil {
		return err
	}
	if !known {
		if who, known = q.c.sender(env.WriteKey); !known {
			return unauthorized
		}
	}
	o.Source, o.Only, o.SentAt = who.source, who.only, env.SentAt
	return q.batch(o)
}

// batch parses the calls and appends their events, refusing single calls.
func (q *request) batch(o segment.Options) (err error) {
	q.events = q.events[:0]
	for _, call := range q.calls {
		if q.events, err = q.parser.Parse(q.events, call, o); err != nil {
			if err := q.refuse(call, o, err); err != nil {
				return err
			}
		}
		if len(q.events) >= appendEvents {
			if err := q.append(); err != nil {
				return err
			}
			q.events = q.events[:0]
		}
	}
	return q.append()
}

// append gives the events to the log.
func (q *request) append() error {
	if len(q.events) == 0 {
		return nil
	}
	for i := range q.events {
		if q.events[i].MessageID == "" {
			q.events[i].MessageID = segment.NewMessageID()
		}
	}
	if err := q.c.log.Append(q.r.Context(), q.events); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	q.c.Counters.Accepted.Add(uint64(len(q.events)))
	return nil
}

// refuse gives one call to the dead letter.
func (q *request) refuse(call []byte, o segment.Options, cause error) error {
	r := Refused{Source: o.Source, Reason: cause.Error(), Body: bytes.Clone(call[:min(len(call), processor.MaxEventBytes)]), At: o.Now}
	if first, ok := errors.AsType[*segment.FieldError](cause); ok {
		r.Field = first.Field
		q.c.Counters.Refused[first.Class].Add(1)
	}
	q.refused++
	if err := q.c.dead.Refuse(q.r.Context(), r); err != nil {
		return fmt.Errorf("dead letter: %w", err)
	}
	return nil
}

var unauthorized = &problem{http.StatusUnauthorized, "unknown write key; send it as the user name of Basic authorization, or as writeKey in the body"}

// authorize looks for a write key outside the body. known is false when there
// is none, and the body has to name it.
func (q *request) authorize() (who sender, known bool, err error) {
	if len(q.c.keys) == 0 {
		return sender{source: q.c.cfg.OpenSource}, true, nil
	}
	presented, found := "", false
	if user, _, ok := q.r.BasicAuth(); ok {
		presented, found = user, true
	} else if token, ok := strings.CutPrefix(q.r.Header.Get("Authorization"), "Bearer "); ok {
		presented, found = token, true
	}
	if !found {
		return who, false, nil
	}
	if who, known = q.c.sender(presented); !known {
		return who, false, unauthorized
	}
	return who, true, nil
}

// read returns the body, unpacked.
func (q *request) read() (body []byte, err error) {
	limit := q.c.cfg.MaxBody
	if q.r.ContentLength > int64(limit) {
		return nil, tooLarge(limit)
	}
	switch strings.ToLower(q.r.Header.Get("Content-Encoding")) {
	case "", "identity", "gzip", "x-gzip":
	default:
		return nil, &problem{http.StatusUnsupportedMediaType, "unknown Content-Encoding; send gzip or none"}
	}
	q.raw, err = q.fill(q.raw[:0], q.r.Body, min(max(int(q.r.ContentLength)+1, 4096), firstBytes), limit)
	q.c.Counters.Bytes.Add(uint64(len(q.raw)))
	if err != nil {
		var stop *problem
		if errors.As(err, &stop) || errors.Is(err, errInFlight) {
			return nil, err
		}
		return nil, &problem{http.StatusBadRequest, "the body could not be read to its end"}
	}
	// Senders are known to forget the header, and proxies to unpack and keep
	// it: the first bytes know better. No JSON begins like gzip.
	if !bytes.HasPrefix(q.raw, []byte{0x1f, 0x8b}) {
		q.c.Counters.Decoded.Add(uint64(len(q.raw)))
		return q.raw, nil
	}
	if err := q.gz.Reset(bytes.NewReader(q.raw)); err != nil {
		return nil, badGzip
	}
	if ratio := len(q.raw) * q.c.cfg.MaxRatio; ratio < limit {
		limit = max(ratio, min(1<<20, limit))
	}
	q.body, err = q.fill(q.body[:0], &q.gz, max(4*len(q.raw), 4096), limit)
	q.c.Counters.Decoded.Add(uint64(len(q.body)))
	var stop *problem
	switch {
	case err == nil:
		return q.body, nil
	case errors.As(err, &stop), errors.Is(err, errInFlight):
		return nil, err
	}
	return nil, badGzip
}

var (
	badGzip = &problem{http.StatusBadRequest, "the body begins as gzip but cannot be unpacked"}
	// errInFlight says that the bodies of other requests fill the memory set
	// aside for them.
	errInFlight = errors.New("too many bytes in flight")
)

func tooLarge(limit int) error {
	return &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes, or unpacks to more; send smaller batches", limit)}
}

// fill reads all of r into dst: it expects about hint bytes and takes at most
// limit. What has been read counts as in flight, not what was announced, so
// that a slow sender holds no more than it has sent.
func (q *request) fill(dst []byte, r io.Reader, hint, limit int) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = append(make([]byte, 0, min(max(hint, 2*cap(dst)), limit+1)), dst...)
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		q.reserved += int64(n)
		switch held := q.c.inFlight.Add(int64(n)); {
		case held > int64(q.c.cfg.MaxInFlight):
			return dst, errInFlight
		case len(dst) > limit:
			return dst, tooLarge(limit)
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, err
		}
	}
}

// prefetched reports whether a browser says that it sends a request for a page
// which nobody has opened yet.
func prefetched(h http.Header) bool {
	return strings.HasPrefix(h.Get("Sec-Purpose"), "prefetch") || h.Get("Purpose") == "prefetch" || h.Get("X-Moz") == "prefetch"
}
