package main

import (
	"bytes"
	"context"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"onhand/cmd/onhand/config"
	"onhand/processor/moments"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onhand runs a command line in this process.
func onhand(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(t.Context(), args, &out, &err)
	return status, out.String(), err.String()
}

// file writes a file for a test and returns its path.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestExitStatus(t *testing.T) {
	good := file(t, "good.yaml", string(moments.Three()))
	bad := file(t, "bad.yaml", "version: 1\ncurrency: EUR\nmoments:\n  x:\n    whenn: Page\n")
	passing := file(t, "passing.yaml", "name: nothing happens\nsteps:\n  - at: 1h\n    expect: []\n")
	failing := file(t, "failing.yaml", "name: a message out of nothing\nsteps:\n  - at: 1h\n    expect: [{moment: cart_abandoned}]\n")
	t.Setenv("ONHAND_SERVER", "http://127.0.0.1:1") // nobody listens there
	for _, tt := range []struct {
		args   string
		status int
		says   string // on either output
	}{
		{"", 0, "Available Commands"},
		{"help demo", 0, "onhand demo --seed 7"},
		{"version", 0, "onhand dev"},
		{"version --json", 0, `"decisions": 1`},
		{"completion bash", 0, "bash completion"},
		{"sttaus", 2, "did you mean status?"},
		{"nope", 2, "there is no command onhand nope; onhand --help lists them"},
		{"completion nope", 2, "there is no command onhand completion nope"},
		{"run --dtaa x", 2, "did you mean --data?"},
		{"run extra", 2, `onhand run takes no "extra"; write: onhand run [flags]`},
		{"help nope", 2, "there is no command nope"},
		{"help dlq show", 0, "onhand dlq show"},
		{"apply", 2, "write: onhand apply FILE"},
		{"moments shw", 2, "did you mean show?"},
		{"sim --seeds x", 2, "--seeds x: write a whole number"},
		{"status --server ftp://x", 2, "is not an address"},
		{"run --sync never", 2, "always or interval"},
		{"run --partitions 0", 2, "from 1 to 1024"},
		{"run --memory much", 2, "write for example 2GiB"},
		{"run --nats nats://127.0.0.1:1 --nats-listen 127.0.0.1:1", 2, "keep one"},
		{"run --replicas 9", 2, "from 1 to 5"},
		{"run --replicas 3", 2, "with --nats"},
		{"run --memory 1KiB", 2, "at least 128 MiB"},
		{"run --http nowhere", 2, "write host:port"},
		{"run --nats-listen 4222", 2, "write host:port"},
		{"run --advertise here", 2, "write host:port"},
		{"run --http 127.0.0.1:0 --data " + good, 1, "cannot be used"},
		{"run --checkpoints ftp://backup/onhand", 2, "no place for checkpoints"},
		{"run --http 0.0.0.0:0", 1, "without keys"},
		{"run --config /nonexistent.yaml", 1, "no such file"},
		{"version --log-level loud", 2, "debug, info"},
		{"version --log-format xml", 2, "text or json"},
		{"check " + good, 0, "3 moments, version"},
		{"check", 0, "shipped moments.yaml: 19 moments"},
		{"check " + bad, 1, `bad.yaml:5:5: unknown key "whenn" in moment x; did you mean "when"?`},
		{"check --json " + bad, 1, `"line": 5`},
		{"check a b", 2, `onhand check takes [FILE], not "b" besides`},
		{"check /nonexistent.yaml", 1, "does not exist"},
		{"test " + passing, 0, "1 scenario"},
		{"test " + failing, 1, "MISSING"},
		{"test", 2, "onhand test needs FILE|DIR..."},
		{"test --run ( " + passing, 2, "--run"},
		{"sim --seeds 0", 2, "at least 1"},
		{"sim --seed 1 --seeds 2", 2, "keep one"},
		{"bench --runs 0", 2, "--runs is above 0"},
		{"bench --sync never", 2, "always or interval"},
		{"status", 1, "start it with: onhand run"},
		{"status --server nowhere", 2, "is not an address"},
		{"stop --tag x", 1, "start it with: onhand run"},
		{"stop --tag=", 2, "--tag is empty"}, // as of a variable that is not set: not everything
		{"resume --tag=", 2, "--tag is empty"},
		{"whatif", 2, "needs FILE"},
		{"whatif /nonexistent.yaml", 1, "no such file"},
		{"whatif " + bad, 1, `bad.yaml:5:5: unknown key "whenn"`},
		{"whatif " + good, 1, "start it with: onhand run"},
		{"whatif --since yesterday " + good, 2, "like 24h or 7d"},
		{"whatif --since 1h --from 2026-03-02T20:00:00Z " + good, 2, "keep one"},
		{"whatif --from monday " + good, 2, "2026-03-02T20:00:00Z"},
		{"whatif --share 2 " + good, 2, "at most 1"},
		{"whatif --examples 1000 " + good, 2, "from 0 to 100"},
		{"dlq show x", 2, "is not the number"},
		{"dlq purge", 2, "--through"},
		{"diff /nonexistent.yaml", 2, "no such file"},
		{"diff " + bad, 2, `bad.yaml:5:5: unknown key "whenn"`},
		{"erase", 2, "needs CUSTOMER"},
		{"demo --rate slow", 2, "or max"},
		{"demo --http 0.0.0.0:1", 2, "loopback only"},
		{"demo --summary /nonexistent/x", 1, "no such file"}, // before the shop opens
		{"replay", 2, "needs FILE"},
		{"replay --format xml x", 2, "online-retail"},
		{"replay --speed 0 x", 2, "or max"},
		{"replay --partitions 0 x", 2, "from 1 to 1024"},
		{"replay --after -1h x", 2, "not below 0"},
		{"replay --format segment /nonexistent", 1, "no such file"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			status, out, err := onhand(t, strings.Fields(tt.args)...)
			require.Equal(t, tt.status, status, "stdout %s\nstderr %s", out, err)
			require.Contains(t, out+err, tt.says)
		})
	}
}

