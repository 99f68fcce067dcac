package drive

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"onhand/processor/sim/shop"
)

// poster sends batches over one connection, one in four compressed. It is used
// by one goroutine.
type poster struct {
	client   *http.Client
	url, key string
	batches  int

	plain, zipped bytes.Buffer
	body          []byte // of the batch, one of the two
}

// post sends a batch until it is accepted, and returns how many of its events
// the collector has refused.
func (p *poster) post(ctx context.Context, events []shop.Event) (refused int, err error) {
	p.batches++
	zipped := p.batches%gzipEvery == 0
	p.encode(events, zipped)
	until := time.Now().Add(giveUp)
	for {
		refused, wait, err := p.try(ctx, zipped)
		if err == nil || wait == 0 || time.Now().After(until) {
			return refused, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// encode makes the body of a batch.
func (p *poster) encode(events []shop.Event, compress bool) {
	p.plain.Reset()
	p.plain.WriteString(`{"batch":[`)
	for i := range events {
		if i > 0 {
			p.plain.WriteByte(',')
		}
		p.plain.Write(events[i].JSON)
	}
	p.plain.WriteString(`]}`)
	p.body = p.plain.Bytes()
	if !compress {
		return
	}
	p.zipped.Reset()
	zip := gzip.NewWriter(&p.zipped)
	_, _ = zip.Write(p.body) // a buffer takes everything
	zip.Close()
	p.body = p.zipped.Bytes()
}

// try sends the batch once. wait is after how long to try again, 0 = never.
func (p *poster) try(ctx context.Context, zipped bool) (refused int, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/v1/batch", bytes.NewReader(p.body))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if zipped {
		req.Header.Set("Content-Encoding", "gzip")
	}
	if p.key != "" {
		req.SetBasicAuth(p.key, "")
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, retryAfter, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return 0, retryAfter, err
	case resp.StatusCode == http.StatusOK:
		var done struct{ Refused int }
		err := json.Unmarshal(answer, &done)
		return done.Refused, 0, err
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode >= 500:
		wait = retryAfter
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
			wait = time.Duration(n) * time.Second
		}
		return 0, wait, fmt.Errorf("the collector answers %s", resp.Status)
	}
	return 0, 0, fmt.Errorf("the collector answers %s: %s", resp.Status, answer)
}
