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

// DeadLetters keeps dead letters, of two kinds: entries of the log whose step
// failed, and what was refused at an inlet. When it is full, the oldest quarter
// of what was refused goes, which is counted and logged: whoever sends rubbish
// takes no room from what had been accepted, and holds up nobody. What failed
// never goes by itself; when nothing but it is left a new letter is refused,
// with ErrOverloaded.
type DeadLetters struct{ log *Log }

const keyHeader = "Onhand-Key"

// LetterKind is which kind of dead letter something is.
type LetterKind string

// The kinds of dead letters, as their subjects end.
const (
	FailedLetter  LetterKind = "failed"
	RefusedLetter LetterKind = "refused"
)

func (l *Log) deadSubject(kind LetterKind) string { return l.name + ".dead." + string(kind) }

// deadTries is how often a letter is put while others take the room that was
// made.
const deadTries = 10

// DeadLetters returns the dead letters of the deployment.
func (l *Log) DeadLetters() DeadLetters { return DeadLetters{l} }

// Put keeps a letter and returns its sequence. key is a line of text for the
// reader, for example which inlet refused it.
func (d DeadLetters) Put(ctx context.Context, kind LetterKind, key string, data []byte) (seq uint64, err error) {
	header := nats.Header{keyHeader: []string{key}}
	for range deadTries {
		seq, err = await(ctx, func(done func(uint64, error)) error {
			return d.log.lane(0).publish(d.log.deadSubject(kind), d.log.deadStream(), header, data, done)
		})
		if !errors.Is(err, ErrOverloaded) {
			return seq, err
		}
		if room, failed := d.makeRoom(ctx, len(data)+headerSlack); failed != nil {
			return 0, failed
		} else if !room {
			return 0, err
		}
	}
	return 0, err
}

// makeRoom drops the oldest of what was refused, unless there is room for so
// many bytes. It reports whether there may be some now.
func (d DeadLetters) makeRoom(ctx context.Context, bytes int) (room bool, err error) {
	l := d.log
	l.deadRoom.Lock() // of many that find it full one makes room
	defer l.deadRoom.Unlock()
	var info *jetstream.StreamInfo
	err = l.ask(ctx, "the dead letters", func(ctx context.Context) error {
		info, err = l.dead.Info(ctx, jetstream.WithSubjectFilter(l.deadSubject(RefusedLetter)))
		return err
	})
	if err != nil {
		return false, err
	}
	if int64(info.State.Bytes)+int64(bytes) < info.Config.MaxBytes {
		return true, nil // somebody else has made some, or it is not the stream that is full
	}
	n := info.State.Subjects[l.deadSubject(RefusedLetter)]
	if n == 0 {
		return false, nil
	}
	kept := n / 4 * 3
	err = l.ask(ctx, "dropping dead letters", func(ctx context.Context) error {
		return l.dead.Purge(ctx, jetstream.WithPurgeSubject(l.deadSubject(RefusedLetter)), jetstream.WithPurgeKeep(kept))
	})
	if err != nil {
		return false, err
	}
	l.deadDropped.Add(n - kept)
	l.logger.Error("the dead letters were full: the oldest of what inlets have refused is dropped; see what senders do wrong with onhand dlq list, and purge what was seen",
		"dropped", n-kept, "kept", kept)
	return true, nil
}

// Dropped returns how many letters this process has dropped to make room for
// new ones.
func (d DeadLetters) Dropped() uint64 { return d.log.deadDropped.Load() }

// List returns up to n letters from a sequence on, oldest first.
func (d DeadLetters) List(ctx context.Context, from uint64, n int) ([]DeadLetter, error) {
	var letters []DeadLetter
	for next := max(from, 1); len(letters) < n; {
		m, err := d.log.get(ctx, d.log.dead, next, jetstream.WithGetMsgSubject(d.log.deadSubject(">")))
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
