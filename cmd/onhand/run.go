package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"onhand/cmd/onhand/config"
	"onhand/cmd/onhand/service"
	"onhand/processor"
	"onhand/processor/moments"
)

// closeWithin is how long a stop in order may take, breakWithin one after a
// failure: what is not done then is replayed by the next start.
const (
	closeWithin = 30 * time.Second
	breakWithin = 2 * time.Second
)

// runFlags are the flags of run; those that were given beat the configuration.
type runFlags struct {
	config, data, http, nats, listen string
	moments, sync, memory, advertise string
	checkpoints                      string
	partitions, replicas             int
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the service",
		Long: `Run starts the service: the HTTP collector under /v1, the API under /api/v1, and
a status page at /. The log is an embedded NATS server, or with --nats servers
elsewhere; several services on the same servers share the partitions.

It prints one line when it is ready, and stops in order on SIGTERM or SIGINT.
Without configured keys it listens on loopback only. Channels that are not
configured go to actions.ndjson in the data folder.

A configuration file (--config) may say all of this:

` + config.Reference,
		Example: "  onhand run --data ./data\n  onhand run --config onhand.yaml\n  onhand run --nats nats://10.0.0.5:4222 --data ./second --http 127.0.0.1:7071\n  onhand run --nats nats://10.0.0.5:4222,nats://10.0.0.6:4222,nats://10.0.0.7:4222 --replicas 3",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := a.configure(c, &f)
			if err != nil {
				return err
			}
			return a.serve(c.Context(), cfg, f.advertise)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.config, "config", "", "configuration file")
	fl.StringVar(&f.data, "data", "data", "folder of everything the service keeps")
	fl.StringVar(&f.http, "http", "127.0.0.1:7070", "address to listen on")
	fl.StringVar(&f.nats, "nats", "", "NATS servers; without them one is embedded")
	fl.StringVar(&f.listen, "nats-listen", "", "address on which the embedded server takes other processes")
	fl.StringVar(&f.moments, "moments", "", "moments file to put in force on a new deployment; the shipped one without")
	fl.IntVar(&f.partitions, "partitions", 0, "partitions of a new deployment (16)")
	fl.IntVar(&f.replicas, "replicas", 0, "servers that keep each stream of a new deployment (1); 3 on a cluster")
	fl.StringVar(&f.sync, "sync", config.SyncAlways, "always: nothing accepted is lost by a power failure; interval: two seconds may be")
	fl.StringVar(&f.checkpoints, "checkpoints", config.CheckpointsLog, "where states are kept besides the data folder: log, a folder, s3://BUCKET/PREFIX, or off")
	fl.StringVar(&f.memory, "memory", "", "what the process may use, for example 2GiB; half of the machine without")
	fl.StringVar(&f.advertise, "advertise", "", "host:port under which other services reach this one")
	return c
}

