package drive

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"onhand/connectors/segment"
	"onhand/processor/sim/shop"
)

// maxLine bounds a line of recorded events.
const maxLine = 4 << 20

// Lines is a recording of one call of the Segment tracking API on each line, or
// of one batch of them; plain or compressed (.gz). A call's time is its
// timestamp, never earlier than that of the call before.
type Lines struct {
	name  string
	files []io.Closer
	in    *bufio.Scanner
	line  int
	ahead []shop.Event
	last  time.Time
	seq   int
	err   error
}

// OpenLines opens a recording. Close it after use.
func OpenLines(path string) (*Lines, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	l := &Lines{name: path, files: []io.Closer{f}}
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("%s is not gzip: %w", path, err)
		}
		l.files = append(l.files, z)
		in = z
	}
	l.in = bufio.NewScanner(in)
	l.in.Buffer(make([]byte, 64<<10), maxLine)
	return l, nil
}

// Close closes the file.
func (l *Lines) Close() error {
	var errs []error
	for _, f := range slices.Backward(l.files) {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// Err returns what stopped Next early.
func (l *Lines) Err() error { return l.err }

// Start returns the time of the first call, zero when there is none.
func (l *Lines) Start() time.Time {
	e, ok := l.Next()
	if !ok {
		return time.Time{}
	}
	l.ahead = append([]shop.Event{e}, l.ahead...)
	return e.At
}

// call is what of a call the replay needs to know.
type call struct {
	Batch       []json.RawMessage `json:"batch"`
	Event       word              `json:"event"`
	Type        word              `json:"type"`
	UserID      word              `json:"userId"`
	AnonymousID word              `json:"anonymousId"`
	Timestamp   word              `json:"timestamp"`
	Original    word              `json:"originalTimestamp"`
}

// word is a text or a number of a call. What is neither is the collector's to
// refuse.
type word string

// UnmarshalJSON implements json.Unmarshaler.
func (w *word) UnmarshalJSON(b []byte) error {
	switch c := b[0]; {
	case c == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*w = word(s)
	case c == '-' || c >= '0' && c <= '9':
		*w = word(b)
	}
	return nil
}

// Next returns the next call, false at the end or at a line that is none.
func (l *Lines) Next() (shop.Event, bool) {
	for len(l.ahead) == 0 {
		if l.err != nil || !l.in.Scan() {
			if l.err == nil && l.in.Err() != nil {
				l.err = fmt.Errorf("%s:%d: %w", l.name, l.line+1, l.in.Err())
			}
			return shop.Event{}, false
		}
		l.line++
		if text := strings.TrimSpace(l.in.Text()); text != "" {
			if l.err = l.read(json.RawMessage(text)); l.err != nil {
				l.err = fmt.Errorf("%s:%d:1: %w; each line is one call, or {\"batch\": [calls]}", l.name, l.line, l.err)
			}
		}
	}
	e := l.ahead[0]
	l.ahead = l.ahead[1:]
	return e, true
}

func (l *Lines) read(text json.RawMessage) error {
	var c call
	if err := json.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("not a JSON object: %w", err)
	}
	if c.Batch != nil {
		for _, inner := range c.Batch {
			if err := l.read(inner); err != nil {
				return err
			}
		}
		return nil
	}
	for _, w := range []word{c.Timestamp, c.Original} {
		if ms, ok := segment.Instant([]byte(w)); ok && time.UnixMilli(ms).After(l.last) {
			l.last = time.UnixMilli(ms).UTC()
			break
		}
	}
	if l.last.IsZero() {
		return errors.New("the first call has no timestamp")
	}
	e := shop.Event{
		Seq: l.seq, Name: string(cmp.Or(c.Event, c.Type)), At: l.last, Occurred: l.last, JSON: text,
		Customer: string(cmp.Or(c.UserID, c.AnonymousID)),
	}
	l.seq++
	l.ahead = append(l.ahead, e)
	return nil
}
