package processor

import (
	"bytes"
	"fmt"
	"onhand/processor/moments"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// tape is a log in memory: what was appended, and when the server stamped it.
type tape struct {
	records [][]byte
	stamps  []int64
}

func (t *tape) append(now int64, entries ...[]byte) {
	rec := AppendRecordHeader(nil, now)
	for _, e := range entries {
		rec = AppendRecordEntry(rec, e)
	}
	t.records = append(t.records, rec)
	t.stamps = append(t.stamps, now)
}

func (t *tape) apply(m *Machine, from, to int, out *Outputs) {
	for i := from; i < to; i++ {
		m.Apply(uint64(i+1), t.stamps[i], t.records[i], out)
	}
}

// drawTape makes a busy hour of a very small shop, so that customers and items
// meet often. With alone, timers that are due are fired by a record of their
// own before each event.
func drawTape(t *rapid.T, alone bool) *tape {
	tp := &tape{}
	now := int64(1_800_000_000_000)
	tp.append(now, AppendControl(nil, &Control{Type: Activate, Text: moments.Three()}))
	n := rapid.IntRange(20, 120).Draw(t, "events")
	for i := range n {
		now += rapid.Int64Range(1, 240_000).Draw(t, "gap")
		if alone || rapid.IntRange(0, 9).Draw(t, "tick") == 0 {
			tp.append(now, []byte{byte(TickEntry)})
		}
		e := Event{
			Source: "shop", MessageID: fmt.Sprint("m", rapid.IntRange(0, 2*n).Draw(t, "id")), Stamp: now - rapid.Int64Range(0, 1000).Draw(t, "late"),
			Stamped: true, UserID: fmt.Sprint("c", rapid.IntRange(0, 5).Draw(t, "customer")),
		}
		e.At = e.Stamp
		sku := fmt.Sprint("s", rapid.IntRange(0, 3).Draw(t, "sku"))
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0, 1:
			e.Kind, e.SKU, e.CartID, e.Price, e.Quantity, e.HasQty = ProductAdded, sku, "cart", 1999, 1, true
		case 2:
			e.Kind, e.SKU, e.CartID = ProductRemoved, sku, "cart"
		case 3:
			e.Kind, e.OrderID, e.Products = OrderCompleted, fmt.Sprint("o", i), []Product{{SKU: sku, Quantity: 1, Price: 1999}}
		case 4:
			e.Kind, e.OrderID = OrderCancelled, fmt.Sprint("o", rapid.IntRange(0, i).Draw(t, "order"))
		case 5:
			e.Kind, e.SKU = BackInStockRequested, sku
		case 6, 7:
			e.Kind, e.UserID, e.SKU, e.Available, e.HasLevel = StockLevelReported, "", sku, rapid.Int64Range(-1, 6).Draw(t, "level"), true
		case 8:
			e.Kind = Identify
			e.Traits = fmt.Appendf(nil, `{"email":"x","timezone":"Europe/Paris","push_token":"p","consent":{"email":{"marketing":%v},"ads":{"ads":%v}}}`,
				rapid.Bool().Draw(t, "marketing"), rapid.Bool().Draw(t, "ads"))
		default:
			e.Kind, e.SKU = ProductViewed, sku
		}
		tp.append(now, AppendEvent([]byte{byte(EventEntry)}, &e))
	}
	for range 5 {
		now += 6 * 3600_000
		tp.append(now, []byte{byte(TickEntry)})
	}
	return tp
}

func open(t require.TestingT, s *memStore, memory int64) *Machine {
	m, err := NewMachine(Config{Partitions: 1, Memory: memory}, s)
	require.NoError(t, err)
	return m
}

// Two logs that differ only in a record that asks for nothing are not the same:
// a log that has lost its end, and grown again to where it was, is noticed.
func TestTheHashIsOfTheRecordsToo(t *testing.T) {
	hash := func(sku string) uint64 {
		tp := &tape{}
		tp.append(1_800_000_000_000, AppendEvent([]byte{byte(EventEntry)}, &Event{Kind: ProductViewed, MessageID: "m", UserID: "ann", SKU: sku}))
		tp.append(1_800_000_000_001, []byte{byte(TickEntry)})
		m, out := open(t, newMemStore(), 1<<20), &Outputs{}
		tp.apply(m, 0, len(tp.records), out)
		require.Zero(t, out.Count)
		return m.Shop().Hash
	}
	require.Equal(t, hash("kettle"), hash("kettle"))
	require.NotEqual(t, hash("kettle"), hash("teapot"))
}

