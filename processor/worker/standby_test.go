package worker

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"onhand/processor"
	"onhand/processor/jetstream"

	"github.com/stretchr/testify/require"
)

// pulse has a customer in every partition leave a cart every few milliseconds
// and watches the commit records: how long the longest time is without a
// decision, and how long from what one owner has said last to what the next
// says first. Decisions come a second after the carts.
type pulse struct {
	log  *jetstream.Log
	stop context.CancelFunc
	done sync.WaitGroup

	mu   sync.Mutex
	last []time.Time
	gaps []time.Duration
	hung time.Duration   // the longest that the machine stood still, whoever worked
	took []time.Duration // by the next owners, to go on
	sent int             // carts that were stored
}

func startPulse(t testing.TB, log *jetstream.Log) *pulse {
	ctx, stop := context.WithCancel(context.Background())
	n := log.Partitions()
	p := &pulse{log: log, stop: stop, last: make([]time.Time, n), gaps: make([]time.Duration, n)}
	const each = 64 // customers of a partition
	ids := make([][]string, n)
	for i, left := 0, n*each; left > 0; i++ {
		id := fmt.Sprint("pulse-", i)
		if part := processor.PartitionOf(processor.Hash(id), n); len(ids[part]) < each {
			ids[part] = append(ids[part], id)
			left--
		}
	}
	disk, err := os.Create(filepath.Join(t.TempDir(), "beat"))
	require.NoError(t, err)
	p.done.Go(func() {
		defer disk.Close()
		for before := time.Now(); ctx.Err() == nil; {
			time.Sleep(5 * time.Millisecond)
			if _, err := disk.WriteAt([]byte{1}, 0); err != nil {
				panic(err)
			}
			if err := disk.Sync(); err != nil {
				panic(err)
			}
			now := time.Now()
			p.mu.Lock()
			p.hung = max(p.hung, now.Sub(before))
			p.mu.Unlock()
			before = now
		}
	})
	in := NewIntake(log)
	p.done.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			var events []processor.Event
			for _, list := range ids {
				e := added(list[i%each], "phone")
				e.MessageID, e.CartID = fmt.Sprint("m", i, e.UserID), fmt.Sprint("c", i)
				events = append(events, e)
			}
			for in.Append(ctx, events) != nil && ctx.Err() == nil {
				time.Sleep(5 * time.Millisecond)
			}
			if ctx.Err() == nil {
				p.mu.Lock()
				p.sent += len(events)
				p.mu.Unlock()
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	for part := range n {
		last, _, err := log.LastCommit(soon(t), part)
		require.NoError(t, err)
		r, err := log.ReadCommits(part, last+1)
		require.NoError(t, err)
		p.done.Go(func() {
			defer r.Stop()
			var before processor.CommitRecord // the last one that says something
			var at int64
			for {
				m, err := r.Next(ctx)
				if err != nil {
					return
				}
				c, err := processor.ParseCommit(m.Data)
				if err != nil {
					panic(err)
				}
				if c.Position > before.Position {
					if p.mu.Lock(); at > 0 && c.Epoch > before.Epoch {
						p.took = append(p.took, time.Duration(m.Stamp-at)*time.Millisecond)
					}
					p.mu.Unlock()
					before, at = c, m.Stamp
				}
				decided := false
				for rest := c.Outputs; len(rest) > 0 && !decided; {
					var o processor.Output
					if o, rest, err = processor.NextOutput(rest); err != nil {
						panic(err)
					}
					decided = o.Type == processor.DecisionOutput
				}
				if !decided {
					continue
				}
				now := time.Now()
				p.mu.Lock()
				if !p.last[part].IsZero() {
					p.gaps[part] = max(p.gaps[part], now.Sub(p.last[part]))
				}
				p.last[part] = now
				p.mu.Unlock()
			}
		})
	}
	t.Cleanup(p.end)
	return p
}

// within checks that no partition was without a decision for longer than most,
// but for as long as the machine stood still.
func (p *pulse) within(t testing.TB, most time.Duration) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for part, gap := range p.gaps {
		require.Less(t, gap, most+p.hung, "partition %d; a write to the disk took up to %v", part, p.hung)
	}
}

// longest returns the longest gap of each partition.
func (p *pulse) longest() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Duration(nil), p.gaps...)
}

func (p *pulse) end() {
	p.stop()
	p.done.Wait()
}

// beating waits until every partition decides.
func (p *pulse) beating(t testing.TB) {
	t.Helper()
	waitFor(t, "decisions", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, at := range p.last {
			if time.Since(at) > 100*time.Millisecond {
				return false
			}
		}
		return true
	})
}

// fresh reports whether every partition has decided since a time.
func (p *pulse) fresh(since time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.last {
		if at.Before(since) {
			return false
		}
	}
	return true
}

// decided checks that every cart that was stored was decided on.
func (p *pulse) decided(t testing.TB) {
	t.Helper()
	carts := map[string]bool{}
	next := make([]uint64, p.log.Partitions())
	waitFor(t, "all carts that were stored to be decided on", func() bool {
		for part := range next {
			seq, _, err := p.log.LastCommit(soon(t), part)
			require.NoError(t, err)
			for ; next[part] < seq; next[part]++ {
				m, err := p.log.CommitAt(soon(t), part, next[part]+1)
				require.NoError(t, err)
				decisions(t, m.Data, func(d *processor.Decision) { carts[d.Customer+d.Cause.Value] = true })
			}
		}
		return len(carts) >= p.sent
	})
}

