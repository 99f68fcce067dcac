package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"
)

// Clients in any language publish events to NAME.ingest.<key>, where key is any
// single token, or to NAME.ingest. The stream stores the former as
// NAME.ingest.shard.<n>, with n computed from the key, so events of one key
// stay in order; the latter belong to shard 0. A client that asks for an
// acknowledgement learns when the stream is full; one that does not is not
// told, as always with NATS.

// ReadShard reads a shard of the ingest stream from a sequence on. Sequences of
// a shard have holes, for all shards share one stream.
func (l *Log) ReadShard(shard int, from uint64) (*Reader, error) {
	if err := l.checkShard(shard); err != nil {
		return nil, err
	}
	return l.reader(l.read, l.ingestStream(), l.shardSubjects(shard), from)
}

// SaveShard remembers that everything of a shard up to seq is safely in the
// input of the partitions, and drops it from the ingest stream. It costs a few
// milliseconds: call it every few seconds, not for every event.
func (l *Log) SaveShard(ctx context.Context, shard int, seq uint64) error {
	if err := l.checkShard(shard); err != nil {
		return err
	}
	err := l.ask(ctx, shardKey(shard), func(ctx context.Context) error {
		_, err := l.meta.Put(ctx, shardKey(shard), strconv.AppendUint(nil, seq, 10))
		return err
	})
	for _, subject := range l.shardSubjects(shard) {
		if err == nil {
			err = l.purge(ctx, l.ingest, seq+1, jetstream.WithPurgeSubject(subject))
		}
	}
	return err
}

// LoadShard returns what SaveShard remembered last, 0 when it never did.
func (l *Log) LoadShard(ctx context.Context, shard int) (uint64, error) {
	if err := l.checkShard(shard); err != nil {
		return 0, err
	}
	var seq uint64
	err := l.ask(ctx, shardKey(shard), func(ctx context.Context) error {
		entry, err := l.meta.Get(ctx, shardKey(shard))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil
		}
		if err == nil {
			seq, err = strconv.ParseUint(string(entry.Value()), 10, 64)
		}
		return err
	})
	return seq, err
}

// IngestBounds returns the first and last sequence of the ingest stream. It is
// empty when first is greater than last.
func (l *Log) IngestBounds(ctx context.Context) (first, last uint64, err error) {
	return l.bounds(ctx, l.ingestStream())
}

func shardKey(shard int) string { return "shard." + strconv.Itoa(shard) }

func (l *Log) shardSubjects(shard int) []string {
	subjects := []string{l.ingestSubject() + ".shard." + strconv.Itoa(shard)}
	if shard == 0 {
		subjects = append(subjects, l.ingestSubject())
	}
	return subjects
}

func (l *Log) checkShard(shard int) error {
	if shard < 0 || shard >= l.record.Shards {
		return fmt.Errorf("jetstream: there is no ingest shard %d, they are 0 to %d", shard, l.record.Shards-1)
	}
	return nil
}
