package api

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// rewoundWithin is how long rewinding may take, and then telling the others.
const rewoundWithin = time.Minute

// rewind makes a partition whose log went back go on from what the log has left.
// Who is told by another worker tries to run it again.
func (a *API) rewind(w http.ResponseWriter, r *http.Request) error {
	bad := func(detail string) error { return &problem{Status: http.StatusBadRequest, Detail: detail} }
	part, err := strconv.Atoi(r.PathValue("partition"))
	if err != nil || part < 0 || part >= a.Log.Partitions() {
		return bad("partitions are numbered from 0 to " + strconv.Itoa(a.Log.Partitions()-1))
	}
	if r.Header.Get(hopHeader) != "" {
		a.Worker.TryAgain(part)
		return reply(w, struct{}{})
	}
	var before uint64
	if text := r.URL.Query().Get("before"); text != "" {
		if before, err = strconv.ParseUint(text, 10, 64); err != nil || before == 0 {
			return bad("before is the number of a record")
		}
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(2 * rewoundWithin))
	ctx, cancel := context.WithTimeout(r.Context(), rewoundWithin)
	defer cancel()
	done, err := a.Worker.Rewind(ctx, part, before)
	if err != nil {
		return &problem{Status: http.StatusConflict, Detail: err.Error()}
	}
	for _, address := range a.otherWorkers(ctx) {
		// One that does not hear of it leaves the partition to the others until it is
		// started again.
		_ = a.hop(ctx, r, http.MethodPost, address, "/api/v1/partitions/"+strconv.Itoa(part)+"/rewind", nil)
	}
	return reply(w, done)
}
