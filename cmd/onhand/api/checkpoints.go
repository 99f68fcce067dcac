package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"onhand/processor/worker"
)

// Checkpoints is the answer to a call for checkpoints.
type Checkpoints struct {
	Partitions []worker.Saved `json:"partitions"`
	Backup     string         `json:"backup,omitempty"`    // name of the backup they are
	PausedMS   float64        `json:"paused_ms,omitempty"` // how long it held events up
	Errors     []string       `json:"errors,omitempty"`    // what could not be saved
}

// savedWithin is how long saving may take.
const savedWithin = 30 * time.Minute

// checkpoint saves all partitions now, those of other workers too; with
// backup=1 all of them as of one moment.
func (a *API) checkpoint(w http.ResponseWriter, r *http.Request) error {
	// The server's limit is for answers that are ready.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(savedWithin))
	ctx, cancel := context.WithTimeout(r.Context(), savedWithin)
	defer cancel()
	answer := Checkpoints{Partitions: []worker.Saved{}}
	if backup := r.URL.Query().Get("backup"); backup == "1" || backup == "true" {
		report, err := a.Worker.Backup(ctx)
		if err != nil {
			return notSaved(err)
		}
		answer = Checkpoints{Partitions: report.Partitions, Backup: report.Backup.Name, PausedMS: float64(report.Paused.Microseconds()) / 1000}
		return reply(w, answer)
	}
	var mu sync.Mutex
	add := func(x Checkpoints) {
		mu.Lock()
		defer mu.Unlock()
		answer.Partitions = append(answer.Partitions, x.Partitions...)
		answer.Errors = append(answer.Errors, x.Errors...)
	}
	var group sync.WaitGroup
	if r.Header.Get(hopHeader) == "" {
		for _, address := range a.otherWorkers(ctx) {
			group.Go(func() { add(a.checkpointAt(ctx, r, address)) })
		}
	}
	saves, err := a.Worker.Checkpoint(ctx)
	if errors.Is(err, worker.ErrNoCheckpoints) {
		return notSaved(err)
	}
	mine := Checkpoints{Partitions: saves}
	if err != nil {
		mine.Errors = []string{err.Error()}
	}
	add(mine)
	group.Wait()
	slices.SortFunc(answer.Partitions, func(x, y worker.Saved) int { return x.Partition - y.Partition })
	return reply(w, answer)
}

// notSaved says what is the matter to whoever asked.
func notSaved(err error) error {
	switch {
	case errors.Is(err, worker.ErrNoCheckpoints), errors.Is(err, worker.ErrScattered):
		return &problem{Status: http.StatusConflict, Detail: err.Error()}
	case errors.Is(err, worker.ErrNotOwned):
		return err
	}
	return &problem{Status: http.StatusBadGateway, Detail: err.Error()}
}

// otherWorkers returns the addresses of the workers that own partitions
// besides this one.
func (a *API) otherWorkers(ctx context.Context) (addresses []string) {
	for _, p := range a.Worker.Status(ctx) {
		if address := a.Address(p.Owner); p.Owner != a.ID && address != "" && !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// checkpointAt asks another worker to save its partitions.
func (a *API) checkpointAt(ctx context.Context, r *http.Request, address string) (answer Checkpoints) {
	failed := func(err error) Checkpoints {
		return Checkpoints{Errors: []string{fmt.Sprintf("worker %s: %v", address, err)}}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/api/v1/checkpoints", nil)
	if err != nil {
		return failed(err)
	}
	req.Header.Set("Authorization", r.Header.Get("Authorization"))
	req.Header.Set(hopHeader, a.ID)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return failed(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return failed(errors.New(resp.Status))
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 4<<20)).Decode(&answer); err != nil {
		return failed(err)
	}
	return answer
}
