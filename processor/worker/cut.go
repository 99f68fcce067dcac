package worker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sort"
	"time"

	"onhand/processor"
	"onhand/processor/jetstream"
)

// A cut is a place in each log, such that what is in the logs up to there follows
// from what is in the logs up to there: no log holds a message of a partition that
// stands in one of its commits behind its place.
//
// The ends of the logs are noted twice. The second ones are the places, noted one
// after the other while the partitions go on, so a log may hold a message that was
// said in between. Its place is then put before that message, which may make other
// messages ones of that kind. This ends soon: whatever is said after the first
// ends were noted is behind them, so no place is put before the first one.

const cutWait = 20 * time.Second // for an owner to commit what it has begun to commit

// utterances are the messages of a partition in its commit records behind a
// sequence.
type utterances struct {
	seq, position uint64
	to            [][]utterance // by receiver, in the order of their numbers
}

// utterance is messages that were committed together.
type utterance struct{ first, last, position uint64 }

// hearing is a message in a log.
type hearing struct {
	seq    uint64
	sender int
	number uint64
}

// cut returns the place in each log. said has, for each partition, a commit record
// that was the last one before, and its position. gap is waited between two places.
func cut(ctx context.Context, log *jetstream.Log, said []utterances, gap time.Duration) ([]uint64, error) {
	before, err := ends(ctx, log, 0)
	if err != nil {
		return nil, err
	}
	places, err := ends(ctx, log, gap)
	if err != nil {
		return nil, err
	}
	heard := make([][]hearing, len(places))
	for p := range places {
		if heard[p], err = hear(ctx, log, p, before[p], places[p]); err != nil {
			return nil, err
		}
		if err := said[p].read(ctx, log, p); err != nil {
			return nil, err
		}
	}
	fit(places, heard, said)
	for p := range places {
		if places[p] < before[p] {
			return nil, fmt.Errorf("worker: the logs do not fit together: partition %d has heard at %d what was not said", p, places[p]+1)
		}
	}
	return places, nil
}

// fit puts places forward until no log holds a message from behind its sender's.
func fit(places []uint64, heard [][]hearing, said []utterances) {
	for again := true; again; {
		again = false
		for q := range places {
			for _, x := range heard[q] {
				if x.seq > places[q] {
					break
				}
				if said[x.sender].positionOf(q, x.number) > places[x.sender] {
					places[q], again = x.seq-1, true
					break
				}
			}
		}
	}
}

func ends(ctx context.Context, log *jetstream.Log, gap time.Duration) ([]uint64, error) {
	all := make([]uint64, log.Partitions())
	for p := range all {
		time.Sleep(gap)
		_, last, err := log.Bounds(ctx, p)
		if err != nil {
			return nil, err
		}
		all[p] = last
	}
	return all, nil
}

// hear returns the messages in a log between two places.
func hear(ctx context.Context, log *jetstream.Log, part int, after, upTo uint64) (all []hearing, err error) {
	err = readBetween(ctx, log, part, after, upTo, func(m jetstream.Message) error {
		r, err := processor.ParseRecord(m.Data)
		for err == nil { // what cannot be read holds no message
			var entry []byte
			if entry, err = r.Next(); entry == nil {
				break
			}
			if sender, number, ok := processor.ParseTransferEntry(entry); ok && sender < uint64(log.Partitions()) {
				all = append(all, hearing{m.Seq, int(sender), number})
			}
		}
		return nil
	})
	return all, err
}

// read reads what the partition has said up to now. Records that stand where the
// one before stood hold a part of what comes at the next position: that one is
// waited for.
func (u *utterances) read(ctx context.Context, log *jetstream.Log, part int) error {
	u.to = make([][]utterance, log.Partitions())
	last, _, err := log.LastCommit(ctx, part)
	if err != nil || last <= u.seq {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, cutWait)
	defer cancel()
	r, err := log.ReadCommits(part, u.seq+1)
	if err != nil {
		return err
	}
	defer r.Stop()
	for open := false; u.seq < last || open; {
		m, err := r.Next(ctx)
		if err != nil {
			return fmt.Errorf("worker: partition %d: reading commit records: %w", part, err)
		}
		c, err := processor.ParseCommit(m.Data)
		if err != nil {
			return err
		}
		if err := u.add(&c); err != nil {
			return err
		}
		open = open && c.Position == u.position || c.Position == u.position && c.Count > 0
		u.seq, u.position = m.Seq, c.Position
	}
	return nil
}

// unknown is the position of messages whose commit has not ended.
const unknown = math.MaxUint64

// add takes in a commit record.
func (u *utterances) add(c *processor.CommitRecord) error {
	position := uint64(unknown)
	if c.Position > u.position {
		position = c.Position
		for q := range u.to {
			if n := len(u.to[q]); n > 0 && u.to[q][n-1].position == unknown {
				u.to[q][n-1].position = position
			}
		}
	}
	for rest := c.Outputs; len(rest) > 0; {
		o, after, err := processor.NextOutput(rest)
		if err != nil {
			return err
		}
		rest = after
		if o.Type != processor.TransferOutput {
			continue
		}
		t, err := processor.ParseTransfer(o.Body)
		if err != nil {
			return err
		}
		if t.Receiver < 0 || t.Receiver >= len(u.to) {
			return errors.New("worker: a commit record holds a message to nobody")
		}
		to := &u.to[t.Receiver]
		if n := len(*to); n > 0 && (*to)[n-1].position == position {
			(*to)[n-1].last = t.Number
		} else {
			*to = append(*to, utterance{t.Number, t.Number, position})
		}
	}
	return nil
}

// positionOf returns the position of the commit that holds a message; 0 when it
// was said before.
func (u *utterances) positionOf(receiver int, number uint64) uint64 {
	to := u.to[receiver]
	i := sort.Search(len(to), func(i int) bool { return to[i].last >= number })
	if i == len(to) || number < to[i].first {
		return 0
	}
	return to[i].position
}
