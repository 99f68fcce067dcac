package seal

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"onhand/processor/jetstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openLog opens a small deployment on an embedded server.
func openLog(t testing.TB) *jetstream.Log {
	server, err := jetstream.StartServer(jetstream.ServerOptions{Dir: t.TempDir(), SyncInterval: time.Minute})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	l, err := jetstream.Open(context.Background(), jetstream.Options{Server: server, Partitions: 1})
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

const (
	soon = 5 * time.Second
	tick = 2 * time.Millisecond
)

func newSealer(t testing.TB, l *jetstream.Log) *Sealer {
	s, err := New(l.Keys())
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}
