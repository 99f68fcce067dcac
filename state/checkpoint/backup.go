package checkpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Backup is a whole deployment: a checkpoint of every partition, each of its own
// moment, and the logs behind them up to places that fit together: no log holds
// a message that another one, read up to its place, does not lead to.
//
//	<deployment>/backups/<name>/begun              before anything of it is read
//	<deployment>/backups/<name>/tail-<partition>   the log behind the checkpoint, with its stamps
//	<deployment>/backups/<name>/keys-<group>       see SaveKeys
//	<deployment>/backups/<name>/record             what it consists of, written last
type Backup struct {
	Layout     int       `json:"layout"`
	Name       string    `json:"name"` // names sort by time
	Deployment string    `json:"deployment"`
	Created    time.Time `json:"created"`
	Shards     int       `json:"shards"`
	Ingest     uint64    `json:"ingest"` // last sequence of the ingest stream
	Partitions []Part    `json:"partitions"`
	Done       []string  `json:"erased,omitempty"` // erasures that were done before it began
}

// Part is a partition of a backup.
type Part struct {
	Checkpoint uint64 `json:"checkpoint"` // number of its manifest
	Position   uint64 `json:"position"`
	Commit     []byte `json:"commit"`  // record that the new log's commits begin with
	Records    int    `json:"records"` // of the log behind the checkpoint
	Hash       string `json:"sha256"`  // of them
}

// ErrNoBackup means that there is no backup of a whole deployment.
var ErrNoBackup = errors.New("checkpoint: there is no backup of a whole deployment")

func backupFolder(deployment string) string { return deployment + "/backups/" }

func tailName(deployment, name string, partition int) string {
	return fmt.Sprintf("%s%s/tail-%d", backupFolder(deployment), name, partition)
}

const (
	begunName  = "/begun"
	recordName = "/record"
)

// BackupNames returns the backups of a deployment, the newest first.
func BackupNames(ctx context.Context, b Blobs, deployment string) ([]string, error) {
	all, err := b.List(ctx, backupFolder(deployment))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range all {
		if name, ok := strings.CutSuffix(strings.TrimPrefix(name, backupFolder(deployment)), recordName); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	slices.Reverse(names)
	return names, nil
}

// Deployments returns the deployments that have a backup.
func Deployments(ctx context.Context, b Blobs) ([]string, error) {
	all, err := b.List(ctx, "")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range all {
		if parts := strings.Split(name, "/"); len(parts) == 4 && parts[1] == "backups" && "/"+parts[3] == recordName {
			found = append(found, parts[0])
		}
	}
	return slices.Compact(found), nil // List sorts
}

// Begin names a backup by the time, but after all that there are, whatever the
// clocks of those say who made them, and notes which erasures are done. It comes
// before anything of the backup is read; one that does not come to its end is
// given up.
func (b *Backup) Begin(ctx context.Context, to Blobs, now time.Time) error {
	all, err := to.List(ctx, backupFolder(b.Deployment))
	if err != nil {
		return err
	}
	for _, blob := range all {
		name, _, _ := strings.Cut(strings.TrimPrefix(blob, backupFolder(b.Deployment)), "/")
		if at, err := time.Parse(nameTime, name); err == nil && !now.After(at) {
			now = at.Add(time.Millisecond)
		}
	}
	b.Name = now.UTC().Format(nameTime)
	if err := to.Put(ctx, b.folder()+begunName, strings.NewReader("\n"), 1); err != nil {
		return err
	}
	if _, b.Done, err = notes(ctx, to, b.Deployment); err != nil {
		err = errors.Join(err, b.GiveUp(ctx, to))
	}
	return err
}

// GiveUp deletes what there is of a backup that is not complete.
func (b *Backup) GiveUp(ctx context.Context, to Blobs) error {
	all, err := to.List(ctx, b.folder()+"/")
	if err != nil || slices.Contains(all, b.folder()+recordName) {
		return err
	}
	slices.Reverse(all) // "begun" goes last
	for _, name := range all {
		if err := to.Delete(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// Save completes a backup whose checkpoints, tails and keys are saved, and
// deletes all but the newest KeepBackups. It fails when a checkpoint is not there any
// more: until a backup is complete only those of the newest one are sure to stay.
func (b *Backup) Save(ctx context.Context, to Blobs) error {
	b.Layout = layout
	erased, err := b.Erasures(ctx, to)
	if err != nil {
		return err
	}
	for _, e := range erased {
		if err := takeOut(ctx, to, b.folder(), e.Keys); err != nil {
			return err
		}
	}
	text, _ := json.Marshal(b) // numbers, texts and times always marshal
	if err := to.Create(ctx, backupFolder(b.Deployment)+b.Name+recordName, sealed(text)); err != nil {
		return err
	}
	for p := range b.Partitions {
		if _, err := New(to, b.Deployment, p, 0).Load(ctx, b.Partitions[p].Checkpoint); err != nil {
			return errors.Join(fmt.Errorf("backup %s is not complete, make it again: %w", b.Name, err),
				to.Delete(ctx, backupFolder(b.Deployment)+b.Name+recordName))
		}
	}
	names, err := BackupNames(ctx, to, b.Deployment)
	if err != nil {
		return err
	}
	oldest := names[min(len(names), KeepBackups)-1]
	all, err := to.List(ctx, backupFolder(b.Deployment))
	if err != nil {
		return err
	}
	slices.Reverse(all) // tail-0 comes after record
	slices.SortStableFunc(all, func(x, y string) int {
		return boolOrder(strings.HasSuffix(x, recordName), strings.HasSuffix(y, recordName))
	})
	for _, name := range all {
		if strings.TrimPrefix(name, backupFolder(b.Deployment)) < oldest {
			if err := to.Delete(ctx, name); err != nil {
				return err
			}
		}
	}
	first := b
	if oldest != b.Name {
		if first, err = LoadBackup(ctx, to, b.Deployment, oldest); err != nil {
			return err
		}
	}
	return dropNotes(ctx, to, first.Done)
}

// boolOrder sorts what is true first.
func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// LoadBackup reads a backup of a deployment; name "" means the newest.
func LoadBackup(ctx context.Context, from Blobs, deployment, name string) (*Backup, error) {
	if name == "" {
		names, err := BackupNames(ctx, from, deployment)
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			return nil, fmt.Errorf("%w (%s)", ErrNoBackup, deployment)
		}
		name = names[0]
	}
	data, err := read(ctx, from, backupFolder(deployment)+name+recordName, maxSmall)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (%s of %s)", ErrNoBackup, name, deployment)
	}
	if err != nil {
		return nil, err
	}
	text, err := opened(data)
	if err != nil {
		return nil, fmt.Errorf("backup %s: %w", name, err)
	}
	var b Backup
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, fmt.Errorf("%w: backup %s: %w", ErrBroken, name, err)
	}
	if b.Layout != layout {
		return nil, unknownLayout(b.Layout)
	}
	return &b, nil
}
