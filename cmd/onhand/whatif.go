package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"onhand/cmd/onhand/api"
	"onhand/cmd/onhand/config"
	"onhand/cmd/onhand/service"
	"onhand/processor"
	"onhand/processor/moments"
	"onhand/processor/whatif"
)

// whatifFlags are the flags of whatif.
type whatifFlags struct {
	since, from, to   string
	nats, checkpoints string
	share             float64
	examples          int
}

func (a *app) whatifCommand() *cobra.Command {
	var cl client
	var f whatifFlags
	c := &cobra.Command{
		Use:   "whatif FILE",
		Short: "Show what other moments would have decided",
		Long: `Whatif replays a span of a running service's log twice, by the moments as they
were and by those of the file, and shows the difference: what would have been
sent besides (+sent), what would not (-sent), what at another time (moved), and
where only the reason differs. Candidates are the same when customer, moment and
occurrence are.

Nothing is sent and nothing is changed: the replay reads the log, works on
copies of the states, and has no channel. It runs in the service, one replay at
a time; with --nats in this process, beside whatever runs on those servers. In
both it uses a part of one processor (--share).

The file holds from the beginning of the span, for what is pending then too. An
action that was sent in truth has the outcome it had; one that was not counts as
delivered. What customers did is what they did in truth. How well the replay by
the moments as they were agrees with what was recorded stands below the tables.

A span begins at a checkpoint or at the log's first record. When the log has
been trimmed and no checkpoint is as old, the error says which span is possible;
checkpoints.every and checkpoints.keep of the configuration say how far back
one is.`,
		Example: "  onhand whatif moments.yaml\n  onhand whatif moments.yaml --since 7d --examples 10\n  onhand whatif moments.yaml --nats nats://10.0.0.5:4222 --share 1\n  onhand whatif moments.yaml --from 2026-03-02T20:00:00Z --to 2026-03-03T10:00:00Z --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := a.readMoments(args[0])
			if err != nil {
				return err
			}
			query, err := f.query(c)
			if err != nil {
				return err
			}
			var report *whatif.Report
			if f.nats != "" {
				report, err = a.simulateHere(c, &f, query, text)
			} else {
				report, err = a.simulateAt(c.Context(), &cl, query.Encode(), text)
			}
			if err != nil {
				return a.refused(args[0], err)
			}
			if a.json {
				return printJSON(a.out, report)
			}
			return a.printWhatIf(report)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.since, "since", "24h", "how long ago the span begins, for example 24h or 7d")
	fl.StringVar(&f.from, "from", "", "where the span begins, in place of --since, for example 2026-03-02T20:00:00Z")
	fl.StringVar(&f.to, "to", "", "where the span ends; now without")
	fl.StringVar(&f.nats, "nats", "", "NATS servers of the deployment, to replay in this process")
	fl.StringVar(&f.checkpoints, "checkpoints", config.CheckpointsLog, "with --nats, where the deployment keeps its states: log, a folder, s3://BUCKET/PREFIX, or off")
	fl.Float64Var(&f.share, "share", 0.5, "part of one processor the replay may use, above 0 and at most 1")
	fl.IntVar(&f.examples, "examples", 3, "examples of each change, at most 100")
	return a.withJSON(withServer(c, &cl))
}

// readMoments reads a moments file and prints what is wrong with it.
func (a *app) readMoments(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, faults := moments.Parse(path, text, processor.Vocabulary())
	if file != nil {
		faults = append(faults, processor.Unsupported(path, file)...)
	}
	for _, f := range faults {
		fmt.Fprintln(a.err, f)
	}
	if file == nil {
		return nil, errFailed
	}
	return text, nil
}

// query checks the flags and returns what is asked as the service wants it.
func (f *whatifFlags) query(c *cobra.Command) (url.Values, error) {
	given := c.Flags().Changed
	q := url.Values{}
	switch {
	case f.from != "" && given("since"):
		return nil, usagef("--since and --from both say where the span begins; keep one")
	case f.nats != "" && given("server"):
		return nil, usagef("--server and --nats both say where the log is; keep one")
	case f.nats == "" && given("checkpoints"):
		return nil, usagef("--checkpoints is for --nats; a service knows where its own are")
	case !(f.share > 0 && f.share <= 1):
		return nil, usagef("--share %v: above 0 and at most 1", f.share)
	case f.examples < 0 || f.examples > api.MaxExamples:
		return nil, usagef("--examples %d: from 0 to %d", f.examples, api.MaxExamples)
	}
	if f.from != "" {
		q.Set("from", f.from)
	} else {
		q.Set("since", f.since)
	}
	if f.to != "" {
		q.Set("to", f.to)
	}
	if _, _, err := api.SpanOf(q, time.Now()); err != nil {
		return nil, usageError{err}
	}
	q.Set("share", strconv.FormatFloat(f.share, 'f', -1, 64))
	q.Set("examples", strconv.Itoa(f.examples))
	return q, nil
}

// simulateHere replays in this process.
func (a *app) simulateHere(c *cobra.Command, f *whatifFlags, q url.Values, text []byte) (*whatif.Report, error) {
	o, leave, err := service.OpenPast(c.Context(), f.nats, f.checkpoints, a.quiet(c))
	if err != nil {
		return nil, err
	}
	defer leave()
	from, to, err := api.SpanOf(q, time.Now())
	if err != nil {
		return nil, err
	}
	o.From, o.To, o.Rules, o.Share, o.Examples = from.UnixMilli(), to.UnixMilli(), text, f.share, f.examples
	var now atomic.Pointer[api.Simulated]
	o.Progress = func(done float64, at int64) { now.Store(&api.Simulated{Done: done, At: whatif.Time(at)}) }
	show := showSimulated(a, &now)
	defer show.Stop()
	return whatif.Run(c.Context(), o)
}

