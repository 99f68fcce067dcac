package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"onhand/connectors/seal"
	"onhand/processor"
	"onhand/state/checkpoint"
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
	// IDs are all that the customer was known under, Keys how many keys of
	// theirs were destroyed: what was sealed with them in the log, in commit
	// records and checkpoints cannot be read any more.
	IDs  []string `json:"ids"`
	Keys int      `json:"keys"`
}

// askedQuery names the id that an erasure was asked for, of a request that was
// passed on to the worker of the id that keeps what is known of the customer.
const askedQuery = "asked"

// erase forgets a customer, under all ids, and answers when that is done.
func (a *API) erase(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	asked := id
	if by := r.URL.Query().Get(askedQuery); by != "" && r.Header.Get(hopHeader) != "" {
		asked = by
	}
	if max(len(id), len(asked)) > processor.MaxIDBytes {
		return badRequest("the id is longer than %d bytes", processor.MaxIDBytes)
	}
	// The collector takes no such id: what has one is an audience.
	if strings.ContainsFunc(id+asked, unicode.IsControl) {
		return badRequest("the id has a control character")
	}
	for range maxIDs {
		var view processor.CustomerView
		var logTime int64
		here, err := a.at(w, r, a.partitionOf(id), func(m *processor.Machine) {
			view, _ = m.CustomerView(id)
			logTime = m.Shop().Now
		})
		if !here || err != nil {
			return err
		}
		if view.KeptBy == "" {
			// Whatever this machine's clock says, it is later than what was heard of
			// already, and than an erasure of before, which it would be a copy of.
			now := max(a.Clock().UnixMilli(), logTime, int64(view.ErasedAt)+1)
			return a.forget(w, r, asked, id, view.Linked, now)
		}
		id = view.KeptBy
		r = elsewhere(w, r, "/api/v1/customers/", id)
		q := r.URL.Query()
		q.Set(askedQuery, asked)
		r.URL.RawQuery = q.Encode()
	}
	return &problem{Status: http.StatusInternalServerError, Detail: fmt.Sprintf("more than %d ids point at each other", maxIDs)}
}

// forget erases the customer kept under an id, in a partition that runs here.
// Backups are told first, and then the keys of all ids are destroyed: should this end half-way, whoever
// repeats it finds the ids still linked. They are destroyed once more when the
// erasure is in effect, for one may have been made between; then it is done.
func (a *API) forget(w http.ResponseWriter, r *http.Request, asked, id string, linked []string, now int64) error {
	ids := slices.Compact(slices.Sorted(slices.Values(append(linked, asked, id))))
	part := a.partitionOf(id)
	note := func(ids []string) (func(context.Context) error, error) {
		done, err := a.Worker.Erase(r.Context(), checkpoint.Erasure{At: time.UnixMilli(now), IDs: ids, Keys: seal.Names(ids)})
		if err != nil {
			err = &problem{Status: http.StatusBadGateway, Detail: err.Error()}
		}
		return done, err
	}
	done, err := note(ids)
	if err != nil {
		return err
	}
	keys, err := a.Sealer.Destroy(r.Context(), ids)
	if err != nil {
		return err
	}
	e := processor.Event{Kind: processor.CustomerErased, Source: "api", Stamp: now, At: now, AnonymousID: id}
	entry := processor.AppendEvent([]byte{byte(processor.EventEntry)}, &e)
	seq, err := a.Log.Append(r.Context(), part, processor.AppendRecordEntry(processor.AppendRecordHeader(nil, a.Clock().UnixMilli()), entry))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), takesEffect)
	defer cancel()
	for {
		var view processor.CustomerView
		err := a.Worker.Ask(ctx, part, func(m *processor.Machine) { view, _ = m.CustomerView(id) })
		if err != nil {
			return err
		}
		if view.Position >= seq && view.ErasedAt != 0 {
			all := slices.Compact(slices.Sorted(slices.Values(append(view.Linked, ids...))))
			if len(all) > len(ids) { // one was linked meanwhile
				if done, err = note(all); err != nil {
					return err
				}
			}
			more, err := a.Sealer.Destroy(ctx, all)
			if err != nil {
				return err
			}
			if err := done(ctx); err != nil {
				return &problem{Status: http.StatusBadGateway, Detail: err.Error()}
			}
			a.Logger.Warn("customer erased", "partition", part, "position", seq, "ids", len(all), "keys destroyed", keys+more)
			return reply(w, Erasure{asked, Instant(view.ErasedAt), part, seq, len(view.Pending), all, keys + more})
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
