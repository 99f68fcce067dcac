package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"onhand/cmd/onhand/config"
	"onhand/processor/jetstream"
	"onhand/processor/whatif"
	"onhand/processor/worker"
	"onhand/state/blob"
	"onhand/state/checkpoint"
)

// openCheckpoints opens the place where states are kept besides the data
// folder; nil when there is to be none.
func openCheckpoints(ctx context.Context, c config.Config, log *jetstream.Log, logger *slog.Logger) (*worker.Checkpoints, error) {
	cp := &worker.Checkpoints{Every: c.Checkpoints.Every, Keep: c.Checkpoints.Keep, Decisions: max(0, c.Decisions.Keep)}
	var err error
	switch to := c.Checkpoints.To; {
	case to == config.CheckpointsOff:
		return nil, nil
	case to == "" || to == config.CheckpointsLog:
		cp.Blobs, err = jetstream.Patiently(ctx, logger, func() (*blob.JetStream, error) { return log.Blobs(ctx) })
	case strings.HasPrefix(to, "s3://"):
		cp.Blobs, err = blob.OpenS3(ctx, to)
	case filepath.IsAbs(to):
		cp.Blobs = blob.NewDir(to)
	default:
		cp.Blobs = blob.NewDir(filepath.Join(c.Data, to))
	}
	if err != nil {
		return nil, fmt.Errorf("the place for checkpoints cannot be used: %w; see to it, name another one, or begin without: --checkpoints off", err)
	}
	return cp, nil
}

// OpenPast connects to a deployment on NATS servers to read its past, without
// being part of it. to is where its checkpoints are: log, a folder,
// s3://BUCKET/PREFIX, or off. leave closes the connections.
func OpenPast(ctx context.Context, url, to string, log *slog.Logger) (o whatif.Options, leave func(), err error) {
	past, err := jetstream.OpenPast(ctx, jetstream.Options{URL: url, Logger: log})
	if err != nil {
		return o, nil, err
	}
	o = whatif.Options{Past: past, Dir: os.TempDir(), Logger: log}
	switch {
	case to == config.CheckpointsOff:
	case to == config.CheckpointsLog:
		b, e := past.Blobs(ctx)
		if err = e; b != nil {
			o.Checkpoints = b
		}
	case strings.HasPrefix(to, "s3://"):
		o.Checkpoints, err = blob.OpenS3(ctx, to)
	default:
		var s os.FileInfo
		if s, err = os.Stat(to); err == nil && !s.IsDir() {
			err = errors.New("it is no folder")
		}
		o.Checkpoints = blob.NewDir(to)
	}
	if err != nil {
		past.Close()
		return o, nil, fmt.Errorf("the checkpoints at %s cannot be read: %w; name where the service keeps them, or do without: --checkpoints off", to, err)
	}
	return o, past.Close, nil
}

// Restore says what is restored, and where to.
type Restore struct {
	From       string // a folder, s3://BUCKET/PREFIX, or nats://HOST of the deployment's own servers
	Deployment string // "" = the only one that has a backup there
	Backup     string // "" = the newest
	Data       string // folder that the service will run on; empty, or none yet
	NATS       string // servers the log is made on; "" = embedded
	Replicas   int    // of them, those that keep each stream; 0 = 1
	Logger     *slog.Logger
}

// Run makes a deployment of a backup, and returns its ID. When it fails nothing
// is left in the data folder.
func (r *Restore) Run(ctx context.Context) (id string, b *checkpoint.Backup, err error) {
	from, leave, err := r.open(ctx)
	if err != nil {
		return "", nil, err
	}
	defer leave()
	if r.Deployment == "" {
		found, err := checkpoint.Deployments(ctx, from)
		if err != nil {
			return "", nil, err
		}
		switch len(found) {
		case 0:
			return "", nil, fmt.Errorf("%w at %s: make one with onhand checkpoint --backup", checkpoint.ErrNoBackup, r.From)
		case 1:
			r.Deployment = found[0]
		default:
			return "", nil, fmt.Errorf("at %s there are backups of several deployments: name one with --deployment: %s", r.From, strings.Join(found, ", "))
		}
	}
	if b, err = checkpoint.LoadBackup(ctx, from, r.Deployment, r.Backup); err != nil {
		return "", nil, err
	}
	if there, err := os.ReadDir(r.Data); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", nil, err
	} else if len(there) > 0 {
		return "", nil, fmt.Errorf("%s is not empty: name a folder that is, or none yet", r.Data)
	}
	if err := os.MkdirAll(r.Data, 0o700); err != nil {
		return "", nil, err
	}
	states, logs := filepath.Join(r.Data, "state"), filepath.Join(r.Data, "nats")
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(states), os.RemoveAll(logs))
		}
	}()
	o := jetstream.Options{URL: r.NATS, Replicas: r.Replicas, Logger: r.Logger}
	if r.NATS == "" {
		if o.Server, err = jetstream.StartServer(jetstream.ServerOptions{Dir: logs, Logger: r.Logger}); err != nil {
			return "", nil, err
		}
		defer o.Server.Close()
	}
	id, err = worker.Restore(ctx, worker.RestoreOptions{Blobs: from, Deployment: b.Deployment, Backup: b.Name, DataDir: states, Log: o})
	return id, b, err
}

func (r *Restore) open(ctx context.Context) (_ checkpoint.Blobs, leave func(), err error) {
	switch {
	case strings.HasPrefix(r.From, "s3://"):
		b, err := blob.OpenS3(ctx, r.From)
		return b, func() {}, err
	case strings.HasPrefix(r.From, "nats://"), strings.HasPrefix(r.From, "tls://"):
		nc, err := nats.Connect(r.From)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", r.From, err)
		}
		js, err := natsjs.New(nc)
		if err == nil {
			var b *blob.JetStream
			if b, err = blob.OpenJetStream(ctx, js, jetstream.DefaultName, 1); err == nil {
				return b, nc.Close, nil
			}
		}
		nc.Close()
		return nil, nil, err
	}
	if s, err := os.Stat(r.From); err != nil || !s.IsDir() {
		return nil, nil, fmt.Errorf("%s is no folder with checkpoints", r.From)
	}
	return blob.NewDir(r.From), func() {}, nil
}
