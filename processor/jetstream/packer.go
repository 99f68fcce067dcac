package jetstream

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"onhand/processor"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Packer gathers entries for one partition into records. The cost of the log is
// per record, not per entry; a record that leaves as soon as the one before is
// acknowledged holds four entries at 200,000 a second and eats the machine. So
// one record is in flight at a time, and a token bucket bounds their rate. An
// idle partition has tokens, and its entries leave at once. What partitions say
// to each other leaves in the same records, ahead of what inlets bring.
//
//	AddOwn --> own ---.
//	Add ----> queue --+--> one record in flight --> in.<p>
type Packer struct {
	log     *Log
	lane    *lane
	part    int
	subject string
	stream  string

	mu       sync.Mutex
	own      []*pack // what the deployment has to say, goes first
	queue    []*pack // what inlets bring; the last one may take more entries
	waiting  int     // bytes in queue
	inFlight bool
	timer    bool    // a flush is due when there is a token again
	spare    []*pack // emptied, to be filled again
	rate     bucket
	room     room
	closed   bool

	acked atomic.Uint64
}

const (
	// MaxWaitingBytes is how much may wait in a Packer before it refuses.
	MaxWaitingBytes = 512 << 10
	// MaxEntryBytes bounds an entry, so that a record can hold it.
	MaxEntryBytes = processor.MaxRecordBytes - processor.RecordHeaderBytes - maxSizeBytes

	maxSizeBytes = 3 // of the size in front of an entry

	// A pack takes no more entries and bytes than these, so that a record has room
	// for one of what the deployment has to say and one of what inlets bring.
	packEntries = processor.MaxRecordEntries / 2
	packBytes   = processor.MaxRecordBytes / 2

	// One pack is in flight, one of each queue is being filled, one ends.
	maxSpare = 4
)

// pack is a record being filled, and who waits for it.
type pack struct {
	record  []byte
	entries int
	waiters []*waiter
}

// waiter is one call of Add or AddAll. Its entries may be in several records.
type waiter struct {
	done func(error)

	mu      sync.Mutex // its records may end on different goroutines
	records int
	err     error
}

// Packer returns the packer of a partition, which exists once per Log. It is
// nil for a partition that does not exist.
func (l *Log) Packer(p int) *Packer {
	if l.checkPartition(p) != nil {
		return nil
	}
	return l.packers[p]
}

func newPacker(l *Log, p int, info *jetstream.StreamInfo) *Packer {
	return &Packer{log: l, lane: l.lane(p), part: p, subject: l.inSubject(p), stream: l.inStream(p),
		room: room{limit: info.Config.MaxBytes, level: int64(info.State.Bytes), checked: l.now()}}
}

// Add queues an entry, from 1 to MaxEntryBytes, and copies it. done is called
// once: with nil when the log has acknowledged the entry, with ErrUnknown when
// its fate is not known (send it again: the receiver removes copies), with
// another error when it was not written. It may be called before Add returns;
// it must be quick, for other partitions wait for it. When Add returns an error,
// ErrOverloaded above all, nothing was queued and done is never called.
func (p *Packer) Add(entry []byte, done func(error)) error {
	one := [1][]byte{entry}
	return p.AddAll(one[:], done)
}

// AddAll is Add for several entries: all are queued, in order, or none. done is
// called once for all of them, with the first error if there are any; then some
// of the entries may have been written.
func (p *Packer) AddAll(entries [][]byte, done func(error)) error {
	size := 0
	for _, e := range entries {
		if len(e) == 0 || len(e) > MaxEntryBytes {
			return fmt.Errorf("%w: an entry of %d bytes, from 1 to %d", ErrTooLarge, len(e), MaxEntryBytes)
		}
		size += len(e) + maxSizeBytes
	}
	if len(entries) == 0 {
		done(nil)
		return nil
	}
	if !p.lane.up.Load() {
		return ErrUnavailable
	}
	p.mu.Lock()
	if err := p.admit(size); err != nil {
		p.mu.Unlock()
		return err
	}
	w := &waiter{done: done}
	for _, e := range entries {
		p.waiting += p.fill(&p.queue, e, w)
	}
	k := p.leave()
	p.mu.Unlock()
	p.send(k)
	return nil
}

// Acked returns the sequence of the last record acknowledged, 0 when there is
// none. Asked in done it is that of the record with the last of the entries.
func (p *Packer) Acked() uint64 { return p.acked.Load() }

