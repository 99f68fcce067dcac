package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"onhand/connectors/seal"
	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/processor/worker"
)

// Letter is a dead letter.
type Letter struct {
	Seq       uint64  `json:"seq"`
	At        Instant `json:"at"`
	Kind      string  `json:"kind"` // the inlet, or step
	Reason    string  `json:"reason"`
	Detail    string  `json:"detail"`
	Field     string  `json:"field,omitempty"`
	Source    string  `json:"source,omitempty"`
	Partition *int    `json:"partition,omitempty"`
	Position  uint64  `json:"position,omitempty"`
	Step      uint64  `json:"step,omitempty"`
	Body      string  `json:"body,omitempty"`   // as it was sent; only of a single letter, and for who may operate
	Sealed    string  `json:"sealed,omitempty"` // why there is no body
	Entry     []byte  `json:"entry,omitempty"`  // of the log, base64; only of a single letter
}

func letterOf(d jetstream.DeadLetter) Letter {
	l := Letter{Seq: d.Seq, At: Instant(d.At.UnixMilli()), Kind: d.Key}
	var x worker.DeadLetter
	if err := json.Unmarshal(d.Data, &x); err != nil {
		l.Body = string(d.Data)
		return l
	}
	l.Reason, l.Detail, l.Field, l.Source, l.Position, l.Step, l.Body, l.Entry = x.Reason, x.Detail, x.Field, x.Source, x.Position, x.Step, x.Body, x.Entry
	if x.Sealed {
		l.Sealed = "sealed"
	}
	if x.At != 0 {
		l.At = Instant(x.At)
	}
	if x.Partition >= 0 {
		l.Partition = &x.Partition
	}
	return l
}

// letters answers dead letters, oldest first.
func (a *API) letters(w http.ResponseWriter, r *http.Request) error {
	n, err := pageSize(r)
	if err != nil {
		return err
	}
	from := uint64(1)
	if c := r.URL.Query().Get("cursor"); c != "" {
		if from, err = strconv.ParseUint(c, 10, 64); err != nil {
			return badRequest("cursor is none that a list has told")
		}
	}
	found, err := a.Log.DeadLetters().List(r.Context(), from, n)
	if err != nil {
		return err
	}
	data := make([]Letter, 0, len(found))
	for _, d := range found {
		l := letterOf(d)
		l.Body, l.Sealed, l.Entry = "", "", nil
		data = append(data, l)
	}
	page := list{Data: data}
	if len(data) == n {
		next := strconv.FormatUint(data[n-1].Seq+1, 10)
		page.Next = &next
	}
	return reply(w, page)
}

func sequence(r *http.Request) (uint64, error) {
	seq, err := strconv.ParseUint(r.PathValue("seq"), 10, 64)
	if err != nil || seq == 0 {
		return 0, badRequest("%q is not the number of a dead letter", r.PathValue("seq"))
	}
	return seq, nil
}

// noLetter says which dead letter there is none of.
func noLetter(seq uint64, err error) error {
	if errors.Is(err, jetstream.ErrNotFound) {
		return &problem{Status: http.StatusNotFound, Detail: fmt.Sprintf("there is no dead letter %d: it was purged, or never was", seq)}
	}
	return err
}

func (a *API) letter(w http.ResponseWriter, r *http.Request) error {
	seq, err := sequence(r)
	if err != nil {
		return err
	}
	d, err := a.Log.DeadLetters().Get(r.Context(), seq)
	if err != nil {
		return noLetter(seq, err)
	}
	l := letterOf(d)
	return reply(w, l.opened(r, a))
}

// opened returns a letter with the call in it as it was sent, or why it cannot
// be told.
func (l Letter) opened(r *http.Request, a *API) Letter {
	if l.Sealed == "" || l.Body == "" {
		return l
	}
	if a.guard.allow(r, operator) != nil {
		l.Body, l.Sealed = "", "what was sent may hold personal data: it is shown to a key of keys.operate"
		return l
	}
	body, err := a.Sealer.Open(r.Context(), l.Body)
	switch {
	case err == nil:
		l.Body, l.Sealed = body, ""
	case errors.Is(err, seal.ErrDestroyed):
		l.Body, l.Sealed = "", fmt.Sprintf("nobody can read any more what was sent: its customer was forgotten, or it named none and came more than %d days ago", seal.CallsKept/(24*time.Hour))
	default:
		l.Body, l.Sealed = "", "the key cannot be had now: "+err.Error()
	}
	return l
}

func (a *API) purge(w http.ResponseWriter, r *http.Request) error {
	seq, err := sequence(r)
	if err != nil {
		return err
	}
	if err := a.Log.DeadLetters().Purge(r.Context(), seq); err != nil {
		return noLetter(seq, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// retry puts the event of a step that failed into the log again, where it is
// applied as if it had just arrived, and drops the letter. What was refused
// for what it says fails again, so it is not retried but corrected.
func (a *API) retry(w http.ResponseWriter, r *http.Request) error {
	seq, err := sequence(r)
	if err != nil {
		return err
	}
	d, err := a.Log.DeadLetters().Get(r.Context(), seq)
	if err != nil {
		return noLetter(seq, err)
	}
	var x worker.DeadLetter
	if json.Unmarshal(d.Data, &x) != nil || len(x.Entry) == 0 || processor.EntryType(x.Entry[0]) != processor.EventEntry {
		return &problem{Status: http.StatusConflict, Detail: "only an event whose step failed can be retried; correct what was refused and send it again"}
	}
	record := processor.AppendRecordEntry(processor.AppendRecordHeader(nil, a.Clock().UnixMilli()), x.Entry)
	position, err := a.Log.Append(r.Context(), x.Partition, record)
	if err != nil {
		return err
	}
	if err := a.Log.DeadLetters().Purge(r.Context(), seq); err != nil && !errors.Is(err, jetstream.ErrNotFound) {
		return err
	}
	return reply(w, map[string]uint64{"partition": uint64(x.Partition), "position": position})
}

// purgeAll drops the letters up to one: what nobody has seen stays.
func (a *API) purgeAll(w http.ResponseWriter, r *http.Request) error {
	text := r.URL.Query().Get("through")
	through, err := strconv.ParseUint(text, 10, 64)
	if err != nil || through == 0 {
		return badRequest("through is %q; the number of the last dead letter to drop", text)
	}
	if err := a.Log.DeadLetters().PurgeAll(r.Context(), through); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
