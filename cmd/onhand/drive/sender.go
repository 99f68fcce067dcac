package drive

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"sync"
	"time"

	"onhand/processor/sim/shop"
)

const (
	connections = 16 // an answer waits for the disk, so many wait at a time
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
	acked  func([]shop.Event, time.Time)
	client *http.Client
	queues []chan shop.Event
	tasks  sync.WaitGroup
	stop   context.CancelFunc
	mu     sync.Mutex
	err    error
}

// NewSender starts a sender to the service at a URL. acked is called for each
// batch that was accepted, with the time of the answer.
func NewSender(ctx context.Context, url, key string, acked func([]shop.Event, time.Time)) *Sender {
	ctx, stop := context.WithCancel(ctx)
	s := &Sender{acked: acked, stop: stop, client: newClient()}
	for range connections {
		q := make(chan shop.Event, 4*batchCalls)
		s.queues = append(s.queues, q)
		s.tasks.Go(func() { s.run(ctx, q, &poster{client: s.client, url: url, key: key}) })
	}
	return s
}

func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}, Timeout: time.Minute}
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

func (s *Sender) run(ctx context.Context, q chan shop.Event, p *poster) {
	for {
		events, open := gather(q)
		if len(events) > 0 {
			refused, err := p.post(ctx, events)
			if err == nil && refused > 0 {
				err = fmt.Errorf("the collector refused %d events of the shop", refused)
			}
			if err != nil {
				s.mu.Lock()
				s.err = errors.Join(s.err, err)
				s.mu.Unlock()
				for range q { // the shop is not kept waiting
				}
				return
			}
			s.acked(events, time.Now())
		}
		if !open {
			return
		}
	}
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
