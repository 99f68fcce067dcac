package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"onhand/processor"
	"onhand/processor/jetstream"
)

// Pipe puts events into the log and knows how many of them no commit record
// covers yet.
//
//	Add, Flush --> packer --acknowledged at sequence s--> waiting
//	                                                         | commit record with position >= s
//	                                                         v
//	                                                     committed
//
// What NATS has not answered for, as on a disk that stands still, is sent again,
// as a sender would: the receiver removes copies. Add and Flush are used by one
// goroutine.
type Pipe struct {
	log       *jetstream.Log
	lanes     []lane
	inFlight  atomic.Int64
	committed atomic.Int64
	refused   atomic.Int64 // times a packer took no more
	resent    atomic.Int64 // times events were sent again
	again     context.Context
	stop      context.CancelFunc
	resending sync.WaitGroup
	moved     chan struct{}
	failed    atomic.Pointer[error]
}

// lane is the way to one partition.
type lane struct {
	buf  []byte
	ends []int

	mu       sync.Mutex
	waiting  []mark // acknowledged, ascending
	head     int
	position uint64 // covered by a commit record
	free     []*parcel
}

// mark says that n events are in the log up to a sequence.
type mark struct {
	seq uint64
	n   int
}

// parcel is one call of a packer, kept until it is in the log.
type parcel struct {
	part    int
	buf     []byte
	entries [][]byte // in buf
	done    func(error)
	also    func(error) // of a special event
}

// NewPipe returns a pipe into a log. Close it after the log.
func NewPipe(log *jetstream.Log) *Pipe {
	p := &Pipe{log: log, lanes: make([]lane, log.Partitions()), moved: make(chan struct{}, 1)}
	p.again, p.stop = context.WithCancel(context.Background())
	return p
}

// Close waits until nothing is sent again any more.
func (p *Pipe) Close() {
	p.stop()
	p.resending.Wait()
}

// Committed returns how many events commit records cover so far.
func (p *Pipe) Committed() int64 { return p.committed.Load() }

