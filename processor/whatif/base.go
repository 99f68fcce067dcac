package whatif

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/state/checkpoint"
)

// base is where the span begins in the log of one partition, and the state
// there.
type base struct {
	part     int
	position uint64   // last record before the span
	now      int64    // log time there
	sent     []uint64 // by receiver: number of the last message sent before the span
	outputs  uint64   // made before the span
	rules    []byte   // in force there; nil = none yet
	version  string
	secret   string

	reader  *jetstream.Reader
	end     uint64             // last record of the log when the run began
	read    uint64             // last record read
	head    *jetstream.Message // read and not yet applied
	commits *commits
}

func (b *base) close() {
	if b.reader != nil {
		b.reader.Stop()
	}
	if b.commits != nil {
		b.commits.close()
	}
}

// TrimmedError means that a partition's log does not reach back to the
// beginning of the span: no state is kept from which it could be replayed.
type TrimmedError struct {
	Partition int
	From      int64 // wanted, Unix ms
	Earliest  int64 // a span may begin then, Unix ms; 0 = never
	Trimmed   int64 // the log of the partition begins then, Unix ms
}

func (e *TrimmedError) Error() string {
	s := fmt.Sprintf("the log of partition %d begins at %s, and no checkpoint is as old as %s: what was before is not known any more. ",
		e.Partition, clockOf(e.Trimmed), clockOf(e.From))
	if e.Earliest == 0 {
		return s + "Nothing can be replayed before the next checkpoint is made: onhand checkpoint"
	}
	earliest := time.UnixMilli(e.Earliest + 999).UTC().Truncate(time.Second)
	return s + fmt.Sprintf("A span can begin at %s or later: --from %s. To look back further keep checkpoints for as long, for example checkpoints: {every: 1h, keep: 25} for a day",
		clockOf(earliest.UnixMilli()), earliest.Format(time.RFC3339))
}

func clockOf(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05") }

// choose returns the checkpoint to begin with, nil for the beginning of the
// log.
func (r *run) choose(ctx context.Context, part int) (*checkpoint.Manifest, error) {
	first, _, err := r.o.Past.Bounds(ctx, part)
	if err != nil {
		return nil, err
	}
	var usable []*checkpoint.Manifest
	if r.blobs != nil {
		rewinds, err := r.o.Past.Rewinds(ctx, part)
		if err != nil {
			return nil, err
		}
		all, err := checkpoint.New(r.blobs, r.o.Past.ID(), part, 0).Disregard(rewinds.Lost).List(ctx)
		if err != nil && first > 1 {
			return nil, fmt.Errorf("the checkpoints cannot be read: %w", err)
		}
		for _, m := range all {
			if m.Position+1 >= first && m.Code <= processor.CodeVersion {
				usable = append(usable, m)
			}
		}
	}
	for _, m := range usable { // newest first
		if m.LogTime <= r.from {
			return m, nil
		}
	}
	if first <= 1 {
		return nil, nil
	}
	e := &TrimmedError{Partition: part, From: r.from}
	if m, err := r.o.Past.RecordAt(ctx, part, first); err == nil {
		e.Trimmed = m.Stamp
	}
	for _, m := range usable {
		e.Earliest = m.LogTime
	}
	return nil, e
}

// chooseAll chooses for all partitions; of several that do not reach back it
// names the span that all of them can serve.
func (r *run) chooseAll(ctx context.Context) ([]*checkpoint.Manifest, error) {
	chosen := make([]*checkpoint.Manifest, r.partitions)
	var worst *TrimmedError
	for p := range chosen {
		m, err := r.choose(ctx, p)
		if trimmed, ok := errors.AsType[*TrimmedError](err); ok {
			if worst == nil || worst.Earliest != 0 && (trimmed.Earliest == 0 || trimmed.Earliest > worst.Earliest) {
				worst = trimmed
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		chosen[p] = m
	}
	if worst != nil {
		return nil, worst
	}
	return chosen, nil
}

// openBase replays a partition's log up to the span and leaves its state in a
// folder for each world.
func (r *run) openBase(ctx context.Context, part int, from *checkpoint.Manifest) (b *base, err error) {
	b = &base{part: part}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	dir := dirOf(r.dir, worldNames[asWas], part)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, err
	}
	if from != nil {
		if err := checkpoint.New(r.blobs, r.o.Past.ID(), part, 0).Download(ctx, from, dir); err != nil {
			return nil, err
		}
	}
	m, err := openMachine(processor.Config{Partition: part, Partitions: r.partitions, Memory: r.share()}, dir, r.shared)
	if err != nil {
		return nil, err
	}
	err = r.replay(ctx, b, m)
	if err == nil {
		err = m.flush()
	}
	if err == nil {
		other := dirOf(r.dir, worldNames[given], part)
		if err = os.MkdirAll(filepath.Dir(other), 0o700); err == nil {
			err = m.store.Checkpoint(other)
		}
	}
	s := m.Shop()
	b.position, b.now, b.outputs = s.Position, s.Now, s.Outputs
	b.sent = append(b.sent, s.Sent...)
	b.version, b.secret = s.Version, s.Secret
	if s.Version != "" {
		b.rules = append(b.rules, s.Rules...)
	}
	return b, errors.Join(err, m.store.Close())
}

// replay applies what was before the span, exactly as it was.
func (r *run) replay(ctx context.Context, b *base, m *machine) (err error) {
	position := m.Shop().Position
	if _, b.end, err = r.o.Past.Bounds(ctx, b.part); err != nil {
		return err
	}
	if b.commits, err = commitsSince(ctx, r.o.Past, b.part, position); err != nil {
		return err
	}
	if b.reader, err = r.o.Past.Read(b.part, position+1); err != nil {
		return err
	}
	b.read = position
	var out processor.Outputs
	for m.Shop().Position < b.end {
		msg, err := b.reader.Next(ctx)
		if err != nil {
			return fmt.Errorf("whatif: the log of partition %d: %w", b.part, err)
		}
		b.read = msg.Seq
		if timeOf(&msg, m.Shop().Now) >= r.from {
			b.head = &msg
			break
		}
		if err := b.commits.reach(ctx, msg.Seq, func(c *processor.CommitRecord) error {
			for _, s := range c.Skips {
				m.PassOver(s)
			}
			return nil
		}); err != nil {
			return err
		}
		if err := m.apply(msg.Seq, msg.Stamp, msg.Data, &out); err != nil {
			return err
		}
		out.Reset()
		if b.commits.differs(m.Shop()) && r.report.Recorded.Diverged == "" {
			r.report.Recorded.Diverged = fmt.Sprintf("record %d of partition %d, %s", msg.Seq, b.part, clockOf(m.Shop().Now))
		}
		r.report.Replayed++
		r.told(0, m.Shop().Now)
		if err := r.pace.rest(ctx); err != nil {
			return err
		}
	}
	r.whole = r.whole && b.commits.whole
	return nil
}

// timeOf returns the log time of a record behind another one.
func timeOf(m *jetstream.Message, before int64) int64 {
	clock := m.Stamp
	if rec, err := processor.ParseRecord(m.Data); err == nil {
		clock = rec.Clock
	}
	return processor.LogTime(before, m.Stamp, clock)
}
