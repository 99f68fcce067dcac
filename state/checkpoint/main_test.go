package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a blob store whose every operation may be preceded by something
// else, or fail.
type memory struct {
	mu     sync.Mutex
	blobs  map[string][]byte
	before func(op, name string) error
}

func newMemory() *memory { return &memory{blobs: map[string][]byte{}} }

func (b *memory) hook(op, name string) error {
	if b.before == nil {
		return nil
	}
	return b.before(op, name)
}

func (b *memory) Put(_ context.Context, name string, r io.Reader, size int64) error {
	if err := b.hook("put", name); err != nil {
		return err
	}
	data, err := io.ReadAll(r)
	if err != nil || int64(len(data)) != size {
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blobs[name] = data
	return nil
}

func (b *memory) Create(_ context.Context, name string, data []byte) error {
	if err := b.hook("create", name); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.blobs[name]; ok {
		return fs.ErrExist
	}
	b.blobs[name] = data
	return nil
}

func (b *memory) Get(_ context.Context, name string) (io.ReadCloser, error) {
	if err := b.hook("get", name); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	data, ok := b.blobs[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (b *memory) List(_ context.Context, prefix string) (names []string, err error) {
	if err := b.hook("list", prefix); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(b.blobs)) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names, nil
}

func (b *memory) Delete(_ context.Context, name string) error {
	if err := b.hook("delete", name); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.blobs, name)
	return nil
}

// folder makes a folder of files: name and content.
func folder(t require.TestingT, dir string, files map[string]string) string {
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

// contents reads a folder of files.
func contents(t require.TestingT, dir string) map[string]string {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		files[e.Name()] = string(data)
	}
	return files
}

// fetched returns the newest checkpoint and what is in it, nil without one.
func fetched(t require.TestingT, b Blobs, dir string, upTo uint64, skipped func(uint64, error)) (*Manifest, map[string]string) {
	require.NoError(t, os.RemoveAll(dir))
	m, err := New(b, "shop", 0, 0).Fetch(context.Background(), dir, upTo, skipped)
	require.NoError(t, err)
	if m == nil {
		require.NoDirExists(t, dir)
		return nil, nil
	}
	return m, contents(t, dir)
}
