package file

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onhand/connectors"
	"onhand/connectors/connectortest"
	"onhand/processor"
)

// reader is the peer: whoever reads the file. It can be busy, when the disk is
// full.
type reader struct {
	t       *testing.T
	channel *Channel
}

func (r reader) Behave(b connectortest.Behaviour) bool {
	if b == connectortest.Busy {
		r.channel.mu.Lock()
		defer r.channel.mu.Unlock()
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		require.NoError(r.t, err)
		require.NoError(r.t, r.channel.file.Close())
		r.channel.file = full
	}
	return b == connectortest.Well || b == connectortest.Busy
}

func (r reader) Got() []string { return ids(r.t, r.channel.config.Path) }

// ids returns the action of each line of a file, all of which must be whole.
func ids(t require.TestingT, path string) []string {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var got []string
	for _, line := range bytes.SplitAfter(data, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		require.True(t, json.Valid(line) && bytes.HasSuffix(line, []byte("\n")), "line %q is not whole", line)
		got = append(got, actionID(line))
	}
	return got
}

func open(t require.TestingT, c Config) *Channel {
	channel, err := New(c)
	require.NoError(t, err)
	return channel
}

func put(t require.TestingT, channel *Channel, id string) connectors.Result {
	result := channel.Deliver(context.Background(), connectortest.Decision(id))
	require.Equal(t, processor.Delivered, result.Delivery, "%+v", result)
	return result
}

func TestConformance(t *testing.T) {
	for _, sync := range []bool{false, true} {
		t.Run(fmt.Sprintf("sync=%v", sync), func(t *testing.T) {
			connectortest.Run(t, connectortest.Harness{
				New: func(t *testing.T) (connectors.Channel, connectortest.Peer) {
					path := filepath.Join(t.TempDir(), "SECRET-customer", "out.ndjson")
					require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
					channel := open(t, Config{Path: path, Sync: sync})
					return channel, reader{t, channel}
				},
				Secrets: []string{"SECRET-customer"},
			})
		})
	}
}

func TestLinesAreDecisionRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.ndjson")
	channel := open(t, Config{Path: path})
	put(t, channel, "a")
	put(t, channel, "b")
	require.NoError(t, channel.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	want := string(connectortest.Decision("a").AppendJSON(nil)) + "\n" + string(connectortest.Decision("b").AppendJSON(nil)) + "\n"
	require.Equal(t, want, string(data))
}

func TestRestartKnowsItsLastLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.ndjson")
	channel := open(t, Config{Path: path})
	put(t, channel, "a")
	require.NoError(t, channel.Close())

	channel = open(t, Config{Path: path})
	require.Equal(t, "present", put(t, channel, "a").Code)
	put(t, channel, "b")
	require.NoError(t, channel.Close())
	require.Equal(t, []string{"a", "b"}, ids(t, path))
}

// A crash may leave any prefix of what was written. Whatever it left, after a
// restart and with every action submitted again, each is there once and whole.
func TestCrashAnywhereThenAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.ndjson")
	rapid.Check(t, func(rt *rapid.T) {
		_ = os.Remove(path)
		n := rapid.IntRange(1, 6).Draw(rt, "actions")
		channel := open(rt, Config{Path: path})
		var want []string
		for i := range n {
			want = append(want, fmt.Sprintf("act-%d", i))
			put(rt, channel, want[i])
		}
		size := channel.size
		require.NoError(rt, channel.Close())
		require.NoError(rt, os.Truncate(path, rapid.Int64Range(0, size).Draw(rt, "left")))

		channel = open(rt, Config{Path: path})
		for _, id := range want {
			put(rt, channel, id)
		}
		require.NoError(rt, channel.Close())
		require.Equal(rt, want, ids(rt, path))
	})
}

func TestFaultLeavesNoPartOfALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.ndjson")
	channel := open(t, Config{Path: path})
	put(t, channel, "a")

	// Half a line is written and then the file fails.
	_, err := channel.file.WriteString(`{"id":"dec_b","at`)
	require.NoError(t, err)
	require.NoError(t, channel.file.Close())
	result := channel.Deliver(context.Background(), connectortest.Decision("b"))
	require.Equal(t, processor.Retry, result.Delivery)
	require.Equal(t, CodeWrite, result.Code)

	put(t, channel, "b")
	require.NoError(t, channel.Close())
	require.Equal(t, []string{"a", "b"}, ids(t, path))
}