// The exit status of a simulation is what it found.
func TestSim(t *testing.T) {
	status, out, errs := onhand(t, "sim", "--seed", "1", "--json")
	require.Contains(t, out, `"seeds": 1`, errs)
	require.Equal(t, status == 0, strings.Contains(out, `"failed": []`), out)
}

// Every command says what it does and shows an example.
func TestHelp(t *testing.T) {
	root := (&app{out: &bytes.Buffer{}, err: &bytes.Buffer{}}).root()
	for _, c := range root.Commands() {
		require.NotEmpty(t, c.Short, c.Name())
		require.Contains(t, c.Example, "onhand "+c.Name(), c.Name())
		for _, sub := range c.Commands() {
			require.Contains(t, sub.Example, "onhand "+c.Name()+" "+sub.Name())
		}
	}
}

func TestChannelsThatAreNotConfiguredAreNamed(t *testing.T) {
	path := file(t, "onhand.yaml", "channels:\n  push: {type: file, path: push.ndjson}\n")
	status, out, _ := onhand(t, "check", "--config", path)
	require.Equal(t, 0, status)
	require.Contains(t, out, "warning: channel email of moment back_in_stock is not configured")
	require.NotContains(t, out, "channel push")
}

// What is wrong with a configuration is told although the moments it names are
// not there.
func TestFaultsBesideMissingMoments(t *testing.T) {
	path := file(t, "onhand.yaml", "moments: nowhere.yaml\npartitons: 4\n")
	status, out, errs := onhand(t, "check", "--config", path)
	require.Equal(t, 1, status)
	require.Contains(t, out, `did you mean "partitions"?`)
	require.Contains(t, errs, "nowhere.yaml: file does not exist")
}

