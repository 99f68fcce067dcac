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
	body     bytes.Buffer
	zip      *gzip.Writer
	batches  int
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

func (p *poster) encode(events []shop.Event, compress bool) {
	p.body.Reset()
	var w io.Writer = &p.body // takes everything
	if compress {
		if p.zip == nil {
			p.zip = gzip.NewWriter(w)
		}
		p.zip.Reset(&p.body)
		w = p.zip
	}
	io.WriteString(w, `{"batch":[`)
	for i := range events {
		if i > 0 {
			io.WriteString(w, ",")
		}
		w.Write(events[i].JSON)
	}
	io.WriteString(w, `]}`)
	if compress {
		p.zip.Close()
	}
}

// try sends the batch once. wait is after how long to try again, 0 = never.
func (p *poster) try(ctx context.Context, zipped bool) (refused int, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/v1/batch", bytes.NewReader(p.body.Bytes()))
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
