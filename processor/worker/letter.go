package worker

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"onhand/processor"
	"onhand/processor/jetstream"
)

// DeadLetter is something that could not be applied, as kept in the dead
// letters of the deployment: JSON, under the key of its Kind.
type DeadLetter struct {
	Kind      string `json:"kind"`   // "step", "ingest"; other inlets have their own
	Reason    string `json:"reason"` // a word
	Detail    string `json:"detail"` // for people
	Field     string `json:"field,omitempty"`
	Source    string `json:"source,omitempty"`
	At        int64  `json:"at"` // Unix ms
	Partition int    `json:"partition"`
	Position  uint64 `json:"position,omitempty"` // in the log of the partition, or of the shard
	Step      uint64 `json:"step,omitempty"`
	Entry     []byte `json:"entry,omitempty"` // of the log
	Body      string `json:"body,omitempty"`  // as it was sent, or sealed
	Sealed    bool   `json:"sealed,omitempty"`
}

// Refused reports whether an inlet has refused what the letter holds.
func (l *DeadLetter) Refused() bool { return l.Partition < 0 }

// PutRefused keeps a call that an inlet has refused, and waits until it is safe.
// seal seals the call; nil leaves it in clear.
func PutRefused(ctx context.Context, d jetstream.DeadLetters, l *DeadLetter, call []byte, seal func(context.Context, []byte) (string, error)) (err error) {
	l.Partition, l.Body = -1, string(call)
	if seal != nil && len(call) > 0 {
		if l.Body, err = seal(ctx, call); err != nil {
			return err
		}
		l.Sealed = true
	}
	return PutLetter(ctx, d, l)
}

// PutLetter keeps a dead letter and waits until it is safe.
func PutLetter(ctx context.Context, d jetstream.DeadLetters, l *DeadLetter) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	kind := jetstream.FailedLetter
	if l.Refused() {
		kind = jetstream.RefusedLetter
	}
	_, err = d.Put(ctx, kind, l.Kind, data)
	return err
}

func stepLetter(part int, d *processor.Dead, now int64) *DeadLetter {
	return &DeadLetter{
		Kind: "step", Reason: d.Reason, Detail: d.Detail, At: now,
		Partition: part, Position: d.Position, Step: d.Step, Entry: d.Entry,
	}
}

// letters puts the dead letters of all partitions, one at a time. They are in
// the commit records too, so that a crash here loses none for good, nor does a
// stream of dead letters that is full for long.
type letters struct {
	dead jetstream.DeadLetters
	log  *slog.Logger

	mu    sync.Mutex
	queue []*DeadLetter
	bytes int  // of queue
	full  bool // the last one found no room; logged once
	wake  chan struct{}
	idle  chan struct{} // closed while nothing is queued
}

// Limits of the letters that wait. Further ones stand in their commit records
// alone.
const (
	maxLetters     = 10_000
	maxLetterBytes = 32 << 20
)

func (l *DeadLetter) bytes() int { return 200 + len(l.Detail) + len(l.Entry) + len(l.Body) }

func newLetters(d jetstream.DeadLetters, log *slog.Logger) *letters {
	l := &letters{dead: d, log: log, wake: make(chan struct{}, 1), idle: make(chan struct{})}
	close(l.idle)
	return l
}

func (l *letters) put(d *DeadLetter) {
	l.mu.Lock()
	if full := len(l.queue) >= maxLetters || l.bytes+d.bytes() > maxLetterBytes; full {
		if !l.full {
			l.full = true
			l.log.Error("dead letters cannot be kept, and too many wait: see to it that there is room for them (onhand dlq); until then they stand in the commit records alone",
				"waiting", len(l.queue), "reason", d.Reason, "partition", d.Partition, "position", d.Position)
		}
		l.mu.Unlock()
		return
	}
	l.full = false
	if len(l.queue) == 0 {
		l.idle = make(chan struct{})
	}
	l.queue = append(l.queue, d)
	l.bytes += d.bytes()
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *letters) run(ctx context.Context) {
	for {
		l.mu.Lock()
		var d *DeadLetter
		if len(l.queue) > 0 {
			d = l.queue[0]
		}
		l.mu.Unlock()
		if d == nil {
			select {
			case <-l.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		if err := PutLetter(ctx, l.dead, d); errors.Is(err, jetstream.ErrTooLarge) {
			l.log.Error("dead letter is too large to be kept", "reason", d.Reason, "detail", d.Detail, "partition", d.Partition, "position", d.Position)
		} else if err != nil {
			select {
			case <-time.After(time.Second):
				continue
			case <-ctx.Done():
				return
			}
		}
		l.mu.Lock()
		l.bytes -= d.bytes()
		l.queue[0] = nil
		if l.queue = l.queue[1:]; len(l.queue) == 0 {
			l.queue = nil
			close(l.idle)
		}
		l.mu.Unlock()
	}
}

// flush waits until all is put.
func (l *letters) flush(ctx context.Context) error {
	l.mu.Lock()
	idle := l.idle
	l.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
