package drive

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"onhand/processor/sim/shop"
)

const (
	connections = 4
	batchCalls  = 100
	gzipEvery   = 4                      // one batch in so many is compressed
	linger      = 5 * time.Millisecond   // a batch waits for company
	giveUp      = 30 * time.Second       // a batch that is turned away for so long ends the run
	retryAfter  = 100 * time.Millisecond // when the answer does not say
)

// Sender sends events to the collector: several connections, the events about
// one customer or item always on the same one, in batches. What is turned away
// is sent again.
type Sender struct {
	url    string
	key    string
	acked  func([]shop.Event, time.Time)
	now    func() time.Time
	client *http.Client
	queues []chan shop.Event
	tasks  sync.WaitGroup
	stop   context.CancelFunc
	mu     sync.Mutex
	err    error
}

// NewSender starts a sender to the service at a URL. acked is called for each
// batch that was accepted, with the clock's time of the answer.
func NewSender(ctx context.Context, url, key string, now func() time.Time, acked func([]shop.Event, time.Time)) *Sender {
	ctx, stop := context.WithCancel(ctx)
	s := &Sender{
		url: url + "/v1/batch", key: key, acked: acked, now: now, stop: stop,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}, Timeout: time.Minute},
	}
	for range connections {
		q := make(chan shop.Event, 4*batchCalls)
		s.queues = append(s.queues, q)
		s.tasks.Go(func() { s.run(ctx, q) })
	}
	return s
}

// Send queues an event; it waits while the service is slower than the shop.
func (s *Sender) Send(ctx context.Context, e shop.Event) error {
	about := e.Customer
	if about == "" {
		about = e.SKU
	}
	h := fnv.New32a()
	io.WriteString(h, about)
	select {
	case s.queues[h.Sum32()%connections] <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close sends what is queued and returns the first error. After it nothing may
// be sent.
func (s *Sender) Close() error {
	for _, q := range s.queues {
		close(q)
	}
	s.tasks.Wait()
	s.stop()
	s.client.CloseIdleConnections()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Err returns the first error.
func (s *Sender) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *Sender) run(ctx context.Context, q chan shop.Event) {
	var body bytes.Buffer
	zip := gzip.NewWriter(io.Discard)
	for n := 0; ; n++ {
		events, open := gather(q)
		if len(events) > 0 {
			good := slices.DeleteFunc(slices.Clone(events), unacceptable)
			if err := s.post(ctx, encode(&body, zip, events, n%gzipEvery == 1), n%gzipEvery == 1, len(events)-len(good)); err != nil {
				s.mu.Lock()
				s.err = errors.Join(s.err, err)
				s.mu.Unlock()
				for range q { // the shop is not kept waiting
				}
				return
			}
			s.acked(good, s.now())
		}
		if !open {
			return
		}
	}
}

// unacceptable reports whether the collector must refuse an event: ids with
// control characters, which the shop uses on purpose.
func unacceptable(e shop.Event) bool {
	return bytes.Contains(e.JSON, []byte(`\u000`)) || bytes.Contains(e.JSON, []byte(`\u001`))
}

// gather takes a batch from a queue.
func gather(q chan shop.Event) (events []shop.Event, open bool) {
	e, open := <-q
	if !open {
		return nil, false
	}
	events = append(events, e)
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for len(events) < batchCalls {
		select {
		case e, open := <-q:
			if !open {
				return events, false
			}
			events = append(events, e)
		case <-timer.C:
			return events, true
		}
	}
	return events, true
}

func encode(b *bytes.Buffer, zip *gzip.Writer, events []shop.Event, compress bool) []byte {
	b.Reset()
	var w io.Writer = b
	if compress {
		zip.Reset(b)
		w = zip
	}
	io.WriteString(w, `{"batch":[`) // a buffer takes everything
	for i := range events {
		if i > 0 {
			io.WriteString(w, ",")
		}
		w.Write(events[i].JSON)
	}
	io.WriteString(w, `]}`)
	if compress {
		zip.Close()
	}
	return b.Bytes()
}

// post sends a batch until it is accepted. refused is how many of its events
// must be refused, while the rest goes on.
func (s *Sender) post(ctx context.Context, body []byte, zipped bool, refused int) error {
	until := time.Now().Add(giveUp)
	for {
		wait, err := s.try(ctx, body, zipped, refused)
		if err == nil || wait == 0 || time.Now().After(until) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// try sends a batch once. wait is after how long to try again, 0 = never.
func (s *Sender) try(ctx context.Context, body []byte, zipped bool, refused int) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if zipped {
		req.Header.Set("Content-Encoding", "gzip")
	}
	if s.key != "" {
		req.SetBasicAuth(s.key, "")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return retryAfter, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return retryAfter, err
	case resp.StatusCode == http.StatusOK:
		var done struct{ Refused int }
		if err := json.Unmarshal(answer, &done); err != nil || done.Refused != refused {
			return 0, fmt.Errorf("the collector refused %d events of a batch where %d were to be refused; see onhand dlq list", done.Refused, refused)
		}
		return 0, nil
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode >= 500:
		wait = retryAfter
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
			wait = time.Duration(n) * time.Second
		}
		return wait, fmt.Errorf("the collector answers %s", resp.Status)
	}
	return 0, fmt.Errorf("the collector answers %s: %s", resp.Status, answer)
}
