package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// pageDecisions is how many decisions the page shows.
const pageDecisions = 25

// pageView is what the page shows.
type pageView struct {
	Status
	At       string
	Counts   []countRow
	Recent   []decisionRow
	Letters  []Letter
	Accepted uint64
}

type countRow struct {
	Moment, Outcome, Reason string
	N                       uint64
}

// decisionRow is a decision as the page shows it.
type decisionRow struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	Customer string    `json:"customer"`
	Moment   string    `json:"moment"`
	Outcome  string    `json:"outcome"`
	Reason   string    `json:"reason"`
	Action   struct {
		Channel string   `json:"channel"`
		SKUs    []string `json:"skus"`
	} `json:"action"`
}

// What shows what the decision is about.
func (d decisionRow) What() string {
	return strings.TrimSpace(d.Action.Channel + " " + strings.Join(d.Action.SKUs, ", "))
}

// Clock is the time of the decision.
func (d decisionRow) Clock() string { return d.At.UTC().Format("15:04:05.000") }

// page shows people how the service stands.
func (a *API) page(w http.ResponseWriter, r *http.Request) error {
	v := pageView{Status: a.statusOf(r.Context()), At: a.Clock().UTC().Format("2006-01-02 15:04:05 UTC")}
	a.complete(r, v.Partitions)
	if a.Collector != nil {
		v.Accepted = a.Collector.Counters.Accepted.Load()
	}
	v.Counts = countRows(a)
	marks, err := a.cursor("")
	if err != nil {
		return err
	}
	recent, _, err := a.recent(r.Context(), filter{}, pageDecisions, marks)
	if err != nil {
		return err
	}
	for _, text := range recent {
		var d decisionRow
		if err := json.Unmarshal(text, &d); err != nil {
			return fmt.Errorf("a decision cannot be read: %w", err)
		}
		v.Recent = append(v.Recent, d)
	}
	letters, err := a.Log.DeadLetters().List(r.Context(), 1, 10)
	if err != nil {
		return err
	}
	for _, l := range letters {
		v.Letters = append(v.Letters, letterOf(l))
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	_, err = w.Write(b.Bytes())
	return err
}

// countRows returns what this worker has decided, by moment, outcome and reason.
func countRows(a *API) (rows []countRow) {
	for k, n := range a.Worker.Metrics().Decisions {
		rows = append(rows, countRow{k.Moment, k.Outcome.String(), string(k.Reason), n})
	}
	slices.SortFunc(rows, func(x, y countRow) int {
		if c := strings.Compare(x.Moment, y.Moment); c != 0 {
			return c
		}
		return int(int64(y.N - x.N))
	})
	return rows
}

// MiB is the size of the state for people.
func (p Partition) MiB() string { return fmt.Sprintf("%.1f", float64(p.StateSize)/(1<<20)) }
