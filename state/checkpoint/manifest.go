package checkpoint

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Mark is what a checkpoint stands for.
type Mark struct {
	Deployment string `json:"deployment"`
	Partition  int    `json:"partition"`
	Epoch      uint64 `json:"epoch"`    // of the owner that made it
	Position   uint64 `json:"position"` // last record of the log that is in it
	Step       uint64 `json:"step"`
	Hash       uint64 `json:"hash,string"`   // of all steps
	Heard      int64  `json:"heard"`         // Unix ms: what was in the log then is in it; 0 = as LogTime
	LogTime    int64  `json:"log_time"`      // Unix ms
	Code       int    `json:"code"`          // version of the decisions
	Record     uint64 `json:"record,string"` // hash of the bytes of the record at Position

	Backup string `json:"backup,omitempty"` // of the whole deployment, that it was made for
}

// heard returns up to when everything in the log is in the checkpoint.
func (m *Mark) heard() int64 { return max(m.Heard, m.LogTime) }

// Manifest is a checkpoint.
type Manifest struct {
	Layout int `json:"layout"`
	Mark
	Number  uint64    `json:"number"`
	Parent  uint64    `json:"parent,omitempty"` // whose files were reused
	Created time.Time `json:"created"`
	Files   []File    `json:"files"`
}

// File is a file of a checkpoint.
type File struct {
	Name string `json:"name"` // in the folder of the store
	Blob string `json:"blob"` // below files/
	Size int64  `json:"size"`
	Hash string `json:"sha256"`
}

// Bytes returns the size of all files.
func (m *Manifest) Bytes() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// layout is the version of manifests and of the names of blobs.
const layout = 1

// ErrBroken says that a manifest or a file is not what was written.
var ErrBroken = errors.New("checkpoint: broken")

// What says what there is, is written as the hash of its text, a line break,
// and the text.

func (m *Manifest) encode() []byte {
	text, _ := json.Marshal(m) // numbers, texts and times always marshal
	return sealed(text)
}

// sealed puts the hash of a text in front of it.
func sealed(text []byte) []byte { return fmt.Appendf(nil, "%x\n%s", sha256.Sum256(text), text) }

// opened returns the text behind its hash.
func opened(data []byte) ([]byte, error) {
	sum, text, _ := bytes.Cut(data, []byte("\n"))
	if want := sha256.Sum256(text); string(sum) != hex.EncodeToString(want[:]) {
		return nil, fmt.Errorf("%w: it does not match its hash", ErrBroken)
	}
	return text, nil
}

func unknownLayout(n int) error {
	return fmt.Errorf("checkpoint: layout %d is not known, this program reads %d: use the version that wrote it", n, layout)
}

func parseManifest(data []byte) (*Manifest, error) {
	text, err := opened(data)
	if err != nil {
		return nil, err
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if m.Layout != layout {
		return nil, unknownLayout(m.Layout)
	}
	return &m, nil
}

// read reads a small blob.
func read(ctx context.Context, b Blobs, name string, limit int64) ([]byte, error) {
	r, err := b.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, limit))
	return data, errors.Join(err, r.Close())
}

const maxSmall = 16 << 20
