package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"onhand/processor/jetstream"
	"onhand/processor/worker"
)

// problem is an answer that is not what was asked for (RFC 9457).
type problem struct {
	Type   string  `json:"type"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail"`
	Errors []fault `json:"errors,omitempty"`
}

// fault is one of several things that are wrong.
type fault struct {
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Detail  string `json:"detail"`
	Do      string `json:"do,omitempty"`
	Warning bool   `json:"warning,omitempty"`
}

func (p *problem) Error() string { return p.Detail }

func badRequest(format string, args ...any) error {
	return &problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf(format, args...)}
}

// fail writes an error as a problem document.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	var p *problem
	h := w.Header()
	switch {
	case errors.As(err, &p):
	case errors.Is(err, jetstream.ErrNotFound):
		p = &problem{Status: http.StatusNotFound, Detail: "there is none"}
	case errors.Is(err, context.Canceled):
		return // nobody listens
	case errors.Is(err, worker.ErrNotOwned), errors.Is(err, worker.ErrClosed), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, jetstream.ErrUnavailable), errors.Is(err, jetstream.ErrOverloaded), errors.Is(err, jetstream.ErrUnknown), errors.Is(err, jetstream.ErrClosed):
		h.Set("Retry-After", "1")
		p = &problem{Status: http.StatusServiceUnavailable, Detail: err.Error()}
	default:
		a.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		p = &problem{Status: http.StatusInternalServerError, Detail: "this should not happen; the log of the service says more"}
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="onhand"`)
		h.Add("WWW-Authenticate", `Basic realm="onhand: any name, the key as password"`)
	}
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte("{}") // texts and numbers always marshal
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	w.Write(body)
}

// reply writes an answer as JSON.
func reply(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(append(body, '\n'))
	return err
}

// list is a page of a list. Next is where to go on, nil at the end.
type list struct {
	Data any     `json:"data"`
	Next *string `json:"next"`
}

// pageSize reads the limit of a list.
func pageSize(r *http.Request) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return 50, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1000 {
		return 0, badRequest("limit is %q; a whole number from 1 to 1000", text)
	}
	return n, nil
}
