package worker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"onhand/processor"
)

// PartitionStatus is how a partition stands.
type PartitionStatus struct {
	Partition int    `json:"partition"`
	Owner     string `json:"owner"`
	Standby   string `json:"standby,omitempty"`
	Phase     string `json:"phase"`            // elsewhere, opening, replaying, live, paused, stopped; here as a standby: following, standby
	Reason    string `json:"reason,omitempty"` // of paused or stopped

	Epoch        uint64 `json:"epoch,omitempty"`
	Position     uint64 `json:"position,omitempty"`      // last record applied
	Committed    uint64 `json:"committed,omitempty"`     // position of the last commit
	Saved        uint64 `json:"saved,omitempty"`         // position of the state on disk
	SavedAt      int64  `json:"saved_at,omitempty"`      // Unix ms
	End          uint64 `json:"end,omitempty"`           // last record of the log
	Lag          uint64 `json:"lag"`                     // records not yet applied
	CheckpointAt int64  `json:"checkpoint_at,omitempty"` // Unix ms, of the last checkpoint made here
	LogTime      int64  `json:"log_time,omitempty"`      // Unix ms
	Step         uint64 `json:"step,omitempty"`
	Hash         uint64 `json:"hash,omitempty"`
	StateSize    uint64 `json:"state_size,omitempty"` // bytes on disk
	StateDebt    uint64 `json:"state_debt,omitempty"` // bytes on disk to be rewritten until they are in order

	Journeys map[string]int64 `json:"journeys,omitempty"` // of the customers here, by stage; see processor.Journey
}

// Status returns how all partitions stand, those of other workers with their
// owner only. It takes at most a fifth of a second, longer when NATS does not
// answer and ctx allows.
func (w *Worker) Status(ctx context.Context) []PartitionStatus {
	all := make([]PartitionStatus, w.log.Partitions())
	w.mu.Lock()
	unable := make([]string, len(w.seats))
	for i := range unable {
		unable[i] = w.seats[i].unable
	}
	for i := range all {
		all[i] = PartitionStatus{Partition: i, Phase: "elsewhere"}
		if i < len(w.seats) {
			all[i].Owner, all[i].Standby = w.seats[i].Owner, w.seats[i].Standby
		}
		if err := w.failed[i]; err != nil {
			all[i].Reason = err.Error()
			if all[i].Owner == "" || all[i].Owner == w.cfg.ID {
				all[i].Phase = "stopped"
			}
		}
	}
	w.mu.Unlock()
	soon, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	var group sync.WaitGroup
	for _, l := range w.running() {
		group.Go(func() { l.status(ctx, soon, &all[l.part]) })
	}
	group.Wait()
	for i := range all {
		if i < len(unable) && unable[i] != "" && all[i].Reason == "" {
			all[i].Reason = "cannot be run by " + unable[i] + ", see there"
		}
	}
	return all
}

func (l *loop) status(ctx, soon context.Context, s *PartitionStatus) {
	var x PartitionStatus
	err := l.ask(soon, func(p *Partition) {
		m := p.Machine()
		if m == nil {
			return
		}
		shop := m.Shop()
		x = PartitionStatus{
			Epoch: p.Epoch(), Position: shop.Position, Committed: p.commit.confirmed.position,
			Saved: p.flush.position, SavedAt: p.flush.done, LogTime: shop.Now, Step: shop.Step, Hash: shop.Hash,
		}
		x.CheckpointAt = l.keeper.at
		for i, n := range shop.Journeys {
			if n != 0 {
				if x.Journeys == nil {
					x.Journeys = map[string]int64{}
				}
				x.Journeys[processor.Stages[i]] = n
			}
		}
		if l.paused != nil {
			x.Phase, x.Reason = "paused", l.paused.Error()
		}
	})
	if err == nil {
		x.Partition, x.Owner, x.Standby = s.Partition, s.Owner, s.Standby
		if _, last, err := l.w.log.Bounds(ctx, l.part); err == nil {
			x.End = last
			x.Lag = last - min(last, x.Position)
		}
		disk := l.store.Metrics()
		x.StateSize, x.StateDebt = disk.DiskBytes, disk.CompactionDebt
		if x.Phase != "" {
			*s = x
			return
		}
	}
	x.Phase = *l.phase.Load()
	x.Partition, x.Owner, x.Standby = s.Partition, s.Owner, s.Standby
	*s = x
}

