package worker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"onhand/connectors"
	"onhand/processor"
	"onhand/processor/jetstream"

	"github.com/nats-io/nats.go"
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
	return openLogLease(t, s, partitions, time.Second)
}

func openLogLease(t testing.TB, s *jetstream.Server, partitions int, lease time.Duration) *jetstream.Log {
	l, err := jetstream.Open(context.Background(), jetstream.Options{Server: s, Name: "t", Partitions: partitions, Shards: 2, Lease: lease})
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

func startWorker(ctx context.Context, t testing.TB, c Config) *Worker {
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
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(t, w.Close(ctx))
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			require.FailNow(t, "waited a minute for: "+what)
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
	waitFor(t, "the rules to be known", func() bool {
		known := 0
		for part := range w.log.Partitions() {
			_, data, err := w.log.LastCommit(soon(t), part)
			require.NoError(t, err)
			if c, err := processor.ParseCommit(data); err == nil && c.Rules != "" {
				known++
			}
		}
		return known == w.log.Partitions()
	})
}

// sent returns how often each action was decided, from the commit records.
func sent(t testing.TB, log *jetstream.Log) map[string]int {
	all := map[string]int{}
	for p := range log.Partitions() {
		seq, _, err := log.LastCommit(soon(t), p)
		require.NoError(t, err)
		for s := uint64(1); s <= seq; s++ {
			m, err := log.CommitAt(soon(t), p, s)
			require.NoError(t, err)
			c, err := processor.ParseCommit(m.Data)
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
	t.Parallel()
	log := openLog(t, startServer(t), 4)
	channel := newPost()
	w := startWorker(context.Background(), t, Config{ID: "w1", Log: log, DataDir: t.TempDir(),
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

// remind has n customers of a name leave a cart.
func remind(t testing.TB, log *jetstream.Log, name string, n int) {
	in := NewIntake(log)
	for i := range n {
		id := fmt.Sprintf("%s-%d", name, i)
		require.NoError(t, in.Append(soon(t), []processor.Event{identify(id), added(id, "phone")}))
	}
}

func email(c *post) map[string]connectors.ChannelConfig {
	const wait = 10 * time.Millisecond
	return map[string]connectors.ChannelConfig{"email": {Channel: c, Retry: connectors.Schedule{wait, wait, wait, wait, wait}}}
}

// live waits until workers run all partitions between them.
func live(t testing.TB, workers ...*Worker) {
	t.Helper()
	waitFor(t, "all partitions live", func() bool {
		n := 0
		for _, w := range workers {
			for _, s := range w.Status(soon(t)) {
				if s.Phase == "live" {
					n++
				}
			}
		}
		return n == workers[0].log.Partitions()
	})
}

// shared waits until two workers own some of the partitions each and stand by
// for the others, and nothing moves any more.
func shared(t testing.TB, a, b *Worker) {
	t.Helper()
	waitFor(t, "the partitions to be shared", func() bool {
		mine, theirs := map[string]int{}, map[string]int{}
		for _, s := range a.Status(soon(t)) {
			mine[s.Phase]++
		}
		for _, s := range b.Status(soon(t)) {
			theirs[s.Phase]++
		}
		n := a.log.Partitions()
		wanted := 0
		for _, place := range jetstream.Assign("partition", []string{a.cfg.ID, b.cfg.ID}, n) {
			if place.Owner == a.cfg.ID {
				wanted++
			}
		}
		return mine["live"] == wanted && theirs["live"] == n-wanted && mine["standby"] == n-wanted && theirs["standby"] == wanted
	})
}

func TestAWorkerIsKilled(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	logA, logB := openLog(t, server, 4), openLog(t, server, 4)
	channel := newPost()
	ctx, kill := context.WithCancel(context.Background())
	a := startWorker(ctx, t, Config{ID: "a", Log: logA, DataDir: t.TempDir(), Channels: email(channel)})
	b := startWorker(context.Background(), t, Config{ID: "b", Log: logB, DataDir: t.TempDir(), Channels: email(channel)})
	activate(t, b)
	shared(t, a, b)
	remind(t, logB, "early", 30)
	waitFor(t, "some reminders", func() bool { return channel.count() > 5 })
	kill()
	remind(t, logB, "late", 30)
	closeWorker(t, a)
	logA.Close()
	live(t, b)
	waitFor(t, "all reminders", func() bool { return channel.count() == 60 })
	require.NoError(t, b.WaitIdle(soon(t)))
	decided := sent(t, logB)
	require.Len(t, decided, 60)
	for id, n := range decided {
		require.Equal(t, 1, n, id)
	}
	for _, s := range b.Status(soon(t)) {
		require.Equal(t, "live", s.Phase, "%+v", s)
	}
}

func TestARestart(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	dir, channel := t.TempDir(), newPost()
	first := openLog(t, server, 2)
	w := startWorker(context.Background(), t, Config{ID: "a", Log: first, DataDir: dir, Channels: email(channel)})
	activate(t, w)
	remind(t, first, "ann", 10)
	waitFor(t, "reminders", func() bool { return channel.count() == 10 })
	before := w.Status(soon(t))
	closeWorker(t, w)
	first.Close()

	second := openLog(t, server, 2)
	w = startWorker(context.Background(), t, Config{ID: "a", Log: second, DataDir: dir, Channels: email(channel)})
	live(t, w)
	for i, s := range w.Status(soon(t)) {
		require.GreaterOrEqual(t, s.Saved, before[i].Position, "everything was saved on closing: %+v", s)
		require.Greater(t, s.Epoch, before[i].Epoch)
	}
	remind(t, second, "bob", 10)
	waitFor(t, "more reminders", func() bool { return channel.count() == 20 })
	require.Len(t, sent(t, second), 20)

	// The state is lost: it is rebuilt from the log.
	closeWorker(t, w)
	require.NoError(t, os.RemoveAll(dir))
	w = startWorker(context.Background(), t, Config{ID: "a", Log: second, DataDir: dir, Channels: email(channel)})
	live(t, w)
	require.NoError(t, w.WaitIdle(soon(t)))
	require.Len(t, sent(t, second), 20)
	require.Equal(t, 20, channel.count())
}

func TestAnOwnerWhoWasReplacedStops(t *testing.T) {
	t.Parallel()
	log := openLog(t, startServer(t), 1)
	channel := newPost()
	w := startWorker(context.Background(), t, Config{ID: "a", Log: log, DataDir: t.TempDir(), Channels: email(channel)})
	activate(t, w)
	remind(t, log, "ann", 5)
	waitFor(t, "reminders", func() bool { return channel.count() == 5 })
	require.NoError(t, w.WaitIdle(soon(t)))
	epoch := w.Status(soon(t))[0].Epoch

	_, err := claim(soon(t), log, 0, newMemStore()) // by somebody else
	require.NoError(t, err)
	remind(t, log, "bob", 5)
	waitFor(t, "the commit to be refused", func() bool { return w.Metrics().Fenced == 1 })
	// Nobody else is a member, so the partition comes back.
	waitFor(t, "more reminders", func() bool { return channel.count() == 10 })
	require.Equal(t, epoch+2, w.Status(soon(t))[0].Epoch)
	decided := sent(t, log)
	require.Len(t, decided, 10)
	for id, n := range decided {
		require.Equal(t, 1, n, id)
	}
}

func TestAChannelThatIsDown(t *testing.T) {
	t.Parallel()
	log := openLog(t, startServer(t), 2)
	channel := newPost()
	channel.fail = 4
	w := startWorker(context.Background(), t, Config{ID: "a", Log: log, DataDir: t.TempDir(), Channels: email(channel)})
	activate(t, w)
	remind(t, log, "ann", 3)
	waitFor(t, "reminders", func() bool { return channel.count() == 3 })
	waitFor(t, "the outcomes", func() bool { return w.Metrics().Deliveries[DeliveryKey{"email", processor.Delivered}] == 3 })
	require.NoError(t, w.WaitIdle(soon(t)))
	require.GreaterOrEqual(t, w.Metrics().Deliveries[DeliveryKey{"email", processor.Retry}], uint64(4))
	require.Len(t, sent(t, log), 3)
}

func TestClientsOfAnyKind(t *testing.T) {
	t.Parallel()
	server, err := jetstream.StartServer(jetstream.ServerOptions{Dir: t.TempDir(), SyncInterval: time.Minute, Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	log := openLog(t, server, 2)
	channel := newPost()
	w := startWorker(context.Background(), t, Config{ID: "a", Log: log, DataDir: t.TempDir(), Channels: email(channel)})
	activate(t, w)
	require.NoError(t, w.WaitIdle(soon(t)))
	nc, err := nats.Connect(server.ClientURL())
	require.NoError(t, err)
	defer nc.Close()
	publish := func(key, text string) {
		_, err := nc.Request("t.ingest."+key, []byte(text), 5*time.Second)
		require.NoError(t, err)
	}
	for i := range 10 {
		id := fmt.Sprint("ann", i)
		publish(id, fmt.Sprintf(`{"type":"identify","userId":%q,"traits":{"email":"a@example.com","timezone":"Europe/Paris"}}`, id))
		publish(id, fmt.Sprintf(`{"type":"track","event":"Product Added","userId":%q,"properties":{"cart_id":"c","sku":"phone","price":199,"quantity":1}}`, id))
	}
	publish("x", `{"type":"track","event":"Product Added","userId":"eve","properties":{"quantity":0.5}}`)
	waitFor(t, "reminders", func() bool { return channel.count() == 10 })
	waitFor(t, "the letter", func() bool {
		letters, err := log.DeadLetters().List(soon(t), 1, 10)
		return err == nil && len(letters) == 1 && letters[0].Key == "ingest"
	})
	waitFor(t, "the position to be saved", func() bool {
		all := uint64(0)
		for i := range log.Shards() {
			n, err := log.LoadShard(soon(t), i)
			require.NoError(t, err)
			all = max(all, n)
		}
		return all == 21
	})
}

func TestRestockReachesAnotherPartition(t *testing.T) {
	t.Parallel()
	log := openLog(t, startServer(t), 8)
	channel := newPost()
	w := startWorker(context.Background(), t, Config{ID: "a", Log: log, DataDir: t.TempDir(), Channels: email(channel)})
	activate(t, w)
	in := NewIntake(log)
	for i := range 10 {
		id := fmt.Sprint("ann", i)
		require.NoError(t, in.Append(soon(t), []processor.Event{identify(id), {
			Kind: processor.BackInStockRequested, MessageID: "r" + id, UserID: id, SKU: "shoe", At: at(), Stamp: at(), Stamped: true}}))
	}
	require.NoError(t, w.WaitIdle(soon(t)))
	require.NoError(t, in.Append(soon(t), []processor.Event{{Kind: processor.StockLevelReported, MessageID: "s", SKU: "shoe",
		Available: 7, HasLevel: true, Version: 1, At: at(), Stamp: at(), Stamped: true}}))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%+v", w.Metrics().Counts)
		}
	})
	waitFor(t, "7 to be told", func() bool { return channel.count() == 7 })
	require.NoError(t, w.WaitIdle(soon(t)))
	require.Equal(t, 7, channel.count())
}

func TestNATSIsAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	options := jetstream.ServerOptions{Dir: dir, SyncInterval: time.Minute, Listen: "127.0.0.1:0"}
	server, err := jetstream.StartServer(options)
	require.NoError(t, err)
	url := server.ClientURL()
	log, err := jetstream.Open(context.Background(), jetstream.Options{URL: url, Name: "t", Partitions: 2, Shards: 1})
	require.NoError(t, err)
	t.Cleanup(log.Close)
	channel := newPost()
	w := startWorker(context.Background(), t, Config{ID: "a", Log: log, DataDir: t.TempDir(), Channels: email(channel)})
	activate(t, w)
	remind(t, log, "ann", 5)
	server.Close()
	require.Error(t, NewIntake(log).Append(soon(t), []processor.Event{identify("eve")}))
	for part := range 2 {
		require.NoError(t, w.Ask(soon(t), part, func(m *processor.Machine) { require.NotEmpty(t, m.Shop().Version) }), "reads stay up")
	}
	time.Sleep(1200 * time.Millisecond) // the windows end meanwhile
	options.Listen = strings.TrimPrefix(url, "nats://")
	server, err = jetstream.StartServer(options)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	t.Cleanup(log.Close)
	t.Cleanup(func() { closeWorker(t, w) })
	waitFor(t, "reminders", func() bool { return channel.count() == 5 })
	waitFor(t, "the log to be back", func() bool { return NewIntake(log).Append(soon(t), []processor.Event{identify("bob")}) == nil })
	require.NoError(t, w.WaitIdle(soon(t)))
	for id, n := range sent(t, log) {
		require.Equal(t, 1, n, id)
	}
}

// TestAClockOfItsOwn replays: the clock moves only when there is nothing to do.
func TestAClockOfItsOwn(t *testing.T) {
	t.Parallel()
	channel := newPost()
	var clock atomic.Int64
	clock.Store(at() - 1000*3600_000)
	log, err := jetstream.Open(context.Background(), jetstream.Options{Server: startServer(t), Name: "t", Partitions: 4, Shards: 1,
		Clock: func() time.Time { return time.UnixMilli(clock.Load()) }})
	require.NoError(t, err)
	t.Cleanup(log.Close)
	w := startWorker(context.Background(), t, Config{ID: "a", Log: log, DataDir: t.TempDir(), Channels: email(channel),
		Clock: func() time.Time { return time.UnixMilli(clock.Load()) }})
	live(t, w)
	require.NoError(t, w.Control(soon(t), &processor.Control{Type: processor.Activate, At: clock.Load(), Text: []byte(rules)}))
	require.NoError(t, w.WaitIdle(soon(t)))
	in := NewIntake(log)
	for i := range 5 {
		id := fmt.Sprint("ann", i)
		events := []processor.Event{identify(id), added(id, "phone")}
		for i := range events {
			events[i].At, events[i].Stamp = clock.Load(), clock.Load()
		}
		require.NoError(t, in.Append(soon(t), events))
		require.NoError(t, w.WaitIdle(soon(t)))
		require.Equal(t, i, channel.count(), "the window has not ended")
		for {
			at, err := w.NextWake(soon(t))
			require.NoError(t, err)
			if at == 0 || at > clock.Load()+24*3600_000 {
				break
			}
			clock.Store(max(at, clock.Load()+1))
			w.Nudge()
			require.NoError(t, w.WaitIdle(soon(t)))
		}
		require.Equal(t, i+1, channel.count(), "delivered when idle")
		clock.Add(2 * 24 * 3600_000)
		w.Nudge()
	}
}
