package faults

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/cmd/onhand/config"
	"onhand/cmd/onhand/service"
)

// childClock names the variable that makes the test program a service like the
// one under test, but with a clock that goes wrong when it is told to. A test
// cannot set the clock of the machine. Its value is the path of a file that
// says how wrong, as a duration.
const childClock = "ONHAND_TEST_CLOCK"

// wrongClock makes a process one with such a clock, and returns what sets it.
func wrongClock(t testing.TB, p *process) (set func(time.Duration)) {
	path := t.TempDir() + "/clock"
	set = func(d time.Duration) {
		require.NoError(t, os.WriteFile(path+".new", []byte(d.String()), 0o600))
		require.NoError(t, os.Rename(path+".new", path))
	}
	set(0)
	p.path, p.env = os.Args[0], []string{childClock + "=" + path}
	return set
}

// runChildService runs the service until SIGTERM, with the flags that tests
// give to onhand run.
func runChildService(clock string) {
	f := flag.NewFlagSet("run", flag.ExitOnError)
	var c config.Config
	rules, file, memory := "", "", ""
	f.StringVar(&c.Data, "data", "", "")
	f.StringVar(&c.HTTP, "http", "", "")
	f.StringVar(&c.Sync, "sync", "", "")
	f.StringVar(&c.NATS.URL, "nats", "", "")
	f.IntVar(&c.NATS.Replicas, "replicas", 0, "")
	f.IntVar(&c.Partitions, "partitions", 0, "")
	f.StringVar(&rules, "moments", "", "")
	f.StringVar(&file, "config", "", "")
	f.StringVar(&memory, "memory", "", "")
	_ = f.Parse(os.Args[2:]) // ExitOnError
	if err := runService(c, rules, file, memory, clock); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runService(c config.Config, rules, file, memory, clock string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	more, faults, err := config.Load(file)
	if err != nil || len(faults) > 0 {
		return fmt.Errorf("%v %w", faults, err)
	}
	c.Channels, c.Checkpoints = more.Channels, more.Checkpoints
	if c.Memory, err = config.ParseSize(memory); err != nil {
		return err
	}
	text, err := os.ReadFile(rules)
	if err != nil {
		return err
	}
	var wrong atomic.Int64
	go func() {
		for ; ; time.Sleep(20 * time.Millisecond) {
			if b, err := os.ReadFile(clock); err == nil {
				if d, err := time.ParseDuration(strings.TrimSpace(string(b))); err == nil {
					wrong.Store(int64(d))
				}
			}
		}
	}()
	s, err := service.Open(ctx, service.Options{
		Config: c, Rules: text, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Clock: func() time.Time { return time.Now().Add(time.Duration(wrong.Load())) },
	})
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case err = <-s.Failed():
	}
	closing, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if e := s.Close(closing); err == nil {
		err = e
	}
	return err
}
