package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"onhand/processor"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"golang.org/x/sync/errgroup"
)

// deployment is the record of what was fixed at creation.
type deployment struct {
	ID         string    `json:"id"`
	Created    time.Time `json:"created"`
	Partitions int       `json:"partitions"`
	Shards     int       `json:"shards"`
}

const (
	defaultPartitions = 16
	defaultShards     = 4
	maxPartitions     = processor.Slots
	maxShards         = 64
	defaultMaxBytesIn = 1 << 30
	maxDeadBytes      = 256 << 20
	maxIngestStream   = 1 << 30

	deploymentKey = "deployment"
	headerSlack   = 4 << 10 // of a message limit, for its headers
)

// Names. Streams and buckets have no dots.
func (l *Log) inStream(p int) string   { return l.name + "-in-" + strconv.Itoa(p) }
func (l *Log) outStream(p int) string  { return l.name + "-out-" + strconv.Itoa(p) }
func (l *Log) inSubject(p int) string  { return l.name + ".in." + strconv.Itoa(p) }
func (l *Log) outSubject(p int) string { return l.name + ".out." + strconv.Itoa(p) }
func (l *Log) ingestStream() string    { return l.name + "-ingest" }
func (l *Log) ingestSubject() string   { return l.name + ".ingest" }
func (l *Log) deadStream() string      { return l.name + "-dead" }
func (l *Log) metaBucket() string      { return l.name + "-deployment" }
func (l *Log) workersBucket() string   { return l.name + "-workers" }

// What servers that have just been started may need: they agree on a leader
// first, and each new stream on one of its own.
const (
	createWithin = time.Minute
	createTry    = 5 * time.Second // for each question
	createAgain  = 200 * time.Millisecond
)

// create finds or creates everything the deployment consists of. Servers that
// are there and do not answer yet are waited for.
func (l *Log) create(ctx context.Context, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, createWithin)
	defer cancel()
	for {
		err := l.tryCreate(ctx, o)
		if err == nil || ctx.Err() != nil || !l.Connected() || !forming(err) {
			return err
		}
		l.logger.Info("the NATS servers are not ready yet", "error", err)
		select {
		case <-time.After(createAgain):
		case <-ctx.Done():
			return err
		}
	}
}

// forming reports whether an error is one of a cluster that comes up. What is
// not found was found or made a moment before: the server that was asked has not
// heard of it yet.
func forming(err error) bool {
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrBucketNotFound) {
		return true
	}
	if refusal, ok := errors.AsType[*jetstream.APIError](err); ok {
		return refusal.ErrorCode == codeUnavailable || refusal.ErrorCode == codeNoPeers
	}
	return errors.Is(err, ErrUnavailable)
}

func (l *Log) tryCreate(ctx context.Context, o Options) error {
	var err error
	l.meta, err = l.bucket(ctx, jetstream.KeyValueConfig{
		Bucket: l.metaBucket(), Storage: jetstream.FileStorage, History: 1, Replicas: o.Replicas})
	if err != nil {
		return err
	}
	if err := l.loadRecord(ctx, o); err != nil {
		return err
	}
	l.workers, err = l.bucket(ctx, jetstream.KeyValueConfig{
		Bucket: l.workersBucket(), Storage: jetstream.FileStorage, History: 1, Replicas: o.Replicas, TTL: o.Lease})
	if err != nil {
		return err
	}
	status, err := l.workers.Status(ctx)
	if err != nil {
		return asked(err, "bucket "+l.workersBucket())
	}
	l.lease = status.TTL()
	return l.streams(ctx, o)
}

