package main

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor/moments"
	"onhand/processor/whatif"
)

var rewriteGolden = flag.Bool("rewrite-golden", false, "write the golden files anew")

// nightRules are the shipped moments without what the story is not about.
func nightRules(quiet string) string {
	return strings.NewReplacer("double_opt_in: [email]", "", "percent: 10", "percent: 0", "quiet_hours: 21:00-08:00", "quiet_hours: "+quiet).
		Replace(string(moments.Three()))
}

// recorded replays a story into a folder and runs a service on it.
func recorded(t *testing.T, story, rules string) (url string) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	status, _, errs := onhand(t, "replay", story, "--moments", file(t, "before.yaml", rules), "--data", data, "--after", "4h", "--grain", "1s")
	require.Equal(t, 0, status, errs)
	ctx, stop := context.WithCancel(t.Context())
	var out, log syncBuffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"run", "--data", data, "--http", "127.0.0.1:0", "--sync", "interval"}, &out, &log)
	}()
	t.Cleanup(func() {
		stop()
		require.Equal(t, 0, <-ended, log.String())
		left, err := filepath.Glob(filepath.Join(data, "whatif-*"))
		require.NoError(t, err)
		require.Empty(t, left)
	})
	return out.after(t, "ready ", &log)
}

// golden compares a text with a file.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewriteGolden {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
}

// A night is recorded, and replayed with other quiet hours: who would have been
// told later, who not, and who instead.
func TestWhatIfOfANight(t *testing.T) {
	url := recorded(t, filepath.Join("testdata", "night.ndjson"), nightRules("21:00-08:00"))
	t.Setenv("ONHAND_SERVER", url)
	span := []string{"--from", "2026-03-02T16:00:00Z", "--to", "2026-03-03T13:00:00Z"}
	ask := func(rules string, more ...string) string {
		t.Helper()
		status, out, errs := onhand(t, append(append([]string{"whatif", file(t, "moments.yaml", rules)}, span...), more...)...)
		require.Equal(t, 0, status, errs)
		return out
	}
	decided := func() string {
		t.Helper()
		status, out, errs := onhand(t, "status", "--json")
		require.Equal(t, 0, status, errs)
		return out
	}
	before := decided()
	golden(t, "whatif_longer.txt", ask(nightRules("19:00-10:00")))
	golden(t, "whatif_none.txt", ask(nightRules("23:30-05:00")))

	same := ask(nightRules("21:00-08:00"))
	require.Contains(t, same, "nothing would be decided otherwise")
	require.Contains(t, same, "decides as recorded: all")

	for _, from := range []string{"2026-03-02T17:10:30Z", "2026-03-02T18:45:06Z", "2026-03-02T18:50:05Z", "2026-03-02T20:00:00Z", "2026-03-03T06:59:00Z"} {
		span[1] = from
		same := ask(nightRules("21:00-08:00"))
		require.Contains(t, same, "nothing would be decided otherwise", from)
		require.Contains(t, same, "decides as recorded: all", from)
		require.NotContains(t, same, "note:", from)
	}
	span[1] = "2026-03-02T18:30:00Z" // with what was pending then, and told since
	var r whatif.Report
	require.NoError(t, json.Unmarshal([]byte(ask(nightRules("19:00-10:00"), "--json", "--examples", "0")), &r))
	require.Positive(t, r.Replayed)
	require.NotEmpty(t, r.Was)
	for _, m := range r.Moments {
		require.Equal(t, m.After.Sent, m.Before.Sent+m.More-m.Fewer, m.Name)
	}
	require.Equal(t, positions(t, before), positions(t, decided()), "nothing was appended and nobody took over")
}

// positions returns how far the partitions are, and how much they have decided.
func positions(t *testing.T, status string) (all []any) {
	t.Helper()
	var s struct{ Partitions []map[string]any }
	require.NoError(t, json.Unmarshal([]byte(status), &s))
	for _, p := range s.Partitions {
		all = append(all, p["position"], p["epoch"])
	}
	return all
}
