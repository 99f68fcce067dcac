package processor

import (
	"encoding/binary"
	"errors"
)

// errShort is returned for a value that ends before its last field: a value
// of another version, or damage.
var errShort = errors.New("processor: value ends early")

// writer appends the fields of an entity or message in a fixed order. Times
// and counts are varints: most are small, and zero costs one byte.
type writer struct{ b []byte }

func (w *writer) u8(v uint8)    { w.b = append(w.b, v) }
func (w *writer) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) int(v int64)   { w.b = binary.AppendVarint(w.b, v) }
func (w *writer) u64(v uint64)  { w.b = binary.BigEndian.AppendUint64(w.b, v) }
func (w *writer) str(s string) {
	w.b = binary.AppendUvarint(w.b, uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) bytes(s []byte) {
	w.b = binary.AppendUvarint(w.b, uint64(len(s)))
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
	s   string // all of it again, when its strings may be parts of one copy
	err error
}

func (r *reader) fail() {
	r.b = nil
	if r.err == nil {
		r.err = errShort
	}
}

func (r *reader) u8() uint8 {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) bool() bool { return r.u8() != 0 }

// uint reads what is mostly one byte.
func (r *reader) uint() uint64 {
	if b := r.b; len(b) > 0 && b[0] < 0x80 {
		r.b = b[1:]
		return uint64(b[0])
	}
	return r.uvarint()
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v := r.uint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *reader) u64() uint64 {
	if len(r.b) < 8 {
		r.fail()
		return 0
	}
	v := binary.BigEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

// view returns the next string's bytes without a copy.
func (r *reader) view() []byte {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) str() string {
	if r.s == "" {
		return string(r.view())
	}
	n := len(r.view())
	end := len(r.s) - len(r.b)
	return r.s[end-n : end]
}

// word reads a string that is a common one as a rule.
func (r *reader) word() string {
	was := *r
	if s, ok := words[string(r.view())]; ok {
		return s
	}
	*r = was
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
	if n > uint64(len(r.b)/max(least, 1)) {
		r.fail()
		return 0
	}
	return int(n)
}
