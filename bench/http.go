package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"onhand/connectors/collector"
	"onhand/processor"
	"onhand/processor/moments"
	"onhand/processor/worker"

	"golang.org/x/sync/errgroup"
)

const (
	httpBatch   = 100
	httpSenders = 256 // 25,600 events in the pipe
	httpBodies  = 512 // made before; a multiple of httpSenders
)

// endToEndHTTP is the closed loop through the real collector: so many senders,
// each of which posts a batch, waits for the answer and posts the next. Time
// ends when everything answered is committed.
func (h *harness) endToEndHTTP(ctx context.Context) error {
	r, err := h.openRig(ctx, rigConfig{})
	if err != nil {
		return err
	}
	defer r.close()
	g := NewGenerator(h.population(), Ordinary, h.Seed)
	if err := r.identify(ctx, g); err != nil {
		return err
	}
	inlet := collector.New(collector.Config{Rules: func(context.Context) (*moments.File, error) { return r.worker.InForce() }, Logger: slog.New(slog.DiscardHandler)}, inletLog{worker.NewIntake(r.log)}, nobody{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: inlet, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	defer func() {
		_ = server.Close()
		<-served
	}()
	s := &senders{url: "http://" + listener.Addr().String() + "/v1/batch", client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: httpSenders}, Timeout: 30 * time.Second,
	}}
	defer s.client.CloseIdleConnections()
	for range httpBodies {
		s.bodies = append(s.bodies, newBody(g))
	}
	s.crowd = &g.crowd
	if _, err := s.run(ctx, h.Warmup); err != nil {
		return err
	}
	var runs []float64
	used, begin, total := cpu(), time.Now(), int64(0)
	for range h.Runs {
		start := time.Now()
		n, err := s.run(ctx, h.Duration)
		if err == nil {
			err = r.worker.WaitIdle(ctx)
		}
		if err != nil {
			return err
		}
		total += n
		runs = append(runs, float64(n)/time.Since(start).Seconds())
	}
	busy := cpu() - used
	h.report("end_to_end_http", "events/s", fmt.Sprintf("%d senders on loopback, batches of %d, %d bytes an event as JSON; %.2f us CPU an event, senders included, %.2f cores busy; refused %d times",
		httpSenders, httpBatch, len(s.bodies[0].text)/httpBatch, float64(busy.Microseconds())/float64(total), busy.Seconds()/time.Since(begin).Seconds(), s.refused.Load()), runs)
	return nil
}

// senders post batches.
type senders struct {
	url     string
	client  *http.Client
	bodies  []*body
	crowd   *crowd
	number  atomic.Uint64
	refused atomic.Int64
}

// run posts for a while and returns how many events were answered 200.
func (s *senders) run(ctx context.Context, d time.Duration) (int64, error) {
	var accepted atomic.Int64
	end := time.Now().Add(d)
	tasks, ctx := errgroup.WithContext(ctx)
	for i := range httpSenders {
		tasks.Go(func() error {
			rng := rand.NewPCG(uint64(i), s.number.Load())
			for n := i; time.Now().Before(end); n += httpSenders {
				b := s.bodies[n%len(s.bodies)]
				b.stamp(&s.number, time.Now())
				b.people(s.crowd, rng)
				ok, err := s.post(ctx, b.text)
				if err != nil {
					return err
				}
				if ok {
					accepted.Add(httpBatch)
					continue
				}
				s.refused.Add(1)
				time.Sleep(10 * time.Millisecond)
			}
			return nil
		})
	}
	err := tasks.Wait()
	return accepted.Load(), err
}

// post posts a batch; false means that the collector is overloaded.
func (s *senders) post(ctx context.Context, text []byte) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(text))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return false, err
	case res.StatusCode == http.StatusOK:
		return true, nil
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable:
		return false, nil
	}
	return false, fmt.Errorf("bench: the collector answers %d: %s", res.StatusCode, answer)
}

// body is a batch made in advance. Ids, times, customers and items are written
// anew. It is used by one sender at a time, as senders take turns by number.
type body struct {
	text         []byte
	ids, times   []int // where they stand; an order has an id of its own
	users, items []int
}

const stampFormat = "2006-01-02T15:04:05.000Z"