// A machine that writes behind, forgets, and is opened again anywhere gives
// the same outputs and the same hash as one that never stopped.
func TestReplayFromAnyWriteBehind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tp := drawTape(t, false)
		var want Outputs
		whole := open(t, newMemStore(), 1<<40)
		hashes := make([]uint64, len(tp.records)+1)
		for i := range tp.records {
			tp.apply(whole, i, i+1, &want)
			hashes[i+1] = whole.shop.Hash
		}

		var got Outputs
		s := newMemStore()
		m := open(t, s, 1)
		at := 0
		marks := map[uint64]int{} // outputs written up to a position
		for at < len(tp.records) {
			to := min(len(tp.records), at+rapid.IntRange(1, 20).Draw(t, "burst"))
			tp.apply(m, at, to, &got)
			at = to
			marks[m.shop.Position] = len(got.Buf)
			require.Equal(t, hashes[at], m.shop.Hash, "hash at record %d", at)
			m.Evict()
			switch rapid.IntRange(0, 3).Draw(t, "then") {
			case 0:
				s.flush(m, 1, nil)
				m.Evict()
			case 1:
				// The write-behind goes on while steps change what it has not
				// come to; what it writes is the state at its beginning.
				mark := m.BeginFlush(s)
				for !m.FlushSome(1) && at < len(tp.records) {
					tp.apply(m, at, at+1, &got)
					at++
					marks[m.shop.Position] = len(got.Buf)
				}
				m.FlushSome(len(m.flushing))
				s.mark = mark
				m.FlushDone()
				m.Evict()
			case 2:
				// A crash: back to the last write-behind.
				m = open(t, s, 1)
				at = int(m.shop.Position)
				got.Buf = got.Buf[:marks[m.shop.Position]]
			}
		}
		require.Equal(t, whole.shop.Hash, m.shop.Hash, "hash")
		require.True(t, bytes.Equal(want.Buf, got.Buf), "outputs")
	})
}

// What was put off and came to its end leaves nothing behind that a machine
// opened again would not know of.
func TestReplayBehindADeferral(t *testing.T) {
	tp := &tape{}
	at := int64(1_800_000_000_000) // 09:00 in Paris
	say := func(after int64, e Event) {
		at += after
		e.Source, e.MessageID, e.UserID, e.At, e.Stamp, e.Stamped = "shop", fmt.Sprint("m", len(tp.records)), "ann", at, at, true
		tp.append(at, AppendEvent([]byte{byte(EventEntry)}, &e))
	}
	tick := func(after int64) {
		at += after
		tp.append(at, []byte{byte(TickEntry)})
	}
	const minute = 60_000
	tp.append(at, AppendControl(nil, &Control{Type: Activate, Text: moments.Shipped()}))
	say(0, Event{Kind: StockLevelReported, SKU: "phone", Location: "lyon-dc", Available: 9, HasLevel: true})
	say(0, Event{Kind: Identify, Traits: []byte(`{"push_token":"x","timezone":"Europe/Paris","consent":{"push":{"marketing":true}}}`)})
	say(690*minute, Event{Kind: ProductAdded, SKU: "phone", CartID: "cart", Price: 1999, HasPrice: true, Currency: "EUR", Quantity: 1, HasQty: true})
	tick(60 * minute) // 21:30: quiet
	tick(720 * minute)
	say(minute, Event{Kind: ProductViewed, SKU: "phone"})
	tick(minute)

	deferred := 0
	whole, s := open(t, newMemStore(), 1<<40), newMemStore()
	for i := range tp.records {
		var want, got Outputs
		tp.apply(whole, i, i+1, &want)
		m := open(t, s, 1)
		tp.apply(m, i, i+1, &got)
		require.Equal(t, whole.shop.Hash, m.shop.Hash, "hash at record %d", i+1)
		require.True(t, bytes.Equal(want.Buf, got.Buf), "outputs at record %d", i+1)
		for _, d := range decisionsOf(t, &got) {
			if d.Outcome == Deferred {
				deferred++
			}
		}
		s.flush(m, 1, nil)
	}
	require.Equal(t, 1, deferred)
}

