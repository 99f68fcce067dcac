package checkpoint

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// A tail is the log of a partition behind its checkpoint: for each record its
// stamp, its size and its bytes. It may be large, so it goes through a file.

// maxRecord bounds the records of a log.
const maxRecord = 16 << 20

// SaveTail saves the log of a partition behind its checkpoint. records calls f
// for each record in order, and returns what f returns. dir is for a file that
// is there meanwhile.
func (b *Backup) SaveTail(ctx context.Context, to Blobs, partition int, dir string, records func(f func(stamp int64, record []byte) error) error) (err error) {
	file, err := os.CreateTemp(dir, ".tail-")
	if err != nil {
		return err
	}
	unlinked := os.Remove(file.Name()) == nil // a crash leaves nothing; where an open file stays, it goes at the end
	defer func() {
		if err = errors.Join(err, file.Close()); !unlinked {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	h, size, p := sha256.New(), int64(0), &b.Partitions[partition]
	w := bufio.NewWriterSize(io.MultiWriter(file, h), 1<<20)
	p.Records = 0
	err = records(func(stamp int64, record []byte) error {
		head := binary.AppendUvarint(binary.AppendVarint(nil, stamp), uint64(len(record)))
		size += int64(len(head) + len(record))
		p.Records++
		_, err := w.Write(append(head, record...))
		return err
	})
	if err = errors.Join(err, w.Flush()); err != nil {
		return err
	}
	p.Hash = sum(h)
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return to.Put(ctx, tailName(b.Deployment, b.Name, partition), file, size)
}

// FetchTail downloads what SaveTail has saved, and checks it.
func (b *Backup) FetchTail(ctx context.Context, from Blobs, partition int, path string) error {
	r, err := from.Get(ctx, tailName(b.Deployment, b.Name, partition))
	if err != nil {
		return err
	}
	defer r.Close()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(file, h), r)
	if err = errors.Join(err, file.Close()); err == nil && sum(h) != b.Partitions[partition].Hash {
		err = brokenTail(partition)
	}
	return err
}

func brokenTail(partition int) error {
	return fmt.Errorf("%w: the log behind the checkpoint of partition %d", ErrBroken, partition)
}

// ReadTail calls f for each record of a tail that was fetched, in order, until f
// returns an error. record is valid until f returns.
func (b *Backup) ReadTail(partition int, path string, f func(stamp int64, record []byte) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 1<<20)
	var record []byte
	for range b.Partitions[partition].Records {
		stamp, err := binary.ReadVarint(r)
		if err != nil {
			return brokenTail(partition)
		}
		n, err := binary.ReadUvarint(r)
		if err != nil || n > maxRecord {
			return brokenTail(partition)
		}
		record = append(record[:0], make([]byte, n)...)
		if _, err := io.ReadFull(r, record); err != nil {
			return brokenTail(partition)
		}
		if err := f(stamp, record); err != nil {
			return err
		}
	}
	return nil
}