// Err returns why the pipe is broken, nil while it is not.
func (p *Pipe) Err() error {
	if err := p.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (p *Pipe) fail(err error) {
	p.failed.CompareAndSwap(nil, &err)
	p.signal()
}

func (p *Pipe) signal() {
	select {
	case p.moved <- struct{}{}:
	default:
	}
}

// Add puts an event into the lane of a partition. It leaves with Flush.
func (p *Pipe) Add(part int, e *processor.Event) {
	l := &p.lanes[part]
	l.buf = append(l.buf, byte(processor.EventEntry))
	l.buf = processor.AppendEvent(l.buf, e)
	l.ends = append(l.ends, len(l.buf))
}

// Flush hands everything to the packers and waits while one takes no more.
func (p *Pipe) Flush(ctx context.Context) error {
	for part := range p.lanes {
		if len(p.lanes[part].ends) > 0 {
			if err := p.flush(ctx, part, nil); err != nil {
				return err
			}
		}
	}
	return p.Err()
}

// Special sends one event by itself, behind those added to the lane before.
// done, if not nil, is called when the log has acknowledged it.
func (p *Pipe) Special(ctx context.Context, e *processor.Event, done func(error)) error {
	part := partitionOf(e, len(p.lanes))
	if len(p.lanes[part].ends) > 0 {
		if err := p.flush(ctx, part, nil); err != nil {
			return err
		}
	}
	p.Add(part, e)
	return p.flush(ctx, part, done)
}

func (p *Pipe) flush(ctx context.Context, part int, also func(error)) error {
	l := &p.lanes[part]
	x := p.parcel(part)
	x.buf, l.buf = l.buf, x.buf[:0]
	x.entries, x.also = x.entries[:0], also
	start := 0
	for _, end := range l.ends {
		x.entries = append(x.entries, x.buf[start:end])
		start = end
	}
	l.ends = l.ends[:0]
	n := int64(len(x.entries))
	p.inFlight.Add(n)
	if err := p.submit(ctx, x); err != nil {
		p.inFlight.Add(-n)
		return fmt.Errorf("bench: partition %d takes no events: %w", part, err)
	}
	return nil
}

// submit hands a parcel to its packer, and waits while that takes no more.
func (p *Pipe) submit(ctx context.Context, x *parcel) error {
	for {
		err := p.log.Packer(x.part).AddAll(x.entries, x.done)
		if !errors.Is(err, jetstream.ErrOverloaded) && !errors.Is(err, jetstream.ErrUnavailable) {
			return err
		}
		p.refused.Add(1)
		select {
		case <-time.After(500 * time.Microsecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// parcel returns a parcel to a partition; they are used again.
func (p *Pipe) parcel(part int) *parcel {
	l := &p.lanes[part]
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		x := l.free[n-1]
		l.free = l.free[:n-1]
		return x
	}
	x := &parcel{part: part}
	x.done = func(err error) { p.landed(x, err) }
	return x
}

// landed continues when a parcel is in the log, or is not.
func (p *Pipe) landed(x *parcel, err error) {
	if jetstream.Unreached(err) || errors.Is(err, jetstream.ErrOverloaded) {
		p.resent.Add(1)
		p.resending.Go(func() {
			if err := p.submit(p.again, x); err != nil {
				p.landed(x, err)
			}
		})
		return
	}
	if x.also != nil {
		x.also(err)
	}
	if err != nil {
		p.fail(fmt.Errorf("bench: partition %d: events are lost: %w", x.part, err))
		return
	}
	seq := p.log.Packer(x.part).Acked()
	l := &p.lanes[x.part]
	l.mu.Lock()
	n := len(x.entries)
	if seq > l.position {
		l.waiting = append(l.waiting, mark{seq, n})
		n = 0
	}
	l.free = append(l.free, x)
	l.mu.Unlock()
	p.settle(n)
}

// Reached says that a commit record of a partition covers a position.
func (p *Pipe) Reached(part int, position uint64) {
	l := &p.lanes[part]
	n := 0
	l.mu.Lock()
	l.position = max(l.position, position)
	for ; l.head < len(l.waiting) && l.waiting[l.head].seq <= position; l.head++ {
		n += l.waiting[l.head].n
	}
	if l.head == len(l.waiting) {
		l.waiting, l.head = l.waiting[:0], 0
	} else if l.head > 1024 {
		l.waiting, l.head = l.waiting[:copy(l.waiting, l.waiting[l.head:])], 0
	}
	l.mu.Unlock()
	p.settle(n)
}

func (p *Pipe) settle(n int) {
	if n > 0 {
		p.committed.Add(int64(n))
		p.inFlight.Add(-int64(n))
		p.signal()
	}
}

// Below waits until fewer than n events are in the pipe.
func (p *Pipe) Below(ctx context.Context, n int64) error {
	for p.inFlight.Load() >= n {
		if err := p.Err(); err != nil {
			return err
		}
		select {
		case <-p.moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return p.Err()
}

const (
	inPipe = 65_536 // events of a closed loop
	chunk  = 1024   // drawn at a time
)

// Press keeps the pipe full until ctx ends or next has no more. Events happen
// evenly over the time since those before, by clock: next is given Unix ms.
func (p *Pipe) Press(ctx context.Context, clock func() time.Time, next func(at int64) (e *processor.Event, part int)) error {
	for last := clock(); ctx.Err() == nil; {
		if err := p.Below(ctx, inPipe-chunk+1); err != nil {
			break
		}
		more := true
		from, span := last, clock().Sub(last)
		last = from.Add(span)
		for i := range chunk {
			e, part := next(from.Add(span * time.Duration(i) / chunk).UnixMilli())
			if more = e != nil; !more {
				break
			}
			p.Add(part, e)
		}
		if err := p.Flush(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		if !more {
			return p.Below(ctx, 1)
		}
	}
	return p.Err()
}

// Schedule is an open loop: Rate events a second, and of them Specials a
// second made by Special, each at the time it was meant to be sent.
type Schedule struct {
	Rate     int
	Next     func(at int64) (*processor.Event, int)
	Specials int
	// Special sends the i-th special event, which was due at a time.
	Special func(i int, due time.Time) error
}

// restEvery is how long an open loop sleeps at most, and so how late an event
// may leave at a high rate. The delay counts as latency.
const restEvery = 500 * time.Microsecond

// Play sends by a schedule until ctx ends.
func (p *Pipe) Play(ctx context.Context, s Schedule) error {
	start := time.Now()
	every := 0 // one event in so many is special
	if s.Specials > 0 {
		every = max(1, s.Rate/s.Specials)
	}
	gap := float64(time.Second) / float64(s.Rate)
	for n, specials := 0, 0; ctx.Err() == nil; {
		now := time.Now()
		due := int(float64(now.Sub(start)) / gap)
		for ; n <= due; n++ {
			if every > 0 && n%every == every-1 {
				if err := s.Special(specials, start.Add(time.Duration(float64(n)*gap))); err != nil {
					return ended(ctx, err)
				}
				specials++
				continue
			}
			e, part := s.Next(start.Add(time.Duration(float64(n) * gap)).UnixMilli())
			p.Add(part, e)
			if n%chunk == 0 {
				if err := p.Flush(ctx); err != nil {
					return ended(ctx, err)
				}
			}
		}
		if err := p.Flush(ctx); err != nil {
			return ended(ctx, err)
		}
		wait := max(time.Until(start.Add(time.Duration(float64(n)*gap))), min(restEvery, time.Duration(gap)/4))
		if gap < float64(restEvery) {
			wait = restEvery
		}
		time.Sleep(wait)
	}
	return p.Err()
}

// ended drops an error that only says that ctx ended.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
