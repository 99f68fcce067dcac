package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/connectors/segment"
	"onhand/processor/sim/shop"
)

// load is a shop that speaks to the services as an SDK does: a batch that is
// not answered 200 is sent again, the same bytes, until it is.
type load struct {
	t       testing.TB
	targets []*process // in turn, when one does not answer
	stop    context.CancelFunc
	tasks   sync.WaitGroup
	stocks  map[stock]bool // all that were reported

	mu       sync.Mutex
	accepted map[string]bool // message ids answered 200
	refused  map[int]int     // answers by status; 0 = none
	slowest  time.Duration   // to be refused
	bad      string          // an answer that must not be
	lastOK   time.Time
	pause    time.Duration // the longest without a 200
}

// startLoad sends so many events a second until it is stopped.
func startLoad(t testing.TB, rate int, targets ...*process) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{t: t, targets: targets, stop: stop, stocks: map[stock]bool{}, accepted: map[string]bool{}, refused: map[int]int{}, lastOK: time.Now()}
	s := shop.New(shop.Config{
		Seed: *seed, Customers: 400, Items: 60, Start: time.Now(), Rate: float64(rate),
		Timing: shop.Timing{AbandonAfter: time.Second, Hold: time.Second, Settle: 200 * time.Millisecond}, Store: "paris-store",
	})
	batches := make(chan batch)
	l.tasks.Go(func() {
		defer close(batches)
		const every = 20 * time.Millisecond
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		n := max(1, rate*int(every)/int(time.Second))
		for {
			b := batch{body: []byte(`{"batch":[`)}
			for i := range n {
				e, _ := s.NextAt(time.Now())
				if i > 0 {
					b.body = append(b.body, ',')
				}
				b.body = append(b.body, e.JSON...)
				b.ids = append(b.ids, idsOf(e.JSON)...)
				if e.Name == shop.StockLevel {
					l.stocks[stock{e.SKU, e.Location}] = true
				}
			}
			b.body = append(b.body, "]}"...)
			select {
			case batches <- b:
			case <-ctx.Done():
				return
			}
			select {
			case <-ticks.C:
			case <-ctx.Done():
				return
			}
		}
	})
	for i := range 4 {
		l.tasks.Go(func() {
			for b := range batches {
				l.deliver(i, b)
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

type stock struct{ sku, location string }

type batch struct {
	body []byte
	ids  []string
}

// idsOf returns the message ids under which a call stands in the log: one for
// each of its lines when those are events of their own.
func idsOf(call []byte) (ids []string) {
	events, err := segment.Parse(nil, call, segment.Options{Now: time.Now().UnixMilli(), Currency: "EUR"})
	if err != nil {
		return []string{err.Error()} // is in no log
	}
	for _, e := range events {
		ids = append(ids, strings.Clone(e.MessageID))
	}
	return ids
}

// deliver sends a batch until it is accepted.
func (l *load) deliver(sender int, b batch) {
	for try, deadline := sender, time.Now().Add(60*time.Second); time.Now().Before(deadline); try++ {
		target := l.targets[try%len(l.targets)]
		begin := time.Now()
		status, text := post(target.addr, b.body)
		l.mu.Lock()
		switch status {
		case http.StatusOK:
			for _, id := range b.ids {
				l.accepted[id] = true
			}
			l.pause, l.lastOK = max(l.pause, time.Since(l.lastOK)), time.Now()
			if bytes.Contains(text, []byte("refused")) {
				_, letters := target.get("/api/v1/dlq")
				l.bad = fmt.Sprintf("of a valid batch: %s, dead letters: %s", text, letters)
			}
		case 0, http.StatusServiceUnavailable, http.StatusTooManyRequests:
			l.refused[status]++
			if status != 0 {
				l.slowest = max(l.slowest, time.Since(begin))
			}
		default:
			l.refused[status]++
			l.bad = string(text)
		}
		l.mu.Unlock()
		if status == http.StatusOK {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	l.mu.Lock()
	l.bad = "a batch was not accepted within a minute"
	l.mu.Unlock()
}

// post sends a batch, and returns status 0 when there is no answer.
func post(addr string, body []byte) (status int, text []byte) {
	resp, err := client.Post("http://"+addr+"/v1/batch", "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer resp.Body.Close()
	if text, err = io.ReadAll(resp.Body); err != nil {
		return 0, []byte(err.Error())
	}
	return resp.StatusCode, text
}

// end stops the shop once everything it has said is accepted.
func (l *load) end() {
	l.stop()
	l.tasks.Wait()
	client.CloseIdleConnections()
}

// finish ends the load and looks at what it was answered.
func (l *load) finish() {
	l.t.Helper()
	l.end()
	l.sellOut()
	require.Empty(l.t, l.bad, "an answer that no sender should see; all by status: %v", l.refused)
	require.NotEmpty(l.t, l.accepted)
}

// sellOut reports that nothing is left: else the last units would be offered
// to all who wait, one after another.
func (l *load) sellOut() {
	var calls [][]byte
	for s := range l.stocks {
		call, err := json.Marshal(map[string]any{
			"type": "track", "event": shop.StockLevel, "messageId": fmt.Sprint("sold out ", s.sku, s.location),
			"properties": map[string]any{"sku": s.sku, "location": s.location, "available": 0, "version": 1 << 40},
		})
		require.NoError(l.t, err)
		calls = append(calls, call)
	}
	b := batch{body: batchOf(calls...)}
	for _, call := range calls {
		b.ids = append(b.ids, idsOf(call)...)
	}
	l.deliver(0, b)
	client.CloseIdleConnections()
}

// count returns how many messages were accepted so far.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepted)
}

// refusals returns how often an answer was given so far.
func (l *load) refusals(status int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused[status]
}
