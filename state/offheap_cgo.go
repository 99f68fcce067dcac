//go:build cgo

package state

// OffHeap says that Pebble takes its cache and its memtables from C, where Go's
// memory limit does not count them.
const OffHeap = true
