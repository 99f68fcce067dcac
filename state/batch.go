package state

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"
)

// Batch is a set of changes that become visible and durable together. It is
// filled by one goroutine and committed once. Later changes of a key win.
type Batch struct {
	s     *Store
	b     *pebble.Batch
	ids   []uint64 // scratch of AddSeen
	due   int64    // earliest timer set
	fired int64    // new cursor, 0 = as it is
	err   error    // first misuse, reported by Commit
}

// maxRetained is the size of a batch up to which its room is used for the next,
// of any store.
const maxRetained = 64 << 20

// NewBatch returns an empty batch. A batch that is not committed may be
// dropped.
func (s *Store) NewBatch() *Batch {
	b := s.db.NewBatch(pebble.WithMaxRetainedSizeBytes(maxRetained), pebble.WithInitialSizeBytes(int(s.batch.Load())))
	return &Batch{s: s, b: b, due: math.MaxInt64}
}

// Set stores the value of an entity. value is copied.
func (b *Batch) Set(kind byte, hash uint64, value []byte) {
	b.checkKind(kind)
	op := b.b.SetDeferred(entityKeyLen, len(value))
	putEntityKey(op.Key, kind, hash)
	copy(op.Value, value)
	b.finish(op)
}

// Delete removes an entity.
func (b *Batch) Delete(kind byte, hash uint64) {
	b.checkKind(kind)
	op := b.b.DeleteDeferred(entityKeyLen)
	putEntityKey(op.Key, kind, hash)
	b.finish(op)
}

// SetTimer stores a timer. due is in Unix ms, not before the cursor of
// FiredUpTo. The same timer twice is one timer.
func (b *Batch) SetTimer(due int64, kind byte, hash uint64) {
	b.checkKind(kind)
	b.due = min(b.due, due)
	op := b.b.SetDeferred(timerKeyLen, 0)
	putTimerKey(op.Key, due, kind, hash)
	b.finish(op)
}

// DeleteTimer removes a timer, fired or moved.
func (b *Batch) DeleteTimer(due int64, kind byte, hash uint64) {
	b.checkKind(kind)
	op := b.b.DeleteDeferred(timerKeyLen)
	putTimerKey(op.Key, due, kind, hash)
	b.finish(op)
}

// FiredUpTo says that no timer due before due is left, so that Timers need not
// walk over those deleted. due is in Unix ms and never falls.
func (b *Batch) FiredUpTo(due int64) {
	b.fired = due
	op := b.b.SetDeferred(len(firedKey), 8)
	copy(op.Key, firedKey)
	binary.BigEndian.PutUint64(op.Value, uint64(due))
	b.finish(op)
}

func (b *Batch) finish(op *pebble.DeferredBatchOp) { b.note(op.Finish()) }

func (b *Batch) checkKind(kind byte) { b.note(checkKind(kind)) }

// note keeps the first error for Commit.
func (b *Batch) note(err error) {
	if b.err == nil {
		b.err = err
	}
}

// Len returns the size of the batch in bytes.
func (b *Batch) Len() int { return b.b.Len() }

// large reports whether a batch fills a good part of a memtable.
func (b *Batch) large() bool { return uint64(b.Len()) >= b.s.shared.o.MemTableBytes/4 }

// Commit applies the batch with its mark, at once and whole. It may
// return before the batch is durable; a crash takes it together with all later
// ones. Batches are committed in the order of their marks by one goroutine.
//
// On ErrDisk nothing has happened and the batch can be committed later. While
// flushes and compactions are far behind, Commit waits for them. After success the
// batch is spent.
func (b *Batch) Commit(mark []byte) error {
	s := b.s
	const nodeBytes = 64 // of a memtable, besides key and value
	if err := s.room(uint64(b.Len()) + nodeBytes*uint64(b.b.Count())); err != nil {
		return err
	}
	fired := max(s.fired, b.fired)
	if b.fired != 0 && b.fired < s.fired {
		b.note(fmt.Errorf("timer cursor set back from %d to %d", s.fired, b.fired))
	}
	if b.due < fired {
		b.note(fmt.Errorf("timer due %d set behind the cursor %d", b.due, fired))
	}
	if b.err != nil {
		return s.fail("commit", b.err)
	}
	value := appendMark(nil, s.chunks.Load(), mark)
	if err := b.b.Set(markKey, value, nil); err != nil {
		return s.fail("commit", err)
	}
	apply := func() error { return s.db.Apply(b.b, pebble.NoSync) }
	if b.large() {
		apply = b.intoTable
	}
	if err := apply(); err != nil {
		if bad := s.writable(); bad != nil {
			return bad
		}
		return s.fail("commit", err)
	}
	s.fired = fired
	s.batch.Store(int64(b.Len()))
	err := b.b.Close()
	b.b = nil
	return s.fail("commit", err)
}
