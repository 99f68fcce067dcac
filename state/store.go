package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options says how a store is opened.
type Options struct {
	Shared *Shared      // required
	FS     vfs.FS       // nil means the disk
	Logger *slog.Logger // nil means the logger of Shared

	listen *pebble.EventListener // tests watch compactions
}

// Store is the state of one partition on disk. One goroutine commits, flushes
// and closes it. Another may read and fill batches beside Commit and Flush, but
// not beside Close. Healthy, Metrics and Durable may be called from any, and
// are the only ones that may be called once the store is closed.
type Store struct {
	dir    string
	db     *pebble.DB
	shared *Shared
	disk   *disk
	log    *slog.Logger

	grown  uint64        // bytes committed since room last looked
	fired  int64         // the cursor committed last
	batch  atomic.Int64  // size of the batch committed last, which the next will be like
	chunks atomic.Uint64 // number of the last chunk of seen ids
	table  sstable.WriterOptions

	bad        atomic.Pointer[error] // corruption, for good
	stalled    atomic.Bool
	complained atomic.Int64 // Unix s of the last complaint

	lookers sync.WaitGroup

	mu     sync.Mutex // the owner closing against others reading
	closed bool
	last   Metrics
}

// Open opens the store in dir and creates it when there is none. It fails when
// another process or store has dir open, when the disk is nearly full, and with
// ErrCorrupt when what is there cannot be read.
func Open(dir string, o Options) (_ *Store, err error) {
	s := &Store{dir: dir, shared: o.Shared, log: o.Logger}
	if s.log == nil {
		s.log = o.Shared.log
	}
	s.log = s.log.With("dir", dir)
	below := o.FS
	if below == nil {
		below = o.Shared.disk
	}
	s.disk = newDisk(below, dir, o.Shared.o.MinFreeBytes)
	if err := below.MkdirAll(dir, 0o755); err != nil {
		return nil, s.fail("open", err)
	}
	if err := s.disk.try(); err != nil {
		return nil, s.fail("open", err)
	}
	po := s.options(o.listen)
	po.EnsureDefaults()
	s.db, err = pebble.Open(dir, po)
	if err != nil {
		if incomplete(err) {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return nil, s.fail("open", err)
	}
	s.table = po.MakeWriterOptions(0, s.db.TableFormat())
	if err := s.load(); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	s.disk.opened.Store(true)
	s.shared.open.Add(1)
	return s, nil
}

// incomplete reports whether a store cannot be opened because a table is
// missing or has another size than it was given. Pebble has no error for the
// latter.
func incomplete(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "object size mismatch")
}

// options returns how Pebble is run. The figures are measured: few large
// flushes and lazy compaction, as reads mostly find their entity in memory.
func (s *Store) options(listen *pebble.EventListener) *pebble.Options {
	events := s.events()
	if listen != nil {
		events = pebble.TeeEventListener(events, *listen)
	}
	o := &pebble.Options{
		FS:         s.disk,
		Cache:      s.shared.cache,
		FileCache:  s.shared.files,
		DisableWAL: true,
		// Pinned: a newer format cannot be read by an older program.
		FormatMajorVersion:          pebble.FormatValueSeparation,
		MemTableSize:                s.shared.o.MemTableBytes,
		MemTableStopWritesThreshold: maxMemTables + 2,
		L0CompactionThreshold:       8,
		L0StopWritesThreshold:       maxL0Sublevels + 8,
		MaxManifestFileSize:         4 << 20,
		Logger:                      pebbleLog{s},
		EventListener:               &events,
	}
	o.Experimental.CompactionScheduler = &member{s: s.shared.scheduler}
	for i := range o.Levels {
		o.Levels[i].BlockSize = 8 << 10
		o.Levels[i].IndexBlockSize = 256 << 10
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}

// load reads what the store itself goes by.
func (s *Store) load() error {
	v, ok, err := s.get(nil, markKey)
	if err == nil && ok {
		var chunks uint64
		chunks, _, err = parseMark(v)
		s.chunks.Store(chunks)
	}
	if err != nil {
		return s.fail("open", err)
	}
	v, ok, err = s.get(nil, firedKey)
	if err != nil {
		return s.fail("open", err)
	}
	if ok {
		if len(v) != 8 {
			return s.fail("open", fmt.Errorf("%w: timer cursor of %d bytes", ErrCorrupt, len(v)))
		}
		s.fired = int64(binary.BigEndian.Uint64(v))
	}
	return nil
}

// pointRead makes an iterator use the filters of the last level too, which
// DB.Get does not: that a customer is new costs 2 us instead of 5, and one that
// is there costs the same.
var pointRead = pebble.IterOptions{UseL6Filters: true}

// get appends the value of a key to dst.
func (s *Store) get(dst, key []byte) ([]byte, bool, error) {
	it, err := s.db.NewIter(&pointRead)
	if err != nil {
		return dst, false, err
	}
	// With the default comparer the prefix of a key is the key.
	ok := it.SeekPrefixGE(key)
	if ok {
		var v []byte
		v, err = it.ValueAndErr()
		dst = append(dst, v...)
	}
	return dst, ok && err == nil, errors.Join(err, it.Close())
}

// Mark returns the mark of the last batch committed, nil when there was none.
// After a crash that is the last batch that survived.
func (s *Store) Mark() ([]byte, error) {
	v, ok, err := s.get(nil, markKey)
	if err != nil || !ok {
		return nil, s.fail("mark", err)
	}
	_, mark, err := parseMark(v)
	return mark, s.fail("mark", err)
}

// Durable returns the mark of the last batch that no crash can take away, nil
// when there is none.
func (s *Store) Durable() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("state %s: closed", s.dir)
	}
	it, err := s.db.NewIter(&pebble.IterOptions{
		OnlyReadGuaranteedDurable: true,
		LowerBound:                markKey,
		UpperBound:                []byte{markTag + 1},
	})
	if err != nil {
		return nil, s.fail("durable", err)
	}
	var mark []byte
	if it.First() {
		var v []byte
		if v, err = it.ValueAndErr(); err == nil {
			_, v, err = parseMark(v)
			mark = append([]byte{}, v...)
		}
	}
	return mark, s.fail("durable", errors.Join(err, it.Close()))
}

