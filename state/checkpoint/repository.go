package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Blobs is where checkpoints are kept; package blob has several kinds and says
// what they promise.
type Blobs interface {
	Put(ctx context.Context, name string, r io.Reader, size int64) error
	Create(ctx context.Context, name string, data []byte) error
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	List(ctx context.Context, prefix string) ([]string, error)
	Delete(ctx context.Context, name string) error
}

// ErrFenced means that another owner has saved a checkpoint since.
var ErrFenced = errors.New("checkpoint: another owner has saved one")

// How many checkpoints stay.
const (
	DefaultKeep = 3
	KeepBackups = 2
)

// Repository is the checkpoints of one partition. One goroutine uses it.
type Repository struct {
	blobs      Blobs
	deployment string
	partition  int
	keep       int
	hashes     map[string]known // of tables that were hashed before
	lost       func(epoch, position uint64) bool
}

// New returns the checkpoints of a partition. keep is how many stay, at least
// 2; 0 means DefaultKeep.
func New(b Blobs, deployment string, partition, keep int) *Repository {
	if keep == 0 {
		keep = DefaultKeep
	}
	return &Repository{blobs: b, deployment: deployment, partition: partition, keep: max(2, keep), hashes: map[string]known{},
		lost: func(uint64, uint64) bool { return false }}
}

// Disregard makes the repository pass over checkpoints that hold what a log has
// lost: List leaves them out, and they do not count among those that stay. lost
// is asked with the epoch of the owner and the position. It returns r.
func (r *Repository) Disregard(lost func(epoch, position uint64) bool) *Repository {
	r.lost = lost
	return r
}

func (r *Repository) disregards(m *Manifest) bool { return r.lost(m.Epoch, m.Position) }

func (r *Repository) folder() string {
	return r.deployment + "/" + strconv.Itoa(r.partition) + "/"
}

func (r *Repository) manifest(number uint64) string {
	return fmt.Sprintf("%smanifests/%020d", r.folder(), number)
}

func (r *Repository) file(blob string) string { return r.folder() + "files/" + blob }