// WaitIdle waits until every partition that runs here has applied all of its
// log, nothing is on its way between them, to the log or to a channel, and
// nothing is due by the clock. Who sets the clock may then set it to NextWake. What inlets and
// other workers do meanwhile is not waited for.
func (w *Worker) WaitIdle(ctx context.Context) error {
	for {
		idle, err := w.idle(ctx)
		if idle || err != nil {
			return err
		}
		select {
		case <-time.After(500 * time.Microsecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// idle asks all partitions and then the ends of their logs. A message that
// one of them sent before it was asked is in the log of the other by then.
func (w *Worker) idle(ctx context.Context) (bool, error) {
	loops := w.owned()
	submitted := w.submitted.Load()
	if len(loops) == 0 || w.underway.Load() > 0 {
		return false, ctx.Err()
	}
	positions := make([]uint64, len(loops))
	for i, l := range loops {
		idle := false
		err := l.ask(ctx, func(p *Partition) {
			if idle = l.err == nil && p.Idle(l.now()); idle {
				positions[i] = p.Machine().Shop().Position
			}
		})
		if err != nil || !idle {
			return false, ctx.Err()
		}
	}
	for i, l := range loops {
		_, last, err := w.log.Bounds(ctx, l.part)
		if err != nil || last != positions[i] {
			return false, ctx.Err()
		}
	}
	return w.submitted.Load() == submitted, ctx.Err()
}

// NextWake returns the earliest time, Unix ms by the worker's clock, at which a
// partition has a timer due or asks for a release; 0 when there is none.
func (w *Worker) NextWake(ctx context.Context) (int64, error) {
	earliest := int64(0)
	for _, l := range w.owned() {
		err := l.ask(ctx, func(p *Partition) {
			if p.Machine() == nil {
				return
			}
			if at := p.dueAt(); at != 0 && (earliest == 0 || at < earliest) {
				earliest = at
			}
		})
		if err != nil {
			return 0, err
		}
	}
	return earliest, nil
}

// counters are what a worker has done since it was started.
type counters struct {
	Poisoned, Fenced atomic.Uint64
	CommitLatency    histogram

	mu     sync.Mutex
	counts Counts
}

func (c *counters) add(n Counts) {
	if n.Decisions == nil && n.Deliveries == nil && n.Corrections == nil && n.Dead == nil {
		return
	}
	c.mu.Lock()
	c.counts.Add(n)
	c.mu.Unlock()
}

// Buckets are the upper bounds of the buckets of a Histogram, in ms; one more
// bucket holds what is above the last.
var Buckets = [...]float64{0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000}

type histogram struct {
	buckets [len(Buckets) + 1]atomic.Uint64
	sum     atomic.Int64 // ns
}

func (h *histogram) observe(d time.Duration) {
	h.buckets[bucket(d)].Add(1)
	h.sum.Add(int64(d))
}

func bucket(d time.Duration) int {
	i, ms := 0, float64(d)/float64(time.Millisecond)
	for i < len(Buckets) && ms > Buckets[i] {
		i++
	}
	return i
}

// Histogram counts durations by Buckets.
type Histogram struct {
	Counts [len(Buckets) + 1]uint64
	Sum    time.Duration
}

func (h *Histogram) observe(d time.Duration) {
	h.Counts[bucket(d)]++
	h.Sum += d
}

func (h *Histogram) add(other *Histogram) {
	for i, n := range other.Counts {
		h.Counts[i] += n
	}
	h.Sum += other.Sum
}

// Metrics are the figures of a worker since its start.
type Metrics struct {
	Counts
	CommitLatency Histogram
	Poisoned      uint64 // steps passed over
	Fenced        uint64 // partitions lost to another owner's commit

	Partitions map[int]PartitionMetrics // those that run here, standbys among them
}

// PartitionMetrics are the figures of a partition since it was opened here.
type PartitionMetrics struct {
	Records uint64 // applied
	Steps   uint64 // since the log began: events, timers and others
	Held    uint64 // of them, those whose stamp the publisher's clock held back
	LagMS   int64  // age of the last record when it was applied, by the server's stamp
}

// Metrics returns the worker's figures.
func (w *Worker) Metrics() Metrics {
	m := Metrics{Poisoned: w.counters.Poisoned.Load(), Fenced: w.counters.Fenced.Load(), Partitions: map[int]PartitionMetrics{}}
	w.counters.mu.Lock()
	m.Counts.Add(w.counters.counts)
	w.counters.mu.Unlock()
	for i := range m.CommitLatency.Counts {
		m.CommitLatency.Counts[i] = w.counters.CommitLatency.buckets[i].Load()
	}
	m.CommitLatency.Sum = time.Duration(w.counters.CommitLatency.sum.Load())
	for _, l := range w.running() {
		m.Partitions[l.part] = PartitionMetrics{l.records.Load(), l.steps.Load(), l.held.Load(), l.lag.Load()}
	}
	return m
}