func TestFlagsBeatTheConfiguration(t *testing.T) {
	path := file(t, "onhand.yaml", "data: from-file\nsync: interval\npartitions: 4\nmemory: 1GiB\nmoments: m.yaml\n")
	a := &app{out: &bytes.Buffer{}}
	var f runFlags
	c := a.runCommand()
	require.NoError(t, c.ParseFlags([]string{"--data", "from-flag", "--partitions", "2"}))
	f.config, f.data, f.partitions, f.http, f.sync = path, "from-flag", 2, "127.0.0.1:7070", config.SyncAlways
	cfg, err := a.configure(c, &f)
	require.NoError(t, err)
	require.Equal(t, "from-flag", cfg.Data)
	require.Equal(t, 2, cfg.Partitions)
	require.Equal(t, config.SyncInterval, cfg.Sync)
	require.Equal(t, int64(1<<30), cfg.Memory)
	require.Equal(t, filepath.Join(filepath.Dir(path), "m.yaml"), cfg.Moments)
}

// Who configures nothing gets what is safe: what is personal is not in the
// files of the log.
func TestPersonalDataIsSealedWithoutAConfiguration(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	data := t.TempDir()
	var out, errs syncBuffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"run", "--data", data, "--http", "127.0.0.1:0", "--partitions", "2", "--sync", "interval"}, &out, &errs)
	}()
	url := out.after(t, "ready ", &errs)
	answer, err := http.Post(url+"/v1/identify", "application/json", strings.NewReader(`{"type":"identify","userId":"ann-of-the-log","traits":{"email":"ann@secret.example"}}`))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, 200, answer.StatusCode)
	stop()
	require.Zero(t, <-ended, errs.String())

	var all []byte
	require.NoError(t, filepath.WalkDir(filepath.Join(data, "nats"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			var text []byte
			text, err = os.ReadFile(path)
			all = append(all, text...)
		}
		return err
	}))
	require.Contains(t, string(all), "ann-of-the-log")
	require.NotContains(t, string(all), "secret.example")
}

// A service is started, asked, changed, and stopped in order.
func TestRunAndOperate(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	data := t.TempDir()
	var out, errs syncBuffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"run", "--data", data, "--http", "127.0.0.1:0", "--partitions", "2", "--sync", "interval"}, &out, &errs)
	}()
	defer stop()
	url := out.after(t, "ready ", &errs)
	t.Setenv("ONHAND_SERVER", url)

	check := func(status int, says string, args ...string) string {
		t.Helper()
		got, stdout, stderr := onhand(t, args...)
		require.Equal(t, status, got, "%s%s", stdout, stderr)
		require.Contains(t, stdout+stderr, says)
		return stdout
	}
	check(0, "live", "status")
	check(0, `"ready":true`, "status", "--json")
	check(0, "retarget_ads", "moments", "list")
	check(0, "frequency_cap", "moments", "reasons")
	check(0, "", "diff", file(t, "same.yaml", check(0, "version: 1", "moments", "show")))

	changed := file(t, "changed.yaml", strings.Replace(string(moments.Shipped()), "after: 45m", "after: 1h", 1))
	check(1, "after: 45m -> 1h", "diff", changed)
	check(0, "dry run", "apply", "--dry-run", changed)
	check(0, "mode: (left out) -> shadow", "apply", "--dry-run", "--shadow", changed)
	check(1, "would hold for those that are live", "apply", "--shadow", file(t, "policy.yaml", strings.Replace(string(moments.Shipped()), "currency: EUR", "currency: SEK", 1)))
	check(1, "after", "diff", changed)
	check(0, "is in force", "apply", "--keep-pending", changed)
	check(0, "", "diff", changed)
	wrong := file(t, "wrong.yaml", "nonsense: 1\n")
	check(1, "wrong.yaml:1:1", "apply", wrong)
	require.JSONEq(t, check(1, "nonsense", "check", "--json", wrong), check(1, "nonsense", "apply", "--json", wrong))
	country := func(code string) string {
		return file(t, code+".yaml", strings.Replace(string(moments.Shipped()), "currency: EUR", "currency: EUR\ncountry: "+code, 1))
	}
	check(1, `country "UK" does not exist`, "check", country("UK"))
	check(1, `country "UK" does not exist`, "apply", country("UK"))
	check(0, "country: (left out) -> FR", "apply", country("FR"))
	check(0, "country: FR", "moments", "show")

	check(0, "everything is stopped", "stop")
	check(0, "stopped: spring", "stop", "--tag", "spring", "--json=false")
	check(0, "no moment in force has the tag spring", "stop", "--tag", "spring")
	check(0, "stopped: spring", "resume")
	check(0, "nothing is stopped", "resume", "--tag", "spring")

	check(0, "none", "dlq", "list")
	check(1, "there is no dead letter 7", "dlq", "show", "7")

	stop()
	require.Equal(t, 0, <-ended, errs.String())
}

