package api

import (
	"context"
	"net/http"
	"time"

	"onhand/processor"
)

// Erasure is the proof that a customer was forgotten.
type Erasure struct {
	Customer  string  `json:"customer"`
	ErasedAt  Instant `json:"erased_at"` // nothing that happened until then is taken any more
	Partition int     `json:"partition"`
	Position  uint64  `json:"position"` // of the erasure in the log of the partition
	// Pending are the removals, of ads and open cases, that their channel has
	// not taken yet; they are all that is left.
	Pending int `json:"pending"`
}

// erase forgets a customer, under all ids, and answers when that is done.
func (a *API) erase(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if len(id) > processor.MaxIDBytes {
		return badRequest("the id is longer than %d bytes", processor.MaxIDBytes)
	}
	part := a.partitionOf(id)
	if here, err := a.at(w, r, part, func(*processor.Machine) {}); !here || err != nil {
		return err
	}
	now := a.Clock().UnixMilli()
	e := processor.Event{Kind: processor.CustomerErased, Source: "api", Stamp: now, At: now, AnonymousID: id}
	entry := processor.AppendEvent([]byte{byte(processor.EventEntry)}, &e)
	seq, err := a.Log.Append(r.Context(), part, processor.AppendRecordEntry(processor.AppendRecordHeader(nil, now), entry))
	if err != nil {
		return err
	}
	a.Logger.Warn("customer erased", "partition", part, "position", seq)
	ctx, cancel := context.WithTimeout(r.Context(), takesEffect)
	defer cancel()
	for {
		var view processor.CustomerView
		err := a.Worker.Ask(ctx, part, func(m *processor.Machine) { view, _ = m.CustomerView(id) })
		if err != nil {
			return err
		}
		if view.Position >= seq && view.ErasedAt >= processor.Instant(now) {
			return reply(w, Erasure{id, Instant(view.ErasedAt), part, seq, len(view.Pending)})
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
