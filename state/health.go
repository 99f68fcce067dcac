package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// What a store may suffer from. Test with errors.Is.
var (
	// ErrDisk says that the disk takes no writes or is nearly full. It passes:
	// pause and ask again.
	ErrDisk = errors.New("state: the disk takes no more")
	// ErrStalled says that a Commit or Flush waits for flushes and compactions
	// to catch up. It passes.
	ErrStalled = errors.New("state: writes wait for flushes and compactions")
	// ErrCorrupt says that bytes on disk are not what was written. It stays:
	// drop the directory and restore a checkpoint.
	ErrCorrupt = errors.New("state: corrupt")
)

// Healthy returns nil when the store takes writes, else an error that is
// ErrCorrupt, ErrDisk or ErrStalled. It is cheap, may be called from any
// goroutine and at any time, and is meant to be asked before more work is
// taken in. While the disk is only low, Commit still works; once a write has
// failed, Commit refuses until the disk takes writes again.
func (s *Store) Healthy() error {
	if err := s.writable(); err != nil {
		return err
	}
	if err := s.disk.low(); err != nil {
		return fmt.Errorf("state %s: %w", s.dir, err)
	}
	if s.stalled.Load() {
		return fmt.Errorf("state %s: %w", s.dir, ErrStalled)
	}
	return nil
}

// writable returns why a write now would be lost or would wait without end.
func (s *Store) writable() error {
	if bad := s.bad.Load(); bad != nil {
		return *bad
	}
	if err := s.disk.failing(); err != nil {
		return fmt.Errorf("state %s: %w", s.dir, err)
	}
	return nil
}

const (
	// A commit waits while memtables hold more than this many times their size,
	// or while the first level is deeper than this. Pebble's own limits are
	// wider and never met: a wait inside Pebble cannot be given up.
	maxMemTables   = 4
	maxL0Sublevels = 32
	lookEvery      = time.Millisecond
)

// room waits until there is room for grow more bytes of memtable. It gives up
// when the disk fails.
func (s *Store) room(grow uint64) error {
	if err := s.writable(); err != nil {
		return err
	}
	s.grown += grow
	if s.grown < s.shared.o.MemTableBytes/4 {
		return nil
	}
	defer s.stalled.Store(false)
	for {
		m, err := s.look()
		if err != nil {
			return err
		}
		if m.MemTableBytes < maxMemTables*s.shared.o.MemTableBytes && m.L0Sublevels < maxL0Sublevels {
			s.grown = 0
			return nil
		}
		s.stalled.Store(true)
		s.complain("state writes wait", "memtable bytes", m.MemTableBytes, "l0 sublevels", m.L0Sublevels)
		time.Sleep(lookEvery)
	}
}

// look asks Pebble for its figures. Pebble answers after a manifest that is
// being written, which on a full disk may take long: look gives up then, and
// Close waits for the answer it left behind.
func (s *Store) look() (Metrics, error) {
	got := make(chan *pebble.Metrics, 1)
	s.lookers.Go(func() { got <- s.db.Metrics() })
	for {
		select {
		case p := <-got:
			return Metrics{
				DiskBytes:      p.DiskSpaceUsage(),
				MemTableBytes:  p.MemTable.Size,
				L0Sublevels:    int(p.Levels[0].Sublevels),
				ReadAmp:        p.ReadAmp(),
				CompactionDebt: p.Compact.EstimatedDebt,
				Compacting:     p.Compact.NumInProgress > 0,
			}, nil
		case <-time.After(lookEvery):
			if err := s.writable(); err != nil {
				return Metrics{}, err
			}
		}
	}
}

// fail wraps an error with what was done; corruption makes the store bad.
func (s *Store) fail(what string, err error) error {
	if err == nil {
		return nil
	}
	if pebble.IsCorruptionError(err) && !errors.Is(err, ErrCorrupt) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	err = fmt.Errorf("state %s: %s: %w", s.dir, what, err)
	if errors.Is(err, ErrCorrupt) && s.bad.CompareAndSwap(nil, &err) {
		s.log.Error("state is corrupt, restore a checkpoint", "err", err)
	}
	return err
}

// Metrics are the figures of one store.
type Metrics struct {
	DiskBytes      uint64 // all files, obsolete ones not yet deleted included
	MemTableBytes  uint64
	L0Sublevels    int    // compaction starts at 8, writes wait at 32
	ReadAmp        int    // tables a read may have to look into
	CompactionDebt uint64 // bytes to be rewritten until the tree is in shape
	Compacting     bool
	Stalled        bool  // a write waits
	Err            error // as Healthy
}

// Metrics returns the store's figures; the zero value, but for Err, when the
// store is closed. While the disk takes no writes the figures are the last
// ones known. It may be called from any goroutine, every few seconds.
func (s *Store) Metrics() Metrics {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && s.writable() == nil {
		if m, err := s.look(); err == nil {
			s.last = m
		}
	}
	m := s.last
	m.Stalled = s.stalled.Load()
	m.Err = s.Healthy()
	return m
}

// events tells the store what happens inside Pebble. Pebble calls them with
// its locks held: they must not call it back nor wait.
func (s *Store) events() pebble.EventListener {
	return pebble.EventListener{
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			_ = s.fail("read "+info.Path, fmt.Errorf("%w: %w", ErrCorrupt, info.Details))
		},
		BackgroundError: func(err error) {
			err = s.fail("flush or compaction", err)
			s.complain("state cannot be written, trying on", "err", err)
		},
		FlushEnd: func(info pebble.FlushInfo) {
			if info.Err == nil {
				s.disk.trouble.Store(nil)
			}
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			s.complain("state writes wait inside the database", "why", info.Reason)
		},
		PossibleAPIMisuse: func(info pebble.PossibleAPIMisuseInfo) {
			s.log.Error("state misuses its database", "what", info.String())
		},
	}
}

// complain logs a warning, one a second at most: what it is about repeats.
func (s *Store) complain(msg string, args ...any) {
	if now := time.Now().Unix(); s.complained.Swap(now) != now {
		s.log.Warn(msg, args...)
	}
}

// pebbleLog is what Pebble writes its own log to.
type pebbleLog struct{ s *Store }

func (l pebbleLog) Infof(format string, args ...any) {
	if l.s.log.Enabled(context.Background(), slog.LevelDebug) {
		l.s.log.Debug(fmt.Sprintf(format, args...))
	}
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.s.log.Warn(fmt.Sprintf(format, args...))
}

// Fatalf is called when Pebble cannot go on. It must not return: what Pebble
// has in memory is not in order any more.
func (l pebbleLog) Fatalf(format string, args ...any) {
	l.s.shared.fatal(fmt.Sprintf("state %s: %s", l.s.dir, fmt.Sprintf(format, args...)))
}
