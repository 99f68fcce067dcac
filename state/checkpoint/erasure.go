package checkpoint

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Who is forgotten must be forgotten in backups, too:
//
//	<deployment>/erased/<time>-<chance>        who is erased, under which ids
//	<deployment>/erased/<time>-<chance>.done   and nothing of theirs is left
//
// An erasure is noted first; then its keys are taken out of the backups there
// are, and destroyed. When it is in effect in the log, and no key is left, it is
// done. A backup names the erasures that were done before it began: nothing of
// these can be in it. It takes out the keys of all others before it is complete,
// and whoever restores it leaves their keys out and erases them once more. So
// nobody's clock decides, and it makes no difference which process does what at
// the same time. A copy of a backup that was taken elsewhere hears of no erasure.
//
// The notes of what was done before the oldest backup began are of no use any
// more, and while none has begun all that are done: each erasure drops up to
// maxDropped of them. Those behind a backup stay as long as it does.

// Erasure is a customer who is forgotten.
type Erasure struct {
	At   time.Time `json:"at"`
	IDs  []string  `json:"ids"`
	Keys []string  `json:"keys"` // names of the keys of the ids
}

// maxDropped bounds the notes that one erasure drops.
const maxDropped = 1000

const (
	nameTime   = "20060102T150405.000Z" // as the names of backups
	doneSuffix = ".done"
)

func erasedFolder(deployment string) string { return deployment + "/erased/" }

// Erase notes an erasure and takes its keys out of all backups of a deployment.
// It returns the name of the note, for Erased.
func Erase(ctx context.Context, blobs Blobs, deployment string, e Erasure) (note string, err error) {
	text, _ := json.Marshal(e) // texts and times always marshal
	note = erasedFolder(deployment) + e.At.UTC().Format(nameTime) + "-" + rand.Text()
	data := sealed(text)
	if err := blobs.Put(ctx, note, bytes.NewReader(data), int64(len(data))); err != nil {
		return "", err
	}
	return note, takeOutOfAll(ctx, blobs, deployment, e.Keys)
}

// Erased notes that an erasure is done: it is in effect in the log, and its keys
// were destroyed after that. So are those of before, of the same keys, that did
// not end well. A key that a backup had read just before it was destroyed is
// taken out.
func Erased(ctx context.Context, blobs Blobs, deployment, note string, e Erasure) error {
	if err := takeOutOfAll(ctx, blobs, deployment, e.Keys); err != nil {
		return err
	}
	open, _, err := notes(ctx, blobs, deployment)
	if err != nil {
		return err
	}
	for _, other := range open {
		if other != note {
			x, err := readNote(ctx, blobs, other)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			if slices.ContainsFunc(x.Keys, func(name string) bool { return !slices.Contains(e.Keys, name) }) {
				continue
			}
		}
		if err := blobs.Put(ctx, other+doneSuffix, strings.NewReader("\n"), 1); err != nil {
			return err
		}
	}
	// One that begins from now on reads nothing of who is done by now.
	_, done, err := notes(ctx, blobs, deployment)
	if err != nil {
		return err
	}
	if begun, err := blobs.List(ctx, backupFolder(deployment)); err != nil || len(begun) > 0 {
		return err
	}
	return dropNotes(ctx, blobs, done[:min(len(done), maxDropped)])
}

// notes returns the names of the erasures of a deployment: those that are not
// done, and those that are.
func notes(ctx context.Context, blobs Blobs, deployment string) (open, done []string, err error) {
	all, err := blobs.List(ctx, erasedFolder(deployment))
	for _, name := range all {
		if note, ok := strings.CutSuffix(name, doneSuffix); ok {
			done = append(done, note)
		} else {
			open = append(open, name)
		}
	}
	return slices.DeleteFunc(open, func(note string) bool { return slices.Contains(done, note) }), done, err
}

func readNote(ctx context.Context, blobs Blobs, note string) (e Erasure, err error) {
	data, err := read(ctx, blobs, note, maxSmall)
	if err == nil {
		data, err = opened(data)
	}
	if err == nil {
		err = json.Unmarshal(data, &e)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", note, err)
	}
	return e, err
}

// Erasures returns who may have left something in a backup: those whose erasure
// was not done when it began.
func (b *Backup) Erasures(ctx context.Context, from Blobs) (all []Erasure, err error) {
	open, done, err := notes(ctx, from, b.Deployment)
	if err != nil {
		return nil, err
	}
	for _, note := range append(open, done...) {
		if slices.Contains(b.Done, note) {
			continue
		}
		e, err := readNote(ctx, from, note)
		if errors.Is(err, fs.ErrNotExist) {
			continue // its end has outlived it
		}
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// dropNotes drops the notes of erasures that are done.
func dropNotes(ctx context.Context, blobs Blobs, done []string) error {
	for _, note := range done {
		if err := blobs.Delete(ctx, note); err != nil {
			return err
		}
		if err := blobs.Delete(ctx, note+doneSuffix); err != nil {
			return err
		}
	}
	return nil
}
