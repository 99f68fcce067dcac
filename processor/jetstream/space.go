package jetstream

import (
	"sync"
	"time"
)

// spaceKept is the disk space that inlets leave free: commits, messages
// between partitions and heartbeats still need some. A server that finds no
// space at all writes nothing more until it is started anew.
const spaceKept = 128 << 20

// spaceCheck bounds how often free space is asked for.
const spaceCheck = 100 * time.Millisecond

// space watches the free space of a disk.
type space struct {
	dir string

	mu    sync.Mutex
	asked time.Time
	free  uint64
}

// low reports whether inlets must leave what is free to others.
func (s *space) low() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.asked) > spaceCheck {
		s.asked, s.free = now, freeBytes(s.dir)
	}
	return s.free < spaceKept
}
