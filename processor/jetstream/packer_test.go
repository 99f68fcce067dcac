package jetstream

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"onhand/processor"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestIdleEntryLeavesAtOnce(t *testing.T) {
	l := openLog(t, Options{Clock: func() time.Time { return time.UnixMilli(12345) }})
	r, err := l.Read(0, 1)
	require.NoError(t, err)
	for n := range tokens { // each with a token of its own
		acked := make(chan error, 1)
		require.NoError(t, l.Packer(0).Add(number(n), func(err error) { acked <- err }))
		require.NoError(t, <-acked)
		m, err := r.Next(soon(t))
		require.NoError(t, err)
		require.Equal(t, []int{n}, numbersIn(t, m.Data))
		rec, err := processor.ParseRecord(m.Data)
		require.NoError(t, err)
		require.Equal(t, int64(12345), rec.Clock)
	}
	require.Same(t, l.Packer(0), l.Packer(0))
}

// Under load there is at most one record every 2 ms, and all arrives in order,
// once, and each sender is told once.
func TestPackingUnderLoad(t *testing.T) {
	l := openLog(t, Options{})
	r, err := l.Read(0, 1)
	require.NoError(t, err)
	const n = 2000
	var wg sync.WaitGroup
	start := time.Now()
	for i := range n {
		wg.Add(1)
		require.NoError(t, l.Packer(0).Add(number(i), func(err error) {
			if err != nil {
				t.Error(err)
			}
			wg.Done() // panics when called twice
		}))
		time.Sleep(20 * time.Microsecond)
	}
	wg.Wait()
	took := time.Since(start)
	got, records := readNumbers(t, r, n)
	require.Equal(t, upTo(n), got)
	require.LessOrEqual(t, records, int(took/tokenEvery)+tokens+1, "in %v", took)
	require.Greater(t, records, 1)
}

// A batch that exceeds a pack is spread over several records and answered once.
func TestBatchIsAnsweredOnce(t *testing.T) {
	l := openLog(t, Options{})
	r, err := l.Read(0, 1)
	require.NoError(t, err)
	const n = 3*packEntries + 5
	var batch [][]byte
	for i := range n {
		batch = append(batch, number(i))
	}
	acked := make(chan error, 2)
	require.NoError(t, l.Packer(0).AddAll(batch, func(err error) { acked <- err }))
	require.NoError(t, <-acked)
	got, records := readNumbers(t, r, n)
	require.Equal(t, upTo(n), got)
	require.Equal(t, 4, records)
	require.Empty(t, acked)

	require.NoError(t, l.Packer(0).AddAll(nil, func(err error) { acked <- err }))
	require.NoError(t, <-acked)
}

// A full pack of what partitions say and a full one of what inlets bring leave
// in one record.
func TestFullPacksLeaveTogether(t *testing.T) {
	for _, size := range []int{8, 1000} {
		p := &Packer{}
		entry := make([]byte, size)
		for range 2 * packEntries {
			p.fill(&p.own, entry, &waiter{})
			p.fill(&p.queue, entry, &waiter{})
		}
		entries, bytes := p.own[0].entries+p.queue[0].entries, len(p.own[0].record)+len(p.queue[0].record)
		k := p.next()
		require.Equal(t, entries, k.entries)
		require.LessOrEqual(t, k.entries, processor.MaxRecordEntries)
		require.LessOrEqual(t, len(k.record), processor.MaxRecordBytes)
		require.Greater(t, 4*len(k.record), 3*min(processor.MaxRecordBytes, bytes))
	}
}

func TestLargestEntry(t *testing.T) {
	l := openLog(t, Options{})
	r, err := l.Read(0, 1)
	require.NoError(t, err)
	acked := make(chan error, 1)
	require.NoError(t, l.Packer(0).Add(make([]byte, MaxEntryBytes), func(err error) { acked <- err }))
	require.NoError(t, <-acked)
	m, err := r.Next(soon(t))
	require.NoError(t, err)
	require.Len(t, m.Data, processor.MaxRecordBytes)

	never := func(error) { t.Error("called") }
	require.ErrorIs(t, l.Packer(0).Add(make([]byte, MaxEntryBytes+1), never), ErrTooLarge)
	require.ErrorIs(t, l.Packer(0).AddAll([][]byte{number(1), nil}, never), ErrTooLarge)
}

