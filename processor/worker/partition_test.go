package worker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

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
	broken int // steps that were passed over
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

// open takes a partition over.
func (w *world) open(part int, store *memStore) *owner {
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
		if e.Type == Attempt {
			w.tried[e.Decision.Action.ID]++
			o.p.Report(connectors.Report{Customer: e.Decision.Customer, ActionID: e.Decision.Action.ID, Attempt: e.Number, Delivery: processor.Delivered})
		}
	}
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
		number++
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

// drawEvent draws something about a few customers and items.
func (w *world) drawEvent(t *rapid.T, poison bool) processor.Event {
	ids := []string{"ann", "bob", "eve", "joe", "sue", "tom"}
	if poison {
		ids = append(ids, "poison")
	}
	e := processor.Event{
		MessageID: fmt.Sprint("m", rapid.IntRange(0, 300).Draw(t, "message")), Stamp: w.now, Stamped: true, At: w.now,
		SKU: rapid.SampledFrom([]string{"phone", "shoe", "lamp"}).Draw(t, "sku"), Quantity: 1, HasQty: true,
	}
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0, 1:
		e.Kind, e.CartID, e.Price, e.HasPrice = processor.ProductAdded, "c", 1999, true
	case 2:
		e.Kind = processor.BackInStockRequested
	case 3:
		e.Kind, e.Traits = processor.Identify, []byte(`{"email":"a@example.com","timezone":"Europe/Paris"}`)
	case 4:
		e.Kind, e.OrderID = processor.OrderCompleted, fmt.Sprint("o", rapid.IntRange(0, 20).Draw(t, "order"))
		e.Products = []processor.Product{{SKU: e.SKU, Quantity: 1, Price: 1999}}
	case 5:
		e.Kind, e.Available, e.HasLevel, e.Version = processor.StockLevelReported, rapid.Int64Range(0, 3).Draw(t, "level"), true, w.now-start
		return e
	}
	e.UserID = rapid.SampledFrom(ids).Draw(t, "customer")
	return e
}

// TestNothingIsLostOrDoubled: whatever crashes, is lost, repeated or fenced,
// the commit records hold what an undisturbed run over the same log yields,
// byte for byte, and every message between partitions is accepted once.
func TestNothingIsLostOrDoubled(t *testing.T) {
	var replaced, poisoned, sentActions int
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, rapid.IntRange(1, 3).Draw(t, "partitions"), PartitionConfig{
			Memory: rapid.SampledFrom([]int64{1, 1 << 20}).Draw(t, "memory"), FlushEvery: 50, CommitEvery: 5,
			CommitBytes: rapid.SampledFrom([]int{200, 2000, 384 << 10}).Draw(t, "commit bytes"), Idempotent: true,
		})
		poison := rapid.Bool().Draw(t, "poison")
		for _, o := range w.owners {
			o.store.poison[key{uint8(processor.CustomerKind), processor.Hash("poison")}] = true
		}
		fates := rapid.SampledFrom([]fate{fine, fine, fine, lostAnswer, lostMessage, stuck})
		for range rapid.IntRange(20, 300).Draw(t, "steps") {
			o := w.owners[rapid.IntRange(0, len(w.owners)-1).Draw(t, "partition")]
			if len(w.ghosts) > 0 && rapid.IntRange(0, 4).Draw(t, "who") == 0 {
				o = rapid.SampledFrom(w.ghosts).Draw(t, "ghost")
				if o.p.Err() != nil {
					continue
				}
			}
			switch rapid.IntRange(0, 10).Draw(t, "what") {
			case 0, 1:
				w.event(w.drawEvent(t, poison))
			case 2, 3:
				w.apply(o, rapid.IntRange(1, 5).Draw(t, "records"))
			case 4:
				w.sendCommit(o, fates.Draw(t, "commit"))
			case 5:
				w.sendTransfer(o, fates.Draw(t, "transfer"))
			case 6:
				w.sendOwn(o, fates.Draw(t, "own"))
			case 7:
				w.flush(o, rapid.IntRange(0, 4).Draw(t, "entities"))
			case 8:
				w.save(o)
				if m := o.p.Machine(); m != nil {
					m.Evict()
				}
			case 9:
				w.now += rapid.SampledFrom([]int64{1, 10, 100, 1000, 2000}).Draw(t, "ms")
			case 10:
				old := w.owners[o.part]
				store := old.store.crash(rapid.IntRange(0, 2).Draw(t, "lost"))
				w.owners[o.part] = w.open(o.part, store)
				replaced++
				if rapid.Bool().Draw(t, "ghost") {
					w.ghosts = append(w.ghosts, old)
				}
			}
		}
		w.calm()
		w.check()
		for _, o := range w.owners { // and everything can be saved
			w.save(o)
			o.p.FlushSoon()
			for range 10 {
				w.flush(o, 1000)
				w.save(o)
				w.sendCommit(o, fine)
			}
			require.True(w, o.p.Saved(), "partition %d", o.part)
		}
		poisoned += w.broken
		sentActions += len(w.tried)
	})
	t.Logf("%d takeovers, %d steps passed over, %d actions", replaced, poisoned, sentActions)
	require.NotZero(t, replaced)
	require.NotZero(t, poisoned)
	require.NotZero(t, sentActions)
}

