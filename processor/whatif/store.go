package whatif

import (
	"fmt"
	"math"
	"path/filepath"
	"runtime/debug"
	"strconv"

	"onhand/processor"
	"onhand/state"
)

// flushEvery is how many bytes of log a machine applies between write-behinds.
// Until then what it has changed stays in memory.
const flushEvery = 8 << 20

// machine is a partition's machine on a state of its own, which nobody else
// has.
type machine struct {
	*processor.Machine
	store *state.Store
	bytes int // of log since the last write-behind
}

func openMachine(c processor.Config, dir string, shared *state.Shared) (*machine, error) {
	store, err := state.Open(dir, state.Options{Shared: shared})
	if err != nil {
		return nil, err
	}
	m, err := processor.NewMachine(c, store)
	if err != nil {
		store.Close()
		return nil, err
	}
	return &machine{Machine: m, store: store}, nil
}

// apply applies a record, and writes the state behind now and then. A panic,
// which would be that of a step, becomes an error.
func (m *machine) apply(seq uint64, stamp int64, data []byte, out *processor.Outputs) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("whatif: record %d cannot be applied: %v\n%s", seq, r, debug.Stack())
		}
	}()
	m.Apply(seq, stamp, data, out)
	if m.bytes += len(data); m.bytes >= flushEvery {
		return m.flush()
	}
	return nil
}

// flush makes the state durable.
func (m *machine) flush() error {
	b := m.store.NewBatch()
	mark := m.BeginFlush(b)
	m.FlushSome(math.MaxInt)
	if err := b.Commit(mark); err != nil {
		return err
	}
	m.FlushDone()
	m.Evict()
	m.bytes = 0
	return nil
}

// dirOf returns the folder of a partition's state in one of the worlds.
func dirOf(dir, world string, part int) string {
	return filepath.Join(dir, world, strconv.Itoa(part))
}
