package processor

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A record is one message of a partition's log: a header and 1..n entries, in
// a fixed binary form that is written once by whoever appends and read once by
// the partition.
//
//	version(1) clock(8, ms, big endian) { size(uvarint) entry(size) }*
//
// An entry is its type (one byte) and a body; see EntryType.

const (
	recordVersion = 1

	// RecordHeaderBytes is the size of the header.
	RecordHeaderBytes = 9
	// MaxRecordBytes bounds a record, and with it a message of the log.
	MaxRecordBytes = 256 << 10
	// MaxRecordEntries bounds the entries of a record.
	MaxRecordEntries = 4096
)

// EntryType says what an entry is.
type EntryType uint8

// The types of entry. They are stored in the log; never renumber them.
const (
	EventEntry    EntryType = iota + 1 // an Event from an inlet
	ShardEntry                         // an Event from an ingest shard, numbered
	TransferEntry                      // a message from another partition, numbered
	TickEntry                          // a timer is due; no body
	OutcomeEntry                       // what became of an attempt to deliver
	ReleaseEntry                       // an action's turn has come: may it go?
	ControlEntry                       // moments activated, stop, resume
)

// AppendRecordHeader appends the header of a record. clock is the publisher's
// clock in Unix ms.
func AppendRecordHeader(dst []byte, clock int64) []byte {
	dst = append(dst, recordVersion)
	return binary.BigEndian.AppendUint64(dst, uint64(clock))
}

// AppendRecordEntry appends one entry (its type byte and body) with its size.
func AppendRecordEntry(dst, entry []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(entry)))
	return append(dst, entry...)
}

// Record is a record being read. Entries are views into the message.
type Record struct {
	Clock int64 // the publisher's clock, Unix ms
	rest  []byte
}

// ErrBadRecord is returned for bytes that are not a record.
var ErrBadRecord = errors.New("processor: not a log record")

// ParseRecord reads the header of a record.
func ParseRecord(msg []byte) (Record, error) {
	if len(msg) < RecordHeaderBytes {
		return Record{}, fmt.Errorf("%w: %d bytes", ErrBadRecord, len(msg))
	}
	if msg[0] != recordVersion {
		return Record{}, fmt.Errorf("%w: version %d, this program reads %d", ErrBadRecord, msg[0], recordVersion)
	}
	return Record{Clock: int64(binary.BigEndian.Uint64(msg[1:9])), rest: msg[RecordHeaderBytes:]}, nil
}

// Next returns the next entry, nil at the end.
func (r *Record) Next() ([]byte, error) {
	if len(r.rest) == 0 {
		return nil, nil
	}
	n, w := binary.Uvarint(r.rest)
	if w <= 0 || n == 0 || n > uint64(len(r.rest)-w) {
		return nil, fmt.Errorf("%w: entry size", ErrBadRecord)
	}
	entry := r.rest[w : w+int(n)]
	r.rest = r.rest[w+int(n):]
	return entry, nil
}
