package drive

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"onhand/cmd/onhand/config"
	"onhand/cmd/onhand/service"
	"onhand/processor"
	"onhand/processor/moments"
	"onhand/processor/sim/shop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func shipped(t *testing.T) *moments.File {
	t.Helper()
	f, faults := moments.Parse("shipped", moments.Three(), processor.Vocabulary())
	require.Empty(t, faults)
	return f
}

// The oracle's own idea of the shipped moments is what the file says.
func TestPolicyOfTheShippedMoments(t *testing.T) {
	got, want := PolicyOf(shipped(t), 500*time.Millisecond), shop.DefaultPolicy()
	for name, m := range got.Moments {
		require.Equal(t, want.Moments[name], m, name)
	}
	require.Len(t, got.Moments, 3)
	require.Equal(t, want.Classes, got.Classes)
	require.Equal(t, want.Caps, got.Caps)
	require.Equal(t, want.Quiet, got.Quiet)
	require.Equal(t, want.ChannelQuiet["sms"], got.ChannelQuiet["sms"])
	require.Empty(t, got.ChannelQuiet["ads"])
	require.Contains(t, got.ChannelQuiet, "ads")
	require.Equal(t, []any{want.SilenceAfterPurchase, want.OneAtATime, want.Online, want.Safety, want.Settle, want.Hold, 1.0, 90 * 24 * time.Hour},
		[]any{got.SilenceAfterPurchase, got.OneAtATime, got.Online, got.Safety, got.Settle, got.Hold, got.Overbook, got.RequestLasts})
}

// Whatever a shop says arrives once, and every decision is heard of.
func TestLive(t *testing.T) {
	rules := strings.NewReplacer("after: 45m", "after: 300ms", "settle: 3s", "settle: 50ms", "hold: 30m", "hold: 500ms").Replace(string(moments.Three()))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := service.Open(ctx, service.Options{
		Config: config.Config{Data: t.TempDir(), HTTP: "127.0.0.1:0", Partitions: 4, Sync: config.SyncInterval}, Rules: []byte(rules),
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(context.Background())) }()
	require.NoError(t, s.WaitReady(ctx))
	sim := shop.New(shop.Config{
		Seed: 3, Customers: 200, Items: 20, Events: 2500, Start: time.Now(), Rate: 1000,
		Timing: shop.Timing{AbandonAfter: 300 * time.Millisecond, Hold: 500 * time.Millisecond, Settle: 50 * time.Millisecond},
	})
	l := &Live{Service: s, Shop: sim, Judge: NewJudge(PolicyOf(s.Rules, 5*time.Second), sim), Rest: time.Second}
	require.NoError(t, l.Run(ctx))
	summary, tallies := l.Judge.Report(time.Now())
	require.GreaterOrEqual(t, summary.Events, 1500)
	require.NotEmpty(t, tallies)
	require.Positive(t, summary.EventToDecision.N)
	total := 0
	for _, x := range tallies {
		total += x.Count
	}
	require.Equal(t, total, summary.Oracle.Checked)
	require.Zero(t, summary.Oracle.Oversold+summary.Oracle.Duplicates, "%+v", summary.Findings)
	var accepted uint64
	for _, p := range s.Worker.Metrics().Partitions {
		accepted += p.Records
	}
	require.Positive(t, accepted)
}

// A decision that nobody may make is found: the judge is not blind.
func TestJudgeFindsAWrongDecision(t *testing.T) {
	p := PolicyOf(shipped(t), time.Second)
	sim := shop.New(shop.Config{Seed: 1, Customers: 1, Items: 1, Start: time.UnixMilli(1)})
	j := NewJudge(p, sim)
	d := &processor.Decision{
		ID: "d1", At: 1_772_445_600_000, Customer: "stranger", Moment: "cart_abandoned", Outcome: processor.Sent, Mode: "live",
		Cause:  processor.Cause{Value: "c1", N: 1},
		Action: &processor.Action{ID: "a1", Kind: "message", Channel: "email", Class: "marketing", Customer: "stranger", CartID: "c1", Lines: []processor.ActionLine{{SKU: "phone", Quantity: 1}}},
	}
	require.NoError(t, j.hear(0, d, time.UnixMilli(1_772_445_600_000)))
	summary, _ := j.Report(time.UnixMilli(1_772_445_700_000))
	require.Positive(t, summary.Oracle.Wrong)
}

// TestLinesAreReadAsCalls checks that a recording may say ids and times in each
// of the ways that the collector takes.
func TestLinesAreReadAsCalls(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.ndjson")
	text := `{"type":"page","userId":12345678901234567890,"timestamp":1772445600}
{"type":"track","event":"Product Viewed","anonymousId":7,"userId":null,"timestamp":"2026-03-02 11:00:01.5+01:00"}
{"type":"track","event":5,"userId":{"a":1},"timestamp":"yesterday"}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := OpenLines(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, want := range []struct{ name, customer, at string }{
		{"page", "12345678901234567890", "2026-03-02T10:00:00Z"},
		{"Product Viewed", "7", "2026-03-02T10:00:01.5Z"},
		{"5", "", "2026-03-02T10:00:01.5Z"}, // the collector's to refuse
	} {
		e, ok := l.Next()
		if got := e.At.Format(time.RFC3339Nano); !ok || e.Name != want.name || e.Customer != want.customer || got != want.at {
			t.Errorf("%q %q %s, want %v: %v", e.Name, e.Customer, got, want, l.Err())
		}
	}
}
