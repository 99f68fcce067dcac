package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"onhand/processor/jetstream"
	"onhand/state/blob"
)

// openAt opens a deployment through one server of a cluster.
func openAt(t testing.TB, url string) *jetstream.Log {
	log, err := jetstream.Open(soon(t), jetstream.Options{URL: url, Name: "t"})
	require.NoError(t, err)
	t.Cleanup(log.Close)
	return log
}

func blobsOf(t testing.TB, log *jetstream.Log) *blob.JetStream {
	blobs, err := log.Blobs(soon(t))
	require.NoError(t, err)
	return blobs
}

// TestWhatAServerOfThreeKeeps: keys, checkpoints and everything else of a
// deployment on three servers are there three times. What one process has
// written the next one reads at once, whichever servers they are connected to,
// and when one server is killed nothing is missing and all can be changed.
func TestWhatAServerOfThreeKeeps(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for elections")
	}
	c := startCluster(t)
	c.start(t)
	c.open(t, 2)
	logs, blobs := make([]*jetstream.Log, 3), make([]*blob.JetStream, 3)
	for i, url := range c.urls {
		logs[i] = openAt(t, url)
		blobs[i] = blobsOf(t, logs[i])
	}
	nc, err := nats.Connect(strings.Join(c.urls, ","))
	require.NoError(t, err)
	defer nc.Close()
	api, err := js.New(nc)
	require.NoError(t, err)
	streams := 0
	list := api.ListStreams(soon(t))
	for s := range list.Info() {
		streams++
		require.Equal(t, 3, s.Config.Replicas, s.Config.Name)
	}
	require.NoError(t, list.Err())
	require.Equal(t, 2*2+7, streams, "logs, commits, ingest, dead letters, keys, deployment, workers, checkpoints, manifests")

	fresh := func() []byte { return []byte("key") }
	put := func(b *blob.JetStream, name string) {
		require.NoError(t, b.Put(soon(t), name, strings.NewReader(name), int64(len(name))))
	}
	// An answer may be wrong in no case. While a stream elects its leader, which on
	// a busy machine may be at any time, there is none, or it dies with the leader it
	// was asked of; then it is asked for again.
	answer := func(what string, ask func(context.Context) error) {
		t.Helper()
		var err error
		for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			err = ask(ctx)
			cancel()
			if err == nil || time.Now().After(end) {
				require.NoError(t, err, what)
				return
			}
		}
	}
	there := func(b *blob.JetStream, name string) (is bool) {
		answer(name, func(ctx context.Context) error {
			r, err := b.Get(ctx, name)
			if is = err == nil; errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			text, err := io.ReadAll(r)
			if err = errors.Join(err, r.Close()); err == nil {
				require.Equal(t, name, string(text))
			}
			return err
		})
		return is
	}
	listed := func(b *blob.JetStream, name string) bool {
		var names []string
		answer("names", func(ctx context.Context) (err error) {
			names, err = b.List(ctx, "x/")
			return err
		})
		return slices.Contains(names, name)
	}
	all := func(log *jetstream.Log) (names []string) {
		answer("keys", func(ctx context.Context) error {
			names = nil
			return log.Keys().All(ctx, func(name string, _ []byte) error { names = append(names, name); return nil })
		})
		return names
	}
	for i := range 60 {
		here, next := i%3, (i+1)%3
		name := fmt.Sprintf("x/%d", i)
		if i%2 == 0 {
			put(blobs[here], name)
		} else {
			require.NoError(t, blobs[here].Create(soon(t), name, []byte(name)))
			require.ErrorIs(t, blobs[next].Create(soon(t), name, []byte(name)), fs.ErrExist)
		}
		require.True(t, listed(blobs[next], name), name)
		require.True(t, there(blobs[next], name), name)
		if i%3 == 0 {
			require.NoError(t, blobs[next].Delete(soon(t), name))
			require.False(t, there(blobs[here], name), name)
			require.False(t, listed(blobs[here], name), name)
		}
		key := fmt.Sprint("c", i)
		_, err := logs[here].Keys().Ensure(soon(t), []string{key}, fresh)
		require.NoError(t, err)
		require.Contains(t, all(logs[next]), key)
	}

	stream, err := api.Stream(soon(t), "KV_t-keys")
	require.NoError(t, err)
	leader := stream.CachedInfo().Cluster.Leader
	cmd := c.servers[leader]
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	left := (int(leader[1]-'0') + 1) % 3
	log, b := logs[left], blobs[left]
	waitFor(t, "new leaders", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := log.Keys().Ensure(ctx, []string{"after"}, fresh)
		return err == nil && b.Put(ctx, "x/after", bytes.NewReader([]byte("x/after")), 7) == nil && b.Delete(ctx, "x/1") == nil
	})
	for i := range 60 {
		name := fmt.Sprintf("x/%d", i)
		require.Equal(t, i%3 != 0 && i != 1, there(b, name), name)
		var key []byte
		answer("key", func(ctx context.Context) (err error) {
			key, err = log.Keys().Get(ctx, fmt.Sprint("c", i))
			require.NotErrorIs(t, err, jetstream.ErrNotFound)
			return err
		})
		require.Equal(t, "key", string(key))
	}
	require.Len(t, all(log), 61)
	n, err := log.Keys().Destroy(soon(t), []string{"c7", "c8"})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Len(t, all(logs[(left+1)%3]), 59)
	require.NoError(t, b.Create(soon(t), "x/created", []byte("x/created")))
	require.True(t, there(b, "x/created") && listed(b, "x/created") && listed(b, "x/after"))
}
