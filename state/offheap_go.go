//go:build !cgo

package state

// OffHeap says that Pebble takes its cache and its memtables from C, where Go's
// memory limit does not count them. Here they are on Go's heap.
const OffHeap = false