func newBody(g *Generator) *body {
	b := &body{text: []byte(`{"batch":[`)}
	for i := range httpBatch {
		if i > 0 {
			b.text = append(b.text, ',')
		}
		e, _ := g.Next(0)
		b.event(e)
	}
	b.text = append(b.text, `]}`...)
	return b
}

func (b *body) event(e *processor.Event) {
	b.text = append(b.text, `{"type":"track","event":"`...)
	b.text = append(b.text, e.Kind.String()...)
	b.text = append(b.text, `","messageId":"`...)
	b.ids = append(b.ids, len(b.text))
	b.text = append(b.text, e.MessageID...)
	b.text = append(b.text, `","timestamp":"`...)
	b.times = append(b.times, len(b.text))
	b.text = append(b.text, stampFormat...)
	b.text = append(b.text, '"')
	if e.UserID != "" {
		b.text = append(b.text, `,"userId":"`...)
		b.users = append(b.users, len(b.text))
		b.text = append(append(b.text, e.UserID...), '"')
	}
	b.text = append(b.text, `,"properties":{`...)
	switch e.Kind {
	case processor.StockLevelReported:
		b.item(e.SKU)
		b.text = fmt.Appendf(b.text, `,"available":%d,"location":%q`, e.Available, e.Location)
	case processor.OrderCompleted:
		p := &e.Products[0]
		b.text = append(b.text, `"order_id":"`...)
		b.ids = append(b.ids, len(b.text))
		b.text = fmt.Appendf(b.text, `%s","cart_id":%q,"total":%s,"currency":"EUR","products":[{`, e.OrderID, e.CartID, euros(e.Total))
		b.item(p.SKU)
		b.text = fmt.Appendf(b.text, `,"quantity":1,"price":%s}]`, euros(p.Price))
	case processor.ProductViewed:
		b.item(e.SKU)
		b.text = fmt.Appendf(b.text, `,"price":%s,"currency":"EUR"`, euros(e.Price))
	case processor.ProductAdded:
		b.item(e.SKU)
		b.text = fmt.Appendf(b.text, `,"cart_id":%q,"quantity":1,"price":%s,"currency":"EUR"`, e.CartID, euros(e.Price))
	case processor.ProductRemoved:
		b.item(e.SKU)
		b.text = fmt.Appendf(b.text, `,"cart_id":%q,"quantity":1`, e.CartID)
	}
	b.text = append(b.text, `}}`...)
}

func (b *body) item(sku string) {
	b.text = append(b.text, `"sku":"`...)
	b.items = append(b.items, len(b.text))
	b.text = append(append(b.text, sku...), '"')
}

// people draws who does it, and with what: as many different ones as in the
// load of the other rows. The prices stay.
func (b *body) people(c *crowd, rng *rand.PCG) {
	for _, place := range b.users {
		copy(b.text[place:], c.pop.customers[c.customer(rng.Uint64())])
	}
	for _, place := range b.items {
		copy(b.text[place:], c.pop.items[c.item(rng.Uint64())])
	}
}

func euros(minor int64) string { return fmt.Sprintf("%d.%02d", minor/100, minor%100) }

// stamp makes the batch a new one: ids nobody had, happened now.
func (b *body) stamp(number *atomic.Uint64, now time.Time) {
	n := uint64(len(b.ids))
	first := number.Add(n) - n
	var at, id [32]byte
	when := now.UTC().AppendFormat(at[:0], stampFormat)
	for i, place := range b.ids {
		digits := strconv.AppendUint(id[:0], 1_000_000_000_000+first+uint64(i), 10)
		copy(b.text[place+2:], "h")
		copy(b.text[place+idSize-len(digits):], digits)
	}
	for _, place := range b.times {
		copy(b.text[place:], when)
	}
}

// inletLog is the intake as the collector asks for it.
type inletLog struct{ intake *worker.Intake }

func (l inletLog) Append(ctx context.Context, events []processor.Event) error {
	err := l.intake.Append(ctx, events)
	if full, ok := errors.AsType[*worker.OverloadedError](err); ok {
		return collector.ErrOverloaded{RetryAfter: full.RetryAfter}
	}
	return err
}

// nobody refuses to be given refused events: the load has none.
type nobody struct{}

func (nobody) Refuse(_ context.Context, r collector.Refused) error {
	return errors.New("bench: the collector refuses " + r.Field + ": " + r.Reason)
}
