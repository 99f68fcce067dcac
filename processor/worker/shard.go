package worker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"onhand/connectors/segment"
	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/processor/moments"
)

// shard moves the events of one ingest shard, JSON from clients in any
// language, to the partitions they are for. It is a sender like a partition:
// its entries are numbered by their place in the shard, one record is in flight
// per partition, and receivers accept only greater numbers. So it may be read
// twice, by this worker again or by two at once.
type shard struct {
	w      *Worker
	number int
	cancel context.CancelFunc
	done   chan struct{}

	parser segment.Parser
	events []processor.Event
	buf    []byte
	boxes  []shardBox
	read   uint64 // last sequence parsed
	saved  uint64

	mu    sync.Mutex
	moved chan struct{} // a record has landed or failed
}

// shardBox is what a shard has for one partition. Guarded by shard.mu: busy
// and retry.
type shardBox struct {
	queue   []shardRecord
	busy    bool
	landed  bool // the record in flight is in the log
	retryAt time.Time
}

type shardRecord struct {
	record  []byte
	entries int
	first   uint64 // sequence of its first event
}

const (
	shardBurst     = 256
	shardSaveEvery = 2 * time.Second
	shardWaiting   = 64 // records that wait before reading pauses

	// One message may hold several events; each has a number of its own.
	eventsPerMessage = 1 << 10
)

// startShard runs a shard. mu is held.
func (w *Worker) startShard(i int) {
	ctx, cancel := context.WithCancel(w.ctx)
	s := &shard{
		w: w, number: i, cancel: cancel, done: make(chan struct{}),
		boxes: make([]shardBox, w.log.Partitions()), moved: make(chan struct{}, 1),
	}
	w.shards[i] = s
	w.tasks.Go(func() {
		s.run(ctx)
		cancel()
		close(s.done)
		w.mu.Lock()
		delete(w.shards, i)
		w.mu.Unlock()
		w.lookAgain()
	})
}

func (s *shard) stop() { s.cancel() }

