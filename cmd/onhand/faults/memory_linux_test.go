package faults

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// resident returns the memory of a process, in bytes.
func resident(t testing.TB, pid string) (n int64) {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "VmRSS:")
	require.True(t, found)
	_, err = fmt.Sscan(rest, &n)
	require.NoError(t, err)
	return n << 10
}

// Two services with 64 partitions, each with a standby in the other one, and
// the log between them fit one small machine.
func TestManyPartitionsWithStandbys(t *testing.T) {
	t.Parallel()
	const many, limit = 64, 3 << 30
	log := freeAddress(t)
	services := make([]*process, 2)
	for i, nats := range [][]string{{"--nats-listen", log}, {"--nats", "nats://" + log}} {
		services[i] = newProcess(t, fmt.Sprint("service ", i), t.TempDir(), append(nats,
			"--partitions", fmt.Sprint(many), "--moments", moments(t), "--memory", "1GiB")...)
		services[i].start()
		services[i].waitReady()
	}
	l := startLoad(t, 2000, services...)
	// All partitions save their state once.
	waitFor(t, "standbys", func() string {
		live, standby, saved := 0, 0, 0
		for _, s := range services {
			for _, p := range s.partitions() {
				switch {
				case p.Phase == "live" && p.Owner == s.addr:
					live++
					if p.Saved > 0 {
						saved++
					}
				}
				if p.Standby != "" {
					standby++
				}
			}
		}
		if live != many || standby < many || saved < many {
			return fmt.Sprintf("%d live, %d saved, %d with a standby", live, saved, standby/2)
		}
		return ""
	})
	l.finish()
	first, second := resident(t, fmt.Sprint(services[0].cmd.Process.Pid)), resident(t, fmt.Sprint(services[1].cmd.Process.Pid))
	t.Logf("%d partitions with standbys: %d MiB with the log, and %d MiB", many, first>>20, second>>20)
	require.Less(t, first+second, int64(limit))
	services[1].stop()
	services[0].stop()
}
