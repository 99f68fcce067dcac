package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/processor/jetstream"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func TestParse(t *testing.T) {
	t.Setenv("SHOP_KEY", "0123456789abcdef0")
	c, faults := Parse("onhand.yaml", []byte(`
data: /var/lib/onhand
http: 127.0.0.1:8080
moments: moments.yaml
partitions: 8
sync: interval
personal: sealed
memory: 512MiB
checkpoints: {to: "s3://bucket/onhand?region=eu-west-1", every: 5m, keep: 4}
decisions: {keep: 30d}
nats:
  listen: 127.0.0.1:4222
  users: [{name: till, password: secret, publish: [onhand.ingest.>]}]
  replicas: 3
keys:
  write: {shop: "${SHOP_KEY}"}
  pages: {web: wwwwwwwwwwwwwwww, app: {key: aaaaaaaaaaaaaaaa, also: [Order Completed, alias]}}
  read: [rrrrrrrrrrrrrrrr]
  operate: [oooooooooooooooo]
channels:
  email: {type: webhook, url: "https://mail.example.com/hook", secrets: [whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3], rate: 2.5, burst: 5, in_flight: 3, timeout: 5s, public_only: true, to: true}
  ads: {type: file, path: ads.ndjson, sync: true, max_bytes: 1GiB}
`))
	require.Empty(t, faults)
	require.Equal(t, Config{
		Data: "/var/lib/onhand", HTTP: "127.0.0.1:8080", Moments: "moments.yaml", Partitions: 8, Sync: SyncInterval, Personal: PersonalSealed, Memory: 512 << 20,
		Checkpoints: Checkpoints{To: "s3://bucket/onhand?region=eu-west-1", Every: 5 * time.Minute, Keep: 4},
		Decisions:   Decisions{Keep: 30 * 24 * time.Hour},
		NATS:        NATS{Listen: "127.0.0.1:4222", Users: []jetstream.User{{Name: "till", Password: "secret", Publish: []string{"onhand.ingest.>"}}}, Replicas: 3},
		Keys: Keys{Write: map[string]string{"0123456789abcdef0": "shop"},
			Pages: map[string]Page{"wwwwwwwwwwwwwwww": {Source: "web"}, "aaaaaaaaaaaaaaaa": {"app", []string{"Order Completed", "alias"}}}, Read: []string{"rrrrrrrrrrrrrrrr"}, Operate: []string{"oooooooooooooooo"}},
		Channels: map[string]Channel{
			"email": {Type: "webhook", URL: "https://mail.example.com/hook", Secrets: []string{"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"}, PublicOnly: true, To: true, Rate: 2.5, Burst: 5, InFlight: 3, Timeout: 5 * time.Second},
			"ads":   {Type: "file", Path: "ads.ndjson", Sync: true, MaxBytes: 1 << 30},
		},
	}, c)
}

// The reference has no fault but that the environment is empty, and names every
// key there is.
func TestReference(t *testing.T) {
	for _, name := range []string{"TILL_PASSWORD", "SHOP_KEY", "WEB_KEY", "APP_KEY", "READ_KEY", "OPERATE_KEY"} {
		t.Setenv(name, "0123456789abcdef "+name)
	}
	t.Setenv("VOUCHER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	t.Setenv("MAIL_SECRET", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
	r := &reader{file: "reference.yaml", keys: map[string]bool{}}
	r.config([]byte(Reference))
	require.Empty(t, r.sorted())
	given := map[string]bool{}
	for at, there := range r.keys {
		what, key, _ := strings.Cut(at, ": ")
		if what, _, _ = strings.Cut(what, " email"); what == "channel ads" {
			what = "channel"
		}
		at = what + ": " + key
		given[at] = given[at] || there
	}
	require.NotEmpty(t, given)
	for at, there := range given {
		if at != "nats: listen" { // not with url; told in a comment
			require.True(t, there, "the reference does not have %q", at)
		}
	}
	require.Contains(t, Reference, "# listen: ")
	always, faults := Parse("onhand.yaml", []byte("decisions: {keep: always}"))
	require.Empty(t, faults)
	require.Equal(t, KeepAlways, always.Decisions.Keep)
	_, faults = Parse("onhand.yaml", []byte("decisions: {keep: 5m}"))
	require.Len(t, faults, 1)
}

func TestDefaults(t *testing.T) {
	c, faults := Parse("onhand.yaml", nil)
	require.Empty(t, faults)
	c = c.Defaults()
	require.Equal(t, Config{Data: "data", HTTP: "127.0.0.1:7070", Sync: SyncAlways, Personal: PersonalSealed, Decisions: Decisions{Keep: 90 * 24 * time.Hour}}, c)
	require.False(t, c.Keys.Any())
}

// All faults are told at once; testdata/NAME.yaml has them, NAME.faults says them.
func TestGoldenFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		_, faults := Parse(filepath.Base(path), text)
		var b strings.Builder
		for _, f := range faults {
			b.WriteString(f.String() + "\n")
		}
		golden := strings.TrimSuffix(path, ".yaml") + ".faults"
		if *rewrite {
			require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o600))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		require.Equal(t, string(want), b.String(), path)
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false, "example.com:1": false, "nonsense": false,
	} {
		require.Equal(t, want, Loopback(address), address)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"data", "http", "partitions"}
	for got, want := range map[string]string{"dtaa": "data", "partition": "partitions", "htpp": "http", "zzzzzzzz": "", "": ""} {
		require.Equal(t, want, Nearest(got, known), got)
	}
}

// Whatever the text, there is an answer, and a fault names a place in it.
func FuzzParse(f *testing.F) {
	f.Add([]byte("data: x\nkeys: {write: {a: b}}\nchannels: {x: {type: file}}"))
	f.Add([]byte("a: &b [*b]\n---\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, faults := Parse("f", text)
		for _, x := range faults {
			if x.Line < 1 || x.Col < 1 || x.What == "" {
				t.Fatalf("%+v", x)
			}
		}
	})
}
