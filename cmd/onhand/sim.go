package main

import (
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/spf13/cobra"

	"onhand/processor/sim"
	"onhand/processor/sim/whole"
)

func (a *app) simCommand() *cobra.Command {
	var seed, from uint64
	var seeds, workers int
	c := &cobra.Command{
		Use:   "sim",
		Short: "Run the simulator",
		Long: `Sim runs whole clusters in this process, each from a seed: workers crash, hang and
come back, answers get lost, clocks jump, and nothing that was promised may be
broken: once with three moments, which an oracle knows exactly, and once with the
whole moments file in some weeks of a shop, where every decision is judged by
what was known. Each runs twice and must do the same. Then come more weeks of
that shop in which nothing fails, on two numbers of partitions, and weeks of one
whose items have to do with each other. A seed that fails is printed with what it
broke.`,
		Example: "  onhand sim --seeds 1000\n  onhand sim --seed 7",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if given := c.Flags().Changed; given("seed") && (given("seeds") || given("from")) {
				return usagef("--seed is one, --seeds and --from are several; keep one")
			}
			if c.Flags().Changed("seed") {
				from, seeds = seed, 1
			}
			if seeds < 1 || workers < 1 {
				return usagef("--seeds and --parallel are at least 1")
			}
			return a.simulate(c, from, seeds, min(workers, seeds))
		},
	}
	c.Flags().Uint64Var(&seed, "seed", 0, "run this seed")
	c.Flags().Uint64Var(&from, "from", 1, "first of several seeds")
	c.Flags().IntVar(&seeds, "seeds", 100, "how many seeds")
	c.Flags().IntVar(&workers, "parallel", 2, "how many at a time")
	return a.withJSON(c)
}

// simResult is what --json prints.
type simResult struct {
	From   uint64   `json:"from"`
	Seeds  int      `json:"seeds"`
	Failed []uint64 `json:"failed"`
	Errors []string `json:"errors"`
}

func (a *app) simulate(c *cobra.Command, from uint64, n, workers int) error {
	result := simResult{From: from, Seeds: n, Failed: []uint64{}, Errors: []string{}}
	var mu sync.Mutex
	done := 0
	show := showProgress(a.err, func() (float64, string) {
		mu.Lock()
		defer mu.Unlock()
		return float64(done) / float64(n), fmt.Sprintf("%d of %d worlds, %d failed", done, n, len(result.Failed))
	})
	// Worlds are small and leave much behind: the garbage may grow.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for seed := from + uint64(w); seed < from+uint64(n) && c.Context().Err() == nil; seed += uint64(workers) {
				_, err := sim.Check(sim.Config{Seed: seed})
				if err == nil {
					_, err = sim.Check(sim.Config{Seed: seed, Whole: true})
				}
				for _, check := range []func(uint64, whole.Plant) error{whole.Check, whole.CheckKin} {
					if err == nil {
						err = check(seed, whole.None)
					}
				}
				mu.Lock()
				done++
				if err != nil {
					result.Failed = append(result.Failed, seed)
					result.Errors = append(result.Errors, err.Error())
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	show.Stop()
	if a.json {
		if err := printJSON(a.out, result); err != nil {
			return err
		}
	} else {
		for _, text := range result.Errors {
			fmt.Fprintln(a.out, text)
		}
		fmt.Fprintf(a.out, "%d worlds, %d failed\n", done, len(result.Failed))
	}
	if len(result.Failed) > 0 || done < n {
		return errFailed
	}
	return nil
}
