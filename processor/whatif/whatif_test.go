package whatif

import (
	"context"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor"
	"onhand/processor/jetstream"
)

// A replay cannot reach a channel, a network of its own, or a way to write to
// the log: it imports none, and what it reads the log by has none.
func TestNothingCanLeave(t *testing.T) {
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, i := range file.Imports {
			require.NotContains(t, i.Path.Value, "onhand/connectors", f.Name())
			require.NotContains(t, i.Path.Value, "onhand/processor/worker", f.Name())
			require.NotContains(t, i.Path.Value, "nats.go", f.Name())
			require.NotContains(t, i.Path.Value, `"net`, f.Name())
		}
	}
	var can []string
	for m := range reflect.TypeFor[*jetstream.Past]().Methods() {
		can = append(can, m.Name)
	}
	require.ElementsMatch(t, []string{"Blobs", "Bounds", "Close", "CommitAt", "CommitBounds", "ID", "Partitions", "Read", "ReadCommits", "RecordAt", "Rewinds"}, can)
	b := readOnly{}
	require.ErrorIs(t, b.Put(t.Context(), "x", nil, 0), errReadOnly)
	require.ErrorIs(t, b.Create(t.Context(), "x", nil), errReadOnly)
	require.ErrorIs(t, b.Delete(t.Context(), "x"), errReadOnly)
}

// decision is what a test says of ann and her cart.
func decision(at int64, n int64, outcome processor.Outcome, reason processor.Reason) *processor.Decision {
	d := &processor.Decision{At: at, Customer: "ann", Moment: "cart", Cause: processor.Cause{Value: "c1", N: n}, Outcome: outcome, Reason: reason, Mode: "live"}
	if outcome == processor.Sent {
		d.Action = &processor.Action{ID: "a", Channel: "email", Template: "cart", Lines: []processor.ActionLine{{SKU: "phone", Quantity: 1}}}
	}
	return d
}

func TestComparison(t *testing.T) {
	const minute = 60_000
	sms := decision(minute, 1, processor.Sent, "")
	sms.Action.Channel = "sms"
	shadow := decision(minute, 1, processor.Sent, "")
	shadow.Mode = "shadow"
	type said = []*processor.Decision
	sent, late := decision(minute, 1, processor.Sent, ""), decision(9*minute, 1, processor.Sent, "")
	put := decision(minute, 1, processor.Deferred, processor.QuietHours)
	bought := decision(9*minute, 1, processor.Suppressed, processor.Purchased)
	for name, tt := range map[string]struct {
		was, now         said
		kind, from, into string // none: the same
	}{
		"the same":                      {was: said{sent}, now: said{sent}},
		"a moment later is the same":    {was: said{sent}, now: said{decision(minute+900, 1, processor.Sent, "")}},
		"not sent":                      {said{sent}, said{bought}, Fewer, "sent", "suppressed purchased"},
		"sent besides":                  {said{bought}, said{sent}, More, "suppressed purchased", "sent"},
		"later":                         {said{sent}, said{put, late}, Moved, "sent", "sent later, after quiet_hours"},
		"earlier":                       {said{put, late}, said{sent}, Moved, "sent, after quiet_hours", "sent earlier"},
		"still waiting":                 {said{sent}, said{put}, Fewer, "sent", "waiting quiet_hours"},
		"no candidate":                  {said{sent}, nil, Fewer, "sent", "no candidate"},
		"both wait":                     {was: said{put}, now: said{put}},
		"one waits":                     {nil, said{put}, Reason, "no candidate", "waiting quiet_hours"},
		"another reason":                {said{put, bought}, said{decision(minute, 1, processor.Suppressed, processor.NoConsent)}, Reason, "suppressed purchased", "suppressed no_consent"},
		"another channel":               {said{sent}, said{sms}, Says, "sent email", "sent sms"},
		"only in shadow":                {said{sent}, said{shadow}, Fewer, "sent", "sent shadow"},
		"counted otherwise":             {was: said{sent}, now: said{decision(minute, 2, processor.Sent, "")}},
		"two of which one is the other": {said{sent, decision(8*minute, 2, processor.Sent, "")}, said{decision(8*minute, 2, processor.Sent, "")}, Fewer, "sent", "no candidate"},
		"retracted besides":             {nil, said{decision(minute, 1, processor.Retracted, processor.OutOfStock)}, Reason, "no candidate", "retracted out_of_stock"},
	} {
		c := newComparison(1000, 1)
		for i, list := range []said{tt.was, tt.now} {
			for _, d := range list {
				require.NoError(t, c.add(i, d))
			}
		}
		c.finish()
		moments, changes := c.result()
		if tt.kind == "" {
			require.Empty(t, changes, name)
			require.Equal(t, len(tt.was), c.same, name)
			continue
		}
		require.Len(t, changes, 1, name)
		require.Equal(t, Change{"cart", tt.kind, tt.from, tt.into, 1, changes[0].Examples}, changes[0], name)
		require.Equal(t, "a…"+changes[0].Examples[0].Customer[len("a…"):], changes[0].Examples[0].Customer, name)
		require.NotContains(t, changes[0].Examples[0].Customer, "ann", name)
		m := moments[0]
		require.Equal(t, m.After.Sent, m.Before.Sent+m.More-m.Fewer, name)
		require.Zero(t, c.kept, name)
	}
}

