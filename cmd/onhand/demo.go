package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"onhand/cmd/onhand/config"
	"onhand/cmd/onhand/drive"
	"onhand/cmd/onhand/service"
	"onhand/processor/sim/shop"
)

//go:embed demo/moments.yaml
var demoMoments []byte

// demoFlags are the flags of demo.
type demoFlags struct {
	seed              uint64
	customers, items  int
	events            int
	rate              string
	duration, grace   time.Duration
	summary, data     string
	http, sync        string
	partitions, shown int
}

const (
	demoRate      = 1000   // events a second
	demoMaxEvents = 200000 // with --rate max and no --events
	// demoRest lets carts count as left and offers end after the last event.
	demoRest = 7 * time.Second
)

func (a *app) demoCommand() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run the service with a simulated shop in front of it",
		Long: `Demo starts the service in a folder of its own and simulates a shop in front of
it: customers browse, fill carts, buy, leave and return, items sell out and come
back. The shop speaks to the HTTP collector and keeps the truth on its own side.
Every decision is checked against it: wrong ones, missing ones, units promised
twice, duplicates. A day is a minute: a cart counts as left after four seconds.

Exit status 1 when anything is wrong, missing, oversold or told twice.`,
		Example: "  onhand demo\n  onhand demo --seed 7 --rate max --events 500000 --summary demo.json",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.demo(c, &f) },
	}
	fl := c.Flags()
	fl.Uint64Var(&f.seed, "seed", 1, "the shop's seed")
	fl.IntVar(&f.customers, "customers", 20000, "customers")
	fl.IntVar(&f.items, "items", 500, "items")
	fl.IntVar(&f.events, "events", 0, "events, about; as many as fit the duration without")
	fl.StringVar(&f.rate, "rate", strconv.Itoa(demoRate), "events a second, or max: as fast as decisions keep up")
	fl.DurationVar(&f.duration, "duration", 50*time.Second, "how long the shop is open, when --events is not given")
	fl.StringVar(&f.summary, "summary", "", "write the result as JSON to this file")
	fl.StringVar(&f.data, "data", "", "folder to keep; a temporary one without")
	fl.StringVar(&f.http, "http", "127.0.0.1:0", "address to listen on, loopback only")
	fl.StringVar(&f.sync, "sync", config.SyncAlways, "always or interval; see onhand run")
	fl.IntVar(&f.partitions, "partitions", 16, "partitions")
	fl.DurationVar(&f.grace, "grace", time.Second, "how long a fact may travel before its absence counts as a fault")
	fl.IntVar(&f.shown, "findings", 10, "findings to print")
	return a.withJSON(c)
}

// shopOf returns the configuration of the shop that the flags describe.
func (f *demoFlags) shopOf(start time.Time) (cfg shop.Config, fast bool, err error) {
	rate := float64(demoRate)
	if fast = f.rate == "max"; !fast {
		if rate, err = strconv.ParseFloat(f.rate, 64); err != nil || !(rate > 0 && rate <= 1e6) {
			return cfg, false, usagef("--rate %s: events a second, or max", f.rate)
		}
	}
	if f.customers < 1 || f.items < 1 || f.events < 0 || f.duration <= 0 {
		return cfg, false, usagef("--customers and --items are at least 1, --events not below 0, --duration above 0")
	}
	events := f.events
	switch {
	case events == 0 && fast:
		events = demoMaxEvents
	case events == 0:
		events = int(rate * f.duration.Seconds())
	}
	return shop.Config{
		Seed: f.seed, Customers: f.customers, Items: f.items, Events: events, Start: start, Rate: rate, Store: "paris-store",
	}, fast, nil
}

