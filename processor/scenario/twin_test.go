package scenario

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor"
)

// twin is a second cluster that reads the log of a first one and has no memory
// of its own: after each record all of it is frozen, and some of it forgotten.
type twin struct {
	of       *cluster
	machines []*processor.Machine
	stores   []*store
	out      processor.Outputs
	forgets  bool
}

func newTwin(of *cluster, forgets bool) (*twin, error) {
	t := &twin{of: of, forgets: forgets}
	memory := int64(64 << 20)
	if forgets {
		memory = 0
	}
	for p := range of.machines {
		t.stores = append(t.stores, newStore())
		m, err := processor.NewMachine(processor.Config{Partition: p, Partitions: len(of.machines), Memory: memory}, t.stores[p])
		if err != nil {
			return nil, err
		}
		t.machines = append(t.machines, m)
	}
	return t, nil
}

// twinFlush is after how many records one who forgets saves what it knows.
const twinFlush = 3

// apply applies the record that the other has just applied, and compares.
func (t *twin) apply(p int) error {
	m, seq := t.machines[p], t.of.seq[p]
	t.out.Reset()
	m.Apply(seq, t.of.now, t.of.msg, &t.out)
	if a, b := t.of.machines[p].Shop().Hash, m.Shop().Hash; a != b || string(t.of.out.Buf) != string(t.out.Buf) {
		return fmt.Errorf("record %d of partition %d, %q: who froze all says %q (hash %016x), not %q (%016x)", seq, p, t.of.msg, t.out.Buf, b, t.of.out.Buf, a)
	}
	m.FreezeAll()
	if t.forgets && seq%twinFlush == 0 {
		t.stores[p].flush(m)
		m.Evict()
	}
	return nil
}

// same compares all that the two know.
func (t *twin) same() error {
	for p, m := range t.machines {
		t.stores[p].flush(m)
		t.of.stores[p].flush(t.of.machines[p])
		a, b := t.of.stores[p], t.stores[p]
		for at, value := range a.values {
			if other, ok := b.values[at]; !ok || !slices.Equal(value, other) {
				return fmt.Errorf("partition %d, %s %016x: who froze all has\n%q, not\n%q", p, processor.EntityKind(at.kind), at.hash, other, value)
			}
		}
		if len(a.values) != len(b.values) || !maps.Equal(a.timers, b.timers) {
			return fmt.Errorf("partition %d: who froze all has %d entities and the timers %v, not %d and %v", p, len(b.values), b.timers, len(a.values), a.timers)
		}
	}
	return nil
}

// What is live and what is frozen is nobody's business: in every scenario one
// who keeps nothing live says the same to the last byte and knows the same in
// the end, and so does one who forgets besides what is durable.
func TestWhoFreezesAllSaysTheSame(t *testing.T) {
	files, err := filepath.Glob("scenarios/*.yaml")
	require.NoError(t, err)
	for _, f := range files {
		list, faults := Load(f)
		require.Empty(t, faults)
		for i, s := range list {
			t.Run(filepath.Base(f)+"/"+s.Name, func(t *testing.T) {
				t.Parallel()
				var twins []*twin
				r := run(context.Background(), s, setting{partitions: 1 + i%3, with: func(c *cluster) {
					for _, forgets := range []bool{false, true} {
						other, err := newTwin(c, forgets)
						require.NoError(t, err)
						twins = append(twins, other)
					}
					c.beside = func(p int) error {
						for _, other := range twins {
							if err := other.apply(p); err != nil {
								return err
							}
						}
						return nil
					}
				}})
				if !r.OK() {
					t.Fatalf("\n%s", r.text())
				}
				for _, other := range twins {
					require.NoError(t, other.same())
				}
			})
		}
	}
}