// decisions calls f for the decisions of a commit record.
func decisions(t testing.TB, data []byte, f func(*processor.Decision)) {
	c, err := processor.ParseCommit(data)
	require.NoError(t, err)
	for rest := c.Outputs; len(rest) > 0; {
		var o processor.Output
		o, rest, err = processor.NextOutput(rest)
		require.NoError(t, err)
		if o.Type == processor.DecisionOutput {
			d, err := processor.ParseDecision(o.Body)
			require.NoError(t, err)
			f(&d)
		}
	}
}

// forget forgets the gaps so far.
func (p *pulse) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.gaps)
	p.hung = 0
}

// once fails when an action was decided twice, or the commit records are not
// what an undisturbed replay gives.
func once(t testing.TB, log *jetstream.Log) {
	t.Helper()
	for id, n := range sent(t, log) {
		require.Equal(t, 1, n, id)
	}
	for part := range log.Partitions() {
		same(t, log, part)
	}
}

// same compares the commit records of a partition with an undisturbed replay.
func same(t testing.TB, log *jetstream.Log, part int) {
	t.Helper()
	seq, _, err := log.LastCommit(soon(t), part)
	require.NoError(t, err)
	h := &History{}
	var got []byte
	for s := uint64(1); s <= seq; s++ {
		m, err := log.CommitAt(soon(t), part, s)
		require.NoError(t, err)
		require.NoError(t, h.Add(s, m.Data))
		c, err := processor.ParseCommit(m.Data)
		require.NoError(t, err)
		got = append(got, c.Outputs...)
	}
	m, err := processor.NewMachine(processor.Config{Partition: part, Partitions: log.Partitions(), Memory: 1 << 30, Skips: h.skips}, newMemStore())
	require.NoError(t, err)
	r, err := log.Read(part, 1)
	require.NoError(t, err)
	defer r.Stop()
	var want processor.Outputs
	for m.Shop().Position < h.Position() {
		x, err := r.Next(soon(t))
		require.NoError(t, err)
		m.Apply(x.Seq, x.Stamp, x.Data, &want)
	}
	require.Equal(t, m.Shop().Hash, h.last.Hash, "partition %d", part)
	require.True(t, bytes.Equal(want.Buf, got), "partition %d: a replay gives %d bytes of outputs, %d were committed", part, len(want.Buf), len(got))
}

// A worker dies; its standby decides within three seconds.
func TestTheStandbyGoesOn(t *testing.T) {
	server := startServer(t)
	logA, logB := openLogLease(t, server, 8, 1500*time.Millisecond), openLog(t, server, 8)
	channel := newPost()
	ctx, kill := context.WithCancel(context.Background())
	a := startWorker(ctx, t, Config{ID: "a", Log: logA, DataDir: t.TempDir(), Channels: email(channel)})
	activate(t, a)
	b := startWorker(context.Background(), t, Config{ID: "b", Log: logB, DataDir: t.TempDir(), Channels: email(channel)})
	shared(t, a, b)
	p := startPulse(t, logB)
	p.beating(t)
	p.forget()
	time.Sleep(300 * time.Millisecond)
	t.Logf("calm: longest without a decision %v", p.longest())
	logA.Close()
	kill()
	live(t, b)
	time.Sleep(300 * time.Millisecond)
	p.within(t, 3*time.Second)
	t.Logf("killed: longest without a decision %v", p.longest())
	p.end()
	require.NoError(t, b.WaitIdle(soon(t)))
	p.decided(t)
	once(t, logB)
}

// A worker stops in order, comes back, and the other one does the same: the
// partitions move without a gap, and nothing is lost or done twice.
func TestARollingRestart(t *testing.T) {
	server := startServer(t)
	logs := []*jetstream.Log{openLog(t, server, 8), openLog(t, server, 8)}
	dirs := []string{t.TempDir(), t.TempDir()}
	channel := newPost()
	start := func(i int) *Worker {
		return startWorker(context.Background(), t, Config{ID: string(rune('a' + i)), Log: logs[i], DataDir: dirs[i], Channels: email(channel)})
	}
	workers := []*Worker{start(0), nil}
	activate(t, workers[0])
	workers[1] = start(1)
	shared(t, workers[0], workers[1])
	p := startPulse(t, openLog(t, server, 8))
	p.beating(t)
	p.forget()
	for i := range workers {
		closeWorker(t, workers[i])
		p.beating(t)
		t.Logf("%s has stopped: longest without a decision %v", workers[i].cfg.ID, p.longest())
		workers[i] = start(i)
		shared(t, workers[0], workers[1])
	}
	p.within(t, 2*time.Second)
	p.end()
	slices.Sort(p.took)
	t.Logf("moved: longest without a decision %v; %d moves took %v", p.longest(), len(p.took), p.took)
	for _, w := range workers {
		require.NoError(t, w.WaitIdle(soon(t)))
		require.Zero(t, w.Metrics().Fenced)
	}
	once(t, logs[0])
}
