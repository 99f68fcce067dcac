package main

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"onhand/bench"
)

func (a *app) benchCommand() *cobra.Command {
	o := bench.Options{}
	var memory, rules string
	c := &cobra.Command{
		Use:   "bench [ROW...]",
		Short: "Measure this machine",
		Long: `Bench measures the engine side by side with the bare pipe: the same records
published and consumed with no work. Rows: ` + strings.Join(bench.Names(), ", ") + `,
or patterns such as restock*.`,
		Example: "  onhand bench --quick\n  onhand bench --json end_to_end 'restock*' > bench.json",
		RunE: func(c *cobra.Command, args []string) error {
			o.Rows, o.Out = args, a.err
			if a.json {
				o.Out = io.Discard
			}
			if !slices.Contains([]string{bench.SyncAlways, bench.SyncInterval}, o.Sync) {
				return usagef("--sync %s: always or interval", o.Sync)
			}
			for flag, ok := range map[string]bool{"runs": o.Runs >= 1, "duration": o.Duration > 0, "warmup": o.Warmup > 0} {
				if c.Flags().Changed(flag) && !ok {
					return usagef("--%s is above 0", flag)
				}
			}
			var err error
			if rules != "" {
				if o.Moments, err = a.rules(rules); err != nil {
					return err
				}
			}
			if o.Memory, err = memoryFlag(memory); err != nil {
				return err
			}
			r, err := bench.Run(c.Context(), o)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(a.out, r)
			}
			_, err = r.WriteTo(a.out)
			return err
		},
	}
	f := c.Flags()
	f.BoolVar(&o.Quick, "quick", false, "short runs on a small shop, under a minute in all")
	f.Uint64Var(&o.Seed, "seed", 1, "of the load")
	f.DurationVar(&o.Duration, "duration", 0, "of one run (10s, quick 1.5s)")
	f.DurationVar(&o.Warmup, "warmup", 0, "before the first run (30s, quick 1s)")
	f.IntVar(&o.Runs, "runs", 0, "of each row (3, quick 1)")
	f.StringVar(&rules, "moments", "", "moments file, but for the latency, restock and tell rows; without, three moments of cart, restock and ads")
	f.StringVar(&o.Dir, "dir", "", "folder of logs and state meanwhile; the system's temporary one without")
	f.StringVar(&memory, "memory", "2GiB", "what the process may use")
	f.StringVar(&o.Sync, "sync", bench.SyncAlways, "always or interval")
	return a.withJSON(c)
}
