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
	header := nats.Header{keyHeader: []string{key}}
	return await(ctx, func(done func(uint64, error)) error {
		return d.log.lane(0).publish(d.log.deadSubject(), d.log.deadStream(), header, data, done)
	})
}

// List returns up to n letters from a sequence on, oldest first.
func (d DeadLetters) List(ctx context.Context, from uint64, n int) ([]DeadLetter, error) {
	var letters []DeadLetter
	for next := max(from, 1); len(letters) < n; {
		m, err := d.log.get(ctx, d.log.dead, next, jetstream.WithGetMsgSubject(d.log.deadSubject()))
		if errors.Is(err, ErrNotFound) {
			return letters, nil
		}
		if err != nil {
			return letters, err
		}
		letters = append(letters, letter(m))
		next = m.Sequence + 1
	}
	return letters, nil
}

// Get returns one letter, or ErrNotFound.
func (d DeadLetters) Get(ctx context.Context, seq uint64) (DeadLetter, error) {
	m, err := d.log.get(ctx, d.log.dead, seq)
	if err != nil {
		return DeadLetter{}, err
	}
	return letter(m), nil
}

// Purge drops one letter. One that is not there is ErrNotFound.
func (d DeadLetters) Purge(ctx context.Context, seq uint64) error {
	err := d.log.ask(ctx, fmt.Sprintf("purging dead letter %d", seq), func(ctx context.Context) error {
		return d.log.dead.DeleteMsg(ctx, seq)
	})
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) { // which does not tell why
		if _, missing := d.Get(ctx, seq); missing != nil {
			return missing
		}
	}
	return err
}

// PurgeAll drops all letters up to a sequence, so that none is dropped that
// nobody has seen.
func (d DeadLetters) PurgeAll(ctx context.Context, upTo uint64) error {
	return d.log.purge(ctx, d.log.dead, upTo+1)
}

func letter(m *jetstream.RawStreamMsg) DeadLetter {
	return DeadLetter{Seq: m.Sequence, At: m.Time, Key: m.Header.Get(keyHeader), Data: m.Data}
}
