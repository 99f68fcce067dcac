package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"onhand/state/blob"

	"github.com/nats-io/nats.go/jetstream"
)

// Past is a deployment's log to read only: it has no way to write to a stream,
// to commit, or to be a member. It is safe for concurrent use.
type Past struct {
	log *Log
	own bool // opened for this
}

// Past returns the log to read only. It is of no use once the Log is closed.
func (l *Log) Past() *Past { return &Past{log: l} }

// OpenPast connects to a deployment that exists, to read it only, and creates
// nothing. Of the options it takes where the servers are, the name and the
// logger. ctx bounds the opening.
func OpenPast(ctx context.Context, o Options) (*Past, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	l, err := dial(o)
	if err != nil {
		return nil, err
	}
	if err := l.find(ctx, where(o)); err != nil {
		l.Close()
		return nil, err
	}
	return &Past{l, true}, nil
}

// find looks up what the deployment consists of, as far as reading needs it.
func (l *Log) find(ctx context.Context, at string) error {
	ctx, cancel := context.WithTimeout(ctx, createWithin)
	defer cancel()
	absent := fmt.Errorf("jetstream: there is no deployment %s at %s", l.name, at)
	var err error
	if l.meta, err = l.js.KeyValue(ctx, l.metaBucket()); errors.Is(err, jetstream.ErrBucketNotFound) {
		return absent
	}
	if err != nil {
		return asked(err, "bucket "+l.metaBucket())
	}
	entry, err := l.meta.Get(ctx, deploymentKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return absent
	}
	if err != nil {
		return asked(err, "the deployment record")
	}
	if err := json.Unmarshal(entry.Value(), &l.record); err != nil || l.record.Partitions < 1 {
		return fmt.Errorf("jetstream: the deployment record %q of %s is not readable: %w", entry.Value(), l.name, err)
	}
	for p := range l.record.Partitions {
		in, err := l.js.Stream(ctx, l.inStream(p))
		if err != nil {
			return asked(err, "stream "+l.inStream(p))
		}
		out, err := l.js.Stream(ctx, l.outStream(p))
		if err != nil {
			return asked(err, "stream "+l.outStream(p))
		}
		l.in, l.out = append(l.in, in), append(l.out, out)
	}
	return nil
}

// Close closes the connections of OpenPast. What Log.Past returned needs none.
func (x *Past) Close() {
	if x.own {
		x.log.Close()
	}
}

// Blobs returns the place for checkpoints beside the streams, to be read; nil
// when there is none.
func (x *Past) Blobs(ctx context.Context) (*blob.JetStream, error) {
	js, err := jetstream.New(x.log.read.nc)
	if err != nil {
		return nil, err
	}
	b, err := blob.FindJetStream(ctx, js, x.log.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// ID names the incarnation of the deployment.
func (x *Past) ID() string { return x.log.ID() }

// Partitions returns the number of partitions.
func (x *Past) Partitions() int { return x.log.Partitions() }

// Bounds is Log.Bounds.
func (x *Past) Bounds(ctx context.Context, p int) (first, last uint64, err error) {
	return x.log.Bounds(ctx, p)
}

// CommitBounds is Log.CommitBounds.
func (x *Past) CommitBounds(ctx context.Context, p int) (first, last uint64, err error) {
	return x.log.CommitBounds(ctx, p)
}

// RecordAt is Log.RecordAt.
func (x *Past) RecordAt(ctx context.Context, p int, seq uint64) (Message, error) {
	return x.log.RecordAt(ctx, p, seq)
}

// CommitAt is Log.CommitAt.
func (x *Past) CommitAt(ctx context.Context, p int, seq uint64) (Message, error) {
	return x.log.CommitAt(ctx, p, seq)
}

// Rewinds is Log.Rewinds.
func (x *Past) Rewinds(ctx context.Context, p int) (Rewinds, error) { return x.log.Rewinds(ctx, p) }

// Read is Log.Read.
func (x *Past) Read(p int, from uint64) (*Reader, error) { return x.log.Read(p, from) }

// ReadCommits is Log.ReadCommits.
func (x *Past) ReadCommits(p int, from uint64) (*Reader, error) { return x.log.ReadCommits(p, from) }