// numbers returns the numbers of the manifests there are, descending.
func (r *Repository) numbers(ctx context.Context) ([]uint64, error) {
	names, err := r.blobs.List(ctx, r.folder()+"manifests/")
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, name := range names {
		n, err := strconv.ParseUint(name[strings.LastIndexByte(name, '/')+1:], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("checkpoint: %s is not a manifest", name)
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	return numbers, nil
}

// Load reads a manifest. The error is fs.ErrNotExist or ErrBroken when that is
// why it cannot.
func (r *Repository) Load(ctx context.Context, number uint64) (*Manifest, error) {
	data, err := read(ctx, r.blobs, r.manifest(number), maxSmall)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(data)
	if err == nil && (m.Number != number || m.Partition != r.partition) {
		err = fmt.Errorf("%w: it is number %d of partition %d", ErrBroken, m.Number, m.Partition)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint %d of partition %d: %w", number, r.partition, err)
	}
	return m, nil
}

// List reads the manifests there are, the newest first. Those of what a log has
// lost are left out, see Disregard, and so are broken ones and those deleted
// meanwhile.
func (r *Repository) List(ctx context.Context) ([]*Manifest, error) {
	all, _, err := r.list(ctx)
	return slices.DeleteFunc(all, r.disregards), err
}

// list reads the manifests that are not broken; top is the greatest number,
// theirs included.
func (r *Repository) list(ctx context.Context) (all []*Manifest, top uint64, err error) {
	numbers, err := r.numbers(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, n := range numbers {
		top = max(top, n)
		m, err := r.Load(ctx, n)
		switch {
		case err == nil:
			all = append(all, m)
		case !errors.Is(err, ErrBroken) && !errors.Is(err, fs.ErrNotExist):
			return nil, 0, err
		}
	}
	return all, top, nil
}

// Report is what saving a checkpoint took.
type Report struct {
	Manifest *Manifest
	New      int   // files uploaded
	NewBytes int64 // of them
	Deleted  int   // blobs nobody needs any more
	Took     time.Duration

	// Floor is the least position of the newest Keep checkpoints: none of them
	// asks the log for it or what is before. Those that only a backup holds do
	// not count, as it brings what it needs of the log. FloorTime is the least time
	// up to which one of them has heard everything in the log, Unix ms.
	Floor     uint64
	FloorTime int64
}

// Save uploads a folder made by a store's Checkpoint, and then deletes what
// nobody needs any more. ErrFenced means that mark's epoch is not the owner's
// any more, or that another process has saved one at the same time; nothing
// that counts has happened then.
func (r *Repository) Save(ctx context.Context, dir string, mark Mark) (*Report, error) {
	start := time.Now()
	all, top, err := r.list(ctx)
	if err != nil {
		return nil, err
	}
	mark.Deployment, mark.Partition = r.deployment, r.partition
	m := &Manifest{Layout: layout, Mark: mark, Number: top + 1}
	there := map[string]File{} // by hash
	if len(all) > 0 {
		if all[0].Epoch > mark.Epoch {
			return nil, fmt.Errorf("%w: checkpoint %d is of epoch %d, this owner's is %d", ErrFenced, all[0].Number, all[0].Epoch, mark.Epoch)
		}
		m.Parent = all[0].Number
		for _, f := range all[0].Files {
			there[f.Hash] = f
		}
	}
	report := &Report{Manifest: m}
	if err := r.upload(ctx, dir, there, report); err != nil {
		return nil, err
	}
	m.Created = time.Now().UTC().Truncate(time.Second)
	err = r.blobs.Create(ctx, r.manifest(m.Number), m.encode())
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: number %d is taken", ErrFenced, m.Number)
	}
	if err != nil {
		return nil, err
	}
	// A number is free again when its manifest was deleted, which is long after
	// later ones were made. Who took such a one has slept, and must not delete.
	numbers, err := r.numbers(ctx)
	if err != nil {
		return nil, err
	}
	if numbers[0] > m.Number {
		return nil, fmt.Errorf("%w: number %d meanwhile", ErrFenced, numbers[0])
	}
	backups, err := BackupNames(ctx, r.blobs, r.deployment)
	if err != nil {
		return nil, err
	}
	stay := r.stay(append([]*Manifest{m}, all...), backups)
	report.Floor, report.FloorTime = m.Position, m.heard()
	count := slices.DeleteFunc(slices.Clone(stay), r.disregards)
	for _, x := range count[:min(len(count), r.keep)] {
		report.Floor, report.FloorTime = min(report.Floor, x.Position), min(report.FloorTime, x.heard())
	}
	// What stays too long costs space only: the checkpoint stands.
	report.Deleted, err = r.clean(ctx, mark.Epoch, m.Number, stay)
	report.Took = time.Since(start)
	if err != nil {
		err = fmt.Errorf("checkpoint %d of partition %d is saved, but cleaning up failed: %w", m.Number, r.partition, err)
	}
	return report, err
}

// stay returns those of all manifests, newest first, that are to be kept.
// backups are the complete ones, newest first. One that is not complete may be
// going on, if it is the newest.
func (r *Repository) stay(all []*Manifest, backups []string) (stay []*Manifest) {
	latest := ""
	for _, m := range all {
		latest = max(latest, m.Backup)
	}
	counted := 0
	for _, m := range all {
		kept := m.Backup != "" && (m.Backup == latest || slices.Contains(backups[:min(KeepBackups, len(backups))], m.Backup))
		if counted < r.keep && !r.disregards(m) {
			counted++
			kept = true
		}
		if kept {
			stay = append(stay, m)
		}
	}
	return stay
}

// clean deletes manifests up to a number that do not stay, and then the files,
// of this epoch or an earlier one, that none of those that stay names.
func (r *Repository) clean(ctx context.Context, epoch, upTo uint64, stay []*Manifest) (deleted int, err error) {
	named := map[string]bool{}
	for _, m := range stay {
		named[r.manifest(m.Number)] = true
		for _, f := range m.Files {
			named[r.file(f.Blob)] = true
		}
	}
	names, err := r.blobs.List(ctx, r.folder())
	if err != nil {
		return 0, err
	}
	// Manifests first: one whose files are gone must not be found.
	slices.SortStableFunc(names, func(a, b string) int {
		return strings.Compare(b[:len(r.folder())+1], a[:len(r.folder())+1])
	})
	for _, name := range names {
		if named[name] || !r.mayDelete(name, epoch, upTo) {
			continue
		}
		if err := r.blobs.Delete(ctx, name); err != nil {
			return deleted, err
		}
		deleted++
	}
	return deleted, nil
}

// mayDelete reports whether a blob is none that a later owner has made.
func (r *Repository) mayDelete(name string, epoch, upTo uint64) bool {
	rest := strings.TrimPrefix(name, r.folder())
	if number, ok := strings.CutPrefix(rest, "manifests/"); ok {
		n, err := strconv.ParseUint(number, 10, 64)
		return err == nil && n <= upTo
	}
	e, _, _ := strings.Cut(strings.TrimPrefix(rest, "files/e"), "-")
	n, err := strconv.ParseUint(e, 10, 64)
	return err == nil && n <= epoch
}
