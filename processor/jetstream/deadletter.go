package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// DeadLetter is something that could not be processed, kept with its cause for
// people to look at.
type DeadLetter struct {
	Seq  uint64
	At   time.Time // when it was put, by the server's clock
	Key  string    // as given to Put
	Data []byte
}

// DeadLetters keeps dead letters. It refuses new ones, with ErrOverloaded, when
// it is full.
type DeadLetters struct{ log *Log }

const keyHeader = "Onhand-Key"

// DeadLetters returns the dead letters of the deployment.
func (l *Log) DeadLetters() DeadLetters { return DeadLetters{l} }

// Put keeps a letter and returns its sequence. key is a line of text for the
// reader, for example what kind of letter it is.
func (d DeadLetters) Put(ctx context.Context, key string, data []byte) (seq uint64, err error) {
	done := make(chan struct{})
	err = d.log.publish(d.log.deadSubject(), d.log.deadStream(), nats.Header{keyHeader: []string{key}}, data,
		func(s uint64, e error) {
			seq, err = s, e
			close(done)
		})
	if err != nil {
		return 0, err
	}
	select {
	case <-done:
		return seq, err
	case <-ctx.Done():
		return 0, fmt.Errorf("%w (%w)", ErrUnknown, ctx.Err())
	}
}

// List returns up to n letters from a sequence on, oldest first.
func (d DeadLetters) List(ctx context.Context, from uint64, n int) ([]DeadLetter, error) {
	var letters []DeadLetter
	for next := max(from, 1); len(letters) < n; {
		m, err := d.log.dead.GetMsg(ctx, next, jetstream.WithGetMsgSubject(d.log.deadSubject()))
		if err != nil {
			if err = asked(err, "listing dead letters"); errors.Is(err, ErrNotFound) {
				return letters, nil
			}
			return letters, err
		}
		letters = append(letters, letter(m))
		next = m.Sequence + 1
	}
	return letters, nil
}

// Get returns one letter, or ErrNotFound.
func (d DeadLetters) Get(ctx context.Context, seq uint64) (DeadLetter, error) {
	m, err := d.log.dead.GetMsg(ctx, seq)
	if err != nil {
		return DeadLetter{}, asked(err, fmt.Sprintf("dead letter %d", seq))
	}
	return letter(m), nil
}

// Purge drops one letter. One that is not there is ErrNotFound.
func (d DeadLetters) Purge(ctx context.Context, seq uint64) error {
	return asked(d.log.dead.DeleteMsg(ctx, seq), fmt.Sprintf("dead letter %d", seq))
}

// PurgeAll drops all letters up to a sequence, so that none is dropped that
// nobody has seen.
func (d DeadLetters) PurgeAll(ctx context.Context, upTo uint64) error {
	return asked(d.log.dead.Purge(ctx, jetstream.WithPurgeSequence(upTo+1)), "purging dead letters")
}

func letter(m *jetstream.RawStreamMsg) DeadLetter {
	return DeadLetter{Seq: m.Sequence, At: m.Time, Key: m.Header.Get(keyHeader), Data: m.Data}
}
