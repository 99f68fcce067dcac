package bench

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"onhand/processor"
	"onhand/processor/jetstream"
)

// followers read the commit records of all partitions, tell the pipe how far
// they reach, and show the decisions somebody asked for.
type followers struct {
	pipe   *Pipe
	tasks  sync.WaitGroup
	cancel context.CancelFunc
	watch  atomic.Pointer[watch]
	sent   atomic.Uint64 // bytes of outputs seen
}

// watch asks for the decisions that contain a word. Looking for it costs less
// than reading each decision.
type watch struct {
	word []byte
	seen func(d *processor.Decision, at time.Time)
}

// follow starts to read behind the last commit records.
func follow(ctx context.Context, log *jetstream.Log, pipe *Pipe) (*followers, error) {
	f := &followers{pipe: pipe}
	var readers []*jetstream.Reader
	for part := range log.Partitions() {
		seq, err := lastCommit(ctx, log, part)
		if err == nil {
			var r *jetstream.Reader
			if r, err = log.ReadCommits(part, seq+1); err == nil {
				readers = append(readers, r)
			}
		}
		if err != nil {
			for _, r := range readers {
				r.Stop()
			}
			return nil, err
		}
	}
	running, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	for part, r := range readers {
		f.tasks.Go(func() {
			defer r.Stop()
			if err := f.read(running, part, r); running.Err() == nil {
				pipe.fail(err)
			}
		})
	}
	return f, nil
}

func (f *followers) stop() {
	f.cancel()
	f.tasks.Wait()
}

func (f *followers) read(ctx context.Context, part int, r *jetstream.Reader) error {
	for {
		m, err := r.Next(ctx)
		if err != nil {
			return err
		}
		at := time.Now()
		c, err := processor.ParseCommit(m.Data)
		if err != nil {
			return err
		}
		f.sent.Add(uint64(len(c.Outputs)))
		if w := f.watch.Load(); w != nil && c.Count > 0 {
			if err := w.look(c.Outputs, at); err != nil {
				return err
			}
		}
		f.pipe.Reached(part, c.Position)
	}
}

// look shows the decisions of a commit record that contain the word.
func (w *watch) look(outputs []byte, at time.Time) error {
	if !bytes.Contains(outputs, w.word) {
		return nil
	}
	for len(outputs) > 0 {
		o, rest, err := processor.NextOutput(outputs)
		if err != nil {
			return err
		}
		outputs = rest
		if o.Type != processor.DecisionOutput || !bytes.Contains(o.Body, w.word) {
			continue
		}
		d, err := processor.ParseDecision(o.Body)
		if err != nil {
			return err
		}
		w.seen(&d, at)
	}
	return nil
}

var errTimeout = errors.New("bench: what was asked for did not come in time")