// run moves events until ctx ends. After an error it starts again from the
// position it saved last.
func (s *shard) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		s.w.cfg.Logger.Warn("ingest shard starts again", "shard", s.number, "error", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

func (s *shard) follow(ctx context.Context) error {
	from, err := s.w.log.LoadShard(ctx, s.number)
	if err != nil {
		return err
	}
	r, err := s.w.log.ReadShard(s.number, from+1)
	if err != nil {
		return err
	}
	defer r.Stop()
	s.read, s.saved = from, from
	clear(s.boxes)
	save := time.NewTicker(shardSaveEvery)
	defer save.Stop()
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	for {
		busy := false
		for n := 0; n < shardBurst && s.waiting() < shardWaiting; n++ {
			m, ok, err := r.TryNext()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			busy = true
			if err := s.take(ctx, m); err != nil {
				return err
			}
		}
		again, err := s.send()
		if err != nil {
			return err
		}
		if busy {
			continue
		}
		ready := r.Ready()
		if s.waiting() >= shardWaiting {
			ready = nil
		}
		retry.Reset(again)
		select {
		case <-ready:
		case <-s.moved:
		case <-retry.C:
		case <-save.C:
			s.save(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take parses one message and queues its events.
func (s *shard) take(ctx context.Context, m jetstream.Message) error {
	// The time of arrival and made-up ids depend on the message only, so that
	// whoever reads it again makes the same of it.
	rules, err := s.rules(ctx)
	if err != nil {
		return err
	}
	events, err := s.parser.Parse(s.events[:0], m.Data, segment.Options{Source: "nats", Now: m.Stamp, Currency: rules.Currency, Country: rules.Country, AddressKey: s.w.cfg.AddressKey})
	if err == nil && len(events) > eventsPerMessage {
		err = fmt.Errorf("stands for %d events, at most %d", len(events), eventsPerMessage)
	}
	if err != nil {
		s.read = m.Seq
		return s.refuse(ctx, m, err)
	}
	s.events = events
	if s.w.cfg.Seal != nil {
		if err := s.w.cfg.Seal(ctx, events); err != nil {
			return err
		}
	}
	for i := range events {
		e := &events[i]
		if e.MessageID == "" {
			e.MessageID = "ingest-" + strconv.Itoa(s.number) + "-" + strconv.FormatUint(m.Seq, 10) + "-" + strconv.Itoa(i)
		}
		s.buf = processor.AppendEvent(s.buf[:0], e)
		entry := processor.AppendShardEvent(nil, s.number, m.Seq*eventsPerMessage+uint64(i), s.buf)
		s.queue(partitionOf(e, len(s.boxes)), m.Seq, entry)
	}
	s.read = m.Seq
	return nil
}

// rules waits for the moments in force.
func (s *shard) rules(ctx context.Context) (*moments.File, error) {
	for {
		if rules, err := s.w.InForce(); err == nil {
			return rules, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// refuse keeps what cannot be read. The position moves on only when it is kept.
func (s *shard) refuse(ctx context.Context, m jetstream.Message, cause error) error {
	l := &DeadLetter{Kind: "ingest", Reason: "malformed", Detail: cause.Error(), Source: "nats", At: m.Stamp,
		Position: m.Seq}
	var faults segment.Faults
	if errors.As(cause, &faults) && len(faults) > 0 {
		l.Field = faults[0].Field
	}
	return PutRefused(ctx, s.w.log.DeadLetters(), l, m.Data[:min(len(m.Data), processor.MaxEventBytes)], s.w.cfg.SealCall)
}

func (s *shard) queue(part int, seq uint64, entry []byte) {
	b := &s.boxes[part]
	n := len(b.queue)
	if n == 0 || n == 1 && b.busy || b.queue[n-1].entries == processor.MaxRecordEntries ||
		len(b.queue[n-1].record)+maxSizeBytes+len(entry) > processor.MaxRecordBytes {
		b.queue = append(b.queue, shardRecord{record: processor.AppendRecordHeader(nil, 0), first: seq})
		n = len(b.queue)
	}
	r := &b.queue[n-1]
	r.record = processor.AppendRecordEntry(r.record, entry)
	r.entries++
}

func (s *shard) waiting() int {
	n := 0
	for i := range s.boxes {
		n += len(s.boxes[i].queue)
	}
	return n
}

// send takes note of what has landed and publishes what may be published. It
// returns when to look again.
func (s *shard) send() (again time.Duration, err error) {
	again = time.Hour
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for part := range s.boxes {
		b := &s.boxes[part]
		if b.landed {
			b.landed, b.busy = false, false
			b.queue = b.queue[1:]
		}
		if b.busy || len(b.queue) == 0 {
			continue
		}
		if wait := b.retryAt.Sub(now); wait > 0 {
			again = min(again, wait)
			continue
		}
		r := b.queue[0].record
		processor.AppendRecordHeader(r[:0], s.w.cfg.Clock().UnixMilli())
		b.busy = true
		err := s.w.log.AppendAsync(part, r, func(_ uint64, err error) { s.landed(b, err) })
		if errors.Is(err, jetstream.ErrClosed) || errors.Is(err, jetstream.ErrTooLarge) {
			return 0, err
		}
		if err != nil {
			b.busy, b.retryAt = false, now.Add(retryAfter)
			again = min(again, retryAfter)
		}
	}
	return again, nil
}

func (s *shard) landed(b *shardBox, err error) {
	s.mu.Lock()
	if b.landed = err == nil; err != nil {
		b.busy, b.retryAt = false, time.Now().Add(retryAfter)
	}
	s.mu.Unlock()
	select {
	case s.moved <- struct{}{}:
	default:
	}
}

// save remembers up to where everything is in the partitions' logs.
func (s *shard) save(ctx context.Context) {
	done := s.read
	for i := range s.boxes {
		if q := s.boxes[i].queue; len(q) > 0 {
			done = min(done, q[0].first-1)
		}
	}
	if done <= s.saved {
		return
	}
	if err := s.w.log.SaveShard(ctx, s.number, done); err != nil {
		s.w.cfg.Logger.Warn("position of an ingest shard is not saved yet", "shard", s.number, "error", err)
		return
	}
	s.saved = done
}
