package jetstream

import (
	"encoding/binary"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Place says which workers have a partition, or a shard: who owns it and who
// stands by.
type Place struct {
	Owner   string
	Standby string // "" with fewer than two workers
}

// Assign places things 0 to n-1 on workers by rendezvous hashing: each thing
// ranks all workers and takes the first two. So the order of workers does not
// matter, everybody computes the same, and when a worker comes or goes only
// what it gets or had moves; what it had goes to its standbys. Workers are
// distinct. kind, for example "partition", makes different things independent.
func Assign(kind string, workers []string, n int) []Place {
	places := make([]Place, n)
	for i := range places {
		var first, second uint64
		for _, w := range workers {
			rank := rank(kind, w, i)
			switch p := &places[i]; {
			case p.Owner == "" || before(rank, w, first, p.Owner):
				*p, first, second = Place{Owner: w, Standby: p.Owner}, rank, first
			case p.Standby == "" || before(rank, w, second, p.Standby):
				p.Standby, second = w, rank
			}
		}
	}
	return places
}

// Rank orders workers by how much thing i of a kind wants each of them: the
// first two are those of Assign.
func Rank(kind string, workers []string, i int) []string {
	ranked := slices.Clone(workers)
	slices.SortFunc(ranked, func(a, b string) int {
		switch {
		case a == b:
			return 0
		case before(rank(kind, a, i), a, rank(kind, b, i), b):
			return -1
		}
		return 1
	})
	return ranked
}

// rank is how much a thing wants a worker.
func rank(kind, worker string, i int) uint64 {
	key := append([]byte(worker), 0)
	key = append(append(key, kind...), 0)
	return xxhash.Sum64(binary.BigEndian.AppendUint32(key, uint32(i)))
}

// before orders by rank, then by name, so that equal hashes do not depend on
// the order of the workers.
func before(rank uint64, worker string, thanRank uint64, thanWorker string) bool {
	if rank != thanRank {
		return rank > thanRank
	}
	return worker < thanWorker
}
