package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	expectHeader = "Nats-Expected-Last-Subject-Sequence"

	// A replicated stream refuses an expectation while anything else of the
	// subject is in flight, even when the expectation is right.
	busyRetries = 100
	busyWait    = 5 * time.Millisecond
)

// LastCommit returns the sequence and bytes of a partition's last commit
// record; 0 and nil when there is none.
func (l *Log) LastCommit(ctx context.Context, p int) (seq uint64, data []byte, err error) {
	if err := l.checkPartition(p); err != nil {
		return 0, nil, err
	}
	var m *jetstream.RawStreamMsg
	err = l.ask(ctx, "the last commit of "+l.outStream(p), func(ctx context.Context) (err error) {
		m, err = l.out[p].GetLastMsgForSubject(ctx, l.outSubject(p))
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, err
	}
	return m.Sequence, m.Data, nil
}

// CommitAt returns the commit record with a sequence, or ErrNotFound.
func (l *Log) CommitAt(ctx context.Context, p int, seq uint64) (Message, error) {
	if err := l.checkPartition(p); err != nil {
		return Message{}, err
	}
	m, err := l.get(ctx, l.out[p], seq)
	if err != nil {
		return Message{}, err
	}
	return Message{Seq: m.Sequence, Stamp: m.Time.UnixMilli(), Data: m.Data}, nil
}

// RecordAt returns the record of a partition's input with a sequence, or
// ErrNotFound.
func (l *Log) RecordAt(ctx context.Context, p int, seq uint64) (Message, error) {
	if err := l.checkPartition(p); err != nil {
		return Message{}, err
	}
	m, err := l.get(ctx, l.in[p], seq)
	if err != nil {
		return Message{}, err
	}
	return Message{Seq: m.Sequence, Stamp: stampOf(m.Header, m.Time), Data: m.Data}, nil
}

// get returns a message of a stream.
func (l *Log) get(ctx context.Context, s jetstream.Stream, seq uint64, o ...jetstream.GetMsgOpt) (m *jetstream.RawStreamMsg, err error) {
	what := fmt.Sprintf("message %d of %s", seq, s.CachedInfo().Config.Name)
	err = l.ask(ctx, what, func(ctx context.Context) error {
		m, err = s.GetMsg(ctx, seq, o...)
		return err
	})
	return m, err
}

// Commit writes a commit record, at most MaxCommitBytes, if the last one of the
// partition has the sequence expect (0: there is none), and returns its
// sequence, which the next commit expects. One commit is in flight at a time.
//
// A FencedError means that another owner has committed, and so has the right
// to. After ErrUnknown ask LastCommit: if it shows the bytes sent, they are
// committed; if it still shows expect, commit the same bytes with the same
// expectation again. Should the first try arrive after all, the second is
// refused with a FencedError whose Last is the first try: look before giving
// up. When ctx ends first the error is ErrUnknown.
func (l *Log) Commit(ctx context.Context, p int, data []byte, expect uint64) (seq uint64, err error) {
	return await(ctx, func(done func(uint64, error)) error { return l.CommitAsync(p, data, expect, done) })
}

// CommitAsync is Commit without waiting. done is called once, on a goroutine that
// other partitions share, so it must be quick; not at all when CommitAsync
// returns an error. data must not change until then.
func (l *Log) CommitAsync(p int, data []byte, expect uint64, done func(seq uint64, err error)) error {
	if err := l.checkPartition(p); err != nil {
		return err
	}
	if len(data) > MaxCommitBytes {
		return fmt.Errorf("%w: a commit record of %d bytes, at most %d", ErrTooLarge, len(data), MaxCommitBytes)
	}
	c := &commit{
		log: l, lane: l.lane(p), subject: l.outSubject(p), stream: l.outStream(p), data: data, expect: expect, done: done,
		header: nats.Header{expectHeader: []string{strconv.FormatUint(expect, 10)}},
	}
	return c.send()
}

// commit is a commit record on its way.
type commit struct {
	log             *Log
	lane            *lane
	subject, stream string
	header          nats.Header
	data            []byte
	expect          uint64
	tries           int
	done            func(uint64, error)
}

func (c *commit) send() error {
	return c.lane.requests.send(c.subject, c.header, c.data, c.answered)
}

func (c *commit) answered(m *nats.Msg, err error) {
	if err != nil {
		c.done(0, err)
		return
	}
	seq, refusal, err := parseAck(m, c.stream)
	if refusal != nil {
		last, known := refusal.lastSequence()
		if known && last != c.expect {
			c.done(0, &FencedError{Stream: c.stream, Expect: c.expect, Last: last})
			return
		}
		if (known || refusal.ErrCode == codeWrongLastNow) && c.tries < busyRetries {
			c.tries++
			if !c.log.after(busyWait, c.again) {
				c.done(0, ErrClosed)
			}
			return
		}
		err = refusal.asError(c.stream)
	}
	c.done(seq, err)
}

func (c *commit) again() {
	if err := c.send(); err != nil {
		c.done(0, err)
	}
}

// lastSequence reads N from "wrong last sequence: N".
func (e *apiError) lastSequence() (uint64, bool) {
	if e.ErrCode != codeWrongLast {
		return 0, false
	}
	_, digits, _ := strings.Cut(e.Description, ": ")
	last, err := strconv.ParseUint(digits, 10, 64)
	return last, err == nil
}
