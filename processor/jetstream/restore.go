package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Origin is where the logs of a deployment that is restored begin. Positions
// and numbers go on where those of the old one ended, so what the states have
// heard and said stays true.
type Origin struct {
	Shards     int
	Ingest     uint64 // last sequence of the ingest stream
	Partitions []PartitionOrigin
}

// PartitionOrigin is where the log of a partition begins.
type PartitionOrigin struct {
	Position uint64   // of the state; the log begins behind it
	Commit   []byte   // the first commit record, which stands at that position
	Records  [][]byte // the first records of the log
}

// Restore creates a deployment that goes on from an origin, and returns its ID.
// There must be none of that name. One whose creation was interrupted cannot be
// used: delete its streams, or its folder, and begin again.
func Restore(ctx context.Context, o Options, from Origin) (id string, err error) {
	if err := o.setDefaults(); err != nil {
		return "", err
	}
	o.Partitions, o.Shards, o.origin = len(from.Partitions), from.Shards, &from
	l, err := dial(o)
	if err != nil {
		return "", err
	}
	defer l.Close()
	err = l.ask(ctx, "looking for a deployment "+o.Name, func(ctx context.Context) error {
		_, err := l.js.KeyValue(ctx, l.metaBucket())
		return err
	})
	if err == nil {
		return "", fmt.Errorf("jetstream: there is a deployment %s on %s already: restore into an empty one", o.Name, where(o))
	}
	if !errors.Is(err, jetstream.ErrBucketNotFound) {
		return "", err
	}
	if err := l.create(ctx, o); err != nil {
		return "", err
	}
	for p, x := range from.Partitions {
		if _, err := l.Commit(ctx, p, x.Commit, 0); err != nil {
			return "", fmt.Errorf("jetstream: restoring the commit of partition %d: %w", p, err)
		}
		for i, r := range x.Records {
			seq, err := l.Append(ctx, p, r)
			if err == nil && seq != x.Position+1+uint64(i) {
				err = fmt.Errorf("it got sequence %d", seq)
			}
			if err != nil {
				return "", fmt.Errorf("jetstream: restoring record %d of partition %d: %w", x.Position+1+uint64(i), p, err)
			}
		}
	}
	return l.ID(), nil
}

// firstIn and firstIngest are the sequences at which new streams begin.

func (o *Options) firstIn(p int) uint64 {
	if o.origin == nil {
		return 0
	}
	return o.origin.Partitions[p].Position + 1
}

func (o *Options) firstIngest() uint64 {
	if o.origin == nil {
		return 0
	}
	return o.origin.Ingest + 1
}