func (a *app) demo(c *cobra.Command, f *demoFlags) (err error) {
	ctx := c.Context()
	if !config.Loopback(f.http) {
		return usagef("--http %s: the demo listens on loopback only", f.http)
	}
	if _, _, err := f.shopOf(time.Now()); err != nil {
		return err
	}
	if err := partitionsFlag(f.partitions); err != nil {
		return err
	}
	summary, err := create(f.summary)
	if err != nil {
		return err
	}
	defer closeInto(summary, &err)
	dir, remove, err := tempDir(f.data)
	if err != nil {
		return err
	}
	defer remove()
	s, err := service.Open(ctx, service.Options{
		Config: config.Config{Data: dir, HTTP: f.http, Sync: f.sync, Partitions: f.partitions,
			Checkpoints: config.Checkpoints{To: config.CheckpointsOff}},
		Rules: demoMoments, Version: versionOf().Version, Logger: a.quiet(c),
	})
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), closeWithin)
		defer cancel()
		if e := s.Close(closing); err == nil {
			err = e
		}
	}()
	if err := s.WaitReady(ctx); err != nil {
		return err
	}
	p := s.Rules.Policy
	cfg, fast, err := f.shopOf(time.Now())
	if err != nil {
		return err
	}
	cfg.Timing = shop.Timing{AbandonAfter: s.Rules.Moment("cart_abandoned").Due.After, Hold: p.Stock.Hold, Settle: p.Stock.Settle}
	cfg.Locations = p.Stock.Online
	sim := shop.New(cfg)
	live := &drive.Live{
		Service: s, Shop: sim, Judge: drive.NewJudge(drive.PolicyOf(s.Rules, f.grace), sim), Max: fast, Rest: demoRest,
	}
	fmt.Fprintf(a.err, "a shop with %s customers and %d items, seed %d, is open; look at %s\n", grouped(f.customers), f.items, f.seed, s.URL())
	started := time.Now()
	show := showProgress(a.err, func() (float64, string) {
		events, decided := live.Judge.Progress()
		return float64(events) / float64(cfg.Events), fmt.Sprintf("%s  customers are browsing, %s events, %s decisions",
			time.Since(started).Round(time.Second), grouped(events), grouped(decided))
	})
	err = live.Run(ctx)
	show.Stop()
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(a.err, "stopped early; what was decided so far:")
	} else if err != nil {
		return err
	}
	outcome, tallies := live.Judge.Report(time.Now())
	return a.result(outcome, tallies, summary, f.shown)
}

// result prints the outcome of a run and says whether it was faultless.
func (a *app) result(s shop.Summary, tallies []drive.Tally, summary io.Writer, shown int) error {
	if err := printJSON(summary, s); err != nil {
		return err
	}
	if a.json {
		if err := printJSON(a.out, s); err != nil {
			return err
		}
	} else if err := a.printResult(s, tallies, shown); err != nil {
		return err
	}
	if !s.Oracle.OK() {
		return errFailed
	}
	return nil
}

func (a *app) printResult(s shop.Summary, tallies []drive.Tally, shown int) error {
	t := table{head: []string{"moment", "outcome", "reason", ">count"}}
	for _, x := range tallies {
		t.add(x.Moment, x.Outcome, x.Reason, grouped(x.Count))
	}
	if err := t.print(a.out); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "\n%s events, %s a second\n", grouped(s.Events), grouped(int(s.EventsPerSecond)))
	for _, l := range []struct {
		name string
		shop.Spread
	}{{"event to decision", s.EventToDecision}, {"restock to offer", s.RestockToOffer}} {
		if l.N > 0 {
			fmt.Fprintf(a.out, "%s: p50 %.0f ms, p99 %.0f ms, max %.0f ms (%s)\n", l.name, l.P50, l.P99, l.Max, grouped(l.N))
		}
	}
	v := s.Oracle
	fmt.Fprintf(a.out, "oracle: %s checked, %d wrong, %d missing, %d oversold, %d duplicates\n", grouped(v.Checked), v.Wrong, v.Missing, v.Oversold, v.Duplicates)
	if v.SlowMS > 0 {
		fmt.Fprintf(a.out, "an event took %.1f s to be accepted: what happened within that of a decision is not held against it\n", float64(v.SlowMS)/1000)
	}
	for i, x := range s.Findings {
		if i == shown {
			_, err := fmt.Fprintf(a.out, "and %d more\n", len(s.Findings)-shown)
			return err
		}
		if _, err := fmt.Fprintf(a.out, "%s: %s\n", x.Kind, x.Text); err != nil {
			return err
		}
	}
	return nil
}
