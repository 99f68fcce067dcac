package worker

import (
	"errors"
	"fmt"
	"time"

	"onhand/processor"
)

var (
	// ErrPoison is returned by Partition.Apply when a step panicked. The caller
	// calls Reopen as soon as no write-behind is being committed, and reads the
	// log again from there.
	ErrPoison = errors.New("worker: a step failed; reopen the partition and read on from there")

	// ErrFenced means that another worker has taken the partition over.
	ErrFenced = errors.New("worker: another worker has taken the partition over")

	// ErrRewound means that the partition was rewound on purpose, and this standby
	// begins anew.
	ErrRewound = errors.New("worker: the partition was rewound")

	// ErrRuns means that a partition cannot be rewound while it runs.
	ErrRuns = errors.New("worker: the partition runs: only one that has stopped is rewound")

	// ErrNotOwned means that the partition runs in another worker, or in none
	// at the moment.
	ErrNotOwned = errors.New("worker: the partition is not owned here")

	// ErrClosed means that the worker is closing.
	ErrClosed = errors.New("worker: closed")
)

// DivergedError means that a replay did not come to the state that the commit
// record stands for: the program, the state or the log is not what it was.
type DivergedError struct {
	Partition int
	Position  uint64 // where the hashes were compared
	Committed uint64 // hash in the commit record
	Replayed  uint64 // hash of the replay
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("worker: partition %d: the replay differs from what was committed at position %d (hash %016x, committed %016x): "+
		"run the version that committed it, or delete the partition's state so that it is rebuilt from the log", e.Partition, e.Position, e.Replayed, e.Committed)
}

// WentBackError means that the state is ahead of the log: the log has lost
// messages it had acknowledged, or it is another log.
type WentBackError struct {
	Partition int
	State     uint64 // position of the state
	Committed uint64 // position of the last commit record
}

func (e *WentBackError) Error() string {
	return fmt.Sprintf("worker: partition %d: the log went back: the state stands at %d, the last commit record at %d: "+
		"it has lost messages it had acknowledged. %s", e.Partition, e.State, e.Committed, rewindRecipe(e.Partition))
}

// ShortLogError means that the log ends before what was decided of it, as the
// commit records say: it has lost messages it had acknowledged.
type ShortLogError struct {
	Partition int
	End       uint64 // last record of the log
	Committed uint64 // position of the last commit record
}

func (e *ShortLogError) Error() string {
	return fmt.Sprintf("worker: partition %d: the log went back: it ends at %d, and was decided up to %d: it has lost messages it had acknowledged. "+
		"%s", e.Partition, e.End, e.Committed, rewindRecipe(e.Partition))
}

// OtherLogError means that the log is not the one that the state was made from,
// though it is long enough: it has lost messages it had acknowledged and got
// others in their place, or it was exchanged.
type OtherLogError struct {
	Partition   int
	Position    uint64
	Stamp, Was  int64  // the server's stamp of the record there, now and then
	Record, Had uint64 // the hash of its bytes, now and then
}

func (e *OtherLogError) Error() string {
	return fmt.Sprintf("worker: partition %d: the log went back: its record %d is not the one that was applied (stamped %d, hash %016x; it was %d, %016x): "+
		"it has lost messages it had acknowledged. %s",
		e.Partition, e.Position, e.Stamp, e.Record, e.Was, e.Had, rewindRecipe(e.Partition))
}

// rewindRecipe says what to do about a log that went back.
func rewindRecipe(part int) string {
	return fmt.Sprintf("What is lost is lost, unless the sources send it again; to go on from what the log has left: onhand rewind %d. "+
		"It raises the incarnation, so that what the partition says from there is told apart from what it had said; "+
		"deleting the state alone does not, and the other partitions may take its new messages for old ones", part)
}

// NewerError means that a version of decisions is in force that this program
// cannot make.
type NewerError struct {
	Partition int
	Code      uint64 // in force
	Makes     uint64 // this program, at most
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("worker: partition %d: decisions of version %d are in force, this program makes those up to %d: run a newer one", e.Partition, e.Code, e.Makes)
}

// PoisonError means that a step failed again though it is passed over: going
// on would only fail once more.
type PoisonError struct {
	Partition int
	At        processor.Skip
	Cause     any // of the panic
}

func (e *PoisonError) Error() string {
	return fmt.Sprintf("worker: partition %d: step %d of record %d fails even when it is passed over (%v): run a version without the fault",
		e.Partition, e.At.Index, e.At.Position, e.Cause)
}

// OverloadedError means that nothing, or not everything, was appended, as the
// log takes no more for now. Send all of it again later; what is there already
// is known by its message id.
type OverloadedError struct {
	RetryAfter time.Duration
	Err        error
}

func (e *OverloadedError) Error() string { return e.Err.Error() }
func (e *OverloadedError) Unwrap() error { return e.Err }
