package seal

import (
	"context"
	"strings"

	"onhand/processor"
	"onhand/processor/jetstream"
)

// Sealer seals the personal data of events and opens it again. It is safe for
// concurrent use.
type Sealer struct {
	ring *ring
	stop func()
}

// New returns a sealer with the keys of a deployment. Close ends it.
func New(keys jetstream.Keys) (*Sealer, error) {
	s := &Sealer{ring: newRing(keys)}
	var err error
	s.stop, err = keys.Destroyed(s.ring.forget)
	return s, err
}

// AddressKey returns the key of the deployment with which ids are made of
// telephone numbers and mail addresses (segment.PhoneID). It is made once, and kept beside the customers'.
func (s *Sealer) AddressKey(ctx context.Context) ([]byte, error) {
	name := nameOf("\x00phones") // no id has a control character
	keys := map[string]*key{name: nil}
	if err := s.ring.ensure(ctx, keys); err != nil {
		return nil, err
	}
	return keys[name][:], nil
}

// Close lets go of what the sealer listens to.
func (s *Sealer) Close() { s.stop() }

// Seal replaces the personal data in Traits and Properties of events by what it
// is sealed to. Both stay JSON objects of at most processor.MaxSealedBytes;
// what they were is not changed. When it returns an error, no event may be
// used: the keys cannot be had now.
func (s *Sealer) Seal(ctx context.Context, events []processor.Event) error {
	var found []int // of events
	for i := range events {
		if e := &events[i]; holds(e.Traits, tableOf(e)) || holds(e.Properties, properties) && !ofCatalogue(e.Kind) {
			found = append(found, i)
		}
	}
	if found == nil {
		return nil
	}
	names := make([]string, len(found)) // of keys
	keys := make(map[string]*key, len(found))
	for j, i := range found {
		if id := events[i].Customer(); id != "" {
			names[j] = nameOf(id)
			keys[names[j]] = nil
		}
	}
	if err := s.ring.ensure(ctx, keys); err != nil {
		return err
	}
	for j, i := range found {
		e := &events[i]
		x := sealing{key: keys[names[j]], name: names[j]}
		if len(e.Traits) > 0 {
			e.Traits = x.object(e.Traits, tableOf(e))
		}
		if len(e.Properties) > 0 && !ofCatalogue(e.Kind) {
			e.Properties = x.object(e.Properties, properties)
		}
	}
	return nil
}

// tableOf returns the rules of an event's traits: those of a group are no
// person's.
func tableOf(e *processor.Event) *table {
	if e.Kind == processor.Group {
		return properties
	}
	return traits
}

// ofCatalogue reports whether events of a kind are about the shop's own goods.
func ofCatalogue(k processor.Kind) bool {
	return k.OfShop() || k.OfItem() && k != processor.ItemSold && k != processor.ItemReturned
}

// holds reports whether an object holds personal data.
func holds(object []byte, t *table) (found bool) {
	if len(object) == 0 {
		return false
	}
	members(object, func(k []byte, _, from, to int) bool {
		found = t.rule(k) != leave && !empty(object[from:to])
		return !found
	})
	return found
}

// sealing seals for one customer; without a key what would be sealed is left
// out.
type sealing struct {
	key    *key
	name   string
	values int
	tools  tools // made for the first value
}

// seal appends a text, sealed.
func (x *sealing) seal(dst []byte, plain string) []byte {
	if x.tools.aead == nil {
		x.tools = x.key.tools()
	}
	return x.tools.seal(dst, x.name, plain)
}

// maxValues bounds what is sealed of one event, for each value takes some room
// of its own; what goes beyond is left out. An object has fewer keys with a
// rule, unless it repeats them.
const maxValues = 64

// object returns an object with the personal data in it sealed.
func (x *sealing) object(b []byte, t *table) []byte {
	var out []byte
	done := 0
	members(b, func(k []byte, _, from, to int) bool {
		v := b[from:to]
		r := t.rule(k)
		if r == leave || empty(v) {
			return true
		}
		if out == nil {
			out = make([]byte, 0, len(b)+len(b)/2+128)
		}
		out = append(out, b[done:from]...)
		out = x.value(out, v, r)
		done = to
		return true
	})
	if out == nil {
		return b
	}
	return append(out, b[done:]...)
}

// value appends a value, sealed.
func (x *sealing) value(dst, v []byte, r rule) []byte {
	if x.values++; x.key == nil || x.values > maxValues {
		return append(dst, "null"...)
	}
	s := plain(v)
	switch {
	case r == composed && v[0] == '{':
		return x.members(dst, v)
	case r == email:
		s = strings.TrimSpace(s)
		if low := strings.ToLower(s); len(low) <= len(s) { // no letter that grows
			s = low
		}
	case r == phone:
		s = strings.TrimSpace(s)
	}
	if s == "" {
		return append(dst, `""`...)
	}
	dst = append(dst, '"')
	dst = x.seal(dst, s)
	return append(dst, '"')
}

// members appends an object whose members are sealed as one, but for those that
// stay as they are.
func (x *sealing) members(dst, b []byte) []byte {
	rest, kept := []byte{'{'}, len(dst)+1
	dst = append(dst, '{')
	members(b, func(k []byte, start, from, to int) bool {
		if clearMembers[string(k)] && b[from] != '{' && b[from] != '[' {
			dst = append(append(dst, b[start:to]...), ',')
		} else {
			rest = append(append(rest, b[start:to]...), ',')
		}
		return true
	})
	if len(rest) > 1 {
		rest[len(rest)-1] = '}'
		dst = append(append(dst, '"'), sealedMember+`":"`...)
		dst = x.seal(dst, string(rest))
		return append(dst, `"}`...)
	}
	return append(dst[:max(kept, len(dst)-1)], '}')
}

// Open returns the text of what was sealed. The error is ErrDestroyed,
// ErrNotSealed, or says that the key cannot be had now.
func (s *Sealer) Open(ctx context.Context, sealed string) (string, error) {
	name, box, err := parse(sealed)
	if err != nil {
		return "", err
	}
	k, err := s.ring.get(ctx, name)
	if err != nil {
		return "", err
	}
	return k.open(name, box)
}

// Names returns the names of the keys of customers' ids.
func Names(ids []string) []string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = nameOf(id)
	}
	return names
}

// Destroy destroys the keys of customers' ids and returns how many there were.
func (s *Sealer) Destroy(ctx context.Context, ids []string) (int, error) {
	names := Names(ids)
	s.ring.forget(names)
	n, err := s.ring.keys.Destroy(ctx, names)
	s.ring.forget(names)
	return n, err
}
