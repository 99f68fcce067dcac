package worker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"onhand/connectors"
	"onhand/processor"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// world is a log in memory with partitions on it, and everything that can go
// wrong between them.
type world struct {
	rapid.TB
	now    int64
	cfg    PartitionConfig
	logs   [][]record // by partition
	outs   [][][]byte // commit records, by partition
	owners []*owner
	ghosts []*owner   // owners that were replaced and do not know it
	told   [][]uint64 // by sender and receiver: messages in commit records
	tried  map[string]int
	broken int  // steps that were passed over
	lossy  bool // logs have lost messages they had acknowledged
}

type record struct {
	stamp int64
	data  []byte
}

// owner is a process that has, or had, a partition.
type owner struct {
	part   int
	store  *memStore
	p      *Partition
	batch  Batch // being committed
	mark   []byte
	reopen bool
	held   map[int][]byte // transfers without an answer for now, by receiver
	acked  []uint64       // by receiver
}

const start = int64(1_800_000_000_000)

func newWorld(t rapid.TB, partitions int, cfg PartitionConfig) *world {
	w := &world{TB: t, now: start, cfg: cfg, logs: make([][]record, partitions), outs: make([][][]byte, partitions), tried: map[string]int{}}
	w.cfg.Partitions = partitions
	for range partitions {
		w.told = append(w.told, make([]uint64, partitions))
	}
	for part := range partitions {
		w.owners = append(w.owners, w.open(part, newMemStore()))
	}
	w.append(0, processor.AppendControl(nil, &processor.Control{Type: processor.Activate, At: w.now, Text: []byte(rules)}))
	return w
}

// append appends a record of one entry to a log.
func (w *world) append(part int, entries ...[]byte) {
	r := processor.AppendRecordHeader(nil, w.now)
	for _, e := range entries {
		r = processor.AppendRecordEntry(r, e)
	}
	w.write(part, r)
}

func (w *world) write(part int, data []byte) uint64 {
	w.logs[part] = append(w.logs[part], record{w.now, slices.Clone(data)})
	return uint64(len(w.logs[part]))
}

func (w *world) event(e processor.Event) {
	w.append(partitionOf(&e, len(w.logs)), processor.AppendEvent([]byte{byte(processor.EventEntry)}, &e))
}

// commit does what the log does: it compares the expectation.
func (w *world) commit(part int, data []byte, expect uint64) (uint64, bool) {
	if uint64(len(w.outs[part])) != expect {
		return 0, false
	}
	w.outs[part] = append(w.outs[part], slices.Clone(data))
	c, err := processor.ParseCommit(data)
	require.NoError(w, err)
	for rest := c.Outputs; len(rest) > 0; {
		var o processor.Output
		o, rest, err = processor.NextOutput(rest)
		require.NoError(w, err)
		if o.Type == processor.TransferOutput {
			m, err := processor.ParseTransfer(o.Body)
			require.NoError(w, err)
			w.told[part][m.Receiver] = m.Number
		}
	}
	return expect + 1, true
}

// open takes a partition over. A store that holds nothing is given the state
// before the first record, so that a machine cannot take for granted that what
// it does not hold is nowhere, and asks the store.
func (w *world) open(part int, store *memStore) *owner {
	if store.now.mark == nil {
		m, err := processor.NewMachine(processor.Config{Partition: part, Partitions: len(w.logs)}, store)
		require.NoError(w, err)
		store.now.mark = m.BeginFlush(store.NewBatch())
	}
	var last []byte
	if n := len(w.outs[part]); n > 0 {
		last = w.outs[part][n-1]
	}
	fence, err := Fence(last)
	require.NoError(w, err)
	if last != nil {
		before, _ := processor.ParseCommit(last)
		after, _ := processor.ParseCommit(fence)
		require.Greater(w, after.Epoch, before.Epoch)
	}
	w.commit(part, fence, uint64(len(w.outs[part])))
	state, err := positionOf(store, part, len(w.logs))
	require.NoError(w, err)
	h := &History{}
	for i, data := range w.outs[part] {
		c, err := processor.ParseCommit(data)
		require.NoError(w, err)
		if i+1 < len(w.outs[part]) && c.Position < state {
			continue // may be left out
		}
		require.NoError(w, h.Add(uint64(i+1), data))
	}
	cfg := w.cfg
	cfg.Partition = part
	p, err := OpenPartition(cfg, store, h, w.now)
	require.NoError(w, err)
	o := &owner{part: part, store: store, p: p, held: map[int][]byte{}, acked: make([]uint64, len(w.logs))}
	for q, n := range p.Machine().Shop().Sent {
		o.acked[q] = n
		if q < len(h.last.Acked) {
			o.acked[q] = max(n, h.last.Acked[q])
		}
	}
	return o
}

