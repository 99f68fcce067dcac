package faults

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// smallDisk mounts a file system of so many MiB, which needs root.
func smallDisk(t *testing.T, mib int) (dir string, err error) {
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		return "", fmt.Errorf("a small file system cannot be mounted here: %w", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir, nil
}

func freeMiB(t testing.TB, dir string) int {
	var fs syscall.Statfs_t
	require.NoError(t, syscall.Statfs(dir, &fs))
	return int(fs.Bavail * uint64(fs.Bsize) >> 20)
}

// ballast fills a disk until so many MiB are free.
func ballast(t testing.TB, dir string, leave int) (remove func()) {
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	block := make([]byte, 1<<20)
	for len(block) > 0 && (leave == 0 || freeMiB(t, dir) > leave) {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	return func() { require.NoError(t, os.Remove(path)) }
}

// The disk fills up under load. While little is left inlets refuse and
// everything goes on when there is space again. When nothing at all is left
// the log cannot be written and the service ends, saying why; whoever
// supervises it starts it again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	t.Logf("seed %d", *seed)
	dir, err := smallDisk(t, 900)
	if err != nil {
		t.Skipf("a small disk needs the right to mount one: run as root: %v", err)
	}
	listen := freeAddress(t)
	s := newProcess(t, "service", filepath.Join(dir, "data"), "--nats-listen", listen, "--partitions", fmt.Sprint(partitions), "--moments", moments(t))
	s.start()
	s.waitReady()
	l := startLoad(t, 500, s)
	time.Sleep(time.Second)

	remove := ballast(t, dir, 80)
	waitFor(t, "a refusal", func() string {
		if l.refusals(http.StatusTooManyRequests)+l.refusals(http.StatusServiceUnavailable) == 0 {
			return fmt.Sprintf("everything is accepted, %d MiB are free", freeMiB(t, dir))
		}
		return ""
	})
	time.Sleep(2 * time.Second)
	require.True(t, s.running(), "the service has ended")
	status, answer := s.get("/healthz")
	require.Equal(t, http.StatusOK, status, "%s", answer)
	remove()
	begin, before := time.Now(), l.count()
	waitFor(t, "events to be accepted again", func() string {
		if l.count() == before {
			return fmt.Sprintf("%d MiB are free", freeMiB(t, dir))
		}
		return ""
	})
	accepted := time.Since(begin)
	s.waitReady()
	t.Logf("nearly full: accepted again after %v, ready after %v", accepted, time.Since(begin))
	time.Sleep(time.Second)

	nc, err := nats.Connect("nats://"+listen, nats.Timeout(patience))
	require.NoError(t, err)
	defer nc.Close()
	remove = ballast(t, dir, 0)
	waitFor(t, "the service to end", func() string {
		if !s.running() {
			return ""
		}
		// Clients of NATS do not ask whether there is space.
		text := `{"type":"track","event":"X","userId":"u","properties":{"a":"` + strings.Repeat("x", 20_000) + `"}}`
		_ = nc.Publish("onhand.ingest", []byte(text))
		return fmt.Sprintf("%d MiB are free", freeMiB(t, dir))
	})
	require.Equal(t, 1, s.cmd.ProcessState.ExitCode(), "%v", s.cmd.ProcessState)
	require.True(t, strings.Contains(s.said(), "no space left"), "it does not say why")
	s.start()
	time.Sleep(500 * time.Millisecond)
	remove()
	begin = time.Now()
	waitFor(t, "the service to be ready", func() string {
		if !s.running() { // as a supervisor does
			s.start()
		}
		if status, answer := s.get("/readyz"); status != http.StatusOK {
			return string(answer)
		}
		return ""
	})
	t.Logf("full: ready after %v", time.Since(begin))
	time.Sleep(time.Second)
	l.finish()
	waitQuiet(t, s)
	s.stop()
	v := judgeData(t, s.data)
	v.wants(t, l.accepted)
	v.told(t, lines(t, s.data))
	t.Logf("%d events, %d decisions, %d actions; refused %v, the slowest after %v", len(l.accepted), sum(v.decisions), len(v.actions), l.refused, l.slowest)
}
