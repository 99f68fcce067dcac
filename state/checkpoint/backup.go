package checkpoint

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Backup is a whole deployment at one moment: a checkpoint of every partition,
// none of which has heard anything that another one has not said, and what is
// in the logs behind them.
//
//	<deployment>/backups/<name>/tail-<partition>   records of the log behind its checkpoint
//	<deployment>/backups/<name>/record             what it consists of, written last
type Backup struct {
	Layout     int       `json:"layout"`
	Name       string    `json:"name"` // names sort by time
	Deployment string    `json:"deployment"`
	Created    time.Time `json:"created"`
	Shards     int       `json:"shards"`
	Ingest     uint64    `json:"ingest"` // last sequence of the ingest stream
	Partitions []Part    `json:"partitions"`
}

// Part is a partition of a backup.
type Part struct {
	Checkpoint uint64 `json:"checkpoint"` // number of its manifest
	Position   uint64 `json:"position"`
	Records    int    `json:"records"` // of the log behind
	Hash       string `json:"sha256"`  // of them
}

// ErrNoBackup means that there is no backup of a whole deployment.
var ErrNoBackup = errors.New("checkpoint: there is no backup of a whole deployment")

func backupFolder(deployment string) string { return deployment + "/backups/" }

func tailName(deployment, name string, partition int) string {
	return fmt.Sprintf("%s%s/tail-%d", backupFolder(deployment), name, partition)
}

const recordName = "/record"

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

// SaveTail saves the records of a partition's log behind its checkpoint.
func (b *Backup) SaveTail(ctx context.Context, to Blobs, partition int, records [][]byte) error {
	var data []byte
	for _, r := range records {
		data = append(binary.AppendUvarint(data, uint64(len(r))), r...)
	}
	hash := sha256.Sum256(data)
	p := &b.Partitions[partition]
	p.Records, p.Hash = len(records), hex.EncodeToString(hash[:])
	return to.Put(ctx, tailName(b.Deployment, b.Name, partition), bytes.NewReader(data), int64(len(data)))
}

// Save completes a backup whose checkpoints and tails are saved, and deletes
// all but the newest KeepBackups.
func (b *Backup) Save(ctx context.Context, to Blobs) error {
	b.Layout = layout
	text, _ := json.Marshal(b) // numbers, texts and times always marshal
	if err := to.Create(ctx, backupFolder(b.Deployment)+b.Name+recordName, sealed(text)); err != nil {
		return err
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
	return nil
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
	data, err := read(ctx, from, backupFolder(deployment)+name+recordName)
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

// Tail reads the records of a partition's log behind its checkpoint.
func (b *Backup) Tail(ctx context.Context, from Blobs, partition int) (records [][]byte, err error) {
	p := b.Partitions[partition]
	r, err := from.Get(ctx, tailName(b.Deployment, b.Name, partition))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(r); err != nil {
		return nil, err
	}
	data := buf.Bytes()
	if hash := sha256.Sum256(data); hex.EncodeToString(hash[:]) != p.Hash {
		return nil, fmt.Errorf("%w: the log behind the checkpoint of partition %d", ErrBroken, partition)
	}
	for len(data) > 0 {
		n, used := binary.Uvarint(data)
		if used <= 0 || n > uint64(len(data)-used) {
			return nil, fmt.Errorf("%w: the log behind the checkpoint of partition %d", ErrBroken, partition)
		}
		records = append(records, data[used:used+int(n)])
		data = data[used+int(n):]
	}
	return records, nil
}
