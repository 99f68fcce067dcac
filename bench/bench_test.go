package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"onhand/connectors/segment"
	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/processor/moments"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// tiny is every row in a few seconds.
func tiny(t testing.TB) Options {
	return Options{
		Quick: true, Customers: 200, Items: 50, Rate: 2000, Dir: t.TempDir(),
		Duration: 100 * time.Millisecond, Warmup: 20 * time.Millisecond, Sync: SyncInterval,
	}
}

// Each row of the contract is measured and is a number above nothing.
func TestQuickMeasuresEveryRow(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	var progress bytes.Buffer
	o := tiny(t)
	o.Out = &progress
	r, err := Run(ctx, o)
	require.NoError(t, err, progress.String())
	t.Log(progress.String())
	var got []string
	for _, x := range r.Rows {
		got = append(got, x.Name)
		require.Positive(t, x.Value, x.Name)
		require.LessOrEqual(t, x.Min, x.Value, x.Name)
		require.GreaterOrEqual(t, x.Max, x.Value, x.Name)
		require.NotEmpty(t, x.Unit, x.Name)
		require.Equal(t, 1, x.Runs, x.Name)
	}
	require.Equal(t, Names(), got)
	require.True(t, r.Machine.Quick)
	require.Positive(t, r.Machine.FsyncP50)
	require.Positive(t, r.Machine.MemoryNs)
	require.Positive(t, r.Machine.Given)

	var table bytes.Buffer
	_, err = r.WriteTo(&table)
	require.NoError(t, err)
	require.Contains(t, table.String(), "QUICK")
	data, err := json.Marshal(r)
	require.NoError(t, err)
	var back map[string]any
	require.NoError(t, json.Unmarshal(data, &back))
	require.Contains(t, back["rows"].([]any)[1], "min")
}

