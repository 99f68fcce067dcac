package seal

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"onhand/processor/jetstream"
)

// generation is how many keys a Ring remembers before it begins to forget: it
// keeps this generation and the one before.
const generation = 64 << 10

// ring is the keys of a deployment, those that were used lately in memory. It
// is safe for concurrent use.
type ring struct {
	keys jetstream.Keys

	mu         sync.Mutex
	young, old map[string]*key
	destroyed  uint64 // grows when keys may have been destroyed
}

func newRing(keys jetstream.Keys) *ring {
	return &ring{keys: keys, young: map[string]*key{}}
}

// forget drops keys that were destroyed; none named = all.
func (r *ring) forget(names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.destroyed++
	if len(names) == 0 {
		r.young, r.old = map[string]*key{}, nil
	}
	for _, name := range names {
		delete(r.young, name)
		delete(r.old, name)
	}
}

// known returns a key that is remembered, nil when it is not.
func (r *ring) known(name string) *key {
	if k := r.young[name]; k != nil {
		return k
	}
	k := r.old[name]
	if k != nil {
		r.remember(name, k)
	}
	return k
}

func (r *ring) remember(name string, k *key) {
	if len(r.young) >= generation {
		r.young, r.old = map[string]*key{}, r.young
	}
	r.young[name] = k
}

// ensure fills in the keys of all names, which are those of keys; new ones are
// made.
func (r *ring) ensure(ctx context.Context, keys map[string]*key) error {
	var missing []string
	r.mu.Lock()
	for name := range keys {
		if k := r.known(name); k != nil {
			keys[name] = k
		} else {
			missing = append(missing, name)
		}
	}
	before := r.destroyed
	r.mu.Unlock()
	for len(missing) > 0 {
		some := missing[:min(len(missing), jetstream.MaxKeyNames)]
		missing = missing[len(some):]
		found, err := r.keys.Ensure(ctx, some, newKey)
		if err != nil {
			return fmt.Errorf("seal: %w", err)
		}
		r.mu.Lock()
		for i, name := range some {
			if len(found[i]) != keyBytes {
				r.mu.Unlock()
				return fmt.Errorf("seal: the key %s has %d bytes, not %d", name, len(found[i]), keyBytes)
			}
			k := (*key)(found[i])
			if keys[name] = k; r.destroyed == before {
				r.remember(name, k)
			}
		}
		r.mu.Unlock()
	}
	return nil
}

// get returns a key by its name, or ErrDestroyed.
func (r *ring) get(ctx context.Context, name string) (*key, error) {
	r.mu.Lock()
	k, before := r.known(name), r.destroyed
	r.mu.Unlock()
	if k != nil {
		return k, nil
	}
	b, err := r.keys.Get(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrNotFound), err == nil && len(b) != keyBytes:
		return nil, ErrDestroyed
	case err != nil:
		return nil, fmt.Errorf("seal: %w", err)
	}
	k = (*key)(b)
	r.mu.Lock()
	if r.destroyed == before {
		r.remember(name, k)
	}
	r.mu.Unlock()
	return k, nil
}
