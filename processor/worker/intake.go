package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"onhand/connectors/segment"
	"onhand/processor"
	"onhand/processor/jetstream"
)

// Intake appends events of inlets to the log, each to the partition of the
// customer or item it is about. It is safe for concurrent use and needs no
// Worker: a process may take events in for partitions that run elsewhere.
type Intake struct {
	log    *jetstream.Log
	pool   sync.Pool // of *load
	events atomic.Uint64
}

// NewIntake returns an intake into a log.
func NewIntake(log *jetstream.Log) *Intake {
	k := &Intake{log: log}
	k.pool.New = func() any { return &load{parts: make([][][]byte, log.Partitions())} }
	return k
}

// load is the events of one call, encoded and sorted by partition.
type load struct {
	buf   []byte
	ends  []int
	to    []int
	parts [][][]byte
	used  []int
}

// Events returns how many events were acknowledged.
func (k *Intake) Events() uint64 { return k.events.Load() }

// Append appends events and returns nil when the log has acknowledged all of
// them. An event without a message id is given one. *OverloadedError says when
// to try again; after any other error they may or may not be in the log. What
// is repeated is known by its message id.
func (k *Intake) Append(ctx context.Context, events []processor.Event) error {
	if len(events) == 0 {
		return nil
	}
	x := k.pool.Get().(*load)
	x.fill(events, k.log.Partitions())
	results := make(chan error, len(x.used))
	var first error
	waiting := 0
	for _, part := range x.used {
		if err := k.log.Packer(part).AddAll(x.parts[part], func(err error) { results <- err }); err != nil {
			first = err
			break
		}
		waiting++
	}
	x.empty()
	k.pool.Put(x)
	for ; waiting > 0; waiting-- {
		select {
		case err := <-results:
			if first == nil {
				first = err
			}
		case <-ctx.Done():
			return fmt.Errorf("worker: %w: %w", jetstream.ErrUnknown, ctx.Err())
		}
	}
	switch {
	case first == nil:
		k.events.Add(uint64(len(events)))
	case errors.Is(first, jetstream.ErrOverloaded):
		return &OverloadedError{RetryAfter: time.Second, Err: first}
	}
	return first
}

// fill encodes events and groups them by partition.
func (x *load) fill(events []processor.Event, partitions int) {
	for i := range events {
		e := &events[i]
		if e.MessageID == "" {
			e.MessageID = segment.NewMessageID()
		}
		x.buf = append(x.buf, byte(processor.EventEntry))
		x.buf = processor.AppendEvent(x.buf, e)
		x.ends = append(x.ends, len(x.buf))
		x.to = append(x.to, partitionOf(e, partitions))
	}
	start := 0
	for i, part := range x.to {
		if len(x.parts[part]) == 0 {
			x.used = append(x.used, part)
		}
		x.parts[part] = append(x.parts[part], x.buf[start:x.ends[i]])
		start = x.ends[i]
	}
}

func (x *load) empty() {
	for _, part := range x.used {
		clear(x.parts[part])
		x.parts[part] = x.parts[part][:0]
	}
	x.buf, x.ends, x.to, x.used = x.buf[:0], x.ends[:0], x.to[:0], x.used[:0]
}

// partitionOf returns the partition an event is for: that of its customer or
// item, or the first for what concerns the whole shop.
func partitionOf(e *processor.Event, partitions int) int {
	kind, id := e.Target()
	if kind == processor.ShopKind {
		return 0
	}
	return processor.PartitionOf(processor.Hash(id), partitions)
}
