package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"onhand/processor/moments"
	"onhand/processor/worker"
)

// Options say what is measured. The zero value measures everything as the
// README describes it.
type Options struct {
	Quick bool     // under a minute in all: one short run, a small shop
	Rows  []string // names of rows, or patterns such as restock*; none means all
	Seed  uint64   // of the load

	Duration time.Duration // of one run; 0 means 10 s, quick 1.5 s
	Warmup   time.Duration // before the first run; 0 means 30 s, quick 1 s
	Runs     int           // of each row; 0 means 3, quick 1

	Customers int // 0 means 1 million, quick 20 thousand
	Items     int // 0 means 50 thousand, quick 2 thousand
	Rate      int // events a second of loaded rows; 0 means 200 thousand

	Moments []byte // in force but for latencies, restock and tell; nil means three: cart, restock, ads

	Dir    string    // where logs and state are kept meanwhile; "" means the system's temporary folder
	Sync   string    // SyncAlways, the default, or SyncInterval
	Memory int64     // limit of the process; 0 means 2 GiB
	Out    io.Writer // progress, one line at a time; nil discards it
}

// When an acknowledged write of the log is on disk.
const (
	SyncAlways   = "always"   // before it is acknowledged
	SyncInterval = "interval" // within two minutes
)

// names are the rows in the order of the report.
var names = []string{
	"generator", "bare_pipe", "core", "end_to_end", "end_to_end_http",
	"disk_idle_p50", "disk_idle_p99",
	"event_to_decision_idle_p50", "event_to_decision_idle_p99", "event_to_decision_loaded_p50", "event_to_decision_loaded_p99",
	"restock_to_offer_idle_p50", "restock_to_offer_idle_p99", "restock_to_offer_loaded_p50", "restock_to_offer_loaded_p99",
	"restock_to_handoff_idle_p50", "restock_to_handoff_idle_p99", "restock_to_handoff_loaded_p50", "restock_to_handoff_loaded_p99",
	"tell_100k_hot", "tell_100k_cold", "timers", "replay", "restart", "rss",
}

// Names returns the names of all rows.
func Names() []string { return slices.Clone(names) }

// scene is a deployment on which some rows are measured.
type scene struct {
	rows []string
	run  func(*harness, context.Context) error
}

var scenes = []scene{
	{[]string{"generator"}, (*harness).generator},
	{[]string{"bare_pipe"}, (*harness).barePipe},
	{[]string{"core"}, (*harness).core},
	{[]string{"end_to_end"}, (*harness).endToEnd},
	{[]string{"end_to_end_http"}, (*harness).endToEndHTTP},
	{[]string{"disk_idle_p50", "disk_idle_p99"}, (*harness).disk},
	{latencyRows("idle"), (*harness).idle},
	{append(latencyRows("loaded"), "rss", "restart"), (*harness).loaded},
	{[]string{"tell_100k_hot", "tell_100k_cold"}, (*harness).tell},
	{[]string{"timers"}, (*harness).timers},
	{[]string{"replay"}, (*harness).replay},
}

func latencyRows(load string) (rows []string) {
	for _, name := range []string{"event_to_decision_", "restock_to_offer_", "restock_to_handoff_"} {
		rows = append(rows, name+load+"_p50", name+load+"_p99")
	}
	return rows
}

// harness is a run of Run.
type harness struct {
	Options
	rows []Row
}

// Run measures and returns the report. An error names the row that could not
// be measured; the report then has the rows before it.
func Run(ctx context.Context, o Options) (Report, error) {
	h := &harness{Options: o.withDefaults()}
	if h.Sync != SyncAlways && h.Sync != SyncInterval {
		return Report{}, fmt.Errorf("bench: sync %q: it is %s or %s", h.Sync, SyncAlways, SyncInterval)
	}
	for _, want := range h.Rows {
		if !slices.ContainsFunc(names, func(name string) bool { return matches(want, name) }) {
			return Report{}, fmt.Errorf("bench: there is no row %q; there are %s", want, strings.Join(names, ", "))
		}
	}
	machine, err := describe(h.Dir)
	if err != nil {
		return Report{}, err
	}
	machine.Sync, machine.Quick = h.Sync, h.Quick
	_, unlimit := worker.LimitMemory(h.Memory)
	defer unlimit()
	for _, s := range scenes {
		if !slices.ContainsFunc(s.rows, h.wants) {
			continue
		}
		start, used := time.Now(), cpu()
		if err = s.run(h, ctx); err != nil {
			err = fmt.Errorf("%s ...: %w", s.rows[0], err)
			break
		}
		took := time.Since(start)
		h.say("%s: took %.1f s, %.2f cores busy", strings.Join(s.rows, ", "), took.Seconds(), (cpu()-used).Seconds()/took.Seconds())
	}
	machine.LoadEnd = load()
	order(h.rows)
	return Report{Machine: machine, Rows: h.rows}, err
}

func (o Options) withDefaults() Options {
	pick := func(full, quick int) int {
		if o.Quick {
			return quick
		}
		return full
	}
	set := func(v *int, full, quick int) {
		if *v == 0 {
			*v = pick(full, quick)
		}
	}
	set(&o.Runs, 3, 1)
	set(&o.Customers, 1_000_000, 20_000)
	set(&o.Items, 50_000, 2_000)
	set(&o.Rate, 200_000, 200_000)
	if o.Duration == 0 {
		o.Duration = time.Duration(pick(10_000, 1500)) * time.Millisecond
	}
	if o.Warmup == 0 {
		o.Warmup = time.Duration(pick(30_000, 1000)) * time.Millisecond
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Sync == "" {
		o.Sync = SyncAlways
	}
	if o.Moments == nil {
		o.Moments = moments.Three()
	}
	if o.Dir == "" {
		o.Dir = os.TempDir()
	}
	if o.Memory == 0 {
		o.Memory = 2 << 30
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	return o
}

// wants reports whether a row is to be measured.
func (h *harness) wants(name string) bool {
	return len(h.Rows) == 0 || slices.ContainsFunc(h.Rows, func(want string) bool { return matches(want, name) })
}

func matches(pattern, name string) bool {
	ok, _ := path.Match(pattern, name)
	return ok
}

func (h *harness) say(format string, args ...any) { fmt.Fprintf(h.Out, format+"\n", args...) }

// report adds a row.
func (h *harness) report(name, unit, note string, runs []float64) {
	x := row(name, unit, note, runs)
	h.rows = append(h.rows, x)
	h.say("%s: %s %s (%s to %s, %d runs) %s", name, figure(x.Value), unit, figure(x.Min), figure(x.Max), x.Runs, note)
}

// population is the shop of all rows.
func (h *harness) population() *Population {
	return NewPopulation(h.Customers, h.Items, partitions)
}
