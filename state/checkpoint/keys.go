package checkpoint

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A backup holds the keys that personal data is sealed with, or nobody could
// read what is restored; and who is forgotten afterwards must be forgotten in
// it, too:
//
//	<deployment>/backups/<name>/keys-<group>   names and keys, a line each
//	<deployment>/erased/<time>-<key>           who was erased, under which ids
//
// An erasure is noted first; then its keys are taken out of the backups there
// are. A backup that was being made meanwhile may hold one still: whoever
// restores it leaves out the keys of those noted since, and erases them again.
// A copy of a backup that was taken elsewhere hears of no erasure.

// Erasure is a customer who was forgotten.
type Erasure struct {
	At   time.Time `json:"at"`
	IDs  []string  `json:"ids"`
	Keys []string  `json:"keys"` // names of the keys of the ids
}

// keyGroups is how many blobs the keys of a backup are spread over, so that
// taking one out moves few of the others.
const keyGroups = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

const nameTime = "20060102T150405.000Z" // as the names of backups

func keysName(deployment, backup string, group int) string {
	return fmt.Sprintf("%s%s/keys-%02d", backupFolder(deployment), backup, group)
}

// groupOf returns the group of a key, by the first letter of its name.
func groupOf(name string) int {
	if name == "" {
		return 0
	}
	return max(0, strings.IndexByte(keyGroups, name[0]))
}

func erasedFolder(deployment string) string { return deployment + "/erased/" }

// SaveKeys saves the keys of a deployment in a backup. all calls f for each of
// them, and returns what f returns. dir is for files that are there meanwhile.
func (b *Backup) SaveKeys(ctx context.Context, to Blobs, dir string, all func(f func(name string, key []byte) error) error) (err error) {
	if dir, err = os.MkdirTemp(dir, ".keys-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var files [len(keyGroups)]*os.File
	var lines [len(keyGroups)]*bufio.Writer
	defer func() {
		for _, f := range files {
			if f != nil {
				f.Close()
			}
		}
	}()
	err = all(func(name string, key []byte) error {
		g := groupOf(name)
		if files[g] == nil {
			if files[g], err = os.OpenFile(filepath.Join(dir, fmt.Sprint(g)), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
				return err
			}
			_ = os.Remove(files[g].Name()) // a crash leaves no key on the disk; where an open file stays, it goes at the end
			lines[g] = bufio.NewWriter(files[g])
		}
		_, err := fmt.Fprintf(lines[g], "%s %s\n", name, base64.StdEncoding.EncodeToString(key))
		return err
	})
	for g := range files {
		if files[g] == nil || err != nil {
			continue
		}
		if err = lines[g].Flush(); err != nil {
			break
		}
		var text []byte
		if _, err = files[g].Seek(0, io.SeekStart); err != nil {
			break
		}
		if text, err = io.ReadAll(files[g]); err == nil {
			err = putKeys(ctx, to, keysName(b.Deployment, b.Name, g), text)
		}
	}
	return err
}

func putKeys(ctx context.Context, to Blobs, name string, lines []byte) error {
	data := sealed(lines)
	return to.Put(ctx, name, bytes.NewReader(data), int64(len(data)))
}

// Keys calls f for the keys of a backup, but for those of the erasures.
func (b *Backup) Keys(ctx context.Context, from Blobs, erased []Erasure, f func(name string, key []byte) error) error {
	gone := map[string]bool{}
	for _, e := range erased {
		for _, name := range e.Keys {
			gone[name] = true
		}
	}
	for g := range len(keyGroups) {
		lines, err := readKeys(ctx, from, keysName(b.Deployment, b.Name, g))
		if err != nil {
			return err
		}
		for line := range bytes.Lines(lines) {
			name, coded, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
			key, err := base64.StdEncoding.DecodeString(coded)
			if err != nil || name == "" {
				return fmt.Errorf("%w: the keys of backup %s", ErrBroken, b.Name)
			}
			if gone[name] {
				continue
			}
			if err := f(name, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// readKeys returns the lines of a group; nothing when there are none.
func readKeys(ctx context.Context, from Blobs, name string) ([]byte, error) {
	data, err := read(ctx, from, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if data, err = opened(data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// Erase notes an erasure and takes its keys out of all backups of a deployment.
func Erase(ctx context.Context, blobs Blobs, deployment string, e Erasure) error {
	if len(e.Keys) == 0 {
		return nil
	}
	text, _ := json.Marshal(e) // texts and times always marshal
	note := erasedFolder(deployment) + e.At.UTC().Format(nameTime) + "-" + e.Keys[0]
	data := sealed(text)
	if err := blobs.Put(ctx, note, bytes.NewReader(data), int64(len(data))); err != nil {
		return err
	}
	groups := map[int][]string{}
	for _, name := range e.Keys {
		groups[groupOf(name)] = append(groups[groupOf(name)], name)
	}
	all, err := blobs.List(ctx, backupFolder(deployment)) // those that are being made, too
	if err != nil {
		return err
	}
	for _, blob := range all {
		for g, names := range groups {
			if !strings.HasSuffix(blob, fmt.Sprintf("/keys-%02d", g)) {
				continue
			}
			if err := takeOut(ctx, blobs, blob, names); err != nil {
				return err
			}
		}
	}
	return nil
}

// taking lets one erasure of this process at a time write a group: of two that
// have read the same one, the second would put back what the first took out.
// Another process's are left out by who restores.
var taking sync.Mutex

// takeOut takes keys out of a group of a backup.
func takeOut(ctx context.Context, blobs Blobs, blob string, names []string) error {
	taking.Lock()
	defer taking.Unlock()
	lines, err := readKeys(ctx, blobs, blob)
	if err != nil {
		return err
	}
	kept := make([]byte, 0, len(lines))
	for line := range bytes.Lines(lines) {
		if name, _, _ := bytes.Cut(line, []byte(" ")); !slices.Contains(names, string(name)) {
			kept = append(kept, line...)
		}
	}
	if len(kept) == len(lines) {
		return nil
	}
	return putKeys(ctx, blobs, blob, kept)
}

// Erased returns who was erased since a backup of that name was begun.
func Erased(ctx context.Context, from Blobs, deployment, since string) (all []Erasure, err error) {
	notes, err := from.List(ctx, erasedFolder(deployment))
	if err != nil {
		return nil, err
	}
	for _, note := range notes {
		if strings.TrimPrefix(note, erasedFolder(deployment)) < since {
			continue
		}
		data, err := read(ctx, from, note)
		if err == nil {
			data, err = opened(data)
		}
		var e Erasure
		if err == nil {
			err = json.Unmarshal(data, &e)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", note, err)
		}
		all = append(all, e)
	}
	return all, nil
}

// forgetErasures drops the notes from before the oldest backup.
func forgetErasures(ctx context.Context, blobs Blobs, deployment, oldest string) error {
	notes, err := blobs.List(ctx, erasedFolder(deployment))
	for _, note := range notes {
		if err == nil && strings.TrimPrefix(note, erasedFolder(deployment)) < oldest {
			err = blobs.Delete(ctx, note)
		}
	}
	return err
}
