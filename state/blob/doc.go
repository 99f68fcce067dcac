// Package blob keeps named bytes outside of a store: in a folder, in S3 or in
// JetStream. All kinds promise the same, which one suite of tests checks:
//
//   - What is put or created is there whole or not at all, and stays until it is
//     deleted. Put replaces; Create gives way to what is there.
//   - Of several that create the same name at once exactly one succeeds. Who
//     owns what is decided by that, so a kind that cannot promise it is none.
//   - List and Get see what was put before, whoever put it.
//
// Names are parts of letters, digits, dot, dash and underscore, separated by
// slashes. A blob of Put has any size, one of Create at most MaxCreateBytes,
// and no name is used for both. The errors are those of io/fs: ErrNotExist and
// ErrExist. Any other error is the transport's, and what was to be done may or
// may not have been.
package blob

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxCreateBytes bounds what Create takes.
const MaxCreateBytes = 960 << 10

// check refuses names that some kind could not keep.
func check(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		bad := part == "" || part[0] == '.' || len(name) > 400
		for _, c := range []byte(part) {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
			bad = bad || !letter && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_'
		}
		if bad {
			return fmt.Errorf("blob: name %q: parts of letters, digits, dot, dash and underscore, 400 bytes together", name)
		}
	}
	return nil
}

// checkCreate refuses what Create cannot take.
func checkCreate(name string, data []byte) error {
	if len(data) > MaxCreateBytes {
		return fmt.Errorf("blob: %s: %d bytes, at most %d are created at once", name, len(data), MaxCreateBytes)
	}
	return check(name)
}

// exact reads as many bytes as there should be, and fails where there are more
// or fewer, so that half a file never becomes a blob.
type exact struct {
	r    io.Reader
	left int64
}

func (e *exact) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.left -= int64(n)
	if e.left < 0 || errors.Is(err, io.EOF) && e.left > 0 {
		return n, fmt.Errorf("blob: the content has not the size it should have (%d bytes missing): %w", e.left, io.ErrUnexpectedEOF)
	}
	return n, err
}