// loadRecord reads the deployment record, or writes it if there is none. Of
// two that create at once, the second reads what the first wrote.
func (l *Log) loadRecord(ctx context.Context, o Options) error {
	entry, err := l.meta.Get(ctx, deploymentKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		d := deployment{ID: nuid.Next(), Created: time.Now().UTC(), Partitions: o.Partitions, Shards: o.Shards}
		if d.Partitions == 0 {
			d.Partitions = defaultPartitions
		}
		if d.Shards == 0 {
			d.Shards = defaultShards
		}
		text, _ := json.Marshal(d)
		if _, err = l.meta.Create(ctx, deploymentKey, text); err != nil && !errors.Is(err, jetstream.ErrKeyExists) {
			return asked(err, "creating the deployment record")
		}
		entry, err = l.meta.Get(ctx, deploymentKey)
		if errors.Is(err, jetstream.ErrKeyNotFound) { // by a server that is behind
			return fmt.Errorf("%w (the deployment record)", ErrUnavailable)
		}
	}
	if err != nil {
		return asked(err, "the deployment record")
	}
	if err := json.Unmarshal(entry.Value(), &l.record); err != nil || l.record.Partitions < 1 || l.record.Shards < 1 {
		return fmt.Errorf("jetstream: the deployment record %q of %s is not readable: %w", entry.Value(), l.name, err)
	}
	if o.Partitions != 0 && o.Partitions != l.record.Partitions {
		return fmt.Errorf("jetstream: deployment %s has %d partitions, not %d: the number is fixed at creation; open it without one", l.name, l.record.Partitions, o.Partitions)
	}
	if o.Shards != 0 && o.Shards != l.record.Shards {
		return fmt.Errorf("jetstream: deployment %s has %d ingest shards, not %d: the number is fixed at creation; open it without one", l.name, l.record.Shards, o.Shards)
	}
	return nil
}

// bucket finds or creates a bucket. One that exists stays as it is.
func (l *Log) bucket(ctx context.Context, c jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, createTry)
	defer cancel()
	kv, err := l.js.KeyValue(ctx, c.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = l.js.CreateKeyValue(ctx, c)
		if errors.Is(err, jetstream.ErrBucketExists) {
			kv, err = l.js.KeyValue(ctx, c.Bucket)
		}
	}
	return kv, asked(err, "bucket "+c.Bucket)
}

// streams finds or creates the streams.
func (l *Log) streams(ctx context.Context, o Options) error {
	n := l.record.Partitions
	l.in, l.out = make([]jetstream.Stream, n), make([]jetstream.Stream, n)
	create := l.maxBytesIn(o)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	stream := func(at *jetstream.Stream, c jetstream.StreamConfig, maxBytes int64) {
		g.Go(func() (err error) {
			c.Storage, c.Discard, c.Replicas = jetstream.FileStorage, jetstream.DiscardNew, o.Replicas
			c.DenyDelete = c.Name != l.deadStream() && c.Name != l.keysStream()
			ctx, cancel := context.WithTimeout(ctx, createTry)
			defer cancel()
			*at, err = l.stream(ctx, c, maxBytes)
			return err
		})
	}
	for p := range n {
		stream(&l.in[p], jetstream.StreamConfig{
			Name: l.inStream(p), Subjects: []string{l.inSubject(p)}, FirstSeq: o.firstIn(p),
			MaxBytes: create, MaxMsgSize: processor.MaxRecordBytes + headerSlack}, o.MaxBytesIn)
		// Without direct access the last commit is always the leader's word.
		stream(&l.out[p], jetstream.StreamConfig{
			Name: l.outStream(p), Subjects: []string{l.outSubject(p)},
			MaxMsgSize: MaxCommitBytes + headerSlack}, 0)
	}
	shards := fmt.Sprintf("%s.{{partition(%d,1)}}", l.ingestSubject()+".shard", l.record.Shards)
	stream(&l.ingest, jetstream.StreamConfig{
		Name: l.ingestStream(), FirstSeq: o.firstIngest(), Subjects: []string{l.ingestSubject(), l.ingestSubject() + ".*"},
		SubjectTransform: &jetstream.SubjectTransformConfig{Source: l.ingestSubject() + ".*", Destination: shards},
		MaxBytes:         min(create, maxIngestStream), MaxMsgSize: MaxIngestBytes + headerSlack}, 0)
	stream(&l.keys, l.keysConfig(), 0)
	stream(&l.dead, jetstream.StreamConfig{
		Name: l.deadStream(), Subjects: []string{l.deadSubject(">")}, MaxBytes: min(create, maxDeadBytes)}, 0)
	if err := g.Wait(); err != nil {
		return err
	}
	for p := range n {
		l.packers = append(l.packers, newPacker(l, p, l.in[p].CachedInfo()))
	}
	return nil
}

