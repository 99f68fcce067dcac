package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"onhand/connectors/segment"
	"onhand/processor/moments"
	"onhand/processor/whatif"
)

// Simulated is a line of the answer to POST /api/v1/simulate: how far the
// replay has come, and in the last one the report or what went wrong.
type Simulated struct {
	Done   float64        `json:"done"` // from 0 to 1
	At     whatif.Time    `json:"at,omitzero"`
	Report *whatif.Report `json:"report,omitempty"`
	Error  string         `json:"error,omitempty"`
}

// Limits of a replay beside the live service.
const (
	simulatedWithin = 12 * time.Hour
	simulatedSpan   = 24 * time.Hour
	simulatedShare  = 0.5 // of one processor
	simulatedShown  = 3
	MaxExamples     = 100 // of each change
)

// simulate replays a span of the log with other moments and answers the
// difference, a line at a time. One replay runs at a time.
func (a *API) simulate(w http.ResponseWriter, r *http.Request) error {
	if a.WhatIf.Past == nil {
		return &problem{Status: http.StatusNotImplemented, Detail: "this service does not replay"}
	}
	o, err := a.asked(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, moments.MaxActiveBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return &problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("the file is larger than %d KiB", moments.MaxActiveBytes>>10)}
	}
	if err != nil {
		return badRequest("the file could not be read to its end")
	}
	file, faults := moments.Parse("moments.yaml", text, segment.Vocabulary())
	if file == nil {
		list := []fault{}
		for _, f := range faults {
			list = append(list, fault{f.Line, f.Col, f.What, f.Do, f.Warning})
		}
		return &problem{Status: http.StatusUnprocessableEntity, Detail: "the file is refused", Errors: list}
	}
	o.Rules = text
	if !a.simulating.TryLock() {
		return &problem{Status: http.StatusConflict, Detail: "another replay is running; one runs at a time"}
	}
	defer a.simulating.Unlock()
	// The server's limits are for answers that are ready.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(simulatedWithin))
	_ = control.SetWriteDeadline(time.Now().Add(simulatedWithin))
	began := false
	line := func(x Simulated) error {
		if !began {
			w.Header().Set("Content-Type", "application/x-ndjson")
			w.Header().Set("Cache-Control", "no-store")
			began = true
		}
		body, err := json.Marshal(x)
		if err == nil {
			_, err = w.Write(append(body, '\n'))
		}
		return errors.Join(err, control.Flush())
	}
	o.Progress = func(done float64, at int64) { _ = line(Simulated{Done: done, At: whatif.Time(at)}) }
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(a.ending, cancel)()
	report, err := whatif.Run(ctx, o)
	_, trimmed := errors.AsType[*whatif.TrimmedError](err)
	_, before := errors.AsType[*whatif.BeforeError](err)
	switch {
	case err == nil:
		return line(Simulated{Done: 1, Report: report})
	case r.Context().Err() != nil:
		return nil // nobody listens
	case a.ending.Err() != nil:
		return line(Simulated{Error: "the service is stopping; ask again when it is back"})
	case began:
		return line(Simulated{Error: err.Error()})
	case trimmed, before:
		return &problem{Status: http.StatusConflict, Detail: err.Error()}
	}
	return err
}

// asked reads what is asked from the query.
func (a *API) asked(r *http.Request) (whatif.Options, error) {
	o, q := a.WhatIf, r.URL.Query()
	now := a.Clock()
	o.Share, o.Examples = simulatedShare, simulatedShown
	if text := q.Get("share"); text != "" {
		share, err := strconv.ParseFloat(text, 64)
		if err != nil || !(share > 0 && share <= 1) {
			return o, badRequest("share is %q; a part of one processor, above 0 and at most 1", text)
		}
		o.Share = share
	}
	if text := q.Get("examples"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > MaxExamples {
			return o, badRequest("examples is %q; a whole number from 0 to %d", text, MaxExamples)
		}
		o.Examples = n
	}
	from, to, err := SpanOf(q, now)
	o.From, o.To = from.UnixMilli(), to.UnixMilli()
	return o, err
}

// SpanOf reads the span that since, or from, and to name. The error says which
// is wrong.
func SpanOf(q url.Values, now time.Time) (from, to time.Time, err error) {
	to = now
	if text := q.Get("to"); text != "" {
		if to, err = time.Parse(time.RFC3339, text); err != nil {
			return from, to, badRequest("to is %q; write a time like 2026-03-02T20:00:00Z", text)
		}
	}
	since, begin := q.Get("since"), q.Get("from")
	switch {
	case since != "" && begin != "":
		return from, to, badRequest("since and from both say where the span begins; keep one")
	case begin != "":
		if from, err = time.Parse(time.RFC3339, begin); err != nil {
			return from, to, badRequest("from is %q; write a time like 2026-03-02T20:00:00Z", begin)
		}
	default:
		span := simulatedSpan
		if since != "" {
			if span, err = moments.ParseDuration(since); err != nil || span <= 0 {
				return from, to, badRequest("since is %q; write a duration like 24h or 7d", since)
			}
		}
		from = to.Add(-span)
	}
	if !from.Before(to) {
		return from, to, badRequest("the span is empty: it begins at %s and ends at %s", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
	}
	if from.After(now) {
		return from, to, badRequest("the span begins at %s, which has not come yet", from.UTC().Format(time.RFC3339))
	}
	return from, to, nil
}