// one is a world of one partition that has activated the rules.
func one(t testing.TB) (*world, *owner) {
	w := newWorld(t, 1, PartitionConfig{Memory: 1 << 20, FlushEvery: 1000, CommitEvery: 10, Idempotent: true})
	w.calm()
	return w, w.owners[0]
}

func cart(id string, now int64) processor.Event {
	return processor.Event{Kind: processor.ProductAdded, MessageID: "m-" + id, UserID: id, CartID: "c", SKU: "phone",
		Price: 1, HasPrice: true, Quantity: 1, HasQty: true, At: now, Stamp: now, Stamped: true}
}

func TestAStepThatPanicsIsPassedOver(t *testing.T) {
	w, o := one(t)
	o.store.poison[key{uint8(processor.CustomerKind), processor.Hash("poison")}] = true
	w.event(cart("ann", w.now))
	w.event(cart("poison", w.now))
	w.event(cart("bob", w.now))
	w.calm()
	w.check()
	require.Equal(t, 1, w.broken)
	last, err := processor.ParseCommit(w.outs[0][len(w.outs[0])-1])
	require.NoError(t, err)
	require.EqualValues(t, len(w.logs[0]), last.Position)
	require.Len(t, w.tried, 0, "nobody can be told without an address")

	// Whoever replays it later passes over the same step.
	next := w.open(0, newMemStore())
	next.store.poison = o.store.poison
	w.owners[0] = next
	w.calm()
	w.check()
	require.Equal(t, 1, w.broken)
}

func TestAStepThatCannotBePassedOverStops(t *testing.T) {
	w, o := one(t)
	now := w.now
	w.event(cart("ann", now))
	w.apply(o, 1)
	o.p.FlushSoon()
	w.flush(o, 100)
	w.sendCommit(o, fine)
	w.flush(o, 100)
	w.save(o)
	// The timer of ann comes up, and loading her fails outside any step.
	o = w.open(0, o.store)
	o.store.poison[key{uint8(processor.CustomerKind), processor.Hash("ann")}] = true
	w.now += 10_000
	w.append(0, []byte{byte(processor.TickEntry)})
	r := w.logs[0][len(w.logs[0])-1]
	seq := uint64(len(w.logs[0]))
	require.ErrorIs(t, o.p.Apply(seq, r.stamp, r.data), ErrPoison)
	_, err := o.p.Reopen(w.now)
	require.NoError(t, err)
	err = o.p.Apply(seq, r.stamp, r.data)
	var poison *PoisonError
	require.ErrorAs(t, err, &poison)
	require.Equal(t, seq, poison.At.Position)
	require.ErrorIs(t, o.p.Apply(seq, r.stamp, r.data), err)
}

func TestADiskThatFailsStopsAndSkipsNothing(t *testing.T) {
	w, o := one(t)
	o.store.broken = true
	w.event(cart("ann", w.now))
	r := w.logs[0][len(w.logs[0])-1]
	err := o.p.Apply(uint64(len(w.logs[0])), r.stamp, r.data)
	var disk *processor.StoreError
	require.ErrorAs(t, err, &disk)
	require.Empty(t, o.p.skips)
}

func TestAnotherLogIsNoticed(t *testing.T) {
	w, o := one(t)
	w.event(cart("ann", w.now))
	w.calm()
	// The same positions, with something else in them.
	last := len(w.logs[0]) - 1
	r := &w.logs[0][last-1]
	r.data = processor.AppendRecordEntry(processor.AppendRecordHeader(nil, r.stamp),
		processor.AppendEvent([]byte{byte(processor.EventEntry)}, &processor.Event{Kind: processor.ProductAdded, UserID: "eve", SKU: "x", CartID: "c", MessageID: "z", At: w.now, Stamp: w.now}))
	next := w.open(0, newMemStore())
	var err error
	for i := range w.logs[0] {
		if err = next.p.Apply(uint64(i+1), w.logs[0][i].stamp, w.logs[0][i].data); err != nil {
			break
		}
	}
	var diverged *DivergedError
	require.ErrorAs(t, err, &diverged)
	require.ErrorIs(t, next.p.Err(), err)

	// A state ahead of what was committed.
	o.p.FlushSoon()
	w.flush(o, 100)
	w.save(o)
	w.outs[0] = w.outs[0][:1]
	h := &History{}
	require.NoError(t, h.Add(1, w.outs[0][0]))
	cfg := w.cfg
	_, err = OpenPartition(cfg, o.store, h, w.now)
	var back *WentBackError
	require.ErrorAs(t, err, &back)
}

