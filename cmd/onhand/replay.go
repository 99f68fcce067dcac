package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"onhand/cmd/onhand/api"
	"onhand/cmd/onhand/config"
	"onhand/cmd/onhand/drive"
	"onhand/cmd/onhand/service"
	"onhand/processor"
	"onhand/processor/moments"
	"onhand/processor/sim/shop"
)

// replayFlags are the flags of replay.
type replayFlags struct {
	format, speed, summary, deliver string
	moments, data                   string
	seed                            uint64
	grain, after                    time.Duration
	partitions, shown               int
}

// recording is a recording that knows when it begins.
type recording interface {
	drive.Recording
	io.Closer
	Start() time.Time
}

func (a *app) replayCommand() *cobra.Command {
	var f replayFlags
	c := &cobra.Command{
		Use:   "replay FILE",
		Short: "Feed recorded events through the service",
		Long: `Replay feeds recorded events through the collector, the log and the engine, by a
clock of its own, in a folder of its own. Nothing is delivered; --deliver writes
what would have been sent.

Formats: onhand and segment are one call of the Segment API on each line, or one
batch; online-retail is the UCI Online Retail data set (CSV): real demand,
simulated supply, and so every decision is checked against the truth. Files may
be compressed (.gz).`,
		Example: "  onhand replay --format online-retail online-retail.csv.gz --summary retail.json\n  onhand replay events.ndjson.gz --speed 3600 --deliver sent.ndjson",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.replay(c, &f, args[0]) },
	}
	fl := c.Flags()
	fl.StringVar(&f.format, "format", "onhand", "onhand, segment or online-retail")
	fl.StringVar(&f.speed, "speed", "max", "recorded seconds a second, or max")
	fl.StringVar(&f.summary, "summary", "", "write the result as JSON to this file")
	fl.StringVar(&f.deliver, "deliver", "", "write what would have been sent to this file, a line each")
	fl.StringVar(&f.moments, "moments", "", "moments file; the shipped one without, and for online-retail three of them, which its judge knows")
	fl.StringVar(&f.data, "data", "", "folder to keep; a temporary one without")
	fl.Uint64Var(&f.seed, "seed", 1, "of what is simulated around online-retail")
	fl.DurationVar(&f.grain, "grain", time.Minute, "events and timers this close together are one instant")
	fl.DurationVar(&f.after, "after", 24*time.Hour, "recorded time to go on after the last event")
	fl.IntVar(&f.partitions, "partitions", 4, "partitions")
	fl.IntVar(&f.shown, "findings", 10, "findings to print")
	return a.withJSON(c)
}

// rules returns the moments that are in force.
func (f *replayFlags) rules(a *app) ([]byte, error) {
	if f.moments == "" && f.format == "online-retail" {
		return moments.Three(), nil
	}
	return a.rules(f.moments)
}

// open opens the recording.
func (f *replayFlags) open(path string) (recording, error) {
	switch f.format {
	case "onhand", "segment":
		return drive.OpenLines(path)
	case "online-retail":
		return shop.OpenRetail(path, shop.RetailConfig{Seed: f.seed})
	}
	return nil, usagef("--format %s: onhand, segment or online-retail", f.format)
}

