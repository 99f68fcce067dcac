package collector

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"onhand/connectors/segment"
)

// problem ends a request with a status of its own.
type problem struct {
	status int
	detail string
}

func (p *problem) Error() string { return p.detail }

// fault is one fault of a call in a problem document.
type fault struct {
	Event  string `json:"event,omitempty"`
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
}

// answer writes a problem document (RFC 9457) with all faults.
func answer(w http.ResponseWriter, status int, detail string, faults segment.Faults) {
	doc := struct {
		Type   string  `json:"type"`
		Title  string  `json:"title"`
		Status int     `json:"status"`
		Detail string  `json:"detail"`
		Errors []fault `json:"errors,omitempty"`
	}{"about:blank", http.StatusText(status), status, detail, nil}
	for _, f := range faults {
		doc.Errors = append(doc.Errors, fault{f.Event, f.Field, f.Reason})
	}
	body, err := json.Marshal(doc)
	if err != nil {
		body = []byte(`{}`) // texts and numbers always marshal
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	w.Write(body)
}

// retryAfter tells when to try again, in whole seconds, at least one.
func retryAfter(w http.ResponseWriter, d time.Duration) {
	w.Header().Set("Retry-After", strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10))
}
