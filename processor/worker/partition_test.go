package worker

import (
	"fmt"
	"testing"
	"time"

	"onhand/connectors"
	"onhand/processor"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

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

// A log loses messages of other partitions that it had acknowledged. The
// receiver notices with the next one and is told everything again.
func TestLostMessagesAreSaidAgain(t *testing.T) {
	w := newWorld(t, 2, PartitionConfig{Memory: 1 << 20, FlushEvery: 1000, CommitEvery: 10, Idempotent: true})
	w.calm()
	w.lossy = true
	lost := 0
	for round := range 7 {
		if round == 6 { // what was said again was lost too, and is asked for once more
			w.calm()
			w.now += 61_000
		}
		for i := range 8 {
			w.event(processor.Event{Kind: processor.BackInStockRequested, MessageID: fmt.Sprint("r", round, i), UserID: fmt.Sprint("c", round, i), SKU: fmt.Sprint("s", round, i),
				At: w.now, Stamp: w.now, Stamped: true})
		}
		for _, o := range w.owners {
			w.apply(o, 100)
			w.sendCommit(o, fine)
			for round%2 == 0 && round < 6 && o.part == 0 {
				q, _, ok := o.p.NextTransfer(w.now)
				if !ok {
					break
				}
				o.p.TransferDone(q, true) // but it is not there
				lost++
			}
			w.sendTransfer(o, fine)
		}
		w.now += 1000
	}
	w.calm()
	w.check()
	require.Positive(t, lost)
}

// follow gives a standby the commit records it has not seen.
func (w *world) follow(o *owner) error {
	for n := o.p.Followed(); n < uint64(len(w.outs[o.part])); n++ {
		if err := o.p.Follow(n+1, w.outs[o.part][n], w.now); err != nil {
			return err
		}
	}
	return nil
}

// A standby applies what is committed and no more, says nothing, and goes on
// where the owner stopped.
func TestAStandbyTakesOver(t *testing.T) {
	w, o := one(t)
	cfg := w.cfg
	p, err := OpenStandby(cfg, newMemStore(), &History{}, w.now)
	require.NoError(t, err)
	s := &owner{store: o.store, p: p, held: map[int][]byte{}, acked: make([]uint64, 1)}
	require.False(t, p.Room(), "nothing is known to be committed")
	require.NoError(t, w.follow(s))
	w.event(identify("ann"))
	w.event(cart("ann", w.now))
	w.calm()
	w.event(cart("bob", w.now))
	w.apply(o, 10) // and dies before it commits that
	require.NoError(t, w.follow(s))
	w.apply(s, 100)
	require.True(t, p.Level())
	require.EqualValues(t, len(w.logs[0])-1, p.Machine().Shop().Position, "what is not committed is not applied")
	_, _, commit := p.NextCommit(w.now + 10_000)
	_, own := p.NextOwn(w.now+10_000, true)
	require.False(t, commit || own, "a standby says nothing")
	require.Zero(t, p.out.Count)

	last := len(w.outs[0])
	fence, err := Fence(w.outs[0][last-1])
	require.NoError(t, err)
	claim, behind := p.Claim()
	require.EqualValues(t, last, behind)
	require.Equal(t, fence, claim, "what it has followed says the same as the last commit record")
	_, ok := w.commit(0, fence, uint64(last))
	require.True(t, ok)
	require.NoError(t, w.follow(s))
	require.NoError(t, p.Lead(w.now))
	require.True(t, p.Live())
	w.owners[0] = s
	w.calm()
	w.check()
}

// A standby that comes to something else than its owner stops.
func TestAStandbyThatDivergesStops(t *testing.T) {
	w, _ := one(t)
	p, err := OpenStandby(w.cfg, newMemStore(), &History{}, w.now)
	require.NoError(t, err)
	s := &owner{p: p}
	w.event(cart("ann", w.now))
	w.calm()
	require.NoError(t, w.follow(s))
	for ; err == nil && p.Room(); err = p.Apply(p.Next(), w.logs[0][p.Next()-1].stamp, w.logs[0][p.Next()-1].data) {
		if p.Next() == 2 { // the cart
			w.logs[0][1].data = processor.AppendRecordHeader(nil, w.logs[0][1].stamp)
		}
	}
	var diverged *DivergedError
	require.ErrorAs(t, err, &diverged)
	require.ErrorIs(t, p.Follow(p.Followed()+1, nil, w.now), err)
	require.ErrorIs(t, p.Lead(w.now), err, "and never takes over")
}