// An outcome comes as it was recorded, when it is recorded for the attempt, and
// is assumed when it is not.
func TestAssumed(t *testing.T) {
	a := assumed{}
	a.begin()
	entry := func(action string, attempt int, d processor.Delivery) (e processor.AttemptEntry, raw []byte) {
		raw = processor.AppendOutcome(nil, "ann", action, attempt, d, "code")
		e, err := processor.ParseAttempt(raw)
		require.NoError(t, err)
		return e, raw
	}
	recorded := func(now int64, action string, attempt int, d processor.Delivery) *processor.AttemptEntry {
		e, raw := entry(action, attempt, d)
		out := a.recorded(now, &e, raw)
		if out == nil {
			return nil
		}
		got, err := processor.ParseAttempt(out)
		require.NoError(t, err)
		return &got
	}
	require.Zero(t, a.next())

	require.Nil(t, a.attempt(0, "ann", "sent", 1))
	require.Equal(t, processor.Failed, recorded(5, "sent", 1, processor.Failed).Delivery)
	require.Zero(t, a.next(), "it has its outcome")

	require.Nil(t, recorded(10, "early", 1, processor.Failed), "not attempted here yet")
	got, err := processor.ParseAttempt(a.attempt(20, "ann", "early", 2))
	require.NoError(t, err)
	require.Equal(t, processor.AttemptEntry{Customer: "ann", Action: "early", Attempt: 2, Delivery: processor.Failed, Code: "code"}, got)

	require.Nil(t, a.attempt(100, "ann", "new", 1))
	require.Equal(t, int64(100+answerMS), a.next())
	_, body := a.pop()
	got, err = processor.ParseAttempt(body)
	require.NoError(t, err)
	require.Equal(t, processor.Delivered, got.Delivery)
	require.Equal(t, 1, a.count)

	require.Nil(t, a.attempt(200, "ann", "busy", 1))
	require.Equal(t, processor.Retry, recorded(210, "busy", 1, processor.Retry).Delivery)
	require.Nil(t, recorded(211, "busy", 1, processor.Retry), "once")
	require.Equal(t, int64(210+answerMS), a.next())
	_, body = a.pop()
	got, err = processor.ParseAttempt(body)
	require.NoError(t, err)
	require.Equal(t, processor.AttemptEntry{Customer: "ann", Action: "busy", Attempt: 2}, got, "it is asked for again")
	require.Zero(t, a.next())

	_, err = processor.ParseAttempt([]byte{byte(processor.OutcomeEntry), 1})
	require.Error(t, err)
	_, err = processor.ParseAttempt(nil)
	require.Error(t, err)
}

// A long silence in which much is due ends with who has asked.
func TestAdvanceEnds(t *testing.T) {
	w := &world{rest: func() error { return context.Canceled }}
	w.assumed.begin()
	w.assumed.expect(0, "ann", "a", 1)
	require.ErrorIs(t, w.advance(answerMS), context.Canceled)
}
