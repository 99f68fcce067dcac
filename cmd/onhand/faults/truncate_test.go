package faults

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A log that has lost its end is not gone on with: the partition says so and
// stops, and the others go on. Rewound, it goes on too, now and after a restart.
func TestTruncatedLog(t *testing.T) {
	t.Parallel()
	s := newProcess(t, "service", t.TempDir(), "--partitions", fmt.Sprint(partitions), "--moments", moments(t))
	s.start()
	s.waitReady()
	l := startLoad(t, 500, s)
	time.Sleep(2 * time.Second)
	l.finish()
	waitQuiet(t, s)
	s.stop() // the state is saved up to the end of the log
	streams, err := filepath.Glob(filepath.Join(s.data, "nats", "jetstream", "*", "streams", "onhand-in-3", "msgs"))
	require.NoError(t, err)
	require.Len(t, streams, 1)
	cutShort(t, streams[0])
	s.start()
	waitFor(t, "the partition to stop and the others to go on", func() string {
		if n := len(s.live()); n != partitions-1 {
			status, body := s.get("/readyz")
			return fmt.Sprintf("%d partitions are live; %d %s", n, status, body)
		}
		if !strings.Contains(s.said(), "the log went back") { // all but one are live on the way, too
			return "it does not say why"
		}
		return ""
	})
	status, _ := s.get("/healthz")
	require.Equal(t, http.StatusOK, status)
	for _, x := range s.partitions() {
		if x.Partition == 3 {
			t.Logf("partition 3: %s: %s", x.Phase, x.Reason)
		}
	}
	resp, err := http.Post("http://"+s.addr+"/api/v1/partitions/3/rewind", "", nil)
	require.NoError(t, err)
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, errors.Join(err, resp.Body.Close()))
	require.Equal(t, http.StatusOK, resp.StatusCode, string(answer))
	t.Log(string(answer))
	s.waitReady()
	l = startLoad(t, 500, s)
	time.Sleep(time.Second)
	l.finish()
	waitQuiet(t, s)
	s.stop()
	s.start()
	s.waitReady()
	s.stop()
}

// cutShort takes half of the last block from a stream's folder, and what the
// server has noted of it.
func cutShort(t testing.TB, dir string) {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(dir, "*.blk"))
	require.NoError(t, err)
	require.NotEmpty(t, blocks)
	last := slices.MaxFunc(blocks, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	info, err := os.Stat(last)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(last, info.Size()/2))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "index.db")))
}
