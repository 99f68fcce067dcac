package worker

import (
	"encoding/json"
	"slices"
	"strings"

	"onhand/processor/jetstream"
)

// bulletin is what a worker tells the others with its heartbeat.
type bulletin struct {
	Code    uint64  `json:"code"`              // newest version of decisions it can make
	Leaving bool    `json:"leaving,omitempty"` // it hands over what it has
	Stands  []stand `json:"stands,omitempty"`
}

// stand is how a partition stands in a worker.
type stand struct {
	Partition int    `json:"p"`
	Role      role   `json:"r"`
	Epoch     uint64 `json:"e,omitempty"` // owner; 0 while it opens
	Position  uint64 `json:"a,omitempty"` // last record applied
	Saved     uint64 `json:"s,omitempty"` // of the state on disk
	Level     bool   `json:"l,omitempty"` // standby: has applied all that is committed
	Heir      string `json:"h,omitempty"` // owner: who is to take over at once
	Paused    bool   `json:"w,omitempty"` // it reads nothing for now
	Kept      int64  `json:"k,omitempty"` // owner: log time of its oldest checkpoint, Unix ms; 0 = not known
}

// role is what a worker is to a partition.
type role string

const (
	owns    role = "o"
	follows role = "s" // as a standby
	fails   role = "x" // it cannot run it: see its log
)

// peer is a worker as the others see it.
type peer struct {
	id string
	bulletin
}

// peersOf reads the heartbeats. One that cannot be read has no partitions.
func peersOf(workers []jetstream.Worker) []peer {
	peers := make([]peer, len(workers))
	for i, x := range workers {
		peers[i].id = x.ID
		_ = json.Unmarshal(x.Info, &peers[i].bulletin)
	}
	return peers
}

// seat says who should run a partition, as far as one worker knows. It is a
// hint: the commit records say who does.
type seat struct {
	Owner   string // "" = nobody can
	Standby string // "" = nobody else can
	Wanted  string // the owner when all is calm
	holder  string // who says that it is the owner; Owner is its heir, or itself
	epoch   uint64 // of the holder
	runs    bool   // and that the partition runs
	ready   bool   // the standby is level
	unable  string // workers that cannot run it, separated by commas
}

// seats places n partitions on workers. A partition stays where it is: it goes
// to its standby when its owner is gone or names it, and only the owner moves
// it, see Worker.settle. Everybody who has heard the same comes to the same.
func seats(peers []peer, n int) []seat {
	stands := make([][]*stand, n) // by partition and peer
	for i := range peers {
		for j := range peers[i].Stands {
			s := &peers[i].Stands[j]
			if s.Partition < 0 || s.Partition >= n {
				continue
			}
			if stands[s.Partition] == nil {
				stands[s.Partition] = make([]*stand, len(peers))
			}
			stands[s.Partition][i] = s
		}
	}
	all := make([]seat, n)
	for p := range all {
		if stands[p] == nil {
			stands[p] = make([]*stand, len(peers))
		}
		all[p] = seatOf(peers, stands[p], p)
	}
	return all
}

// seatOf places one partition.
func seatOf(peers []peer, stands []*stand, part int) (s seat) {
	at := make(map[string]*stand, len(peers))
	var staying, leaving []string
	for i := range peers {
		at[peers[i].id] = stands[i]
		switch {
		case stands[i] != nil && stands[i].Role == fails:
			s.unable = strings.TrimPrefix(s.unable+", "+peers[i].id, ", ")
		case peers[i].Leaving:
			leaving = append(leaving, peers[i].id)
		default:
			staying = append(staying, peers[i].id)
		}
	}
	ranked := append(jetstream.Rank("partition", staying, part), jetstream.Rank("partition", leaving, part)...)
	var holder, best *stand // the owner, and the standby that is furthest
	for _, id := range ranked {
		switch x := at[id]; {
		case x == nil:
		case x.Role == owns && (holder == nil || x.Epoch > holder.Epoch):
			s.Owner, s.holder, s.epoch, holder = id, id, x.Epoch, x
		case x.Role == follows && (best == nil || x.Position > best.Position):
			best = x
		}
	}
	switch {
	case holder != nil && (holder.Epoch > 0 || best == nil || !best.Level):
		s.runs = holder.Epoch > 0 && !holder.Paused
		if slices.Contains(ranked, holder.Heir) {
			s.Owner = holder.Heir
		}
	case best != nil:
		s.Owner = ranked[slices.IndexFunc(ranked, func(id string) bool { return at[id] == best })]
	case len(ranked) > 0:
		s.Owner = ranked[0]
	}
	for _, id := range ranked[:min(len(staying), len(ranked))] {
		if s.Wanted == "" {
			s.Wanted = id
		}
		if id != s.Owner {
			s.Standby = id
			s.ready = at[id] != nil && at[id].Role == follows && at[id].Level
			break
		}
	}
	return s
}
