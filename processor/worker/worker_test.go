package worker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"onhand/connectors"
	"onhand/processor"
	"onhand/processor/jetstream"

	"github.com/stretchr/testify/require"
)

// rules are two moments with short windows and nothing that chance decides.
const rules = `
version: 1
currency: EUR
policy:
  classes:
    marketing: {channels: [email], consent: none, caps: false, quiet_hours: false, arbitration: false, holdout: false, crisis: false}
    service:   {channels: [email], consent: none, caps: false, quiet_hours: false, arbitration: false, holdout: false, crisis: false}
  channels:
    email: {hand_over: 5m, cost: 0}
    push:  {hand_over: 10s, cost: 0}
    sms:   {hand_over: 30s, cost: 6}
  stock: {safety: 0, settle: 1s, hold: 30m, queue: first_come}
interest:
  requested: {from: Back In Stock Requested, strength: 100, lasts: 90d, queue: true}
moments:
  cart_abandoned:
    when: [Product Added]
    per: cart_id
    after: 1s
    stock: ignore
    lines: [unbought]
    expires: 24h
  back_in_stock:
    when: sellable
    where: {interest: requested}
    per: sku
    stock: offer
    class: service
    channels: [email]
    expires: offer.ends_at
`

// post is a channel that keeps what it is given.
type post struct {
	mu   sync.Mutex
	got  map[string]int // attempts by action
	fail int            // so many attempts are refused for now
}

func newPost() *post { return &post{got: map[string]int{}} }

func (c *post) Name() string     { return "post" }
func (c *post) Idempotent() bool { return true }
func (c *post) Close() error     { return nil }
func (c *post) Deliver(_ context.Context, d *processor.Decision) connectors.Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail > 0 {
		c.fail--
		return connectors.Result{Delivery: processor.Retry, Code: "503"}
	}
	c.got[d.Action.ID]++
	return connectors.Result{Delivery: processor.Delivered, Code: "200"}
}

func (c *post) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.got)
}

func startServer(t testing.TB) *jetstream.Server {
	s, err := jetstream.StartServer(jetstream.ServerOptions{Dir: t.TempDir(), SyncInterval: time.Minute})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func openLog(t testing.TB, s *jetstream.Server, partitions int) *jetstream.Log {
	l, err := jetstream.Open(context.Background(), jetstream.Options{Server: s, Name: "t", Partitions: partitions, Shards: 2, Lease: time.Second})
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

func logger() *slog.Logger {
	if os.Getenv("WORKER_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func startWorker(t testing.TB, ctx context.Context, c Config) *Worker {
	if c.Logger == nil {
		c.Logger = logger().With("worker", c.ID)
	}
	w, err := New(c)
	require.NoError(t, err)
	require.NoError(t, w.Start(ctx))
	t.Cleanup(func() { closeWorker(t, w) })
	return w
}

func closeWorker(t testing.TB, w *Worker) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, w.Close(ctx))
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			require.FailNow(t, "waited 15 s for: "+what)
		}
	}
}

func at() int64 { return time.Now().UnixMilli() }

func identify(id string) processor.Event {
	return processor.Event{Kind: processor.Identify, MessageID: "i-" + id, UserID: id, At: at(), Stamp: at(), Stamped: true,
		Traits: []byte(`{"email":"` + id + `@example.com","timezone":"Europe/Paris"}`)}
}

func added(id, sku string) processor.Event {
	return processor.Event{Kind: processor.ProductAdded, MessageID: "a-" + id + sku, UserID: id, CartID: "c-" + id, SKU: sku,
		Price: 19900, HasPrice: true, Quantity: 1, HasQty: true, Currency: "EUR", At: at(), Stamp: at(), Stamped: true}
}

func activate(t testing.TB, w *Worker) {
	require.NoError(t, w.Control(soon(t), &processor.Control{Type: processor.Activate, At: at(), Text: []byte(rules)}))
}

// sent returns how often each action was decided, from the commit records.
func sent(t testing.TB, log *jetstream.Log) map[string]int {
	all := map[string]int{}
	for p := range log.Partitions() {
		seq, _, err := log.LastCommit(soon(t), p)
		require.NoError(t, err)
		for s := uint64(1); s <= seq; s++ {
			data, err := log.CommitAt(soon(t), p, s)
			require.NoError(t, err)
			c, err := processor.ParseCommit(data)
			require.NoError(t, err)
			for rest := c.Outputs; len(rest) > 0; {
				var o processor.Output
				o, rest, err = processor.NextOutput(rest)
				require.NoError(t, err)
				if o.Type == processor.DecisionOutput {
					d, err := processor.ParseDecision(o.Body)
					require.NoError(t, err)
					if d.Outcome == processor.Sent {
						all[d.Action.ID]++
					}
				}
			}
		}
	}
	return all
}

func TestACartIsRemindedOf(t *testing.T) {
	log := openLog(t, startServer(t), 4)
	channel := newPost()
	w := startWorker(t, context.Background(), Config{ID: "w1", Log: log, DataDir: t.TempDir(),
		Channels: map[string]connectors.ChannelConfig{"email": {Channel: channel}}})
	activate(t, w)
	require.NoError(t, w.WaitIdle(soon(t)))
	in := NewIntake(log)
	var events []processor.Event
	for i := range 20 {
		id := fmt.Sprintf("ann-%d", i)
		events = append(events, identify(id), added(id, "phone"))
	}
	require.NoError(t, in.Append(soon(t), events))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%+v\n%+v", w.Metrics().Counts, w.Status(context.Background()))
		}
	})
	waitFor(t, "20 reminders", func() bool { return channel.count() == 20 })
	require.NoError(t, w.WaitIdle(soon(t)))
	m := w.Metrics()
	waitFor(t, "20 deliveries", func() bool {
		m = w.Metrics()
		return m.Deliveries[DeliveryKey{"email", processor.Delivered}] == 20
	})
	require.EqualValues(t, 20, m.Decisions[DecisionKey{"cart_abandoned", processor.Sent, ""}])
	require.Empty(t, m.Dead)
	for _, s := range w.Status(soon(t)) {
		require.Equal(t, "live", s.Phase, "%+v", s)
		require.Zero(t, s.Lag)
	}
}