// admit says whether size more bytes may wait.
func (p *Packer) admit(size int) error {
	switch {
	case p.closed:
		return ErrClosed
	case p.waiting > 0 && p.waiting+size > MaxWaitingBytes:
		return fmt.Errorf("%w (partition %d: %d bytes wait)", ErrOverloaded, p.part, p.waiting)
	case p.log.server != nil && p.log.server.disk.low():
		return fmt.Errorf("%w (less than %d MiB of the disk are free)", ErrOverloaded, spaceKept>>20)
	case p.room.full():
		p.look(fullCheck)
		return fmt.Errorf("%w (partition %d: %d of %d bytes taken)", ErrOverloaded, p.part, p.room.level, p.room.limit)
	}
	p.look(roomCheck)
	return nil
}

// AddOwn adds the entries of a record of what the deployment itself has to say:
// transfers, outcomes, releases. They leave with the next records, before what
// inlets bring, and may use the last fifth of the stream, so that full inputs
// never block each other in a cycle. How much waits is the caller's to bound:
// one record at a time from each of the few that call. done is as for Add.
func (p *Packer) AddOwn(record []byte, done func(error)) error {
	rec, err := processor.ParseRecord(record)
	if err != nil {
		return err
	}
	if !p.lane.up.Load() {
		return ErrUnavailable
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return ErrClosed
	}
	w := &waiter{done: done}
	for e, err := rec.Next(); e != nil && err == nil; e, err = rec.Next() {
		p.fill(&p.own, e, w)
	}
	k := p.leave()
	p.mu.Unlock()
	p.send(k)
	return nil
}

// fill puts an entry into the last pack of a queue, or into a new one when it
// is full, and returns the bytes it takes. An entry that is larger than a pack is
// one by itself.
func (p *Packer) fill(queue *[]*pack, e []byte, w *waiter) int {
	var k *pack
	if n := len(*queue); n > 0 {
		k = (*queue)[n-1]
	}
	if k == nil || k.entries == packEntries || len(k.record)+maxSizeBytes+len(e) > packBytes {
		k = p.newPack()
		*queue = append(*queue, k)
	}
	if n := len(k.waiters); n == 0 || k.waiters[n-1] != w {
		k.waiters = append(k.waiters, w)
		w.records++
	}
	before := len(k.record)
	k.record = processor.AppendRecordEntry(k.record, e)
	k.entries++
	return len(k.record) - before
}

func (p *Packer) newPack() *pack {
	var k *pack
	if n := len(p.spare); n > 0 {
		k, p.spare = p.spare[n-1], p.spare[:n-1]
	} else {
		k = &pack{}
	}
	k.record = processor.AppendRecordHeader(k.record[:0], 0) // stamped when it leaves
	return k
}

// pop takes the first pack of a queue out.
func pop(queue *[]*pack) *pack {
	k := (*queue)[0]
	(*queue)[0] = nil
	if *queue = (*queue)[1:]; len(*queue) == 0 {
		*queue = nil
	}
	return k
}

// next takes the pack that leaves now: what the deployment has to say, and
// behind it what inlets brought, if there is room for all of that.
func (p *Packer) next() *pack {
	var k *pack
	if len(p.own) > 0 {
		if k = pop(&p.own); len(p.queue) == 0 || !k.holds(p.queue[0]) {
			return k
		}
	}
	q := pop(&p.queue)
	p.waiting -= len(q.record) - processor.RecordHeaderBytes
	if k == nil {
		return q
	}
	k.record = append(k.record, q.record[processor.RecordHeaderBytes:]...)
	k.entries += q.entries
	k.waiters = append(k.waiters, q.waiters...)
	p.recycle(q)
	return k
}

// holds reports whether a pack has room for another.
func (k *pack) holds(q *pack) bool {
	return k.entries+q.entries <= processor.MaxRecordEntries && len(k.record)+len(q.record) <= processor.MaxRecordBytes
}

// recycle keeps an emptied pack for newPack, if few are kept.
func (p *Packer) recycle(k *pack) {
	clear(k.waiters)
	k.waiters, k.entries = k.waiters[:0], 0
	if len(p.spare) < maxSpare {
		p.spare = append(p.spare, k)
	}
}