// How long a message id is known depends on the log alone, not on when it was
// written behind: a copy after two days is what it is in every replay.
func TestReplayOfACopyAfterTwoDays(t *testing.T) {
	const hour = 3_600_000
	rapid.Check(t, func(t *rapid.T) {
		tp, at := &tape{}, int64(1_800_000_000_000)
		now := at + rapid.Int64Range(0, hour).Draw(t, "first")
		e := Event{Kind: ProductAdded, Source: "shop", MessageID: "m", UserID: "ann", SKU: "phone", CartID: "cart", Quantity: 1, HasQty: true, At: at, Stamp: at, Stamped: true}
		entry := AppendEvent([]byte{byte(EventEntry)}, &e)
		tp.append(now, AppendControl(nil, &Control{Type: Activate, Text: moments.Three()}), entry)
		tp.append(now+rapid.Int64Range(0, 2*hour).Draw(t, "written"), []byte{byte(TickEntry)})
		tp.append(now+rapid.Int64Range(47*hour, 50*hour).Draw(t, "copy"), entry)

		var out Outputs
		whole, s := open(t, newMemStore(), 1<<40), newMemStore()
		tp.apply(whole, 0, 3, &out)
		m := open(t, s, 1)
		tp.apply(m, 0, 2, &out)
		s.flush(m, 1, nil)
		m = open(t, s, 1)
		tp.apply(m, 2, 3, &out)
		ann := func(m *Machine) []byte { return slices.Clone(m.encoded(m.get(CustomerKind, "ann").base())) }
		require.Equal(t, ann(whole), ann(m))
	})
}

// No offer is opened beyond what may be promised, whatever the events.
func TestOffersNeverExceedStock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tp := drawTape(t, true)
		m := open(t, newMemStore(), 1<<40)
		var out Outputs
		open := map[string]int64{}
		for i := range tp.records {
			tp.apply(m, i, i+1, &out)
			for _, h := range m.memory.places.live {
				if h == nil || h.kind != ItemKind {
					continue
				}
				it := h.live.(*Item)
				units, _ := it.expected(m)
				if it.Queue.Open > open[it.SKU] {
					require.LessOrEqual(t, it.Queue.Open, max(units, 0), "open offers of %s at record %d", it.SKU, i)
				}
				open[it.SKU] = it.Queue.Open
			}
		}
	})
}

// Candidates of each moment balance: what was decided is final once.
func TestEachCandidateEndsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tp := drawTape(t, false)
		m := open(t, newMemStore(), 1<<40)
		var out Outputs
		tp.apply(m, 0, len(tp.records), &out)
		final := map[string]string{}
		sent := map[string]bool{}
		for buf := out.Buf; len(buf) > 0; {
			o, rest, err := NextOutput(buf)
			require.NoError(t, err)
			buf = rest
			if o.Type == DeadOutput {
				d, _ := ParseDead(o.Body)
				t.Fatalf("dead letter: %s %s", d.Reason, d.Detail)
			}
			if o.Type != DecisionOutput {
				continue
			}
			d, err := ParseDecision(o.Body)
			require.NoError(t, err)
			key := fmt.Sprint(d.Customer, "/", d.Moment, "/", d.Cause.Value, "/", d.Cause.N)
			switch d.Outcome {
			case Deferred:
				require.Empty(t, final[key], "deferred after %s: %s", final[key], key)
			case Retracted:
				require.True(t, sent[d.Retracts], "retracts what was not sent")
			default:
				if d.Moment != "retarget_ads" || d.Outcome == Sent {
					require.Empty(t, final[key], "two outcomes: %s", key)
				}
				final[key] = d.Outcome.String()
				if d.Outcome == Sent {
					sent[d.ID] = true
				}
			}
		}
	})
}

// A list behaves like a sorted map, short or long, and read back in between.
func TestListIsASortedMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := open(t, newMemStore(), 1<<40)
		m.out = &Outputs{}
		owner := m.create(ItemKind, 7).(*Item)
		var l List
		want := map[string]string{}
		last := rapid.SampledFrom([]int{2 * fewEntries, 900}).Draw(t, "last key")
		for range rapid.IntRange(1, 1500).Draw(t, "operations") {
			k := fmt.Sprintf("%04d", rapid.IntRange(0, last).Draw(t, "key"))
			switch rapid.IntRange(0, 15).Draw(t, "op") {
			case 0:
				w := writer{}
				l.encode(&w)
				r := reader{b: w.b}
				l.decode(&r)
				require.NoError(t, r.err)
				require.Zero(t, r.left())
			case 1, 2, 3, 4, 5:
				v, had := want[k]
				value, ok := l.remove(m, k)
				require.Equal(t, had, ok)
				require.Equal(t, v, value)
				delete(want, k)
			default:
				v := fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "value"))
				l.put(m, owner.head, k, v)
				want[k] = v
			}
		}
		require.Equal(t, len(want), l.Len())
		var keys []string
		l.ascend(m, "", func(k, v string) bool {
			require.Equal(t, want[k], v)
			keys = append(keys, k)
			return true
		})
		require.True(t, slices.IsSorted(keys))
		require.Len(t, keys, len(want))
		for i, k := range keys {
			require.Equal(t, i, l.index(m, k))
			v, ok := l.get(m, k)
			require.True(t, ok)
			require.Equal(t, want[k], v)
			first, _, _ := l.first(m, k)
			require.Equal(t, k, first)
		}
	})
}