// apply applies the next records of the log, up to n.
func (w *world) apply(o *owner, n int) {
	if o.reopen {
		if o.p.Flushing() {
			w.save(o)
		}
		_, err := o.p.Reopen(w.now)
		require.NoError(w, err)
		o.reopen = false
	}
	for ; n > 0 && o.p.Room(); n-- {
		next := o.p.Next()
		if next > uint64(len(w.logs[o.part])) {
			return
		}
		r := w.logs[o.part][next-1]
		err := o.p.Apply(next, r.stamp, r.data)
		if errors.Is(err, ErrPoison) {
			o.reopen = true
			w.broken++
			return
		}
		require.NoError(w, err)
	}
}

// effects attempts what it is told to and reports at once.
func (w *world) effects(o *owner, effects []Effect, err error) {
	if errors.Is(err, ErrFenced) {
		return
	}
	require.NoError(w, err)
	for _, e := range effects {
		if e.Type == Republish {
			require.NoError(w, o.p.Requeue(e.Resend.Receiver, w.said(o.part, e.Resend)))
		}
		if e.Type == Attempt {
			w.tried[e.Decision.Action.ID]++
			o.p.Report(connectors.Report{Customer: e.Decision.Customer, ActionID: e.Decision.Action.ID, Attempt: e.Number, Delivery: processor.Delivered})
		}
	}
}

// said returns the messages in the commit records that are to be said again.
func (w *world) said(part int, x processor.Resend) (again []processor.Transfer) {
	for _, data := range w.outs[part] {
		c, err := processor.ParseCommit(data)
		require.NoError(w, err)
		for rest := c.Outputs; len(rest) > 0; {
			var o processor.Output
			o, rest, err = processor.NextOutput(rest)
			require.NoError(w, err)
			if o.Type == processor.TransferOutput {
				if t, err := processor.ParseTransfer(o.Body); err == nil && t.Receiver == x.Receiver && t.Number >= x.From {
					again = append(again, t)
				}
			}
		}
	}
	return again
}

// fate is what becomes of a message.
type fate int

const (
	fine fate = iota
	lostAnswer
	lostMessage
	stuck // no answer for now
)

func (w *world) sendCommit(o *owner, f fate) {
	if o.p.InFlight() != nil && f != stuck { // its fate is asked for
		n := len(w.outs[o.part])
		effects, err := o.p.CommitLast(uint64(n), w.outs[o.part][n-1], w.now)
		w.effects(o, effects, err)
	}
	data, expect, ok := o.p.NextCommit(w.now)
	if !ok {
		return
	}
	switch f {
	case fine:
		seq, ok := w.commit(o.part, data, expect)
		if !ok {
			n := len(w.outs[o.part])
			effects, err := o.p.CommitLast(uint64(n), w.outs[o.part][n-1], w.now)
			w.effects(o, effects, err)
			return
		}
		effects, err := o.p.CommitDone(seq, w.now)
		w.effects(o, effects, err)
	case lostAnswer:
		w.commit(o.part, data, expect)
	case lostMessage:
		o.p.CommitUnsent()
	}
}

func (w *world) sendTransfer(o *owner, f fate) {
	for q := range w.logs { // in order, as maps are not
		if data, ok := o.held[q]; ok {
			delete(o.held, q)
			w.transfer(o, q, data, fine)
		}
	}
	q, data, ok := o.p.NextTransfer(w.now)
	if !ok {
		return
	}
	if f == stuck {
		o.held[q] = data
		return
	}
	w.transfer(o, q, data, f)
}

// transfer checks that nothing leaves before it is committed, nor twice
// without a reason, nor out of order.
func (w *world) transfer(o *owner, q int, data []byte, f fate) {
	r, err := processor.ParseRecord(data)
	require.NoError(w, err)
	number := o.acked[q]
	for e, err := r.Next(); e != nil; e, err = r.Next() {
		require.NoError(w, err)
		_, n := binary.Uvarint(e[1:])
		_, m := binary.Uvarint(e[1+n:])
		got, _ := binary.Uvarint(e[1+n+m:])
		if number++; w.lossy {
			number = max(got, o.acked[q])
			continue
		}
		require.Equal(w, number, got)
	}
	require.LessOrEqual(w, number, w.told[o.part][q], "message of %d to %d is not committed", o.part, q)
	if f != lostMessage {
		w.write(q, data)
	}
	if f == fine {
		o.acked[q] = number
	}
	o.p.TransferDone(q, f == fine)
}

