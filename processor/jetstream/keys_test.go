package jetstream

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fresh returns keys that can be recognised in a file.
func fresh(n *int) func() []byte {
	return func() []byte {
		*n++
		return fmt.Appendf(nil, "secret-%056d-%d", *n, *n)
	}
}

func TestKeysAreMadeOnce(t *testing.T) {
	l := openLog(t, Options{})
	ctx, n := soon(t), 0
	first, err := l.Keys().Ensure(ctx, []string{"ann", "bob"}, fresh(&n))
	require.NoError(t, err)
	again, err := l.Keys().Ensure(ctx, []string{"bob", "cid", "ann"}, fresh(&n))
	require.NoError(t, err)
	require.Equal(t, [][]byte{first[1], again[1], first[0]}, again)
	require.NotEqual(t, first[0], first[1])
	key, err := l.Keys().Get(ctx, "cid")
	require.NoError(t, err)
	require.Equal(t, again[1], key)
	_, err = l.Keys().Get(ctx, "dan")
	require.ErrorIs(t, err, ErrNotFound)
	for _, name := range []string{"", "a.b", "a*", "a b"} {
		_, err = l.Keys().Ensure(ctx, []string{name}, fresh(&n))
		require.ErrorIs(t, err, ErrKeyRefused, name)
		_, err = l.Keys().Get(ctx, name)
		require.ErrorIs(t, err, ErrKeyRefused, name)
	}
	_, err = l.Keys().Ensure(ctx, []string{"x"}, func() []byte { return make([]byte, maxKeyBytes+1) })
	require.ErrorIs(t, err, ErrKeyRefused)
	_, err = l.Keys().Ensure(ctx, make([]string, MaxKeyNames+1), fresh(&n))
	require.ErrorContains(t, err, "at most 1024")

	all := map[string]string{}
	require.NoError(t, l.Keys().All(ctx, func(name string, key []byte) error { all[name] = string(key); return nil }))
	require.Equal(t, map[string]string{"ann": string(first[0]), "bob": string(first[1]), "cid": string(again[1])}, all)
}

// Of several who make the same keys at once, all get the same.
func TestKeysAreMadeAtOnce(t *testing.T) {
	l := openLog(t, Options{})
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprint("c", i))
	}
	got := make([][][]byte, 8)
	var group sync.WaitGroup
	for i := range got {
		group.Go(func() {
			n := i * 1000
			keys, err := l.Keys().Ensure(soon(t), names, fresh(&n))
			if err == nil {
				got[i] = keys
			}
		})
	}
	group.Wait()
	require.NotNil(t, got[0])
	for i := range got {
		require.Equal(t, got[0], got[i])
	}
}

// A key that was destroyed is neither told nor on the disk any more, and the
// next one of its name is another.
func TestADestroyedKeyIsNoMore(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, Options{Server: startServer(t, ServerOptions{Dir: dir})})
	ctx, n := soon(t), 0
	told := make(chan []string, 4)
	stop, err := l.Keys().Destroyed(func(names []string) { told <- names })
	require.NoError(t, err)
	defer stop()
	first, err := l.Keys().Ensure(ctx, []string{"ann", "bob"}, fresh(&n))
	require.NoError(t, err)
	require.True(t, onDisk(t, dir, first[0]), "what is looked for can be found while it is there")

	count, err := l.Keys().Destroy(ctx, []string{"ann", "nobody"})
	require.NoError(t, err)
	require.Equal(t, 1, count)
	require.Equal(t, []string{"ann", "nobody"}, <-told)
	_, err = l.Keys().Get(ctx, "ann")
	require.ErrorIs(t, err, ErrNotFound)
	require.False(t, onDisk(t, dir, first[0]), "the bytes are overwritten")
	require.True(t, onDisk(t, dir, first[1]))
	require.NoError(t, l.Keys().All(ctx, func(name string, _ []byte) error { require.Equal(t, "bob", name); return nil }))

	count, err = l.Keys().Destroy(ctx, []string{"ann"})
	require.NoError(t, err)
	require.Zero(t, count)
	next, err := l.Keys().Ensure(ctx, []string{"ann"}, fresh(&n))
	require.NoError(t, err)
	require.NotEqual(t, first[0], next[0])
}

// Keys that are destroyed while all are read are not waited for.
func TestAllKeysButThoseDestroyedMeanwhile(t *testing.T) {
	l := openLog(t, Options{Server: startServer(t, ServerOptions{})})
	var names []string
	n := 0
	for i := range 900 { // more than are asked for at a time
		names = append(names, fmt.Sprint("c", i))
	}
	_, err := l.Keys().Ensure(soon(t), names, fresh(&n))
	require.NoError(t, err)
	var last []string // in the order of the bucket
	require.NoError(t, l.Keys().All(soon(t), func(name string, _ []byte) error { last = append(last, name); return nil }))
	require.Len(t, last, len(names))
	seen := 0
	require.NoError(t, l.Keys().All(soon(t), func(string, []byte) error {
		if seen++; seen > 1 {
			return nil
		}
		_, err := l.Keys().Destroy(soon(t), last[500:])
		return err
	}))
	require.Equal(t, 500, seen)
}

// onDisk reports whether some file below a folder holds these bytes.
func onDisk(t *testing.T, dir string, text []byte) (found bool) {
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(path, ".tmp") {
			return nil
		}
		data, err := os.ReadFile(path)
		found = found || err == nil && bytes.Contains(data, text)
		return nil
	}))
	return found
}

// While the server is away nothing is made or told, and what may have been
// destroyed meanwhile is forgotten when it is back.
func TestKeysWithoutServer(t *testing.T) {
	s := startServer(t, ServerOptions{Listen: "127.0.0.1:0"})
	p := startProxy(t, strings.TrimPrefix(s.ClientURL(), "nats://"))
	l := openLog(t, Options{URL: p.url()})
	n := 0
	told := make(chan []string, 4)
	stop, err := l.Keys().Destroyed(func(names []string) { told <- names })
	require.NoError(t, err)
	defer stop()
	p.set(false, true)
	p.cut()
	waitFor(t, "the line to be cut", func() bool { return !l.Connected() })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = l.Keys().Ensure(ctx, []string{"ann"}, fresh(&n))
	require.ErrorIs(t, err, ErrUnavailable)
	_, err = l.Keys().Get(ctx, "ann")
	require.ErrorIs(t, err, ErrUnavailable)
	p.set(false, false)
	waitFor(t, "the line to be back", l.Connected)
	require.Empty(t, <-told)
	_, err = l.Keys().Ensure(ctx, []string{"ann"}, fresh(&n))
	require.NoError(t, err)
}
