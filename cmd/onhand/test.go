package main

import (
	"io"
	"os"
	"regexp"

	"github.com/spf13/cobra"

	"onhand/processor/scenario"
)

func (a *app) testCommand() *cobra.Command {
	var pattern, junit string
	var verbose bool
	c := &cobra.Command{
		Use:   "test FILE|DIR...",
		Short: "Run scenarios",
		Long: `Test runs scenarios: stories of what happens and what is to be said about it, in
simulated time. One that fails prints the decisions with their reasons beside
what was expected.`,
		Example: "  onhand test scenarios/\n  onhand test --run 'cart.*purchase' --junit report.xml scenarios/",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			o := scenario.FileOptions{Verbose: verbose, JSON: a.json, Out: a.out}
			if pattern != "" {
				if o.Run, err = regexp.Compile(pattern); err != nil {
					return usagef("--run: %w", err)
				}
			}
			if junit != "" {
				f, err := os.Create(junit)
				if err != nil {
					return err
				}
				defer closeInto(f, &err)
				o.JUnit = f
			}
			failed, err := scenario.RunFiles(c.Context(), args, o)
			if err == nil && failed > 0 {
				err = errFailed
			}
			return err
		},
	}
	c.Flags().StringVar(&pattern, "run", "", "only scenarios whose name matches this regular expression")
	c.Flags().StringVar(&junit, "junit", "", "write a report for a build server to this file")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "name the scenarios that pass, too")
	return a.withJSON(c)
}

// closeInto closes c and keeps the error if it is the first.
func closeInto(c io.Closer, err *error) {
	if e := c.Close(); *err == nil {
		*err = e
	}
}
