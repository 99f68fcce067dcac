package worker

import (
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// heapChunk is what the heap grows by at once.
const heapChunk = 64 << 20

// hugePages asks the system to lay the next bytes of the heap in huge pages. A
// million customers are in no cache, and a good part of the wait for one is for
// the tables that say where its page lies. Go does not ask for them, and most
// systems give them to who asks only.
//
// The heap keeps its addresses for good. So it is made as large as that once,
// untouched, which takes no memory, and what was said of its addresses holds
// for all that comes to lie there. A kernel that has none changes nothing.
func hugePages(bytes int64) {
	// Go ends a program that gets no addresses, so they are asked for here first.
	room, err := unix.Mmap(-1, 0, int(bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil || unix.Munmap(room) != nil {
		return
	}
	var chunks [][]byte
	for n := int64(0); n < bytes; n += heapChunk {
		chunk := make([]byte, heapChunk)
		if unix.Madvise(chunk, unix.MADV_HUGEPAGE) != nil {
			break
		}
		chunks = append(chunks, chunk)
	}
	runtime.KeepAlive(chunks)
	debug.FreeOSMemory()
}
