package worker

import (
	"os"
	"runtime/debug"
	"sync"

	"onhand/state"
)

// What a process may use is divided: a part is for entities in memory, and the
// stores of them take an eighth of that for their cache, and twice an eighth for
// their memtables. The rest is for the log, and for what waits to be collected.
const (
	entityShare = 4
	storeShare  = 8
)

// EntityMemory returns the part of what a process may use that is for entities:
// Config.Memory. Bytes.
func EntityMemory(limit int64) int64 { return limit / entityShare }

// heapMemory returns the part of it that Go knows of.
func heapMemory(limit int64) int64 {
	if !state.OffHeap {
		return limit
	}
	return limit - 3*EntityMemory(limit)/storeShare
}

// heapGrowth is by how many percent the heap may grow between two collections
// while memory is left. On two cores a collection keeps what has to be decided
// waiting for tens of milliseconds, and at the default of 100 there is one every
// few seconds even at a thousand events a second.
const heapGrowth = 400

// heapAdvised is for once in a process: its addresses are given out once.
var heapAdvised sync.Once

// LimitMemory tells the garbage collector that the process may use so many
// bytes, with what stores take outside its heap, and to let it until then, and
// the system to lay them in huge pages. GOMEMLIMIT and GOGC have the last word.
// It returns the limit in force, and what takes both words to the collector back.
func LimitMemory(limit int64) (inForce int64, undo func()) {
	before, growth := debug.SetMemoryLimit(-1), -1
	if os.Getenv("GOMEMLIMIT") != "" {
		limit = min(limit, before)
	} else {
		debug.SetMemoryLimit(heapMemory(limit))
	}
	heapAdvised.Do(func() { hugePages(limit) })
	if os.Getenv("GOGC") == "" {
		growth = debug.SetGCPercent(heapGrowth)
	}
	return limit, func() {
		debug.SetMemoryLimit(before)
		if growth >= 0 {
			debug.SetGCPercent(growth)
		}
	}
}