func TestStateWaitsForTheLog(t *testing.T) {
	w := newWorld(t, 2, PartitionConfig{Memory: 1 << 20, FlushEvery: 1 << 40, CommitEvery: 10})
	w.event(processor.Event{Kind: processor.SourceReported, MessageID: "r", ItemSource: "shop", CompleteTo: w.now, At: w.now, Stamp: w.now})
	o := w.owners[0]
	w.apply(o, 10) // the activation and the report, both for everybody
	o.p.FlushSoon()
	w.flush(o, 100)
	require.Nil(t, o.batch, "not committed")
	w.sendCommit(o, fine)
	w.flush(o, 100)
	require.Nil(t, o.batch, "the other partition has not been told")
	w.sendTransfer(o, lostAnswer)
	w.flush(o, 100)
	require.Nil(t, o.batch, "nobody knows whether it has been told")
	w.sendTransfer(o, fine)
	w.flush(o, 100)
	require.NotNil(t, o.batch)
}

func TestActions(t *testing.T) {
	w, o := one(t)
	w.cfg.Idempotent = false
	o = w.open(0, o.store)
	w.apply(o, 10)
	w.event(identify("ann"))
	w.event(cart("ann", w.now))
	w.apply(o, 10)
	w.now += 2000
	w.append(0, []byte{byte(processor.TickEntry)})
	w.apply(o, 10)

	// Committed late: the gate is asked again first.
	w.now += 2000
	data, expect, ok := o.p.NextCommit(w.now)
	require.True(t, ok)
	seq, _ := w.commit(0, data, expect)
	effects, err := o.p.CommitDone(seq, w.now)
	require.NoError(t, err)
	require.Empty(t, effects)
	w.sendOwn(o, lostMessage)
	w.sendOwn(o, fine)
	w.apply(o, 10)
	data, expect, _ = o.p.NextCommit(w.now)
	seq, _ = w.commit(0, data, expect)
	effects, err = o.p.CommitDone(seq, w.now)
	require.NoError(t, err)
	require.Len(t, effects, 1)
	e := effects[0]
	require.Equal(t, Attempt, e.Type)
	require.Equal(t, 2, e.Number)

	// The channel is full, then unwell: each time it is asked for again.
	o.p.NotAttempted(e, "queue_full", time.UnixMilli(w.now+500))
	for try := 3; try < 6; try++ {
		w.now += 600
		w.sendOwn(o, fine)
		w.sendOwn(o, fine)
		w.apply(o, 10)
		data, expect, _ = o.p.NextCommit(w.now)
		seq, _ = w.commit(0, data, expect)
		effects, err = o.p.CommitDone(seq, w.now)
		require.NoError(t, err)
		require.Len(t, effects, 1)
		require.Equal(t, try, effects[0].Number)
		require.Equal(t, e.Decision.Action.ID, effects[0].Decision.Action.ID)
		o.p.Report(connectors.Report{Customer: "ann", ActionID: e.Decision.Action.ID, Attempt: try, Attempted: true,
			Delivery: processor.Retry, Code: "503", RetryAt: time.UnixMilli(w.now + 500)})
	}

	// Nobody knows of the last attempt: the next owner asks by itself.
	w.cfg.Idempotent = true
	next := w.open(0, o.store)
	w.owners[0] = next
	w.calm()
	require.Equal(t, map[string]int{e.Decision.Action.ID: 1}, w.tried)
	w.check()
}

func TestTicks(t *testing.T) {
	w, o := one(t)
	w.event(cart("ann", w.now))
	w.apply(o, 10)
	w.sendCommit(o, fine)
	due := o.p.dueAt()
	require.NotZero(t, due)
	_, ok := o.p.NextOwn(due-1, true)
	require.False(t, ok, "not due")
	w.now = due
	_, ok = o.p.NextOwn(due, false)
	require.False(t, ok, "a record that is not read yet moves the clock")
	tick, ok := o.p.NextOwn(due, true)
	require.True(t, ok)
	_, ok = o.p.NextOwn(due, true)
	require.False(t, ok, "one is in flight")
	// The server's clock is 30 ms behind, so the tick comes too early.
	w.now -= 30
	o.p.OwnDone(w.write(0, tick))
	w.now += 30
	_, ok = o.p.NextOwn(due, true)
	require.False(t, ok, "it is in the log and not applied yet")
	w.apply(o, 1)
	require.EqualValues(t, due, o.p.Machine().NextWake())
	_, ok = o.p.NextOwn(due+29, true)
	require.False(t, ok, "the log's clock is not there yet")
	require.LessOrEqual(t, o.p.NextWake(), due+30)
	_, ok = o.p.NextOwn(due+30, true)
	require.True(t, ok)
}

func TestManyReportsAtOnce(t *testing.T) {
	w, o := one(t)
	const n = 1000
	for i := range n {
		o.p.Report(connectors.Report{Customer: "ann", ActionID: fmt.Sprint(i), Attempt: 1, Delivery: processor.Delivered})
	}
	entries := 0
	for {
		data, ok := o.p.NextOwn(w.now, true)
		if !ok {
			break
		}
		r, err := processor.ParseRecord(data)
		require.NoError(t, err)
		for e, err := r.Next(); e != nil; e, err = r.Next() {
			require.NoError(t, err)
			entries++
		}
		o.p.OwnDone(w.write(0, data))
	}
	require.Equal(t, n, entries)
}
