package drive

import (
	"bufio"
	"context"
	"io"
	"sync"

	"onhand/connectors"
	"onhand/processor"
	"onhand/processor/moments"
)

// Recorder is a channel that delivers to nobody: it takes every action, and
// writes it as a line of JSON when there is somewhere to write it to.
type Recorder struct {
	mu   sync.Mutex
	out  *bufio.Writer // nil: nothing is written
	line []byte
	err  error
}

// NewRecorder returns a recorder that writes to w, which may be nil.
func NewRecorder(w io.Writer) *Recorder {
	r := &Recorder{}
	if w != nil {
		r.out = bufio.NewWriter(w)
	}
	return r
}

// Channels returns the recorder under the name of every channel of a file.
func (r *Recorder) Channels(f *moments.File) map[string]connectors.ChannelConfig {
	all := map[string]connectors.ChannelConfig{}
	for _, c := range f.Policy.Channels {
		all[c.Name] = connectors.ChannelConfig{Channel: r, InFlight: 1, Queue: 1 << 20}
	}
	return all
}

// Name implements connectors.Channel.
func (r *Recorder) Name() string { return "recorder" }

// Idempotent implements connectors.Channel.
func (r *Recorder) Idempotent() bool { return true }

// Deliver implements connectors.Channel.
func (r *Recorder) Deliver(_ context.Context, d *processor.Decision) connectors.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.out != nil {
		r.line = append(d.AppendJSON(r.line[:0]), '\n')
		if _, err := r.out.Write(r.line); err != nil && r.err == nil {
			r.err = err
		}
	}
	return connectors.Result{Delivery: processor.Delivered}
}

// Close implements connectors.Channel: everything is written. It may be called
// for every name.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.out != nil {
		if err := r.out.Flush(); r.err == nil {
			r.err = err
		}
	}
	return r.err
}
