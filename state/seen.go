package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/cockroachdb/pebble/v2"
)

// slotOf returns the slot of an id: its top 12 bits.
func slotOf(id uint64) uint16 { return uint16(id >> 52) }

// AddSeen records ids under an hour, counted as the caller likes but ascending
// with time. ids should be spread evenly, as hashes are; they are not kept.
func (b *Batch) AddSeen(hour uint32, ids []uint64) {
	if len(ids) == 0 {
		return
	}
	b.ids = append(b.ids[:0], ids...)
	slices.Sort(b.ids)
	chunk := b.s.chunks.Add(1)
	for rest := b.ids; len(rest) > 0; {
		slot, n := slotOf(rest[0]), 1
		for n < len(rest) && slotOf(rest[n]) == slot {
			n++
		}
		op := b.b.SetDeferred(seenKeyLen, 8*n)
		putSeenKey(op.Key, hour, slot, chunk)
		for i, id := range rest[:n] {
			binary.BigEndian.PutUint64(op.Value[8*i:], id)
		}
		b.finish(op)
		rest = rest[n:]
	}
}

// DropSeen forgets the ids of all hours before one.
func (b *Batch) DropSeen(beforeHour uint32) {
	var end [seenKeyLen]byte
	putSeenKey(end[:], beforeHour, 0, 0)
	b.note(b.b.DeleteRange([]byte{seenTag}, end[:], nil))
}

// Seen reports whether an id was recorded under sinceHour or any later hour.
// It reads one slot of each hour, oldest first: pass the latest hour that
// cannot be too late.
func (s *Store) Seen(id uint64, sinceHour uint32) (bool, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{seenTag}, UpperBound: []byte{seenTag + 1}})
	if err != nil {
		return false, s.fail("seen", err)
	}
	found, err := findSeen(it, id, sinceHour)
	return found, s.fail("seen", errors.Join(err, it.Close()))
}

func findSeen(it *pebble.Iterator, id uint64, sinceHour uint32) (bool, error) {
	var key [seenKeyLen]byte
	slot := slotOf(id)
	for hour := sinceHour; ; {
		putSeenKey(key[:], hour, slot, 0)
		ok := it.SeekGE(key[:])
		for ; ok; ok = it.Next() {
			h, sl, _, err := parseSeenKey(it.Key())
			if err != nil {
				return false, err
			}
			if h != hour || sl != slot {
				// Past the slot: go on in the next hour there is. It may be the one
				// the iterator stands in, if its slots are not past ours.
				if h == hour || sl > slot {
					if h == math.MaxUint32 {
						return false, it.Error()
					}
					h++
				}
				hour = h
				break
			}
			ids, err := it.ValueAndErr()
			if err != nil {
				return false, err
			}
			found, err := hasID(ids, id)
			if found || err != nil {
				return found, err
			}
		}
		if !ok {
			return false, it.Error()
		}
	}
}

// hasID searches a chunk of ascending ids.
func hasID(chunk []byte, id uint64) (bool, error) {
	if len(chunk)%8 != 0 {
		return false, fmt.Errorf("%w: chunk of seen ids of %d bytes", ErrCorrupt, len(chunk))
	}
	at := func(i int) uint64 { return binary.BigEndian.Uint64(chunk[8*i:]) }
	n := len(chunk) / 8
	i := sort.Search(n, func(i int) bool { return at(i) >= id })
	return i < n && at(i) == id, nil
}
