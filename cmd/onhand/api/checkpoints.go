package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"onhand/processor/worker"
)

// Checkpoints is the answer to a call for checkpoints.
type Checkpoints struct {
	Partitions []worker.Saved `json:"partitions"`
	Backup     string         `json:"backup,omitempty"` // name of the backup they are
	Errors     []string       `json:"errors,omitempty"` // what could not be saved
}

// savedWithin is how long saving may take.
const savedWithin = 30 * time.Minute

// checkpoint saves all partitions now, those of other workers too; with backup=1
// as a backup of the whole deployment. Another worker that makes one asks with
// its name.
func (a *API) checkpoint(w http.ResponseWriter, r *http.Request) error {
	// The server's limit is for answers that are ready.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(savedWithin))
	if !a.Log.Connected() { // what is not committed would be waited for
		w.Header().Set("Retry-After", "1")
		return &problem{Status: http.StatusServiceUnavailable, Detail: "the log cannot be reached: nothing can be saved now"}
	}
	ctx, cancel := context.WithTimeout(r.Context(), savedWithin)
	defer cancel()
	backup, asked := r.URL.Query().Get("backup"), r.Header.Get(hopHeader) != ""
	whole := false
	if !asked {
		var err error
		if whole, err = flag(r, "backup"); err != nil {
			return err
		}
	}
	if whole {
		report, err := a.Worker.Backup(ctx, func(ctx context.Context, name string) ([]worker.Saved, error) {
			theirs := a.checkpointElsewhere(ctx, r, name)
			return theirs.Partitions, theirs.err()
		})
		if err != nil {
			return notSaved(err)
		}
		return reply(w, Checkpoints{Partitions: report.Partitions, Backup: report.Backup.Name})
	}
	var theirs Checkpoints
	var group sync.WaitGroup
	if !asked {
		group.Go(func() { theirs = a.checkpointElsewhere(ctx, r, "") })
		backup = ""
	}
	saves, err := a.Worker.SaveFor(ctx, backup)
	group.Wait()
	if errors.Is(err, worker.ErrNoCheckpoints) {
		return notSaved(err)
	}
	answer := Checkpoints{Partitions: append([]worker.Saved{}, saves...)}
	if err != nil {
		answer.Errors = []string{err.Error()}
	}
	answer.add(theirs)
	slices.SortFunc(answer.Partitions, func(x, y worker.Saved) int { return x.Partition - y.Partition })
	return reply(w, answer)
}

func (c *Checkpoints) add(x Checkpoints) {
	c.Partitions = append(c.Partitions, x.Partitions...)
	c.Errors = append(c.Errors, x.Errors...)
}

// err returns what could not be saved.
func (c *Checkpoints) err() error {
	if len(c.Errors) == 0 {
		return nil
	}
	return errors.New(strings.Join(c.Errors, "; "))
}

// notSaved says what is the matter to whoever asked.
func notSaved(err error) error {
	switch {
	case errors.Is(err, worker.ErrNoCheckpoints):
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

// checkpointElsewhere asks all other workers to save their partitions, for a
// backup if it has a name.
func (a *API) checkpointElsewhere(ctx context.Context, r *http.Request, backup string) (all Checkpoints) {
	var mu sync.Mutex
	var group sync.WaitGroup
	for _, address := range a.otherWorkers(ctx) {
		group.Go(func() {
			x := a.checkpointAt(ctx, r, address, backup)
			mu.Lock()
			defer mu.Unlock()
			all.add(x)
		})
	}
	group.Wait()
	return all
}

// checkpointAt asks another worker to save its partitions.
func (a *API) checkpointAt(ctx context.Context, r *http.Request, address, backup string) (answer Checkpoints) {
	if err := a.hop(ctx, r, http.MethodPost, address, "/api/v1/checkpoints?backup="+url.QueryEscape(backup), &answer); err != nil {
		return Checkpoints{Errors: []string{fmt.Sprintf("worker %s: %v", address, err)}}
	}
	return answer
}
