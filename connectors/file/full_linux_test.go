package file

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/connectors/connectortest"
	"onhand/processor"
)

// TestFullDisk lets the system cut a write short. The limit holds for the whole
// process, so the test gets one of its own.
func TestFullDisk(t *testing.T) {
	child := exec.Command(os.Args[0], "-test.run=^TestLimitOfTheSystem", "-test.v")
	child.Env = append(os.Environ(), "ONHAND_FILE_LIMIT="+filepath.Join(t.TempDir(), "out.ndjson"))
	output, err := child.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Contains(t, string(output), "--- PASS")
}

func TestLimitOfTheSystemLeavesNoPartOfALine(t *testing.T) {
	if os.Getenv("ONHAND_FILE_LIMIT") == "" {
		t.Skip("run by TestFullDisk in a process of its own")
	}
	path := os.Getenv("ONHAND_FILE_LIMIT")
	channel := open(t, Config{Path: path})
	put(t, channel, "a")
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: uint64(channel.size) + 20, Max: 1 << 40}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	result := channel.Deliver(context.Background(), connectortest.Decision("b"))
	limit.Cur = limit.Max
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	require.Equal(t, processor.Retry, result.Delivery)
	require.Equal(t, []string{"a"}, ids(t, path))
	put(t, channel, "b")
	require.Equal(t, []string{"a", "b"}, ids(t, path))
}