func (w *world) sendOwn(o *owner, f fate) {
	data, ok := o.p.NextOwn(w.now, o.p.Machine() != nil && o.p.Next() > uint64(len(w.logs[o.part])))
	if !ok {
		return
	}
	seq := uint64(0)
	if f != lostMessage {
		seq = w.write(o.part, data)
	}
	if f != fine {
		seq = 0
	}
	o.p.OwnDone(seq)
}

func (w *world) flush(o *owner, n int) {
	if o.p.FlushDue(w.now) {
		o.p.BeginFlush(w.now)
	}
	o.p.FlushSome(n)
	if batch, mark, ok := o.p.FlushReady(); ok {
		o.batch, o.mark = batch, mark
	}
}

// save ends the commit of a write-behind.
func (w *world) save(o *owner) {
	if o.batch != nil {
		require.NoError(w, o.batch.Commit(o.mark))
		o.batch = nil
		o.p.FlushDone(true, w.now)
		o.p.Machine()
	}
}

// calm runs everything without faults until nothing happens any more, the
// clock included.
func (w *world) calm() {
	for round := 0; ; round++ {
		require.Less(w, round, 5000, "it never ends")
		size := w.size()
		for _, o := range w.owners {
			w.apply(o, 1000)
			w.sendCommit(o, fine)
			w.sendTransfer(o, fine)
			w.sendOwn(o, fine)
		}
		if w.size() != size {
			continue
		}
		wake, idle := int64(0), true
		for _, o := range w.owners {
			if idle = idle && o.p.Machine() != nil && o.p.Next() > uint64(len(w.logs[o.part])) && o.p.Idle(w.now); !idle {
				break
			}
			if at := o.p.dueAt(); at != 0 && at < start+3600_000 && (wake == 0 || at < wake) {
				wake = at
			}
		}
		switch {
		case !idle:
			w.now++
		case wake == 0:
			return
		default:
			w.now = max(w.now+1, wake)
		}
	}
}

func (w *world) size() (n int) {
	for part := range w.logs {
		n += len(w.logs[part])
		for _, data := range w.outs[part] {
			n += len(data)
		}
	}
	return n
}

// check compares what was committed with what a machine makes of the same log
// that nothing ever happened to.
func (w *world) check() {
	for part, log := range w.logs {
		var got []byte
		var skips []processor.Skip
		var last processor.CommitRecord
		for i, data := range w.outs[part] {
			c, err := processor.ParseCommit(data)
			require.NoError(w, err)
			require.Equal(w, last.First+uint64(last.Count), c.First, "commit %d of partition %d", i, part)
			require.GreaterOrEqual(w, c.Epoch, last.Epoch)
			got = append(got, c.Outputs...)
			skips = append(skips, c.Skips...)
			last = c
		}
		m, err := processor.NewMachine(processor.Config{Partition: part, Partitions: len(w.logs), Memory: 1 << 30, Skips: skips}, newMemStore())
		require.NoError(w, err)
		var want processor.Outputs
		for i, r := range log[:last.Position] {
			m.Apply(uint64(i+1), r.stamp, r.data, &want)
		}
		require.Equal(w, m.Shop().Hash, last.Hash, "partition %d", part)
		require.True(w, bytes.Equal(want.Buf, got), "partition %d: %d bytes of outputs, %d committed", part, len(want.Buf), len(got))
		for rest := want.Buf; len(rest) > 0; {
			var o processor.Output
			o, rest, err = processor.NextOutput(rest)
			require.NoError(w, err)
			if o.Type == processor.DeadOutput {
				d, err := processor.ParseDead(o.Body)
				require.NoError(w, err)
				require.Equal(w, "panic", d.Reason, d.Detail)
			}
		}
		for q, n := range m.Shop().Sent {
			for _, r := range w.owners[q].p.Machine().Shop().Received {
				if r.ID == uint64(part) {
					require.Equal(w, n, r.Number, "messages of %d accepted by %d", part, q)
					n = 0
				}
			}
			require.Zero(w, n, "messages of %d not accepted by %d", part, q)
		}
	}
}
