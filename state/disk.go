package state

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// retryPause is what a failed write costs before it is tried again. Pebble
	// itself retries at once, tens of thousands of times a second.
	retryPause = 100 * time.Millisecond
	// troubleLasts is how long a failed write is remembered. While the trouble
	// lasts, retries renew it.
	troubleLasts = 2 * time.Second
	// probeEvery bounds how often free space is asked for.
	probeEvery = 250 * time.Millisecond
)

// disk is the file system of one store. It remembers what went wrong, slows
// down what fails, and waits for space where Pebble would give up for good.
//
//	table     no space: pause, fail; Pebble drops the half table and tries anew
//	manifest  no space: pause and try again until there is space
//	any       other error: pause, fail
//
// A failed sync is never tried again: its data may be gone. Tables are made
// anew, a manifest ends the process.
type disk struct {
	vfs.FS
	dir     string
	minFree uint64
	opened  atomic.Bool // before, nothing waits
	trouble atomic.Pointer[trouble]
	probed  atomic.Pointer[probe]
}

type trouble struct {
	err error
	at  time.Time
}

type probe struct {
	free uint64
	at   time.Time
}

func newDisk(fs vfs.FS, dir string, minFree uint64) *disk {
	return &disk{FS: fs, dir: dir, minFree: minFree}
}

// failing returns the error of a write that failed a moment ago, else nil.
func (d *disk) failing() error {
	if t := d.trouble.Load(); t != nil && time.Since(t.at) < troubleLasts {
		return fmt.Errorf("%w: %w", ErrDisk, t.err)
	}
	return nil
}

// low returns an error when there is less free space than there should be.
func (d *disk) low() error {
	p := d.probed.Load()
	if p == nil || time.Since(p.at) > probeEvery {
		p = &probe{free: ^uint64(0), at: time.Now()}
		if u, err := d.FS.GetDiskUsage(d.dir); err == nil {
			p.free = u.AvailBytes
		}
		d.probed.Store(p)
	}
	if p.free < d.minFree {
		return fmt.Errorf("%w: %d MiB free, %d MiB needed: free space or add some", ErrDisk, p.free>>20, d.minFree>>20)
	}
	return nil
}

// try writes a little and takes it away again. Pebble would end the process
// when it cannot write while it opens.
func (d *disk) try() error {
	if err := d.low(); err != nil {
		return err
	}
	name := d.FS.PathJoin(d.dir, "try")
	f, err := d.FS.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDisk, err)
	}
	_, err = f.Write(make([]byte, 64<<10))
	if err := errors.Join(err, f.Close(), d.FS.Remove(name)); err != nil {
		return fmt.Errorf("%w: %w", ErrDisk, err)
	}
	return nil
}

// again records a failed write to a file and reports whether to try it again.
func (d *disk) again(name string, err error) bool {
	d.trouble.Store(&trouble{err, time.Now()})
	if !d.opened.Load() {
		return false
	}
	time.Sleep(retryPause)
	return noSpace(err) && !strings.HasSuffix(name, ".sst")
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	for {
		f, err := d.FS.Create(name, c)
		if err == nil {
			return &file{f, d, name}, nil
		}
		if !d.again(name, err) {
			return nil, err
		}
	}
}

func (d *disk) Rename(oldname, newname string) error {
	for {
		err := d.FS.Rename(oldname, newname)
		if err == nil || !d.again(newname, err) {
			return err
		}
	}
}

// Unwrap returns the file system below.
func (d *disk) Unwrap() vfs.FS { return d.FS }

// file is a file being written.
type file struct {
	vfs.File
	disk *disk
	name string
}

func (f *file) Write(p []byte) (n int, err error) {
	for {
		var m int
		m, err = f.File.Write(p[n:])
		n += m
		if err == nil || !f.disk.again(f.name, err) {
			return n, err
		}
	}
}

func (f *file) Sync() error { return f.synced(f.File.Sync()) }

func (f *file) SyncData() error { return f.synced(f.File.SyncData()) }

func (f *file) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.synced(err)
}

func (f *file) synced(err error) error {
	if err != nil {
		f.disk.again(f.name, err)
	}
	return err
}
