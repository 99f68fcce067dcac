package checkpoint

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A backup holds the keys that personal data is sealed with, or nobody could
// read what is restored:
//
//	<deployment>/backups/<name>/keys-<group>-<hash>   names and keys, a line each
//
// Keys are taken out by processes that know nothing of each other. A group may
// be there several times, and holds the keys that are in each copy of it.
// Whoever takes some out saves what is left of all copies, and then deletes
// those it has read; it looks again, until there is one copy without these keys.
// The name of a copy tells what is in it, so two who come to the same save the
// same, and a copy is deleted only for one that holds no more.

// keyGroups is how many blobs the keys of a backup are spread over, so that
// taking one out moves few of the others.
const keyGroups = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

const (
	maxGroup   = 1 << 30 // bytes of a group: 600 million keys in all
	groupTries = 100     // while others take keys out of a group
)

// groupName begins the names of the copies of a group of a backup's folder.
func groupName(folder string, group int) string { return fmt.Sprintf("%s/keys-%02d-", folder, group) }

func (b *Backup) folder() string { return backupFolder(b.Deployment) + b.Name }

// groupOf returns the group of a key, by the first letter of its name.
func groupOf(name string) int {
	if name == "" {
		return 0
	}
	return max(0, strings.IndexByte(keyGroups, name[0]))
}

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
			_, err = putKeys(ctx, to, groupName(b.folder(), g), text)
		}
	}
	return err
}

// putKeys saves a copy of a group and returns its name.
func putKeys(ctx context.Context, to Blobs, group string, lines []byte) (string, error) {
	data, name := sealed(lines), fmt.Sprintf("%s%x", group, sha256.Sum256(lines))
	return name, to.Put(ctx, name, bytes.NewReader(data), int64(len(data)))
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
		lines, _, err := readGroup(ctx, from, groupName(b.folder(), g))
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

// readGroup returns the lines that are in each copy of a group, and the names of
// the copies; nothing when there is none.
func readGroup(ctx context.Context, from Blobs, group string) (lines []byte, copies []string, err error) {
again:
	for range groupTries {
		if copies, err = from.List(ctx, group); err != nil || len(copies) == 0 {
			return nil, nil, err
		}
		for i, name := range copies {
			data, err := read(ctx, from, name, maxGroup)
			if errors.Is(err, fs.ErrNotExist) {
				continue again // there is one that holds less
			}
			if err == nil {
				data, err = opened(data)
			}
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", name, err)
			}
			if i == 0 {
				lines = data
				continue
			}
			there := map[string]bool{}
			for line := range bytes.Lines(data) {
				there[string(line)] = true
			}
			lines = without(lines, func(line []byte) bool { return !there[string(line)] })
		}
		return lines, copies, nil
	}
	return nil, nil, fmt.Errorf("checkpoint: %s is changed all the time", group)
}

func without(lines []byte, drop func(line []byte) bool) []byte {
	kept := make([]byte, 0, len(lines))
	for line := range bytes.Lines(lines) {
		if !drop(line) {
			kept = append(kept, line...)
		}
	}
	return kept
}

// takeOutOfAll takes keys out of all backups of a deployment.
func takeOutOfAll(ctx context.Context, blobs Blobs, deployment string, keys []string) error {
	all, err := blobs.List(ctx, backupFolder(deployment)) // those that are being made, too
	if err != nil {
		return err
	}
	var folders []string
	for _, name := range all {
		if folder, _, ok := strings.Cut(name, "/keys-"); ok {
			folders = append(folders, folder)
		}
	}
	for _, folder := range slices.Compact(folders) { // List sorts
		if err := takeOut(ctx, blobs, folder, keys); err != nil {
			return err
		}
	}
	return nil
}

// takeOut takes keys out of the backup in a folder.
func takeOut(ctx context.Context, blobs Blobs, folder string, keys []string) error {
	groups := map[int]map[string]bool{}
	for _, name := range keys {
		g := groupOf(name)
		if groups[g] == nil {
			groups[g] = map[string]bool{}
		}
		groups[g][name] = true
	}
	for g, names := range groups {
		if err := takeOutOf(ctx, blobs, groupName(folder, g), names); err != nil {
			return err
		}
	}
	return nil
}

func takeOutOf(ctx context.Context, blobs Blobs, group string, names map[string]bool) error {
	for range groupTries {
		lines, copies, err := readGroup(ctx, blobs, group)
		if err != nil {
			return err
		}
		kept := without(lines, func(line []byte) bool {
			name, _, _ := bytes.Cut(line, []byte(" "))
			return names[string(name)]
		})
		if len(copies) == 0 || len(copies) == 1 && len(kept) == len(lines) {
			return nil
		}
		left, err := putKeys(ctx, blobs, group, kept)
		if err != nil {
			return err
		}
		for _, name := range copies {
			if name != left {
				if err := blobs.Delete(ctx, name); err != nil {
					return err
				}
			}
		}
	}
	return fmt.Errorf("checkpoint: %s is changed all the time, repeat it", group)
}
