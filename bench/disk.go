package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// disk measures the floor under the idle latencies: what the disk alone makes of
// their writes. An event and then its commit are appended to two files of a
// partition, each synced as the log would, 1,000 events a second over all
// partitions, from the time an event is due. No engine, no server.
func (h *harness) disk(ctx context.Context) error {
	dir, err := os.MkdirTemp(h.Dir, "disk-")
	if err != nil {
		return fmt.Errorf("bench: %w; choose a folder with room", err)
	}
	defer os.RemoveAll(dir)
	var floor latencies
	for run := range h.Runs {
		x, err := h.appends(ctx, filepath.Join(dir, fmt.Sprint(run)))
		if err != nil {
			return err
		}
		floor.add(x)
	}
	h.reportLatency("disk_idle", floor, "the writes of event_to_decision_idle alone, without an engine")
	return nil
}

// appends runs all partitions for a while.
func (h *harness) appends(ctx context.Context, prefix string) (*hdrhistogram.Histogram, error) {
	var (
		group sync.WaitGroup
		took  [partitions]*hdrhistogram.Histogram
		errs  [partitions]error
	)
	start := time.Now()
	for p := range partitions {
		took[p] = newHistogram()
		group.Go(func() {
			errs[p] = h.partitionAppends(ctx, fmt.Sprintf("%s-%d", prefix, p), start.Add(time.Duration(p)*time.Millisecond), took[p])
		})
	}
	group.Wait()
	for _, x := range took[1:] {
		took[0].Merge(x)
	}
	return took[0], errors.Join(errs[:]...)
}

// partitionAppends is one partition: an event is due each time as many
// milliseconds have passed as there are partitions.
func (h *harness) partitionAppends(ctx context.Context, prefix string, start time.Time, took *hdrhistogram.Histogram) (err error) {
	var files [2]*os.File // of events, of commits
	for i := range files {
		if files[i], err = os.Create(fmt.Sprintf("%s-%d", prefix, i)); err != nil {
			return err
		}
		defer files[i].Close()
	}
	record := make([]byte, 200)
	for due := start; due.Sub(start) < h.Duration && ctx.Err() == nil; due = due.Add(partitions * time.Millisecond) {
		time.Sleep(time.Until(due))
		for _, f := range files {
			if _, err = f.Write(record); err == nil && h.Sync == SyncAlways {
				err = f.Sync()
			}
			if err != nil {
				return err
			}
		}
		note(took, time.Since(due))
	}
	return ctx.Err()
}
