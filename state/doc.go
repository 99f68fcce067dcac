// Package state keeps what a partition remembers, on disk: one Pebble database
// per partition. It knows bytes, keys and timers; what they mean is the
// caller's business, and values carry the caller's own version.
//
// # The story of a batch
//
// A partition applies its log in memory and remembers which entities changed.
// Every few seconds it writes them down together with the position in the log
// they stand for:
//
//	entities, timers, seen ids -> Batch -> Commit(mark) -> memtable -> table on disk
//	                                          |                           |
//	                                       Mark()                     Durable()
//
// A large batch is written into a table at once, which Pebble takes in whole.
//
// There is no write-ahead log: the partition's log is the write-ahead log. A
// batch is atomic and a crash keeps an exact prefix of the batches, so the
// mark found after a crash is the position of exactly the state found with it,
// and the partition replays its log from there. Mark is the last batch
// committed, Durable the last one that no crash can take away.
//
// # Keys
//
// Numbers are big endian, so that keys sort as the numbers do. The first byte
// says what a key is; kinds of entity are at most MaxKind.
//
//	key                                   value
//	kind(1) hash(8)                       an entity, in the caller's encoding
//	'd' hour(4) slot(2) chunk(8)          message ids seen in that hour, 8 bytes each, ascending
//	'f'                                   due(8): no timer due before it is left
//	'm'                                   layout(1) chunks(8) mark: the last batch
//	't' due(8) kind(1) hash(8)            empty: a timer
//
// Ids seen are written in chunks, not one by one: slot is the top 12 bits of
// an id, and the ids of one batch, hour and slot form one value. A busy
// partition so writes some sixty ids per key, an idle one a single id, and a
// look-up reads one slot of an hour. Whole hours are dropped with one range
// deletion.
//
// # Sharing
//
// All stores of a process share a block cache, a cache of open files and one
// turn to compact: at most one compaction runs in the process. Sixteen stores
// that compact when they like make the slowest answers fifty times slower.
//
// # When the disk gives trouble
//
// A full disk ends nothing: what could not be written is tried again, slowly,
// until space returns; meanwhile reads go on, and Healthy, Commit and Close say
// ErrDisk. A block that does not match its checksum makes the store bad for
// good: it takes no more writes and says ErrCorrupt, and its owner restores a
// checkpoint. What Pebble cannot survive, such as a manifest that cannot be
// synced, ends the process, and the log is replayed.
package state