// configure puts the configuration file and the flags together.
func (a *app) configure(c *cobra.Command, f *runFlags) (cfg config.Config, err error) {
	if f.config != "" {
		var faults []moments.Fault
		if cfg, faults, err = config.Load(f.config); err != nil {
			return cfg, err
		}
		if err := a.printFaults(faults); err != nil {
			return cfg, err
		}
		if !usable(faults) {
			return cfg, errFailed
		}
	}
	given := c.Flags().Changed
	set := func(flag string, to *string, value string) {
		if given(flag) || *to == "" {
			*to = value
		}
	}
	set("data", &cfg.Data, f.data)
	set("http", &cfg.HTTP, f.http)
	set("nats", &cfg.NATS.URL, f.nats)
	set("nats-listen", &cfg.NATS.Listen, f.listen)
	set("moments", &cfg.Moments, f.moments)
	set("sync", &cfg.Sync, f.sync)
	set("checkpoints", &cfg.Checkpoints.To, f.checkpoints)
	for _, a := range []struct{ flag, address string }{{"http", cfg.HTTP}, {"nats-listen", cfg.NATS.Listen}, {"advertise", f.advertise}} {
		if _, _, err := net.SplitHostPort(a.address); err != nil && a.address != "" {
			return cfg, usagef("--%s %s is not an address; write host:port, for example 127.0.0.1:7070", a.flag, a.address)
		}
	}
	if err := config.CheckpointsPlace(cfg.Checkpoints.To); err != nil {
		return cfg, usagef("--checkpoints: %w", err)
	}
	if cfg.Sync != config.SyncAlways && cfg.Sync != config.SyncInterval {
		return cfg, usagef("--sync %s: always or interval", cfg.Sync)
	}
	if cfg.NATS.URL != "" && cfg.NATS.Listen != "" {
		return cfg, usagef("--nats and --nats-listen: servers elsewhere listen by themselves; keep one")
	}
	if given("partitions") {
		if err := partitionsFlag(f.partitions); err != nil {
			return cfg, err
		}
		cfg.Partitions = f.partitions
	}
	if given("replicas") {
		if f.replicas < 1 || f.replicas > 5 {
			return cfg, usagef("--replicas %d: from 1 to 5", f.replicas)
		}
		cfg.NATS.Replicas = f.replicas
	}
	if cfg.NATS.Replicas > 1 && cfg.NATS.URL == "" {
		return cfg, usagef("--replicas %d: the embedded server keeps everything once; name the servers of a cluster with --nats", cfg.NATS.Replicas)
	}
	if given("memory") {
		if cfg.Memory, err = memoryFlag(f.memory); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

// partitionsFlag refuses a number of partitions that there cannot be.
func partitionsFlag(n int) error {
	if n < 1 || n > 1024 {
		return usagef("--partitions %d: from 1 to 1024", n)
	}
	return nil
}

// memoryFlag reads --memory.
func memoryFlag(text string) (int64, error) {
	n, err := config.ParseSize(text)
	if err != nil {
		return 0, usagef("--memory: %w; write for example 2GiB", err)
	}
	if n < config.MinMemory {
		return 0, usagef("--memory %s: at least %d MiB", text, config.MinMemory>>20)
	}
	return n, nil
}

// serve runs the service until ctx ends.
func (a *app) serve(ctx context.Context, cfg config.Config, advertise string) (err error) {
	rules, err := a.rules(cfg.Moments)
	if err != nil {
		return err
	}
	s, err := service.Open(ctx, service.Options{
		Config: cfg, Rules: rules, Advertise: advertise, Version: versionOf().Version, Logger: a.log,
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return nil // told to stop before it had begun
	case err != nil:
		return err
	}
	defer func() {
		within := closeWithin
		if err != nil {
			within = breakWithin
		}
		if e := closeOrLeave(s, within); err == nil {
			err = e
		}
	}()
	switch err := s.WaitReady(ctx); {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	}
	fmt.Fprintf(a.out, "ready %s\n", s.URL())
	select {
	case <-ctx.Done():
		a.log.Info("stopping")
		return nil
	case err := <-s.Failed():
		return err
	}
}

// closeOrLeave closes a service in order. One that does not end, because its
// disk takes no more, is left to the end of the process. A second signal does
// not wait either.
func closeOrLeave(s *service.Service, within time.Duration) error {
	closing, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- s.Close(closing) }()
	select {
	case err := <-closed:
		return err
	case <-time.After(within + breakWithin):
		return errors.New("the service could not be closed in order; the next start replays what was not saved")
	}
}

// rules reads the moments for a new deployment and prints what is wrong.
func (a *app) rules(path string) ([]byte, error) {
	name, text, err := momentsText(path)
	if err != nil {
		return nil, err
	}
	file, faults := moments.Parse(name, text, processor.Vocabulary())
	if file != nil {
		faults = append(faults, processor.Unsupported(name, file)...)
	}
	for _, f := range faults {
		fmt.Fprintln(a.err, f)
	}
	if file == nil {
		return nil, errFailed
	}
	return text, nil
}

// create makes a file that a command writes, before its work begins: a path that
// cannot be is not found out after an hour. Without a path nothing is kept.
func create(path string) (io.WriteCloser, error) {
	if path == "" {
		return nothing{io.Discard}, nil
	}
	return os.Create(path)
}

// nothing is a file that is not kept.
type nothing struct{ io.Writer }

func (nothing) Close() error { return nil }

// tempDir makes a folder that is gone after use, unless one is named.
func tempDir(named string) (dir string, remove func(), err error) {
	if named != "" {
		return named, func() {}, nil
	}
	dir, err = os.MkdirTemp("", "onhand-")
	return dir, func() { os.RemoveAll(dir) }, err
}
