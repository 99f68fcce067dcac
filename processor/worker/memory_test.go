package worker

import (
	"runtime/debug"
	"testing"
)

func TestTheEnvironmentHasTheLastWordOnMemory(t *testing.T) {
	state := func() (limit int64, growth int) {
		growth = debug.SetGCPercent(100)
		debug.SetGCPercent(growth)
		return debug.SetMemoryLimit(-1), growth
	}
	limit, growth := state()
	for _, x := range []struct {
		memory, gogc string
		limit        int64
		growth       int
	}{
		{"", "", 1 << 32, heapGrowth},
		{"1GiB", "", limit, heapGrowth},
		{"", "50", 1 << 32, growth},
	} {
		t.Setenv("GOMEMLIMIT", x.memory)
		t.Setenv("GOGC", x.gogc)
		told, undo := LimitMemory(1 << 32)
		if l, g := state(); l != x.limit || g != x.growth || told != min(l, 1<<32) {
			t.Errorf("%+v: %d bytes, %d percent, told %d", x, l, g, told)
		}
		undo()
		if l, g := state(); l != limit || g != growth {
			t.Errorf("%+v: afterwards %d bytes, %d percent", x, l, g)
		}
	}
}