// Lists that were joined are dropped piece by piece, and leave no chunk behind.
func TestJoinedListsAreDropped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := open(t, newMemStore(), 1<<40)
		m.out = &Outputs{}
		owner := m.create(ItemKind, 7).(*Item)
		var all List
		total := 0
		for range rapid.IntRange(1, 4).Draw(t, "lists") {
			var l List
			n := rapid.SampledFrom([]int{0, 1, fewEntries, fewEntries + 1, 3 * chunkEntries}).Draw(t, "entries")
			for i := range n {
				l.put(m, owner.head, fmt.Sprintf("%04d", i), "")
			}
			total += n
			all.join(&l)
			require.Zero(t, l.Len())
		}
		require.Equal(t, total, all.Len())
		for all.Len() > 0 {
			before := all.Len()
			n := all.dropChunk(m)
			require.Positive(t, n)
			require.Equal(t, before-n, all.Len())
		}
		for _, h := range m.memory.places.live {
			require.False(t, h != nil && h.kind == ChunkKind && !h.gone, "a list that nobody names is left")
		}
	})
}

// Timers come up in the order (due, kind, hash).
func TestTimersInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q timers
		n := rapid.IntRange(1, 200).Draw(t, "n")
		for range n {
			q.push(wake{rapid.Int64Range(1, 20).Draw(t, "due"), rapid.Uint64Range(0, 5).Draw(t, "hash"), EntityKind(rapid.IntRange(1, 3).Draw(t, "kind"))})
		}
		last := wake{}
		for range n {
			w := q.pop()
			require.False(t, w.before(last))
			last = w
		}
	})
}

// A busy log has long records and no ticks: what is due keeps up with what comes.
func TestALongRecordFiresAsMuchAsItHolds(t *testing.T) {
	const n = 500
	tp, now := &tape{}, int64(1_800_000_000_000)
	tp.append(now, AppendControl(nil, &Control{Type: Activate, Text: moments.Three()}))
	event := func(kind Kind, i int) []byte {
		e := Event{Kind: kind, Source: "shop", MessageID: fmt.Sprint(kind, i), Stamp: now, At: now, Stamped: true, UserID: fmt.Sprint("c", i),
			SKU: "phone", CartID: "cart", Price: 1999, Quantity: 1, HasQty: true}
		return AppendEvent([]byte{byte(EventEntry)}, &e)
	}
	record := func(kind Kind) {
		var entries [][]byte
		for i := range n {
			entries = append(entries, event(kind, i))
		}
		tp.append(now, entries...)
	}
	record(ProductAdded)
	now += 30 * 24 * 3600_000 // every cart was left long ago
	record(ProductViewed)
	m, err := NewMachine(Config{Partitions: 1, Memory: 1 << 20}, newMemStore())
	require.NoError(t, err)
	out := &Outputs{}
	tp.apply(m, 0, len(tp.records), out)
	require.True(t, m.nextDue() == nil, "something is due still")
}

// The map of customers and items says the same from both sides.
func TestInterestIsReadableFromBothSides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tp := drawTape(t, false)
		m := open(t, newMemStore(), 1<<40)
		var out Outputs
		tp.apply(m, 0, len(tp.records)-5, &out)
		forward, backward := map[string]bool{}, map[string]bool{}
		for i := range 6 {
			v, _ := m.CustomerView(fmt.Sprint("c", i))
			for _, in := range v.Interests {
				if in.State == "live" {
					forward[v.ID+" "+in.SKU] = true
				}
			}
		}
		for i := range 4 {
			sku := fmt.Sprint("s", i)
			for from := ""; ; {
				list, next := m.Interested(sku, from, 2)
				for _, x := range list {
					backward[x.Customer+" "+sku] = true
				}
				if from = next; next == "" {
					break
				}
			}
		}
		require.Equal(t, forward, backward)
	})
}