func (a *app) replay(c *cobra.Command, f *replayFlags, path string) (err error) {
	speed := 0.0
	if f.speed != "max" {
		if speed, err = strconv.ParseFloat(f.speed, 64); err != nil || !(speed > 0) {
			return usagef("--speed %s: recorded seconds a second, or max", f.speed)
		}
	}
	if f.grain < time.Millisecond {
		return usagef("--grain %s: at least 1ms", f.grain)
	}
	if f.after < 0 {
		return usagef("--after %s: not below 0", f.after)
	}
	if err := partitionsFlag(f.partitions); err != nil {
		return err
	}
	text, err := f.rules(a)
	if err != nil {
		return err
	}
	rules, _ := moments.Parse("moments", text, processor.Vocabulary())
	events, err := f.open(path)
	if err != nil {
		return err
	}
	defer closeInto(events, &err)
	start := events.Start()
	if start.IsZero() {
		return errors.Join(fmt.Errorf("%s holds no events", path), events.Err())
	}
	out, err := create(f.deliver)
	if err != nil {
		return err
	}
	defer closeInto(out, &err)
	summary, err := create(f.summary)
	if err != nil {
		return err
	}
	defer closeInto(summary, &err)
	judged, _ := events.(drive.Shop)
	r := &drive.Replay{
		Clock: &drive.Clock{}, Events: events, Speed: speed, Grain: f.grain, After: f.after,
		// Within a grain nobody can say what was first; log time runs five
		// seconds ahead of the recorded clock.
		Judge: drive.NewJudge(drive.PolicyOf(rules, 2*f.grain+10*time.Second), judged),
	}
	r.Clock.Set(start.Add(-f.grain))
	if judged != nil {
		fmt.Fprintln(a.err, "real demand, simulated supply: the data knows no stock, so it is reordered by rule")
	}
	began := time.Now()
	if err := a.runReplay(c, f, r, text, rules, out); err != nil {
		return err
	}
	took := time.Since(began)
	s, tallies := r.Judge.Report(r.Clock.Now())
	s.EventsPerSecond = float64(int(float64(s.Events) / took.Seconds()))
	// A clock that stands still cannot tell how long a decision took.
	s.EventToDecision, s.RestockToOffer = shop.Spread{}, shop.Spread{}
	if !a.json {
		fmt.Fprintf(a.out, "%s to %s in %s, %d refused\n", start.UTC().Format(time.DateTime), r.Clock.Now().UTC().Format(time.DateTime), took.Round(time.Second/10), r.Refused)
	}
	return a.result(s, tallies, summary, f.shown)
}

// runReplay runs a service by the recorded clock and feeds it the events.
func (a *app) runReplay(c *cobra.Command, f *replayFlags, r *drive.Replay, text []byte, rules *moments.File, out io.Writer) (err error) {
	dir, remove, err := tempDir(f.data)
	if err != nil {
		return err
	}
	defer remove()
	r.Service, err = service.Open(c.Context(), service.Options{
		Config: config.Config{Data: dir, HTTP: "127.0.0.1:0", Sync: config.SyncInterval, Partitions: f.partitions,
			Checkpoints: config.Checkpoints{To: config.CheckpointsOff}},
		Rules: text, Channels: drive.NewRecorder(out).Channels(rules), Clock: r.Clock.Now,
		FlushEvery: 30 * 24 * time.Hour, // by the recorded clock, which hurries
		Version:    versionOf().Version, Logger: a.quiet(c),
	})
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), closeWithin)
		defer cancel()
		if e := r.Service.Close(closing); err == nil {
			err = e
		}
	}()
	if err := r.Service.WaitReady(c.Context()); err != nil {
		return err
	}
	show := showProgress(a.err, func() (float64, string) {
		events, decided := r.Judge.Progress()
		return -1, fmt.Sprintf("%s  %s events, %s decisions", r.Clock.Now().UTC().Format("2006-01-02 15:04"), grouped(events), grouped(decided))
	})
	err = r.Run(c.Context())
	show.Stop()
	if err == nil && r.Refused > 0 {
		err = a.sayRefused(c.Context(), r.Service.URL(), f.shown)
	}
	return err
}

// sayRefused prints why calls of a recording were refused: the dead letters go
// with the folder.
func (a *app) sayRefused(ctx context.Context, server string, shown int) error {
	cl := client{server: server}
	var page struct{ Data []api.Letter }
	if err := cl.get(ctx, fmt.Sprintf("/dlq?limit=%d", min(max(shown, 1), 1000)), &page); err != nil {
		return err
	}
	for _, l := range page.Data {
		fmt.Fprintf(a.err, "refused: %s\n", l.Detail)
	}
	return nil
}
