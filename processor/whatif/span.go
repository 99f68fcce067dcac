package whatif

import (
	"context"
	"fmt"

	"onhand/processor"
)

// span feeds both worlds the records of all partitions, in the order of log
// time, and of one instant in that of the partitions; and the comparison with
// the truth what was committed for them.
func (r *run) span(ctx context.Context, bases []*base, worlds [2]*world, truth *comparison) error {
	for _, b := range bases {
		// The record that covers the end of what was before may cover more.
		if err := r.recorded(b, &b.commits.latest, truth); err != nil {
			return err
		}
		if b.position > 0 {
			r.report.From = Time(r.from)
		}
	}
	for {
		var next *base
		var at int64
		for _, b := range bases {
			if err := b.look(ctx); err != nil {
				return err
			}
			if b.head == nil {
				continue
			}
			if t := timeOf(b.head, b.now); next == nil || t < at {
				next, at = b, t
			}
		}
		if r.report.From == 0 && (next == nil || at > r.to) {
			return &BeforeError{r.to, at}
		}
		if next == nil || at > r.to {
			break
		}
		msg := next.head
		next.head, next.now = nil, at
		if r.report.From == 0 {
			r.report.From = Time(max(r.from, at))
		}
		if err := next.commits.reach(ctx, msg.Seq, func(c *processor.CommitRecord) error { return r.recorded(next, c, truth) }); err != nil {
			return err
		}
		next.commits.points = next.commits.points[:0]
		r.report.Records++
		if next.commits.skipped[msg.Seq] {
			r.report.PassedOver++
			continue
		}
		r.report.Events += events(msg.Data)
		for _, w := range worlds {
			if err := w.feed(next.part, at, msg.Data); err != nil {
				return err
			}
		}
		r.told(float64(at-r.from)/float64(r.to-r.from), at)
		if err := r.pace.rest(ctx); err != nil {
			return err
		}
	}
	for _, w := range worlds {
		if err := w.advance(r.to); err != nil {
			return err
		}
	}
	r.report.To = Time(r.to)
	return nil
}

// look reads the next record of a partition that was in the log when the run
// began, unless it is here.
func (b *base) look(ctx context.Context) error {
	if b.head != nil || b.read >= b.end {
		return nil
	}
	m, err := b.reader.Next(ctx)
	if err != nil {
		return fmt.Errorf("whatif: the log of partition %d: %w", b.part, err)
	}
	b.head, b.read = &m, m.Seq
	return nil
}

// recorded tells the comparison what was decided in truth.
func (r *run) recorded(b *base, c *processor.CommitRecord, truth *comparison) error {
	number := c.First
	for rest := c.Outputs; len(rest) > 0; number++ {
		o, after, err := processor.NextOutput(rest)
		if err != nil {
			return fmt.Errorf("whatif: commit record of partition %d: %w", b.part, err)
		}
		rest = after
		if o.Type != processor.DecisionOutput || number < b.outputs {
			continue
		}
		d, err := processor.ParseDecision(o.Body)
		if err != nil {
			return err
		}
		if d.At <= r.to {
			if err := truth.add(0, &d); err != nil {
				return err
			}
		}
	}
	return nil
}

// events counts the events of a record.
func events(data []byte) (n int) {
	rec, err := processor.ParseRecord(data)
	for err == nil {
		var e []byte
		if e, err = rec.Next(); e == nil {
			break
		}
		switch processor.EntryType(e[0]) {
		case processor.EventEntry, processor.ShardEntry:
			n++
		}
	}
	return n
}
