package state

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// SharedOptions says what the stores of a process share.
type SharedOptions struct {
	// CacheBytes is the size of the block cache for reads, without the part
	// Pebble reserves for memtables. 0 means 64 MiB.
	CacheBytes int64
	// MemTableBytes is the size of one memtable; an active store holds up to
	// two, more while the disk is behind. 0 means 16 MiB.
	MemTableBytes uint64
	// Stores is the number of stores expected open at once; caches and the
	// disk reserve are sized by it. 0 means 16.
	Stores int
	// MinFreeBytes is the free disk space below which Healthy asks for a pause.
	// 0 means what all memtables need twice, at least 64 MiB.
	MinFreeBytes uint64
	// Logger receives what the stores report. nil means slog.Default.
	Logger *slog.Logger
	// Fatal is called when a store cannot go on and must not be trusted, on a
	// goroutine of Pebble that holds its locks. It must end the process and not
	// return. nil means log and os.Exit(1).
	Fatal func(msg string)
}

// Shared is what all stores of a process share: the block cache, the cache of
// open files, the watch over slow disk operations, and the one turn to compact.
type Shared struct {
	o         SharedOptions
	log       *slog.Logger
	cache     *pebble.Cache
	files     *pebble.FileCache
	scheduler *scheduler
	disk      vfs.FS
	watch     io.Closer
	open      atomic.Int64
}

// NewShared starts what stores share. Close it after the last store.
func NewShared(o SharedOptions) *Shared {
	if o.CacheBytes <= 0 {
		o.CacheBytes = 64 << 20
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = 16 << 20
	}
	if o.Stores <= 0 {
		o.Stores = 16
	}
	memtables := uint64(o.Stores) * 2 * o.MemTableBytes
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = max(2*memtables, 64<<20)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Shared{
		o:   o,
		log: o.Logger,
		// Memtables are taken out of the block cache's budget.
		cache:     pebble.NewCache(o.CacheBytes + int64(memtables)),
		files:     pebble.NewFileCache(runtime.GOMAXPROCS(0), max(1024, 256*o.Stores)),
		scheduler: newScheduler(),
	}
	s.disk, s.watch = vfs.WithDiskHealthChecks(vfs.Default, 5*time.Second, nil, func(info vfs.DiskSlowInfo) {
		// The watch must not wait for I/O, and a log may.
		go s.log.Warn("disk is slow", "what", info.String())
	})
	return s
}

// Close frees what was shared. Every store must be closed before.
func (s *Shared) Close() {
	if n := s.open.Load(); n != 0 {
		s.log.Error("shared state closed before its stores", "open", n)
	}
	s.scheduler.stop()
	s.files.Unref()
	s.cache.Unref()
	_ = s.watch.Close()
}

// fatal ends the process.
func (s *Shared) fatal(msg string) {
	if s.o.Fatal == nil {
		s.log.Error("state is lost, the process ends; the log will be replayed", "why", msg)
		os.Exit(1)
	}
	s.o.Fatal(msg)
	panic(fmt.Sprintf("state: Fatal returned: %s", msg))
}
