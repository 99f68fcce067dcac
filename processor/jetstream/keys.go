package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// Keys is the bucket of the keys that personal data in the log is sealed with,
// one per customer: NATS KV, kept by as many servers as the streams. Unlike a
// bucket that the client library makes it permits a message to be deleted, for
// that is the only deletion that overwrites the bytes on the disk: a delete or
// purge of a bucket leaves them lying about until the block is compacted. And
// it is read from its leader only, so that a key that is not found is not
// there.
//
// A key is at most maxKeyBytes, its name a token.
type Keys struct{ log *Log }

// Limits of the keys.
const (
	MaxKeyNames = 1024 // of one call
	maxKeyBytes = 256

	keysAtOnce  = 16 // questions under way of one call
	keysSilence = time.Second
)

// ErrKeyRefused means that a name is not a token, or a key has no bytes or too
// many.
var ErrKeyRefused = errors.New("jetstream: a key has a name of letters, digits, - and _, and from 1 to 256 bytes")

// Keys returns the keys of the deployment.
func (l *Log) Keys() Keys { return Keys{l} }

// keysStream is the bucket's stream, as KV clients look for it.
func (l *Log) keysStream() string            { return "KV_" + l.name + "-keys" }
func (l *Log) keySubject(name string) string { return "$KV." + l.name + "-keys." + name }
func (l *Log) keysDestroyedSubject() string  { return l.name + ".keys.destroyed" }
func (l *Log) keysConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: l.keysStream(), Subjects: []string{l.keySubject(">")}, MaxMsgsPerSubject: 1,
		MaxMsgSize: maxKeyBytes + headerSlack, AllowRollup: true,
	}
}

