package state

import (
	"encoding/binary"
	"fmt"
)

// MaxKind is the greatest kind of entity; the bytes above it begin other keys.
const MaxKind byte = 0x5f

func checkKind(kind byte) error {
	if kind > MaxKind {
		return fmt.Errorf("kind %#x is above %#x", kind, MaxKind)
	}
	return nil
}

// First bytes of the keys that are not entities.
const (
	seenTag  byte = 'd'
	firedTag byte = 'f'
	markTag  byte = 'm'
	timerTag byte = 't'
)

const (
	entityKeyLen = 1 + 8
	timerKeyLen  = 1 + 8 + 1 + 8
	seenKeyLen   = 1 + 4 + 2 + 8
)

var (
	markKey  = []byte{markTag}
	firedKey = []byte{firedTag}
)

func putEntityKey(dst []byte, kind byte, hash uint64) {
	dst[0] = kind
	binary.BigEndian.PutUint64(dst[1:], hash)
}

func parseEntityKey(key []byte) (kind byte, hash uint64, err error) {
	if len(key) != entityKeyLen || key[0] > MaxKind {
		return 0, 0, fmt.Errorf("%w: key %x is not an entity's", ErrCorrupt, key)
	}
	return key[0], binary.BigEndian.Uint64(key[1:]), nil
}

func putTimerKey(dst []byte, due int64, kind byte, hash uint64) {
	dst[0] = timerTag
	binary.BigEndian.PutUint64(dst[1:], uint64(due))
	dst[9] = kind
	binary.BigEndian.PutUint64(dst[10:], hash)
}

func parseTimerKey(key []byte) (due int64, kind byte, hash uint64, err error) {
	if len(key) != timerKeyLen || key[0] != timerTag || key[1] > 0x7f || key[9] > MaxKind {
		return 0, 0, 0, fmt.Errorf("%w: key %x is not a timer's", ErrCorrupt, key)
	}
	return int64(binary.BigEndian.Uint64(key[1:])), key[9], binary.BigEndian.Uint64(key[10:]), nil
}

func putSeenKey(dst []byte, hour uint32, slot uint16, chunk uint64) {
	dst[0] = seenTag
	binary.BigEndian.PutUint32(dst[1:], hour)
	binary.BigEndian.PutUint16(dst[5:], slot)
	binary.BigEndian.PutUint64(dst[7:], chunk)
}

func parseSeenKey(key []byte) (hour uint32, slot uint16, chunk uint64, err error) {
	if len(key) != seenKeyLen || key[0] != seenTag || key[5] > 0x0f {
		return 0, 0, 0, fmt.Errorf("%w: key %x is not a chunk of seen ids", ErrCorrupt, key)
	}
	return binary.BigEndian.Uint32(key[1:]), binary.BigEndian.Uint16(key[5:]), binary.BigEndian.Uint64(key[7:]), nil
}

// layout is the version of the keys and of the values this package writes
// itself. It stands in front of the mark.
const layout = 1

func appendMark(dst []byte, chunks uint64, mark []byte) []byte {
	dst = append(dst, layout)
	dst = binary.BigEndian.AppendUint64(dst, chunks)
	return append(dst, mark...)
}

// parseMark splits the value of the mark's key; mark is a part of value.
func parseMark(value []byte) (chunks uint64, mark []byte, err error) {
	if len(value) < 9 {
		return 0, nil, fmt.Errorf("%w: mark of %d bytes", ErrCorrupt, len(value))
	}
	if value[0] != layout {
		return 0, nil, fmt.Errorf("layout %d is not known, this program reads %d: use the version that wrote it", value[0], layout)
	}
	return binary.BigEndian.Uint64(value[1:9]), value[9:], nil
}