// When senders are faster than the log, they are refused, and what was
// accepted is written all the same.
func TestOverloadIsRefused(t *testing.T) {
	l := openLog(t, Options{})
	r, err := l.Read(0, 1)
	require.NoError(t, err)
	p := l.Packer(0)
	p.mu.Lock()
	p.inFlight = true // the answer to a record does not come
	p.mu.Unlock()
	var wg sync.WaitGroup
	entry, accepted := make([]byte, 1000), 0
	for {
		err := p.Add(entry, func(err error) {
			if err != nil {
				t.Error(err)
			}
			wg.Done()
		})
		if err != nil {
			require.ErrorIs(t, err, ErrOverloaded)
			break
		}
		wg.Add(1)
		accepted++
	}
	require.InDelta(t, MaxWaitingBytes/1000, accepted, 10)
	p.landed(&pack{}, 1, nil)
	wg.Wait()
	for got := 0; got < accepted; {
		m, err := r.Next(soon(t))
		require.NoError(t, err)
		rec, err := processor.ParseRecord(m.Data)
		require.NoError(t, err)
		for e, _ := rec.Next(); e != nil; e, _ = rec.Next() {
			got++
		}
	}
	require.NoError(t, p.Add(entry, func(error) {}))
}

// Inlets stop at four fifths of a stream; transfers go on to the end; room that
// is made is noticed.
func TestFullStream(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	l := openLog(t, Options{MaxBytesIn: limit})
	add := func() error {
		acked := make(chan error, 1)
		if err := l.Packer(0).Add(make([]byte, 20<<10), func(err error) { acked <- err }); err != nil {
			return err
		}
		return <-acked
	}
	n := 0
	var err error
	for ; err == nil; n++ {
		err = add()
	}
	require.ErrorIs(t, err, ErrOverloaded)
	require.ErrorContains(t, err, "of 1048576 bytes taken")
	require.InDelta(t, limit*4/5/(20<<10), n, 3)

	m := 0
	for err = nil; err == nil; m++ {
		_, err = l.Append(soon(t), 0, make([]byte, 20<<10))
	}
	require.ErrorIs(t, err, ErrOverloaded)
	require.InDelta(t, limit/5/(20<<10), m, 3)
	require.NoError(t, func() error { _, err := l.Append(soon(t), 1, number(1)); return err }(), "the other partition")

	require.ErrorIs(t, add(), ErrOverloaded)
	_, last, err := l.Bounds(soon(t), 0)
	require.NoError(t, err)
	require.NoError(t, l.Trim(soon(t), 0, last))
	waitFor(t, "room", func() bool { return add() == nil })
}

// A packer learns at once what others have filled.
func TestFullStreamOnOpening(t *testing.T) {
	srv := startServer(t, ServerOptions{})
	l := openLog(t, Options{Server: srv, MaxBytesIn: 1 << 20})
	for range 9 {
		_, err := l.Append(soon(t), 0, make([]byte, 100<<10))
		require.NoError(t, err)
	}
	other := openLog(t, Options{Server: srv})
	require.ErrorIs(t, other.Packer(0).Add(number(1), nil), ErrOverloaded)
	// The limit can be raised later.
	other = openLog(t, Options{Server: srv, MaxBytesIn: 4 << 20})
	done := make(chan error, 1)
	require.NoError(t, other.Packer(0).Add(number(1), func(err error) { done <- err }))
	require.NoError(t, <-done)
}

func TestCloseFailsWhatWaits(t *testing.T) {
	l := openLog(t, Options{})
	p := l.Packer(0)
	p.mu.Lock()
	p.inFlight = true
	p.mu.Unlock()
	done := make(chan error, 1)
	require.NoError(t, p.Add(number(1), func(err error) { done <- err }))
	l.Close()
	require.ErrorIs(t, <-done, ErrClosed)
	require.Error(t, p.Add(number(1), nil))
}

// The bucket holds its promise for any arrivals: from any moment on, no more
// than its depth and one per interval; and whoever waits as told gets a token.
func TestBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b bucket
		var taken []time.Duration
		now := time.Duration(0)
		for range rapid.IntRange(1, 60).Draw(t, "takes") {
			now += time.Duration(rapid.IntRange(0, 5000).Draw(t, "us")) * time.Microsecond
			if wait := b.take(now, false); wait > 0 {
				if b.take(now+wait-1, false) == 0 {
					t.Fatalf("a token before the time told")
				}
				now += wait
				if b.take(now, false) != 0 {
					t.Fatalf("no token after waiting %v", wait)
				}
			}
			taken = append(taken, now)
		}
		for i := range taken {
			for j := i; j < len(taken); j++ {
				if most := tokens + int((taken[j]-taken[i])/tokenEvery); j-i+1 > most {
					t.Fatalf("%d tokens in %v: %v", j-i+1, taken[j]-taken[i], fmt.Sprint(taken))
				}
			}
		}
	})
}
