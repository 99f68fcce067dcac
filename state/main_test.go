package state

import (
	"log/slog"
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
	}
	goleak.VerifyTestMain(m)
}

// testShared returns what small stores share. A store that wants to end the
// process fails the test.
func testShared(t testing.TB, o SharedOptions) *Shared {
	if o.MemTableBytes == 0 {
		o.MemTableBytes = 128 << 10
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 1 << 20
	}
	if o.Stores == 0 {
		o.Stores = 1
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Fatal == nil {
		o.Fatal = func(msg string) { t.Errorf("the process would end: %s", msg) }
	}
	s := NewShared(o)
	t.Cleanup(s.Close)
	return s
}

func openTest(t testing.TB, shared *Shared, fs vfs.FS, dir string) *Store {
	s, err := Open(dir, Options{FS: fs, Shared: shared})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}
