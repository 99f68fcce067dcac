package processor

import (
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Deployment is how a partition stands in its deployment: what tells its log from
// another one, which version of decisions is in force, and which of the other
// partitions have stalled.
type Deployment struct {
	Stamp  int64  // the server's, of the last record applied
	Record uint64 // hash of its bytes

	// Code is the version of decisions in force: the newest that every live
	// worker could make when it was raised. A program makes those of an older
	// version as long as that is in force.
	Code uint64

	Stalled []uint32 // partitions that nobody runs, ascending
}

// firstCode is in force in a new deployment.
const firstCode = 1

// RecordHash is what Deployment.Record holds of a record.
func RecordHash(msg []byte) uint64 { return xxhash.Sum64(msg) }

func (s *Deployment) encode(w *writer) {
	w.int(s.Stamp)
	w.u64(s.Record)
	w.uint(s.Code)
	w.uint(uint64(len(s.Stalled)))
	for _, p := range s.Stalled {
		w.uint(uint64(p))
	}
}

func (s *Deployment) decode(r *reader) {
	s.Stamp, s.Record, s.Code = r.int(), r.u64(), r.uint()
	s.Stalled = make([]uint32, r.count(1))
	for i := range s.Stalled {
		s.Stalled[i] = uint32(r.uint())
	}
}

// stall notes that nobody runs a partition, or that somebody does again.
func (s *Deployment) stall(part int64, on bool) {
	p := uint32(part)
	i, found := slices.BinarySearch(s.Stalled, p)
	switch {
	case part < 0 || part >= Slots:
	case on && !found:
		s.Stalled = slices.Insert(s.Stalled, i, p)
	case !on && found:
		s.Stalled = slices.Delete(s.Stalled, i, i+1)
	}
}

// HeldBack returns of how many records, since the machine was made, the
// server's clock was so far ahead of the publisher's that it was not believed.
func (m *Machine) HeldBack() uint64 { return m.held }

// cutOff reports whether the facts of an item come from a partition that has
// stalled: what is known of it may be long out of date.
func (m *Machine) cutOff(lines []ActionLine) bool {
	for i := range lines {
		p := uint32(PartitionOf(Hash(lines[i].SKU), m.partitions))
		if _, found := slices.BinarySearch(m.shop.Deployment.Stalled, p); found {
			return true
		}
	}
	return false
}
