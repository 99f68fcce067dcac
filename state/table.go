package state

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/batchrepr"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// tableFile is where a batch is written before it is taken in. One that a crash
// leaves behind is overwritten by the next.
const tableFile = "batch.sst"

// intoTable writes a large batch into a table and takes that in, as one change.
// A large batch would be a memtable of its own, which Pebble holds on to until
// two more have come: with a store a partition, that is hundreds of megabytes
// that are of no use to anybody.
//
// What is in the memtable becomes durable before the table, if keys overlap, and
// the mark always does: a crash keeps a prefix of the batches here as well.
func (b *Batch) intoTable() error {
	s := b.s
	path := s.disk.PathJoin(s.dir, tableFile)
	err := b.write(path)
	if err == nil {
		err = s.db.Ingest(context.Background(), []string{path})
	}
	if err != nil {
		_ = s.disk.Remove(path) // or the next one writes over it
	}
	return err
}

// write makes the table.
func (b *Batch) write(path string) (err error) {
	f, err := b.s.disk.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(f), b.s.table)
	defer func() { err = errors.Join(err, w.Close()) }()

	data := b.b.Repr()
	places, dropped, err := index(data)
	if err != nil {
		return err
	}
	for _, d := range dropped {
		if err := w.DeleteRange(d.from, d.to); err != nil {
			return err
		}
	}
	var last []byte
	for _, p := range places {
		r := batchrepr.Reader(data[p.at:])
		kind, key, value, _, err := r.Next()
		switch {
		case err != nil:
		case last != nil && bytes.Equal(key, last):
			continue // a later change won
		case kind == pebble.InternalKeyKindDelete:
			err = w.Delete(key)
		default:
			err = w.Set(key, value)
		}
		if err != nil {
			return err
		}
		last = key
	}
	return nil
}

// place is where in a batch a key is, with its first bytes, by which nearly all
// are told apart.
type place struct {
	head uint64
	at   uint32
}

// span is a range of keys that a batch deletes.
type span struct {
	from, to []byte
	at       uint32
}

// index returns the keys of a batch in order, the latest change of each first,
// and what it deletes by range, less what such a deletion takes away.
func index(data []byte) (places []place, dropped []span, err error) {
	header, _ := batchrepr.ReadHeader(data)
	places = make([]place, 0, header.Count)
	for r := batchrepr.Read(data); len(r) > 0; {
		at := uint32(len(data) - len(r))
		kind, key, value, _, err := r.Next()
		if err != nil {
			return nil, nil, err
		}
		if kind == pebble.InternalKeyKindRangeDelete {
			dropped = append(dropped, span{key, value, at})
			continue
		}
		var head [8]byte
		copy(head[:], key)
		places = append(places, place{binary.BigEndian.Uint64(head[:]), at})
	}
	keyAt := func(at uint32) []byte {
		r := batchrepr.Reader(data[at:])
		_, key, _, _, _ := r.Next()
		return key
	}
	for _, d := range dropped {
		places = slices.DeleteFunc(places, func(p place) bool {
			if byte(p.head>>56) != d.from[0] || p.at > d.at {
				return false
			}
			key := keyAt(p.at)
			return bytes.Compare(d.from, key) <= 0 && bytes.Compare(key, d.to) < 0
		})
	}
	slices.SortFunc(places, func(a, b place) int {
		if c := cmp.Compare(a.head, b.head); c != 0 {
			return c
		}
		return cmp.Or(bytes.Compare(keyAt(a.at), keyAt(b.at)), cmp.Compare(b.at, a.at))
	})
	return places, dropped, nil
}