// leave takes the record that may be sent now, nil = there is none. It is in
// flight from here on; send sends it without the lock.
func (p *Packer) leave() *pack {
	if p.inFlight || len(p.own)+len(p.queue) == 0 {
		return nil
	}
	// A record with more behind it is full: waiting would not pack it better.
	if wait := p.rate.take(p.log.now(), len(p.own) > 1 || len(p.queue) > 1); wait > 0 {
		p.timer = p.timer || p.log.after(wait, p.token)
		return nil
	}
	k := p.next()
	processor.AppendRecordHeader(k.record[:0], p.log.clock().UnixMilli())
	p.room.level += int64(len(k.record) + len(p.subject) + messageOverhead)
	p.inFlight = true
	return k
}

// send sends a record that has left, and the next ones while sending fails.
func (p *Packer) send(k *pack) {
	for k != nil {
		left := k
		err := p.lane.publish(p.subject, p.stream, nil, k.record, func(seq uint64, err error) { p.landed(left, seq, err) })
		if err == nil {
			return
		}
		p.mu.Lock()
		p.inFlight = false
		k = p.leave()
		p.mu.Unlock()
		left.finish(err)
	}
}

// token continues when there is a token again.
func (p *Packer) token() {
	p.mu.Lock()
	p.timer = false
	k := p.leave()
	p.mu.Unlock()
	p.send(k)
}

// landed continues when the record in flight has an answer.
func (p *Packer) landed(k *pack, seq uint64, err error) {
	if err == nil {
		p.acked.Store(seq)
	}
	p.mu.Lock()
	p.inFlight = false
	next := p.leave()
	p.mu.Unlock()
	p.send(next)
	k.finish(err)

	p.mu.Lock()
	p.recycle(k)
	p.mu.Unlock()
}

// finish tells the waiters of a record what became of it.
func (k *pack) finish(err error) {
	for _, w := range k.waiters {
		w.finish(err)
	}
}

// finish counts down a record, and calls done at the last.
func (w *waiter) finish(err error) {
	w.mu.Lock()
	if w.err == nil {
		w.err = err
	}
	w.records--
	last := w.records == 0
	w.mu.Unlock()
	if last {
		w.done(w.err)
	}
}

// close fails what waits.
func (p *Packer) close() {
	p.mu.Lock()
	p.closed = true
	rest := append(p.own, p.queue...)
	p.own, p.queue, p.waiting = nil, nil, 0
	p.mu.Unlock()
	for _, k := range rest {
		k.finish(ErrClosed)
	}
}

// bucket is a token bucket: four tokens, one more every 2 ms. An idle partition
// sends at once, a busy one every 2 ms.
type bucket struct {
	empty time.Duration // when the bucket would be full again, if nothing were taken
}

const (
	tokens     = 4
	tokenEvery = 2 * time.Millisecond
)

// take takes a token, or says how long until there is one. With force it takes
// one in any case.
func (b *bucket) take(now time.Duration, force bool) time.Duration {
	full := max(b.empty, now)
	if wait := full - now - (tokens-1)*tokenEvery; wait > 0 && !force {
		return wait
	}
	b.empty = min(full+tokenEvery, now+tokens*tokenEvery)
	return 0
}

// room is how much of a stream's limit is taken, as last seen plus what was
// sent since. Others write to the stream too, so it is looked at again: once a
// second while entries come, ten times when it is full, never when idle.
type room struct {
	limit, level int64
	checked      time.Duration
	asking       bool
}

const (
	roomCheck       = time.Second
	fullCheck       = 100 * time.Millisecond
	messageOverhead = 30 // bytes a stored message takes besides subject and data
)

// full reports whether less than a fifth is free, which is for Append.
func (r *room) full() bool { return r.limit > 0 && r.level >= r.limit/5*4 }

// look asks for the level when the last answer is older than age.
func (p *Packer) look(age time.Duration) {
	now := p.log.now()
	if p.room.asking || now-p.room.checked < age {
		return
	}
	p.room.asking, p.room.checked = true, now
	err := p.lane.requests.send("$JS.API.STREAM.INFO."+p.stream, nil, nil, func(m *nats.Msg, err error) {
		var info struct {
			Config struct {
				MaxBytes int64 `json:"max_bytes"`
			} `json:"config"`
			State struct {
				Bytes int64 `json:"bytes"`
			} `json:"state"`
		}
		if err == nil {
			err = json.Unmarshal(m.Data, &info)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.room.asking = false
		if err == nil && info.Config.MaxBytes != 0 {
			p.room.limit, p.room.level = info.Config.MaxBytes, info.State.Bytes
		}
	})
	if err != nil {
		p.room.asking = false
	}
}
