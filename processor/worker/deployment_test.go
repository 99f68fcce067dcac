package worker

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"onhand/processor"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"onhand/processor/jetstream"
)

// standing returns what a partition knows of its deployment.
func standing(t testing.TB, w *Worker, part int) (d processor.Deployment) {
	err := w.Ask(soon(t), part, func(m *processor.Machine) {
		d = m.Shop().Deployment
		d.Stalled = slices.Clone(d.Stalled)
	})
	if err != nil {
		require.ErrorIs(t, err, ErrNotOwned)
	}
	return d
}

// A partition that nobody can run is announced in the logs of all others, and
// so is that it is back.
func TestAStalledPartitionIsAnnounced(t *testing.T) {
	t.Parallel()
	log := openLog(t, startServer(t), 4)
	w := startWorker(context.Background(), t, Config{ID: "a", Log: log, DataDir: t.TempDir(), code: 1, raiseAfter: time.Hour, stallAfter: 300 * time.Millisecond})
	activate(t, w)
	live(t, w)
	w.mu.Lock()
	w.failed[2] = errors.New("broken")
	w.loops[2].stop()
	w.mu.Unlock()
	for part := range 4 {
		if part != 2 {
			waitFor(t, "the news", func() bool { return slices.Equal(standing(t, w, part).Stalled, []uint32{2}) })
		}
	}
	w.mu.Lock()
	delete(w.failed, 2)
	w.mu.Unlock()
	w.lookAgain()
	for part := range 4 {
		waitFor(t, "good news", func() bool { return w.Status(soon(t))[part].Phase == "live" && len(standing(t, w, part).Stalled) == 0 })
	}
}

// A version of decisions comes into force when every live worker can make it;
// from then on a worker that cannot is of no use.
func TestTheVersionRisesWhenAllCan(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	log := openLog(t, server, 4)
	config := func(id string, code uint64) Config {
		return Config{ID: id, Log: openLog(t, server, 4), DataDir: t.TempDir(), code: code, raiseAfter: 500 * time.Millisecond, stallAfter: time.Hour}
	}
	old := startWorker(context.Background(), t, config("a", 1))
	activate(t, old)
	b := startWorker(context.Background(), t, config("b", 2))
	shared(t, old, b)
	time.Sleep(time.Second)
	for part := range 4 {
		for _, w := range []*Worker{old, b} {
			require.LessOrEqual(t, standing(t, w, part).Code, uint64(1))
		}
	}
	closeWorker(t, old)
	for part := range 4 {
		waitFor(t, "the version to rise", func() bool { return standing(t, b, part).Code == 2 })
	}
	remind(t, log, "ann", 5)
	require.NoError(t, b.WaitIdle(soon(t)))
	old = startWorker(context.Background(), t, config("c", 1))
	waitFor(t, "it to be refused", func() bool {
		refused := 0
		for _, s := range old.Status(soon(t)) {
			if s.Owner == "b" && s.Phase == "elsewhere" && s.Reason != "" {
				require.Contains(t, s.Reason, "run a newer one")
				refused++
			}
		}
		return refused == 4
	})
	for _, s := range b.Status(soon(t)) {
		require.Equal(t, "live", s.Phase)
	}
}

// A log that has lost its end, or has another one, is noticed before anything
// is said.
func TestTheLogWentBack(t *testing.T) {
	t.Parallel()
	for name, records := range map[string]int{"shorter": 1, "another": 500, "shorter, and the state is gone too": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := jetstream.StartServer(jetstream.ServerOptions{Dir: t.TempDir(), SyncInterval: time.Minute, Listen: "127.0.0.1:0"})
			require.NoError(t, err)
			t.Cleanup(server.Close)
			dir := t.TempDir()
			log := openLog(t, server, 1)
			w := startWorker(context.Background(), t, Config{ID: "a", Log: log, DataDir: dir})
			activate(t, w)
			remind(t, log, "ann", 5)
			require.NoError(t, w.WaitIdle(soon(t)))
			closeWorker(t, w)
			log.Close()
			if records == 2 {
				require.NoError(t, os.RemoveAll(dir))
			}

			nc, err := nats.Connect(server.ClientURL())
			require.NoError(t, err)
			defer nc.Close()
			api, err := js.New(nc)
			require.NoError(t, err)
			require.NoError(t, api.DeleteStream(soon(t), "t-in-0"))
			log = openLog(t, server, 1)
			for range records {
				_, err := log.Append(soon(t), 0, processor.AppendRecordEntry(processor.AppendRecordHeader(nil, at()), []byte{byte(processor.TickEntry)}))
				require.NoError(t, err)
			}
			last, _, err := log.LastCommit(soon(t), 0)
			require.NoError(t, err)
			w = startWorker(context.Background(), t, Config{ID: "a", Log: log, DataDir: dir})
			waitFor(t, "the partition to stop", func() bool { return w.Status(soon(t))[0].Phase == "stopped" })
			reason := w.Status(soon(t))[0].Reason
			require.Contains(t, reason, "the log went back")
			require.Contains(t, reason, "raise")
			t.Log(reason)
			now, _, err := log.LastCommit(soon(t), 0)
			require.NoError(t, err)
			require.LessOrEqual(t, now, last+1, "nothing but a fence was committed")
		})
	}
}
