package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"onhand/processor"
	"onhand/processor/worker"
)

// Status is the answer of /api/v1/status.
type Status struct {
	Version    string      `json:"version"`
	Worker     string      `json:"worker"` // that answers
	Connected  bool        `json:"connected"`
	Ready      bool        `json:"ready"`
	Reason     string      `json:"reason,omitempty"` // why not ready
	Moments    string      `json:"moments,omitempty"`
	Stopped    bool        `json:"stopped"`
	Tags       []string    `json:"stopped_tags"`
	Sources    []Source    `json:"sources"`
	Partitions []Partition `json:"partitions"`
}

// Source is how far a source has reported.
type Source struct {
	Name       string  `json:"name"`
	CompleteTo Instant `json:"complete_to"`
}

// Partition is how a partition stands.
type Partition struct {
	Partition int     `json:"partition"`
	Owner     string  `json:"owner"` // address of the worker
	Standby   string  `json:"standby,omitempty"`
	Phase     string  `json:"phase"` // opening, replaying, live, paused, stopped, following, standby, elsewhere
	Reason    string  `json:"reason,omitempty"`
	Epoch     uint64  `json:"epoch"`
	Position  uint64  `json:"position"` // last record applied
	End       uint64  `json:"end"`      // last record of the log
	Lag       uint64  `json:"lag"`      // records
	LogTime   Instant `json:"log_time"`
	Step      uint64  `json:"step"`
	StateSize uint64  `json:"state_bytes"`
	Saved     uint64  `json:"saved"` // position of the state on disk
	SavedAt   Instant `json:"saved_at"`

	CheckpointAt Instant `json:"checkpoint_at"` // when a checkpoint was saved; null = not since it runs there
}

// status answers how all partitions stand.
func (a *API) status(w http.ResponseWriter, r *http.Request) error {
	s := a.statusOf(r.Context())
	if r.Header.Get(hopHeader) == "" {
		a.complete(r, s.Partitions)
	}
	return reply(w, s)
}

func (a *API) statusOf(ctx context.Context) Status {
	s := Status{Version: a.Version, Worker: a.name(a.ID), Connected: a.Log.Connected(), Tags: []string{}, Sources: []Source{}}
	if err := Ready(ctx, a.Log, a.Worker); err != nil {
		s.Reason = err.Error()
	}
	s.Ready = s.Reason == ""
	told := false // what holds for the whole shop every partition knows
	for _, p := range a.Worker.Status(ctx) {
		s.Partitions = append(s.Partitions, a.partition(p))
		if told || !Live(p) {
			continue
		}
		told = nil == a.Worker.Ask(ctx, p.Partition, func(m *processor.Machine) {
			shop := m.Shop()
			s.Moments, s.Stopped, s.Tags = shop.Version, shop.Stopped, append(s.Tags, shop.Tags...)
			for _, x := range shop.Sources {
				s.Sources = append(s.Sources, Source{x.Name, Instant(x.CompleteTo)})
			}
		})
	}
	return s
}

func (a *API) partition(p worker.PartitionStatus) Partition {
	if Live(p) {
		p.Phase = "live"
	}
	return Partition{
		Partition: p.Partition, Owner: a.name(p.Owner), Standby: a.name(p.Standby), Phase: p.Phase, Reason: p.Reason,
		Epoch: p.Epoch, Position: p.Position, End: p.End, Lag: p.Lag, LogTime: Instant(p.LogTime), Step: p.Step,
		StateSize: p.StateSize, Saved: p.Saved, SavedAt: Instant(p.SavedAt), CheckpointAt: Instant(p.CheckpointAt),
	}
}

// name returns what people call a worker: its address.
func (a *API) name(id string) string {
	if address := a.Address(id); address != "" {
		return address
	}
	return id
}

// othersAnswer is how long another worker has to say how its partitions stand.
const othersAnswer = time.Second

// forwardWait is how long a request that was passed on may take there.
const forwardWait = 5 * time.Second

// complete asks the other workers how their partitions stand. Of one that does
// not answer only the name is told.
func (a *API) complete(r *http.Request, all []Partition) {
	ctx, cancel := context.WithTimeout(r.Context(), othersAnswer)
	defer cancel()
	owners := map[string][]int{}
	for i, p := range all {
		if p.Phase == "elsewhere" || p.Phase == "standby" || p.Phase == "following" {
			owners[p.Owner] = append(owners[p.Owner], i)
		}
	}
	var group sync.WaitGroup
	for address, mine := range owners {
		group.Go(func() {
			var s Status
			if a.hop(ctx, r, http.MethodGet, address, "/api/v1/status", &s) != nil || len(s.Partitions) != len(all) {
				return
			}
			for _, i := range mine {
				if p := s.Partitions[i]; p.Phase != "elsewhere" && p.Phase != "standby" && p.Phase != "following" {
					if p.Reason == "" { // why this one does not stand by
						p.Reason = all[i].Reason
					}
					all[i] = p
				}
			}
		})
	}
	group.Wait()
}
