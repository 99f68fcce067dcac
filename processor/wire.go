package processor

import (
	"encoding/binary"
	"errors"
	"slices"
)

// errShort is returned for a value that ends before its last field: a value
// of another version, or damage.
var errShort = errors.New("processor: value ends early")

// writer appends the fields of an entity or message in a fixed order. Times
// and counts are varints: most are small, and zero costs one byte.
//
// Each method appends to b in place, which stores a pointer only when b moves:
// a pointer stored while the garbage collector runs is one for it to follow.
type writer struct{ b []byte }

func (w *writer) u8(v uint8) { w.b = append(w.b, v) }

func (w *writer) uint(v uint64) {
	if v < 0x80 {
		w.u8(uint8(v))
		return
	}
	w.long(v)
}

func (w *writer) long(v uint64) {
	n := len(w.b)
	if cap(w.b)-n < binary.MaxVarintLen64 {
		w.b = slices.Grow(w.b, binary.MaxVarintLen64)
	}
	room := w.b[n : n+binary.MaxVarintLen64]
	i := 0
	for ; v >= 0x80 && i < len(room)-1; i++ {
		room[i] = byte(v) | 0x80
		v >>= 7
	}
	room[i] = byte(v)
	w.b = w.b[:n+i+1]
}

func (w *writer) int(v int64) { w.uint(uint64(v<<1) ^ uint64(v>>63)) }

func (w *writer) u64(v uint64) {
	w.b = append(w.b, 0, 0, 0, 0, 0, 0, 0, 0)
	binary.BigEndian.PutUint64(w.b[len(w.b)-8:], v)
}

func (w *writer) str(s string) {
	w.uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) bytes(s []byte) {
	w.uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) bool(v bool) {
	if v {
		w.b = append(w.b, 1)
	} else {
		w.b = append(w.b, 0)
	}
}

// reader reads what writer wrote. The first error sticks; every later read
// returns zero, so that a decoder checks once, at the end.
type reader struct {
	b   []byte
	at  int    // what is read of b; see writer for why b stays
	s   string // all of it again, when its strings may be parts of one copy
	err error
}

// left returns how many bytes are not read yet.
func (r *reader) left() int { return len(r.b) - r.at }

// rest returns them.
func (r *reader) rest() []byte { return r.b[r.at:] }

func (r *reader) fail() {
	r.at = len(r.b)
	if r.err == nil {
		r.err = errShort
	}
}

func (r *reader) u8() uint8 {
	if r.at >= len(r.b) {
		r.fail()
		return 0
	}
	v := r.b[r.at]
	r.at++
	return v
}

func (r *reader) bool() bool { return r.u8() != 0 }

// uint reads what is mostly one byte.
func (r *reader) uint() uint64 {
	if r.at < len(r.b) && r.b[r.at] < 0x80 {
		r.at++
		return uint64(r.b[r.at-1])
	}
	return r.uvarint()
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest())
	if n <= 0 {
		r.fail()
		return 0
	}
	r.at += n
	return v
}

func (r *reader) int() int64 {
	v := r.uint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *reader) u64() uint64 {
	if r.left() < 8 {
		r.fail()
		return 0
	}
	r.at += 8
	return binary.BigEndian.Uint64(r.b[r.at-8:])
}

// view returns the next string's bytes without a copy.
func (r *reader) view() []byte {
	n := r.uint()
	if n > uint64(r.left()) {
		r.fail()
		return nil
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at : r.at]
}

func (r *reader) str() string {
	if r.s == "" {
		return string(r.view())
	}
	n := len(r.view())
	end := len(r.s) - r.left()
	return r.s[end-n : end]
}

// word reads a string that is a common one as a rule.
func (r *reader) word() string {
	was := r.at
	if s, ok := words[string(r.view())]; ok {
		return s
	}
	if r.err != nil {
		return ""
	}
	r.at = was
	return r.str()
}

func (r *reader) bytes() []byte {
	v := r.view()
	if len(v) == 0 {
		return nil
	}
	return append([]byte(nil), v...)
}

// count reads a length and refuses one that the rest cannot hold, each element
// taking at least that many bytes, so that damage never asks for much memory.
func (r *reader) count(least int) int {
	n := r.uint()
	if n > uint64(r.left()/max(least, 1)) {
		r.fail()
		return 0
	}
	return int(n)
}
