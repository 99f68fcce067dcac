package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Origin is where the logs of a deployment that is restored begin. Positions
// and numbers go on where those of the old one ended, so what the states have
// heard and said stays true.
type Origin struct {
	Shards     int
	Ingest     uint64 // last sequence of the ingest stream
	Partitions []PartitionOrigin

	// Keys calls f with all keys and returns what f returns; nil: there are none.
	Keys func(f func(name string, key []byte) error) error
}

// PartitionOrigin is where the log of a partition begins.
type PartitionOrigin struct {
	Position uint64 // of the state; the log begins behind it
	Commit   []byte // the first commit record

	// Records calls f with the first records of the log, in order, as they were
	// stamped in the old one. It returns what f returns.
	Records func(f func(stamp int64, record []byte) error) error
}

const (
	// stampHeader of a record in the log is the server's clock when it was written
	// first: a replay of it has to see the same.
	stampHeader = "Onhand-Stamp"

	restoreAhead = 64 // records without an answer
)

// stampOf returns the stamp of a record.
func stampOf(header nats.Header, written time.Time) int64 {
	if len(header) > 0 {
		if at, err := strconv.ParseInt(header.Get(stampHeader), 10, 64); err == nil {
			return at
		}
	}
	return written.UnixMilli()
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
		if err := l.restore(ctx, p, &x); err != nil {
			return "", fmt.Errorf("jetstream: restoring the log of partition %d: %w", p, err)
		}
	}
	if from.Keys != nil {
		if err := l.Keys().restore(ctx, from.Keys); err != nil {
			return "", fmt.Errorf("jetstream: restoring the keys: %w", err)
		}
	}
	return l.ID(), nil
}

// restore writes the first records of a log.
func (l *Log) restore(ctx context.Context, p int, x *PartitionOrigin) error {
	type answer struct {
		seq uint64
		err error
	}
	answers := make(chan answer, restoreAhead)
	sent, there := x.Position, x.Position
	take := func() error {
		select {
		case a := <-answers:
			if there++; a.err != nil || a.seq != there {
				return fmt.Errorf("record %d: it got sequence %d: %w", there, a.seq, a.err)
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := x.Records(func(stamp int64, record []byte) error {
		if sent-there == restoreAhead {
			if err := take(); err != nil {
				return err
			}
		}
		sent++
		header := nats.Header{stampHeader: []string{strconv.FormatInt(stamp, 10)}}
		return l.lane(p).publish(l.inSubject(p), l.inStream(p), header, record, func(seq uint64, err error) { answers <- answer{seq, err} })
	})
	for err == nil && there < sent {
		err = take()
	}
	return err
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
