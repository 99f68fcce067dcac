package jetstream

import (
	"context"
	"fmt"

	"onhand/processor"

	"github.com/nats-io/nats.go"
)

// Append writes one whole record to the input of a partition, at once and
// alone, and returns its sequence. It is for what the deployment itself has to
// say (transfers, ticks, outcomes) and may use the last fifth of the stream,
// which a Packer may not. When ctx ends first the error is ErrUnknown.
func (l *Log) Append(ctx context.Context, p int, record []byte) (uint64, error) {
	return await(ctx, func(done func(uint64, error)) error { return l.AppendAsync(p, record, done) })
}

// await turns a write that calls back into one that waits.
func await(ctx context.Context, start func(done func(uint64, error)) error) (uint64, error) {
	type result struct {
		seq uint64
		err error
	}
	c := make(chan result, 1)
	if err := start(func(seq uint64, err error) { c <- result{seq, err} }); err != nil {
		return 0, err
	}
	select {
	case r := <-c:
		return r.seq, r.err
	case <-ctx.Done():
		return 0, fmt.Errorf("%w (%w)", ErrUnknown, ctx.Err())
	}
}

// AppendAsync is Append without waiting. done is called once, on a goroutine that
// other partitions share, so it must be quick; not at all when AppendAsync
// returns an error. Records of one partition arrive in the order of
// the calls, unless one of them fails. record may be reused on return.
func (l *Log) AppendAsync(p int, record []byte, done func(seq uint64, err error)) error {
	if err := l.checkPartition(p); err != nil {
		return err
	}
	if len(record) > processor.MaxRecordBytes {
		return fmt.Errorf("%w: a record of %d bytes, at most %d", ErrTooLarge, len(record), processor.MaxRecordBytes)
	}
	return l.lane(p).publish(l.inSubject(p), l.inStream(p), nil, record, done)
}

// publish writes a message to a stream.
func (x *lane) publish(subject, stream string, header nats.Header, data []byte, done func(uint64, error)) error {
	return x.requests.send(subject, header, data, func(m *nats.Msg, err error) {
		if err != nil {
			done(0, err)
			return
		}
		seq, refusal, err := parseAck(m, stream)
		if refusal != nil {
			err = refusal.asError(stream)
		}
		done(seq, err)
	})
}