// Get appends the value of an entity to dst and reports whether there is one.
func (s *Store) Get(kind byte, hash uint64, dst []byte) ([]byte, bool, error) {
	var key [entityKeyLen]byte
	putEntityKey(key[:], kind, hash)
	dst, ok, err := s.get(dst, key[:])
	return dst, ok, s.fail("get", err)
}

// Scan calls fn for every entity of a kind, by ascending hash. value is valid
// during the call. An error of fn ends the scan and is returned as it is.
func (s *Store) Scan(kind byte, fn func(hash uint64, value []byte) error) error {
	if err := checkKind(kind); err != nil {
		return s.fail("scan", err)
	}
	return s.each("scan", []byte{kind}, []byte{kind + 1}, func(key, value []byte) (error, error) {
		_, hash, err := parseEntityKey(key)
		if err != nil {
			return err, nil
		}
		return nil, fn(hash, value)
	})
}

// Timers calls fn for every timer, ordered by due time, kind and hash. An error
// of fn ends the scan and is returned as it is.
func (s *Store) Timers(fn func(due int64, kind byte, hash uint64) error) error {
	var from [timerKeyLen]byte
	putTimerKey(from[:], s.fired, 0, 0)
	return s.each("timers", from[:], []byte{timerTag + 1}, func(key, _ []byte) (error, error) {
		due, kind, hash, err := parseTimerKey(key)
		if err != nil {
			return err, nil
		}
		return nil, fn(due, kind, hash)
	})
}

// each calls fn for the keys from lower up to upper. fn returns an error of
// the store's own and one of the caller's; either ends the walk.
func (s *Store) each(what string, lower, upper []byte, fn func(key, value []byte) (bad, stop error)) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return s.fail(what, err)
	}
	var stop error
	for ok := it.First(); ok && err == nil && stop == nil; ok = it.Next() {
		var v []byte
		if v, err = it.ValueAndErr(); err == nil {
			err, stop = fn(it.Key(), v)
		}
	}
	if err = errors.Join(err, it.Close()); err != nil {
		return s.fail(what, err)
	}
	return stop
}

// Flush makes everything committed durable and waits for it. On ErrDisk the
// flush goes on by itself as soon as the disk takes it; call again to wait.
func (s *Store) Flush() error {
	if err := s.room(s.shared.o.MemTableBytes); err != nil {
		return err
	}
	done, err := s.db.AsyncFlush()
	if err != nil {
		return s.fail("flush", err)
	}
	look := time.NewTicker(retryPause / 2)
	defer look.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-look.C:
			if err := s.writable(); err != nil {
				return err
			}
		}
	}
}

// Close makes everything durable and closes the store. On ErrDisk the store
// stays open: close it again when the disk takes writes, or end the process,
// which loses nothing the log does not have. A corrupt store is closed and says
// so. The owner calls it; after success a second call does nothing.
func (s *Store) Close() error {
	if s.closed { // written by the owner only
		return nil
	}
	err := s.Flush()
	if errors.Is(err, ErrDisk) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.last = Metrics{}
	s.lookers.Wait()
	err = errors.Join(err, s.fail("close", s.db.Close()))
	s.shared.open.Add(-1)
	return err
}
