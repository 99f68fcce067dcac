package checkpoint

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// fetchers is how many files are downloaded at once.
const fetchers = 4

// known is a table that was hashed. Tables never change: in the folders of one
// partition the same name, size and time mean the same bytes.
type known struct {
	size int64
	time time.Time
	hash string
}

// upload uploads the files of a folder that are not there yet, and names all
// of them in the report's manifest.
func (r *Repository) upload(ctx context.Context, dir string, there map[string]File, report *Report) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	m, seen := report.Manifest, map[string]known{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("checkpoint: %s is no file", filepath.Join(dir, e.Name()))
		}
		k := r.hashes[e.Name()]
		if k.size != info.Size() || !k.time.Equal(info.ModTime()) {
			if k, err = hashOf(ctx, dir, info); err != nil {
				return err
			}
		}
		if filepath.Ext(e.Name()) == ".sst" {
			seen[e.Name()] = k
		}
		f := File{Name: e.Name(), Size: k.size, Hash: k.hash}
		if old, ok := there[f.Hash]; ok {
			f.Blob = old.Blob
		} else {
			f.Blob = fmt.Sprintf("e%d-%s", m.Epoch, f.Hash)
			if err := r.put(ctx, dir, f); err != nil {
				return err
			}
			report.New++
			report.NewBytes += f.Size
			there[f.Hash] = f
		}
		m.Files = append(m.Files, f)
	}
	r.hashes = seen
	return nil
}

func (r *Repository) put(ctx context.Context, dir string, f File) error {
	file, err := os.Open(filepath.Join(dir, f.Name))
	if err != nil {
		return err
	}
	defer file.Close()
	return r.blobs.Put(ctx, r.file(f.Blob), file, f.Size)
}

func hashOf(ctx context.Context, dir string, info fs.FileInfo) (known, error) {
	f, err := os.Open(filepath.Join(dir, info.Name()))
	if err != nil {
		return known{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err == nil && n != info.Size() {
		err = fmt.Errorf("checkpoint: %s changes while it is read", f.Name())
	}
	return known{n, info.ModTime(), sum(h)}, errors.Join(err, ctx.Err())
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// Fetch downloads the newest checkpoint that is whole and stands at position
// upTo at most, and returns its manifest; nil when there is none. dir must not
// exist and does not afterwards, unless a checkpoint is in it. An older one
// costs a longer replay, so whatever is wrong with one, the one before is tried;
// why is told to skipped, which may be nil. The error is the transport's, and
// means that there may be one.
func (r *Repository) Fetch(ctx context.Context, dir string, upTo uint64, skipped func(number uint64, why error)) (*Manifest, error) {
	numbers, err := r.numbers(ctx)
	if err != nil {
		return nil, err
	}
	var failed error
	for _, n := range numbers {
		m, err := r.Load(ctx, n)
		if err == nil && m.Position > upTo {
			err = fmt.Errorf("%w: checkpoint %d of partition %d stands at position %d", errAhead, n, r.partition, m.Position)
		}
		if err == nil {
			if err = r.Download(ctx, m, dir); err == nil {
				return m, nil
			}
		}
		if skipped != nil {
			skipped(n, err)
		}
		if failed == nil && !errors.Is(err, ErrBroken) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errAhead) {
			failed = err
		}
	}
	return nil, errors.Join(failed, ctx.Err())
}

var errAhead = errors.New("checkpoint: ahead of the log")

// Download downloads the files of a checkpoint into dir, which must not exist,
// and checks their hashes. The folder appears when all of them are there.
func (r *Repository) Download(ctx context.Context, m *Manifest, dir string) (err error) {
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("checkpoint: %s is there already", dir)
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	aside, err := os.MkdirTemp(parent, ".fetch-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("checkpoint %d of partition %d: %w", m.Number, r.partition, err), os.RemoveAll(aside))
		}
	}()
	g, fetching := errgroup.WithContext(ctx)
	g.SetLimit(fetchers)
	for _, f := range m.Files {
		g.Go(func() error { return r.get(fetching, aside, f) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := os.Chmod(aside, 0o755); err != nil {
		return err
	}
	return os.Rename(aside, dir)
}

// get downloads a file. It is not synced: who loses it to a power failure
// fetches it again.
func (r *Repository) get(ctx context.Context, dir string, f File) error {
	if f.Name != filepath.Base(f.Name) {
		return fmt.Errorf("%w: file name %q", ErrBroken, f.Name)
	}
	in, err := r.blobs.Get(ctx, r.file(f.Blob))
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(filepath.Join(dir, f.Name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), in)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if n != f.Size || sum(h) != f.Hash {
		return fmt.Errorf("%w: %s has %d bytes of hash %s, should have %d of %s", ErrBroken, f.Name, n, sum(h), f.Size, f.Hash)
	}
	return nil
}