// A recorded story goes through the whole service by a clock of its own.
// Nothing is delivered; what would have been is written.
func TestReplay(t *testing.T) {
	story := file(t, "story.ndjson", `
{"type":"track","event":"Product Updated","messageId":"1","timestamp":"2026-03-02T10:00:00Z","properties":{"sku":"phone","price":199,"currency":"EUR"}}
{"type":"track","event":"Stock Level Reported","messageId":"2","timestamp":"2026-03-02T10:00:00Z","properties":{"sku":"phone","available":10,"location":"lyon-dc","version":1}}
{"batch":[{"type":"identify","messageId":"3","userId":"ann","timestamp":"2026-03-02T10:00:01Z","traits":{"email":"ann@example.com","timezone":"Europe/Paris","consent":{"email":{"marketing":true}}}}]}
{"type":"track","event":"Consent Changed","messageId":"4","userId":"ann","timestamp":"2026-03-02T10:00:02Z","properties":{"channel":"email","purpose":"marketing","granted":true,"confirmed":true}}
{"type":"track","event":"Product Added","messageId":"5","userId":"ann","timestamp":"2026-03-02T10:01:00Z","properties":{"cart_id":"c1","sku":"phone","quantity":1,"price":199,"currency":"EUR"}}
{"type":"trick","messageId":"6","userId":"ann","timestamp":"2026-03-02T10:02:00Z"}
`)
	sent, summary := filepath.Join(t.TempDir(), "sent.ndjson"), filepath.Join(t.TempDir(), "summary.json")
	moments := file(t, "moments.yaml", strings.NewReplacer("double_opt_in: [email]", "", "percent: 10", "percent: 0").Replace(string(moments.Three())))
	status, out, errs := onhand(t, "replay", story, "--moments", moments, "--deliver", sent, "--summary", summary, "--after", "4h")
	require.Equal(t, 0, status, errs)
	require.Contains(t, out, "2026-03-02 10:00:00 to")
	require.Contains(t, out, "1 refused")
	text, err := os.ReadFile(sent)
	require.NoError(t, err)
	require.Equal(t, 1, bytes.Count(text, []byte("\n")), "%s\n%s", text, out)
	require.Contains(t, string(text), `"customer":"ann","moment":"cart_abandoned"`)
	require.Contains(t, string(text), `"at":"2026-03-02T10:4`, "45 minutes after, by the recorded clock")
	text, err = os.ReadFile(summary)
	require.NoError(t, err)
	require.Contains(t, string(text), `"events": 6`)
}

func TestReplayOfRetailIsJudged(t *testing.T) {
	path := filepath.Join("..", "..", "processor", "sim", "shop", "testdata", "retail.csv")
	status, out, errs := onhand(t, "replay", "--format", "online-retail", path, "--json")
	require.Equal(t, 0, status, out)
	require.Contains(t, errs, "real demand, simulated supply")
	require.Contains(t, out, `"oversold": 0`)
}

func TestReplaySaysWhereAFileIsWrong(t *testing.T) {
	path := file(t, "bad.ndjson", `{"type":"page","userId":"a","timestamp":"2026-03-02T10:00:00Z"}`+"\nnonsense\n")
	status, _, errs := onhand(t, "replay", path)
	require.Equal(t, 1, status)
	require.Contains(t, errs, "bad.ndjson:2:1: ")
}