// stream finds or creates a stream. One that exists stays as it is, but for
// maxBytes when that is not 0.
func (l *Log) stream(ctx context.Context, c jetstream.StreamConfig, maxBytes int64) (jetstream.Stream, error) {
	s, err := l.js.Stream(ctx, c.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = l.js.CreateStream(ctx, c)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			s, err = l.js.Stream(ctx, c.Name)
		}
	}
	if err == nil && maxBytes != 0 && s.CachedInfo().Config.MaxBytes != maxBytes {
		c = s.CachedInfo().Config
		c.MaxBytes = maxBytes
		s, err = l.js.UpdateStream(ctx, c)
	}
	var refusal *jetstream.APIError
	if errors.As(err, &refusal) && refusal.ErrorCode == codeNoStorage {
		return nil, fmt.Errorf("jetstream: stream %s: its limit of %d MiB and those of the other streams exceed the disk space of the server: lower MaxBytesIn or raise the server's MaxBytes", c.Name, c.MaxBytes>>20)
	}
	return s, asked(err, "stream "+c.Name)
}

// maxBytesIn is the limit of an input stream on creation. JetStream sets the
// limits of all streams aside, so together they must fit the server's.
func (l *Log) maxBytesIn(o Options) int64 {
	if o.MaxBytesIn != 0 {
		return o.MaxBytesIn
	}
	limit := int64(defaultMaxBytesIn)
	if o.Server != nil {
		if all := o.Server.storeLimit(); all > 0 {
			limit = min(limit, all/2/int64(l.record.Partitions))
		}
	}
	return limit
}

// Trim drops the input of a partition below a sequence. The caller knows that
// no checkpoint, reader or peer asks for it again.
func (l *Log) Trim(ctx context.Context, p int, below uint64) error {
	if err := l.checkPartition(p); err != nil || below <= 1 {
		return err
	}
	return l.purge(ctx, l.in[p], below)
}

// TrimCommits drops the commit records of a partition below a sequence, but
// never the last one: it is the fence.
func (l *Log) TrimCommits(ctx context.Context, p int, below uint64) error {
	last, _, err := l.LastCommit(ctx, p)
	if err != nil || min(below, last) <= 1 {
		return err
	}
	return l.purge(ctx, l.out[p], min(below, last))
}

// purge drops the messages of a stream below a sequence.
func (l *Log) purge(ctx context.Context, s jetstream.Stream, below uint64, o ...jetstream.StreamPurgeOpt) error {
	return l.ask(ctx, "trimming "+s.CachedInfo().Config.Name, func(ctx context.Context) error {
		return s.Purge(ctx, append(o, jetstream.WithPurgeSequence(below))...)
	})
}

// Bounds returns the first and last sequence of a partition's input. It is
// empty when first is greater than last.
func (l *Log) Bounds(ctx context.Context, p int) (first, last uint64, err error) {
	if err := l.checkPartition(p); err != nil {
		return 0, 0, err
	}
	return l.bounds(ctx, l.inStream(p))
}

// CommitBounds returns the first and last sequence of a partition's commit
// records. There is none when first is greater than last.
func (l *Log) CommitBounds(ctx context.Context, p int) (first, last uint64, err error) {
	if err := l.checkPartition(p); err != nil {
		return 0, 0, err
	}
	return l.bounds(ctx, l.outStream(p))
}

// Fill returns the bytes that a partition's input holds, and its limit.
func (l *Log) Fill(ctx context.Context, p int) (used, limit int64, err error) {
	if err := l.checkPartition(p); err != nil {
		return 0, 0, err
	}
	err = l.ask(ctx, "stream "+l.inStream(p), func(ctx context.Context) error {
		s, err := l.js.Stream(ctx, l.inStream(p))
		if err == nil {
			used, limit = int64(s.CachedInfo().State.Bytes), s.CachedInfo().Config.MaxBytes
		}
		return err
	})
	return used, limit, err
}

func (l *Log) bounds(ctx context.Context, stream string) (first, last uint64, err error) {
	err = l.ask(ctx, "stream "+stream, func(ctx context.Context) error {
		s, err := l.js.Stream(ctx, stream)
		if err == nil {
			state := s.CachedInfo().State
			first, last = max(state.FirstSeq, 1), state.LastSeq
		}
		return err
	})
	return first, last, err
}
