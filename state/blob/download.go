package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// download reads an object chunk by chunk, each asked for when it is wanted: a
// reader may take its time, and one whose server does not answer hears of it.
// (The client's own reader must have read everything when its deadline comes,
// which without one is five seconds after it was opened.)
type download struct {
	ctx   context.Context
	s     *JetStream
	info  *jetstream.ObjectInfo
	left  uint32 // chunks
	next  uint64 // sequence in the stream from which on the next one is
	chunk []byte // what is not read of it
	hash  hash.Hash
}

const (
	chunkWait   = 20 * time.Second // for a chunk
	replicaWait = 2 * time.Second  // for a replica that has not got it yet
	chunkRetry  = 100 * time.Millisecond
)

func (s *JetStream) download(ctx context.Context, info *jetstream.ObjectInfo) *download {
	return &download{ctx: ctx, s: s, info: info, left: info.Chunks, next: 1, hash: sha256.New()}
}

// Read reads on. The content is checked at its end.
func (d *download) Read(p []byte) (int, error) {
	if len(d.chunk) == 0 && d.left == 0 {
		if jetstream.GetObjectDigestValue(d.hash) != d.info.Digest {
			return 0, fmt.Errorf("blob: %s is not what was put: %w", d.info.Name, jetstream.ErrDigestMismatch)
		}
		return 0, io.EOF
	}
	if len(d.chunk) == 0 {
		if err := d.fetch(); err != nil {
			return 0, fmt.Errorf("blob: %s, %d chunks before its end: %w", d.info.Name, d.left, err)
		}
	}
	n := copy(p, d.chunk)
	d.chunk = d.chunk[n:]
	return n, nil
}

// fetch gets the next chunk.
func (d *download) fetch() error {
	subject := d.s.chunkSubject(d.info.NUID)
	for start := time.Now(); ; {
		m, err := d.s.chunks.GetMsg(d.ctx, d.next, jetstream.WithGetMsgSubject(subject))
		took := time.Since(start)
		switch {
		case err == nil:
			d.left, d.next, d.chunk = d.left-1, m.Sequence+1, m.Data
			d.hash.Write(m.Data)
			return nil
		case d.ctx.Err() != nil || took > chunkWait:
			return err
		case errors.Is(err, jetstream.ErrMsgNotFound) && took > replicaWait:
			return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
		}
		select {
		case <-time.After(chunkRetry):
		case <-d.ctx.Done():
		}
	}
}

// Close ends the reading.
func (d *download) Close() error { return nil }