func TestForeignFileIsLeftAlone(t *testing.T) {
	for name, content := range map[string]string{
		"letter": "Dear customer", "one long line": "{" + strings.Repeat("x", maxTail+1),
	} {
		path := filepath.Join(t.TempDir(), "letter.txt")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := New(Config{Path: path})
		require.ErrorContains(t, err, "of ours", name)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, content, string(data))
	}
}

func TestOnlyTheTailIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.ndjson")
	first := append(connectortest.Decision("first").AppendJSON(nil), '\n')
	last := append(connectortest.Decision("last").AppendJSON(nil), '\n')
	filler := []byte("{\"note\":\"" + strings.Repeat("x", 1000) + "\"}\n")
	content := append(first, bytes.Repeat(filler, maxTail/len(filler)+1)...)
	require.NoError(t, os.WriteFile(path, append(content, last...), 0o600))
	channel := open(t, Config{Path: path})
	require.False(t, channel.seen.has("first"))
	require.True(t, channel.seen.has("last"))
	require.Equal(t, int64(len(content)+len(last)), channel.size)
	require.NoError(t, channel.Close())
}

func TestFileIsSetAside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "with [odd] name")
	require.NoError(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "out.ndjson")
	line := int64(len(connectortest.Decision("act-0").AppendJSON(nil)) + 1)
	c := Config{Path: path, MaxBytes: 3 * line}
	channel := open(t, c)
	for i := range 4 {
		put(t, channel, fmt.Sprintf("act-%d", i))
	}
	require.NoError(t, channel.Close())
	require.Equal(t, []string{"act-3"}, ids(t, path))
	aside, err := filepath.Glob(filepath.Join(escapeGlob(dir), "out.ndjson.*"))
	require.NoError(t, err)
	require.Len(t, aside, 1)
	require.Equal(t, []string{"act-0", "act-1", "act-2"}, ids(t, aside[0]))

	// What was set aside is remembered too.
	channel = open(t, c)
	require.Equal(t, "present", put(t, channel, "act-2").Code)
	require.Equal(t, "present", put(t, channel, "act-3").Code)
	require.NoError(t, channel.Close())
}

func TestOneWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.ndjson")
	first := open(t, Config{Path: path})
	_, err := New(Config{Path: path})
	require.ErrorContains(t, err, "in use")
	require.NoError(t, first.Close())
	second := open(t, Config{Path: path})
	require.NoError(t, second.Close())
}

func TestPipeIsNotIdempotent(t *testing.T) {
	channel := open(t, Config{Path: "/dev/null"})
	require.False(t, channel.Idempotent())
	put(t, channel, "a")
	require.Empty(t, put(t, channel, "a").Code, "written again")
	require.NoError(t, channel.Close())

	channel = open(t, Config{Path: filepath.Join(t.TempDir(), "out.ndjson")})
	require.True(t, channel.Idempotent())
	require.NoError(t, channel.Close())
}

func TestFaultsOfTheConfiguration(t *testing.T) {
	_, err := New(Config{})
	require.ErrorContains(t, err, "path is missing")
	_, err = New(Config{Path: "x", MaxBytes: -1})
	require.ErrorContains(t, err, "max_bytes")
	_, err = New(Config{Path: filepath.Join(t.TempDir(), "no", "such", "directory")})
	require.ErrorContains(t, err, "no such file")
}

func TestRecentForgetsTheOldest(t *testing.T) {
	r := newRecent(2)
	for _, id := range []string{"a", "b", "b", "c"} {
		r.add(id)
	}
	require.False(t, r.has("a"))
	require.True(t, r.has("b"))
	require.True(t, r.has("c"))
}

func FuzzActionID(f *testing.F) {
	f.Add(connectortest.Decision("a").AppendJSON(nil))
	f.Add([]byte(`{"action":null}`))
	f.Add([]byte(`{"action":{"id":7}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if id := actionID(line); id != "" && !json.Valid(line) {
			t.Fatalf("found %q in what is not JSON", id)
		}
	})
}