// showSimulated shows how far a replay is.
func showSimulated(a *app, now *atomic.Pointer[api.Simulated]) *progress {
	return showProgress(a.err, func() (float64, string) {
		if x := now.Load(); x != nil {
			return x.Done, x.At.String()
		}
		return -1, "the replay begins"
	})
}

// simulateAt has the service replay and shows how far it is.
func (a *app) simulateAt(ctx context.Context, cl *client, query string, text []byte) (*whatif.Report, error) {
	var now atomic.Pointer[api.Simulated]
	show := showSimulated(a, &now)
	defer show.Stop()
	var last api.Simulated
	err := cl.lines(ctx, http.MethodPost, "/simulate?"+query, text, func(line []byte) error {
		var x api.Simulated
		if err := json.Unmarshal(line, &x); err != nil {
			return fmt.Errorf("the answer cannot be read: %w; is %s an Onhand service?", err, cl.server)
		}
		now.Store(&x)
		last = x
		return nil
	}, "Content-Type", "application/yaml")
	switch {
	case err != nil:
		return nil, err
	case last.Error != "":
		return nil, errors.New(last.Error)
	case last.Report == nil:
		return nil, errors.New("the replay ended without a report: was the service stopped?")
	}
	return last.Report, nil
}

// lines sends a request and calls fn for each line of the answer as it comes.
func (cl *client) lines(ctx context.Context, method, path string, body []byte, fn func([]byte) error, header ...string) error {
	resp, err := cl.send(ctx, method, path, body, header...)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	s := bufio.NewScanner(resp.Body)
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		if err := fn(s.Bytes()); err != nil {
			return err
		}
	}
	return s.Err()
}

// printWhatIf prints the tables.
func (a *app) printWhatIf(r *whatif.Report) error {
	was := r.Was
	if was == "" {
		was = "none at the beginning"
	}
	fmt.Fprintf(a.out, "%s to %s (UTC): %s events in %d partitions\nmoments as they were: %s; as given: %s\n\n",
		r.From, r.To, grouped(r.Events), r.Partitions, was, r.Now)
	t := table{head: []string{"moment", ">sent", ">would be", ">+sent", ">-sent", ">moved", ">says other", ">other reason", ">waiting", ">would wait"}}
	n := grouped
	for _, m := range r.Moments {
		t.add(m.Name, n(m.Before.Sent), n(m.After.Sent), n(m.More), n(m.Fewer), n(m.Moved), n(m.Says), n(m.Reason), n(m.Before.Waiting), n(m.After.Waiting))
	}
	if err := t.print(a.out); err != nil {
		return err
	}
	if len(r.Changes) == 0 {
		fmt.Fprintf(a.out, "\nnothing would be decided otherwise: %s candidates alike\n", n(r.Same))
	} else if err := a.printChanges(r.Changes, "was", "would be"); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	x := &r.Recorded
	if x.Same == x.Decisions {
		fmt.Fprintf(a.out, "the replay by the moments as they were decides as recorded: all %s candidates\n", n(x.Same))
	} else {
		fmt.Fprintf(a.out, "the replay by the moments as they were decides %s of %s recorded candidates as recorded; the others:\n", n(x.Same), n(x.Decisions))
		if err := a.printChanges(most(x.Changes), "recorded", "replayed"); err != nil {
			return err
		}
		if more := len(x.Changes) - mostShown; more > 0 {
			fmt.Fprintf(a.out, "and %d more lines; --json prints them\n", more)
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintln(a.out, "note:", note)
	}
	return nil
}

// mostShown is how many of the differences from what was recorded are printed.
const mostShown = 10

// most returns the most numerous changes without their examples.
func most(all []whatif.Change) []whatif.Change {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b whatif.Change) int { return b.Count - a.Count })
	all = all[:min(len(all), mostShown)]
	for i := range all {
		all[i].Examples = nil
	}
	return all
}

// printChanges prints a line for each change, and below them the examples.
func (a *app) printChanges(changes []whatif.Change, was, now string) error {
	fmt.Fprintln(a.out)
	t := table{head: []string{"moment", "change", ">count", was, now}}
	examples := table{head: []string{"for example", "customer", "item", "change", was, now}}
	for _, c := range changes {
		t.add(c.Moment, c.Kind, grouped(c.Count), c.Was, c.Now)
		for _, e := range c.Examples {
			examples.add(c.Moment, e.Customer, e.Item, c.Kind, verdictText(&e.Was), verdictText(&e.Now))
		}
	}
	if err := t.print(a.out); err != nil || len(examples.rows) == 0 {
		return err
	}
	fmt.Fprintln(a.out)
	return examples.print(a.out)
}

// verdictText is a verdict in one cell.
func verdictText(v *whatif.Verdict) string {
	parts := []string{v.Outcome}
	if v.Reason != "" && v.Reason != v.Outcome {
		parts = append(parts, v.Reason)
	}
	if v.Channel != "" {
		parts = append(parts, v.Channel)
	}
	if v.At != 0 {
		parts = append(parts, v.At.String())
	}
	if v.Until != 0 {
		parts = append(parts, "until "+v.Until.String())
	}
	return strings.Join(parts, " ")
}
