package sim

import (
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onhand/processor/worker"
	"onhand/state"
)

// disk is the state of one partition in one process, on a file system that
// forgets what was not synced when the power fails.
type disk struct {
	fs       *vfs.MemFS
	store    *state.Store
	position uint64 // of the state committed to the store
	durable  uint64 // of the state no crash can take away
}

func newDisk() *disk { return &disk{fs: vfs.NewCrashableMem()} }

func (d *disk) open(shared *state.Shared) (err error) {
	d.store, err = state.Open("state", state.Options{Shared: shared, FS: d.fs})
	return err
}

// flush makes durable what was committed.
func (d *disk) flush() error {
	if err := d.store.Flush(); err != nil {
		return err
	}
	d.durable = d.position
	return nil
}

// close closes the store as a process does that ends in order.
func (d *disk) close() error {
	err := d.store.Close()
	d.store, d.durable = nil, d.position
	return err
}

// crash cuts the power. Nothing unsynced is kept: keeping a part of it at
// random makes seeds that cannot be repeated.
func (d *disk) crash() error {
	after := durableClone(d.fs)
	err := d.store.Close()
	d.fs, d.store, d.position = after, nil, d.durable
	return err
}

// storeOf is a state.Store as a Partition uses it.
type storeOf struct{ *state.Store }

func (s storeOf) NewBatch() worker.Batch { return s.Store.NewBatch() }

// newShared returns what the small stores of a world share. A memtable is never
// filled, so that only the world says what becomes durable.
func newShared(fatal func(string)) *state.Shared {
	return state.NewShared(state.SharedOptions{
		CacheBytes: 1 << 20, MemTableBytes: 256 << 10, Stores: 1, Fatal: fatal,
		Logger: slog.New(slog.DiscardHandler),
	})
}
