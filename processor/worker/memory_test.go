package worker

import (
	"runtime/debug"
	"testing"

	"onhand/state"
)

func TestTheEnvironmentHasTheLastWordOnMemory(t *testing.T) {
	inForce := func() (limit int64, growth int) {
		growth = debug.SetGCPercent(100)
		debug.SetGCPercent(growth)
		return debug.SetMemoryLimit(-1), growth
	}
	limit, growth := inForce()
	heap := int64(32 << 27)
	if state.OffHeap {
		heap = 29 << 27 // less an eighth of a quarter for a cache, and two for memtables
	}
	for _, x := range []struct {
		memory, gogc string
		limit        int64
		growth       int
	}{
		{"", "", heap, heapGrowth},
		{"1GiB", "", limit, heapGrowth},
		{"", "50", heap, growth},
	} {
		t.Setenv("GOMEMLIMIT", x.memory)
		t.Setenv("GOGC", x.gogc)
		told, undo := LimitMemory(1 << 32)
		if l, g := inForce(); l != x.limit || g != x.growth || told != 1<<32 {
			t.Errorf("%+v: %d bytes, %d percent, told %d", x, l, g, told)
		}
		undo()
		if l, g := inForce(); l != limit || g != growth {
			t.Errorf("%+v: afterwards %d bytes, %d percent", x, l, g)
		}
	}
}
