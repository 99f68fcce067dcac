package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Dir keeps blobs as files below a folder. The file system must know hard
// links; several machines may share it.
type Dir struct{ root string }

// NewDir returns the blobs below a folder, which is made when it is needed.
func NewDir(root string) *Dir { return &Dir{root} }

// unfinished begins the names of files being written. A blob's never does.
const unfinished = ".unfinished-"

// Put writes a blob of size bytes, or replaces it.
func (d *Dir) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	return d.write(ctx, name, r, size, os.Rename)
}

// Create writes a blob unless there is one.
func (d *Dir) Create(ctx context.Context, name string, data []byte) error {
	if err := checkCreate(name, data); err != nil {
		return err
	}
	return d.write(ctx, name, bytes.NewReader(data), int64(len(data)), os.Link)
}

// write writes a file aside, syncs it and gives it its name.
func (d *Dir) write(ctx context.Context, name string, r io.Reader, size int64, appear func(from, to string) error) (err error) {
	if err := check(name); err != nil {
		return err
	}
	path := d.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), unfinished)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after a rename there is none
	if _, err = io.Copy(f, &canceled{ctx, &exact{r, size}}); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := appear(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// canceled ends a copy with its context.
type canceled struct {
	ctx context.Context
	r   io.Reader
}

func (c *canceled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Get opens a blob.
func (d *Dir) Get(_ context.Context, name string) (io.ReadCloser, error) {
	if err := check(name); err != nil {
		return nil, err
	}
	return os.Open(d.path(name))
}

// List returns the names that begin with a prefix, ascending.
func (d *Dir) List(ctx context.Context, prefix string) (names []string, err error) {
	// Only the folder that all such names are in is walked.
	folder, _ := filepath.Split(filepath.FromSlash(prefix))
	err = filepath.WalkDir(filepath.Join(d.root, folder), func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), unfinished) {
			return errors.Join(err, ctx.Err())
		}
		name, err := filepath.Rel(d.root, path)
		if name = filepath.ToSlash(name); strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
		return err
	})
	slices.Sort(names)
	return names, err
}

// Delete removes a blob, if it is there.
func (d *Dir) Delete(_ context.Context, name string) error {
	if err := check(name); err != nil {
		return err
	}
	if err := os.Remove(d.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d *Dir) path(name string) string { return filepath.Join(d.root, filepath.FromSlash(name)) }
