package worker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"onhand/processor"
	"onhand/processor/jetstream"
)

const (
	resendBytes = 4 << 20 // at a time; the receiver asks for the rest
	resendBlock = 128     // commit records to step back at a time
	resendBack  = 1 << 17 // commit records to look back at most
	resendWait  = time.Minute
)

// republish reads messages that a receiver has lost from the commit records and
// queues them again. What is said meanwhile waits behind them.
func (l *loop) republish(x processor.Resend) {
	if l.resending == nil {
		l.resending = map[int]bool{}
	}
	if l.resending[x.Receiver] || x.Receiver >= len(l.p.boxes) || x.From > l.p.boxes[x.Receiver].queued {
		return // it has all there is
	}
	l.resending[x.Receiver] = true
	l.log.Warn("messages to a partition are said again: its log has lost them", "to", x.Receiver, "from", x.From)
	last, incarnation := l.p.commit.expect, l.p.commit.incarnation
	l.p.Hold(x.Receiver)
	l.jobs.Go(func() {
		ctx, cancel := context.WithTimeout(l.w.ctx, resendWait)
		defer cancel()
		again, err := toldBefore(ctx, l.w.log, l.part, x, last, incarnation)
		l.post(func() {
			delete(l.resending, x.Receiver)
			if err = errors.Join(err, l.p.Requeue(x.Receiver, again)); err != nil {
				l.log.Error("messages cannot be said again; the receiver asks once more in a minute", "to", x.Receiver, "from", x.From, "error", err)
			}
		})
	})
}

// toldBefore reads from the commit records up to sequence last the messages to a
// receiver from a number on, as many as are to be said again at once. incarnation
// is that of the last one: what was taken back before is not said again.
func toldBefore(ctx context.Context, log *jetstream.Log, part int, x processor.Resend, last, incarnation uint64) ([]processor.Transfer, error) {
	begin := last + 1
	for found := uint64(0); found == 0 || found > x.From; {
		if begin <= 1 || last+1-begin > resendBack {
			return nil, fmt.Errorf("worker: partition %d: no commit record has message %d to partition %d", part, x.From, x.Receiver)
		}
		end := begin
		begin -= min(begin-1, resendBlock)
		err := transfers(ctx, log, part, x.Receiver, begin, end-1, func(t processor.Transfer, _ uint64) bool {
			found = t.Number
			return false
		}, func(uint64) {})
		if errors.Is(err, jetstream.ErrNotFound) {
			return nil, fmt.Errorf("worker: partition %d: the commit records with message %d to partition %d are trimmed: %w", part, x.From, x.Receiver, err)
		}
		if err != nil {
			return nil, err
		}
	}
	var again []processor.Transfer
	var outputs []uint64 // their numbers
	size := 0
	err := transfers(ctx, log, part, x.Receiver, begin, last, func(t processor.Transfer, output uint64) bool {
		if t.Number >= x.From && size < resendBytes {
			t.Message = slices.Clone(t.Message)
			again, outputs = append(again, t), append(outputs, output)
			size += len(t.Message)
		}
		return size < resendBytes || t.Incarnation < incarnation
	}, func(from uint64) {
		n, _ := slices.BinarySearch(outputs, from)
		if again, outputs = again[:n], outputs[:n]; n == 0 {
			size = 0
		}
	})
	return again, err
}

// transfers calls f for the messages to a receiver in the commit records between
// two sequences, and the numbers of their outputs, until it returns false. Where
// the partition was rewound it calls back with the number of the output from
// which on all before is taken back.
func transfers(ctx context.Context, log *jetstream.Log, part, receiver int, from, to uint64, f func(t processor.Transfer, output uint64) bool, back func(output uint64)) error {
	r, err := log.ReadCommits(part, from)
	if err != nil {
		return err
	}
	defer r.Stop()
	incarnation := uint64(math.MaxUint64)
	for seq := uint64(0); seq < to; {
		m, err := r.Next(ctx)
		if gap, ok := errors.AsType[*jetstream.GapError](err); ok {
			return fmt.Errorf("%w: %w", jetstream.ErrNotFound, gap)
		}
		if err != nil {
			return err
		}
		seq = m.Seq
		c, err := processor.ParseCommit(m.Data)
		if err != nil {
			return err
		}
		if c.Incarnation > incarnation {
			back(c.First)
		}
		incarnation = c.Incarnation
		output := c.First
		for rest := c.Outputs; len(rest) > 0; output++ {
			var o processor.Output
			if o, rest, err = processor.NextOutput(rest); err != nil {
				return err
			}
			if o.Type != processor.TransferOutput {
				continue
			}
			t, err := processor.ParseTransfer(o.Body)
			if err != nil {
				return err
			}
			t.Incarnation = c.Incarnation
			if t.Receiver == receiver && !f(t, output) {
				return nil
			}
		}
	}
	return nil
}
