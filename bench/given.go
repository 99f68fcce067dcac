package bench

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	spin = 500 * time.Millisecond

	chaseRoom  = 256 << 20 // beyond every cache
	chaseReads = 1 << 21
)

// coresGiven measures how many of its cores a virtual machine really gets: as
// many threads as there are cores do nothing but compute for a while. What is
// missing went to other machines of the host or other processes of this one; it
// does not show as idle.
func coresGiven() float64 {
	used, start := cpu(), time.Now()
	var threads sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		threads.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for x := uint64(1); time.Since(start) < spin; {
				x = x*6364136223846793005 + 1
			}
		})
	}
	threads.Wait()
	return (cpu() - used).Seconds() / time.Since(start).Seconds()
}

// memoryWait measures how long a read takes that depends on the one before and
// is in no cache, in ns: what a step mostly waits for when there are a million
// customers. Neighbours on a host share its last cache and its memory.
func memoryWait() (ns float64, err error) {
	room, err := syscall.Mmap(-1, 0, chaseRoom, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return 0, fmt.Errorf("bench: %d MiB to measure memory with: %w", chaseRoom>>20, err)
	}
	for at := 0; at < chaseRoom; at += 4096 {
		room[at] = 1
	}
	start, x := time.Now(), uint32(1)
	for range chaseReads {
		// A generator of Numerical Recipes' constants visits places at random;
		// the byte read is part of its state, so no read can begin early.
		x = x*1664525 + 1013904223 + uint32(room[x%chaseRoom])
	}
	took := time.Since(start)
	runtime.KeepAlive(x)
	return float64(took.Nanoseconds()) / chaseReads, syscall.Munmap(room)
}