func TestRowsAreChosenByPattern(t *testing.T) {
	o := tiny(t)
	o.Rows = []string{"core", "generat*"}
	r, err := Run(context.Background(), o)
	require.NoError(t, err)
	require.Len(t, r.Rows, 2)
	o.Rows = []string{"nonsense"}
	_, err = Run(context.Background(), o)
	require.ErrorContains(t, err, `no row "nonsense"; there are generator, bare_pipe`)
	o.Rows, o.Sync = nil, "sometimes"
	_, err = Run(context.Background(), o)
	require.ErrorContains(t, err, "always or interval")
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o := tiny(t)
	o.Rows, o.Warmup = []string{"end_to_end"}, time.Hour
	o.Out = writerFunc(func(line []byte) (int, error) {
		if bytes.Contains(line, []byte("customers are known")) {
			cancel() // the load has begun
		}
		return len(line), nil
	})
	_, err := Run(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// An event counts as committed when a commit record covers its record, in
// whichever order the acknowledgement and the commit are heard of.
func TestPipeCounts(t *testing.T) {
	h := &harness{Options: tiny(t).withDefaults()}
	r, err := h.openRig(t.Context(), rigConfig{bare: true})
	require.NoError(t, err)
	defer r.close()
	p := r.pipe
	acked := make(chan error, 2)
	require.NoError(t, p.Special(t.Context(), level("a", 1, 1, 1), func(err error) { acked <- err }))
	require.NoError(t, <-acked)
	require.Zero(t, p.Committed())
	part := partitionOf(level("a", 1, 1, 1), partitions)
	p.Reached(part, 0)
	require.Zero(t, p.Committed(), "covered by a record before it")
	p.Reached(part, 1)
	require.NoError(t, p.Below(t.Context(), 1))
	require.EqualValues(t, 1, p.Committed())

	p.Reached(part, 5) // heard before the acknowledgement
	require.NoError(t, p.Special(t.Context(), level("a", 1, 2, 1), nil))
	require.NoError(t, p.Below(t.Context(), 1))
	require.EqualValues(t, 2, p.Committed())
}

// A server that goes away and comes back loses no events of the load.
func TestPipeOutlivesTheServer(t *testing.T) {
	so := jetstream.ServerOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0"}
	server, err := jetstream.StartServer(so)
	require.NoError(t, err)
	defer func() { server.Close() }()
	so.Listen = strings.TrimPrefix(server.ClientURL(), "nats://")
	log, err := jetstream.Open(t.Context(), jetstream.Options{URL: server.ClientURL(), Partitions: 2})
	require.NoError(t, err)
	p := NewPipe(log)
	defer func() { log.Close(); p.Close() }()
	f, err := follow(t.Context(), log, p)
	require.NoError(t, err)
	defer f.stop()
	running, cancel := context.WithCancel(t.Context())
	tasks, running := errgroup.WithContext(running)
	for part := range log.Partitions() {
		tasks.Go(func() error { return consume(running, log, part) })
	}
	const n = 50_000
	g, sent := NewGenerator(NewPopulation(100, 10, log.Partitions()), Ordinary, 1), 0
	err = p.Press(t.Context(), time.Now, func(at int64) (*processor.Event, int) {
		if sent++; sent == n/2 {
			server.Close()
			server, err = jetstream.StartServer(so)
			require.NoError(t, err)
		}
		if sent > n {
			return nil, 0
		}
		return g.Next(at)
	})
	require.NoError(t, err)
	require.EqualValues(t, n, p.Committed())
	require.Positive(t, p.resent.Load()+p.refused.Load(), "the load did not notice")
	cancel()
	require.NoError(t, tasks.Wait())
}

// A decision that does not come is an error, not a better figure.
func TestStopwatchMissesNothing(t *testing.T) {
	s := newStopwatch(3)
	at := time.Now()
	s.start(0, at)
	s.start(1, at)
	s.stop(0, at.Add(3*time.Millisecond))
	s.stop(0, at.Add(9*time.Millisecond)) // the first counts
	s.stop(7, at)
	_, err := s.histogram()
	require.ErrorContains(t, err, "1 of 2 decisions did not come")
	s.stop(1, at.Add(time.Millisecond))
	h, err := s.histogram()
	require.NoError(t, err)
	require.EqualValues(t, 2, h.TotalCount())
	require.InDelta(t, 3000, h.Max(), 5)
}

// The bodies of the HTTP row are what the collector takes, and a stamped one
// has ids and times, customers and items of its own.
func TestBodiesAreBatches(t *testing.T) {
	g := NewGenerator(NewPopulation(100_000, 10_000, 4), Ordinary, 1)
	b, rng := newBody(g), rand.NewPCG(1, 2)
	var number atomic.Uint64
	ids, customers := map[string]bool{}, map[string]bool{}
	for round := range 2 {
		b.stamp(&number, time.UnixMilli(1_800_000_000_000+int64(round)))
		b.people(&g.crowd, rng)
		var batch struct {
			Batch []json.RawMessage `json:"batch"`
		}
		require.NoError(t, json.Unmarshal(b.text, &batch))
		require.Len(t, batch.Batch, httpBatch)
		for _, call := range batch.Batch {
			events, err := segment.Parse(nil, call, segment.Options{Source: "shop", Now: 1_800_000_001_000, Currency: "EUR"})
			require.NoError(t, err, string(call))
			for _, e := range events {
				require.EqualValues(t, 1_800_000_000_000+round, e.Stamp)
				customers[e.UserID] = true
				for _, id := range []string{e.MessageID, e.OrderID} {
					require.False(t, id != "" && ids[id], id)
					ids[id] = true
				}
			}
		}
	}
	require.Greater(t, len(customers), httpBatch, "the second round is of others")
}

func TestMedianOfRuns(t *testing.T) {
	require.Equal(t, Row{Name: "x", Value: 3, Unit: "s", Min: 1, Max: 9, Runs: 3}, row("x", "s", "", []float64{9, 1, 3}))
	require.EqualValues(t, 2, row("x", "s", "", []float64{1, 3}).Value)
	require.Equal(t, "1,234,568", figure(1_234_567.8))
	require.Equal(t, "999", figure(999))
	require.Equal(t, "0.30", figure(0.3))
}

func TestNoon(t *testing.T) {
	for hour := range 24 {
		at := time.Date(2026, 11, 21, hour, 30, 0, 0, time.UTC)
		loc, err := time.LoadLocation(noon(at))
		require.NoError(t, err)
		require.Equal(t, 12, at.In(loc).Hour(), noon(at))
	}
}

// BenchmarkApply is the step alone: 60 thousand customers, records of 100. One
// operation is one record.
func BenchmarkApply(b *testing.B) {
	b.Run("three", func(b *testing.B) { benchmarkApply(b, moments.Three()) })
	b.Run("shipped", func(b *testing.B) { benchmarkApply(b, moments.Shipped()) })
}

func benchmarkApply(b *testing.B, rules []byte) {
	m, err := processor.NewMachine(processor.Config{Partitions: 1, Memory: 1 << 40}, nothing{})
	require.NoError(b, err)
	g := NewGenerator(NewPopulation(60_000, 3000, 1), Ordinary, 1)
	t := &turns{m: m, now: 1_800_000_000_000}
	t.apply(processor.AppendRecordEntry(processor.AppendRecordHeader(nil, t.now),
		processor.AppendControl(nil, &processor.Control{Type: processor.Activate, At: t.now, Text: rules})))
	for i := 0; i < 60_000; i += 100 {
		t.records(1, func(n int) *processor.Event { e, _ := g.Identify(i+n, t.now); return e })
	}
	t.took = 0
	for range b.N {
		t.records(1, func(int) *processor.Event { e, _ := g.Next(t.now); return e })
	}
	b.ReportMetric(float64(t.took.Nanoseconds())/float64(100*b.N), "ns/event")
}
