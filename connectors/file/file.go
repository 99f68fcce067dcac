package file

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"onhand/connectors"
	"onhand/processor"
)

// Limits of what the channel remembers.
const (
	maxRemembered = 64 << 10 // action ids
	maxTail       = 4 << 20  // bytes read back when the file is opened
)

// Codes of results.
const (
	CodeWrite = "write" // the line could not be written; the detail says why
	CodeOpen  = "open"  // the file could not be opened again after a fault
)

// Config configures a file channel.
type Config struct {
	// Path of the file. It is created, its directory is not.
	Path string

	// Sync makes each line durable before it counts as delivered. Without it a
	// power failure may lose the last lines that were answered Delivered.
	Sync bool

	// MaxBytes is the size at which the file is set aside under a name with the
	// time and a new one begun; 0 means never. What is set aside is kept.
	MaxBytes int64
}

// Channel appends decisions to one file. It implements connectors.Channel.
type Channel struct {
	config Config

	regular bool // never changes

	mu     sync.Mutex
	file   *os.File // nil after a fault, until it is opened again
	size   int64    // end of the last whole line, when regular
	seen   *recent
	closed bool
}

// New opens the file, creating it when it is not there, cuts off a line that
// was not finished, and reads back the ids of the last lines.
func New(c Config) (*Channel, error) {
	if c.Path == "" {
		return nil, errors.New("file: path is missing")
	}
	if c.MaxBytes < 0 {
		return nil, fmt.Errorf("file: max_bytes is %d, must be 0 (no limit) or more", c.MaxBytes)
	}
	f := &Channel{config: c, seen: newRecent(maxRemembered)}
	info, err := os.Stat(c.Path)
	f.regular = errors.Is(err, fs.ErrNotExist) || (err == nil && info.Mode().IsRegular())
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	return f, nil
}

// Name returns "file".
func (f *Channel) Name() string { return "file" }

// Idempotent reports whether the file can be read back: see the package.
func (f *Channel) Idempotent() bool { return f.regular }

// Deliver appends the decision, unless its action is among the last lines.
// Whatever keeps it from being written, such as a full disk, may pass: Retry.
func (f *Channel) Deliver(ctx context.Context, d *processor.Decision) connectors.Result {
	line := append(d.AppendJSON(nil), '\n')
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return connectors.Result{Delivery: processor.Retry, Code: connectors.CodeClosed}
	case ctx.Err() != nil:
		return connectors.Result{Delivery: processor.Retry, Code: connectors.CodeCancelled}
	}
	if f.file == nil {
		if err := f.open(); err != nil {
			return retry(CodeOpen, err)
		}
	}
	if f.seen.has(d.Action.ID) {
		return connectors.Result{Delivery: processor.Delivered, Code: "present"}
	}
	if err := f.rotate(int64(len(line))); err != nil {
		f.abandon()
		return retry(CodeWrite, err)
	}
	if err := f.append(line); err != nil {
		f.abandon()
		return retry(CodeWrite, err)
	}
	if f.regular {
		f.seen.add(d.Action.ID)
	}
	return connectors.Result{Delivery: processor.Delivered}
}

func retry(code string, err error) connectors.Result {
	return connectors.Result{Delivery: processor.Retry, Code: code, Detail: connectors.Redact(reason(err))}
}

// reason returns an error's text without the path, which the operator knows
// and others need not.
func reason(err error) string {
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		return pathErr.Op + ": " + pathErr.Err.Error()
	}
	return err.Error()
}

// append writes one line.
func (f *Channel) append(line []byte) error {
	if _, err := f.file.Write(line); err != nil {
		return err
	}
	if f.config.Sync && f.regular {
		if err := f.file.Sync(); err != nil {
			return err
		}
	}
	f.size += int64(len(line))
	return nil
}

