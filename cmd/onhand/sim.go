package main

import (
	"github.com/spf13/cobra"
)

func (a *app) simCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "sim",
		Short:   "Run the simulator",
		Example: "  onhand sim --seeds 100\n  onhand sim --seed 7",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("the simulator is not part of this build")
		},
	}
	return a.withJSON(c)
}

func (a *app) benchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "bench",
		Short:   "Measure this machine",
		Example: "  onhand bench --quick --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("the harness is not part of this build")
		},
	}
	return a.withJSON(c)
}