// Ensure returns the keys of names, at most MaxKeyNames. One that there is none
// of is made of what fresh returns; of two who make it at once, both get the
// first one's. When it returns they are kept as safely as events of the log.
func (k Keys) Ensure(ctx context.Context, names []string, fresh func() []byte) ([][]byte, error) {
	if len(names) > MaxKeyNames {
		return nil, fmt.Errorf("jetstream: %d keys at once, at most %d", len(names), MaxKeyNames)
	}
	type made struct {
		i   int
		err error
	}
	keys, results := make([][]byte, len(names)), make(chan made, len(names))
	for i, name := range names {
		if keys[i] = fresh(); !isToken(name) || len(keys[i]) == 0 || len(keys[i]) > maxKeyBytes {
			return nil, ErrKeyRefused
		}
	}
	var failed error
	waiting := 0
	// Most of those who ask have no key yet, so nobody asks whether there is one.
	header := nats.Header{expectHeader: []string{"0"}}
	for i, name := range names {
		err := k.log.lane(i).requests.send(k.log.keySubject(name), header, keys[i], func(m *nats.Msg, err error) {
			if err == nil {
				var refusal *apiError
				if _, refusal, err = parseAck(m, k.log.keysStream()); refusal != nil {
					if err = refusal.asError(k.log.keysStream()); refusal.ErrCode == codeWrongLast || refusal.ErrCode == codeWrongLastNow {
						err = errKeyExists
					}
				}
			}
			results <- made{i, err}
		})
		if failed = err; err != nil {
			break
		}
		waiting++
	}
	var there []int
	for ; waiting > 0; waiting-- {
		select {
		case r := <-results:
			switch {
			case errors.Is(r.err, errKeyExists), errors.Is(r.err, ErrUnknown):
				there = append(there, r.i)
			case r.err != nil:
				failed = r.err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("%w (%w)", ErrUnknown, ctx.Err())
		}
	}
	if failed != nil {
		return nil, failed
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(keysAtOnce)
	for _, i := range there {
		g.Go(func() (err error) {
			if keys[i], err = k.Get(ctx, names[i]); errors.Is(err, ErrNotFound) {
				err = ErrUnknown // it may still come, or was destroyed meanwhile: whoever asks again knows
			}
			return err
		})
	}
	return keys, g.Wait()
}

// restore makes the keys that all tells of.
func (k Keys) restore(ctx context.Context, all func(f func(name string, key []byte) error) error) error {
	var names []string
	var keys [][]byte
	write := func() error {
		next := -1
		_, err := k.Ensure(ctx, names, func() []byte { next++; return keys[next] })
		names, keys = names[:0], keys[:0]
		return err
	}
	err := all(func(name string, key []byte) error {
		if names, keys = append(names, name), append(keys, key); len(names) < MaxKeyNames {
			return nil
		}
		return write()
	})
	if err != nil {
		return err
	}
	return write()
}

var errKeyExists = errors.New("jetstream: there is a key of this name")

// Get returns a key, or ErrNotFound: it was never made, or it was destroyed.
func (k Keys) Get(ctx context.Context, name string) (key []byte, err error) {
	m, err := k.last(ctx, name)
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

func (k Keys) last(ctx context.Context, name string) (m *jetstream.RawStreamMsg, err error) {
	if !isToken(name) {
		return nil, ErrKeyRefused
	}
	err = k.log.ask(ctx, "a key", func(ctx context.Context) error {
		m, err = k.log.keys.GetLastMsgForSubject(ctx, k.log.keySubject(name))
		return err
	})
	return m, err
}

// Destroy overwrites and deletes the keys of names, tells all who hear
// Destroyed, and returns how many there were. Names without a key are no error:
// what did not end well is repeated. When it returns nil none is left.
func (k Keys) Destroy(ctx context.Context, names []string) (n int, err error) {
	for _, name := range names {
		for {
			m, err := k.last(ctx, name)
			if errors.Is(err, ErrNotFound) {
				break
			}
			if err != nil {
				return n, err
			}
			err = k.log.ask(ctx, "destroying a key", func(ctx context.Context) error {
				return k.log.keys.SecureDeleteMsg(ctx, m.Sequence)
			})
			if err != nil && !errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) { // somebody else was faster
				return n, err
			}
			if err == nil {
				n++
			}
		}
	}
	if err := k.log.read.nc.Publish(k.log.keysDestroyedSubject(), []byte(strings.Join(names, " "))); err != nil {
		return n, unsent(err)
	}
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	return n, asked(k.log.read.nc.FlushWithContext(ctx), "telling of destroyed keys")
}

// All calls f for every key there is at the time of the call, in no order, but
// perhaps for those that are destroyed meanwhile.
func (k Keys) All(ctx context.Context, f func(name string, key []byte) error) error {
	return k.log.ask(ctx, "all keys", func(ctx context.Context) error {
		info, err := k.log.keys.Info(ctx)
		if err != nil {
			return err
		}
		for last, end := uint64(0), info.State.LastSeq; last < end; {
			// A consumer may be at a server that is behind, or its first question
			// get lost: whether that was all is the leader's to say.
			_, err := k.log.keys.GetMsg(ctx, last+1, jetstream.WithGetMsgSubject(k.log.keySubject(">")))
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				return nil
			}
			if err == nil {
				last, err = k.read(ctx, last, end, f)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// read calls f for the keys behind a sequence, up to another, as far as they
// come, and returns how far they have.
func (k Keys) read(ctx context.Context, last, end uint64, f func(name string, key []byte) error) (uint64, error) {
	c, err := k.log.keys.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: last + 1})
	if err != nil {
		return last, err
	}
	all, err := c.Messages()
	if err != nil {
		return last, err
	}
	defer all.Stop()
	for last < end {
		m, err := nextKey(ctx, all)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return last, nil
		}
		if err != nil {
			return last, err
		}
		meta, err := m.Metadata()
		if err == nil {
			err = f(strings.TrimPrefix(m.Subject(), k.log.keySubject("")), m.Data())
		}
		if err != nil {
			return last, err
		}
		if last = meta.Sequence.Stream; meta.NumPending == 0 {
			break
		}
	}
	return last, nil
}

func nextKey(ctx context.Context, all jetstream.MessagesContext) (jetstream.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, keysSilence)
	defer cancel()
	return all.Next(jetstream.NextContext(ctx))
}

// Destroyed calls f with the names of keys that are destroyed from now on, so
// that whoever remembers them forgets them; with none when some may have been
// missed. f must be quick. stop ends it.
func (k Keys) Destroyed(f func(names []string)) (stop func(), err error) {
	w := &keyWatch{log: k.log, f: f}
	if w.sub, err = k.log.read.nc.Subscribe(k.log.keysDestroyedSubject(), func(m *nats.Msg) {
		f(strings.Fields(string(m.Data)))
	}); err != nil {
		return nil, unsent(err)
	}
	if err := k.log.adopt(w); err != nil {
		_ = w.sub.Unsubscribe()
		return nil, err
	}
	return w.stop, nil
}

// keyWatch hears of destroyed keys.
type keyWatch struct {
	log *Log
	sub *nats.Subscription
	f   func([]string)
}

func (w *keyWatch) stop() {
	_ = w.sub.Unsubscribe()
	w.log.release(w)
}

func (w *keyWatch) halt() { _ = w.sub.Unsubscribe() }

func (w *keyWatch) reconnected(c *connection) {
	if c == w.log.read {
		w.f(nil)
	}
}