// abandon takes back what was written of a line and lets go of the file, so
// that the next Deliver opens it again and finds out what is there.
func (f *Channel) abandon() {
	if f.regular {
		// When this fails too, open cuts the line off.
		_ = f.file.Truncate(f.size)
	}
	_ = f.file.Close()
	f.file = nil
}

// rotate sets the file aside when the next line would make it too large.
func (f *Channel) rotate(next int64) error {
	if f.config.MaxBytes == 0 || !f.regular || f.size == 0 || f.size+next <= f.config.MaxBytes {
		return nil
	}
	name := f.config.Path + "." + time.Now().UTC().Format("20060102T150405.000Z")
	if _, err := os.Lstat(name); err == nil {
		return nil // two in one millisecond: the next line tries again
	}
	if err := os.Rename(f.config.Path, name); err != nil {
		return err
	}
	old := f.file
	if err := f.open(); err != nil {
		return err
	}
	return old.Close()
}

// open opens the file and brings it and what is remembered in line. Until it
// has succeeded the channel is as it was.
func (f *Channel) open() (err error) {
	file, err := os.OpenFile(f.config.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() != f.regular {
		return fmt.Errorf("%s is not the kind of file it was when the service started", f.config.Path)
	}
	var size int64
	if f.regular {
		if err := lock(file); err != nil {
			return err
		}
		if size, err = f.recover(file); err != nil {
			return err
		}
	}
	f.file, f.size = file, size
	return nil
}

// recover cuts off an unfinished line, remembers the actions of the last ones,
// and returns where the file ends.
func (f *Channel) recover(file *os.File) (size int64, err error) {
	if err := f.recallAside(); err != nil {
		return 0, err
	}
	size, rest, err := f.recall(f.config.Path)
	if err != nil {
		return 0, err
	}
	if len(rest) > 0 {
		if rest[0] != '{' {
			return 0, fmt.Errorf("%s: what follows byte %d is no line of ours: name another file or end it with a newline", file.Name(), size)
		}
		if err := file.Truncate(size); err != nil {
			return 0, err
		}
	}
	if f.config.Sync {
		return size, syncAll(file)
	}
	return size, nil
}

// syncAll makes the file and its entry in the directory durable.
func syncAll(file *os.File) error {
	if err := file.Sync(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(file.Name()))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// recallAside remembers the actions at the end of the newest file set aside.
func (f *Channel) recallAside() error {
	aside, err := filepath.Glob(escapeGlob(f.config.Path) + ".[0-9]*Z")
	if err != nil || len(aside) == 0 {
		return err
	}
	// The names sort by time.
	if _, _, err = f.recall(aside[len(aside)-1]); errors.Is(err, fs.ErrNotExist) {
		return nil // cleared away by somebody
	}
	return err
}

// recall remembers the actions in the last maxTail bytes of a file. It returns
// where the last whole line ends and what follows it.
func (f *Channel) recall(path string) (end int64, rest []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, nil, err
	}
	end = max(0, info.Size()-maxTail)
	partial := end > 0 // the first line begins before what is read
	lines := bufio.NewReaderSize(io.NewSectionReader(file, end, info.Size()-end), 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		switch {
		case err == io.EOF && partial && len(line) > 0:
			return 0, nil, fmt.Errorf("%s: the last %d bytes are one line, which is none of ours: name another file", path, len(line))
		case err == io.EOF:
			return end, line, nil
		case err != nil:
			return 0, nil, err
		}
		end += int64(len(line))
		if id := actionID(line); id != "" {
			f.seen.add(id)
		}
		partial = false
	}
}

// actionID returns the id of the action in a line, "" when it has none or is
// no decision record.
func actionID(line []byte) string {
	var record struct {
		Action struct{ ID string }
	}
	if json.Unmarshal(line, &record) != nil {
		return ""
	}
	return record.Action.ID
}

// Close closes the file once the line being written is there.
func (f *Channel) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	if f.regular {
		if err := file.Sync(); err != nil {
			file.Close()
			return err
		}
	}
	return file.Close()
}
