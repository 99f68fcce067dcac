package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"onhand/cmd/onhand/config"
	"onhand/connectors/segment"
	"onhand/processor"
	"onhand/processor/moments"
)

// faultJSON is a fault as --json prints it.
type faultJSON struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	What    string `json:"what"`
	Do      string `json:"do,omitempty"`
	Warning bool   `json:"warning"`
}

func (a *app) checkCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check moments and configuration",
		Long: `Check reads a moments file, or a configuration and the moments file it names,
and prints everything that is wrong as FILE:LINE:COL: what, what to do.
Without FILE it checks what --config names, else moments.yaml in this folder,
else the moments the program ships.`,
		Example: "  onhand check moments.yaml\n  onhand check --config onhand.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file := ""
			if len(args) == 1 {
				file = args[0]
			}
			return a.check(file, path)
		},
	}
	c.Flags().StringVar(&path, "config", "", "configuration to check, too")
	return a.withJSON(c)
}

func (a *app) check(file, configPath string) error {
	var faults []moments.Fault
	var cfg config.Config
	if configPath != "" {
		var err error
		if cfg, faults, err = config.Load(configPath); err != nil {
			return err
		}
		if file == "" {
			file = cfg.Moments
		}
	}
	if _, err := os.Stat("moments.yaml"); file == "" && configPath == "" && err == nil {
		file = "moments.yaml"
	}
	name, text, err := momentsText(file)
	if err != nil {
		if len(faults) > 0 {
			err = errors.Join(a.printFaults(faults), err)
		}
		return err
	}
	rules, more := moments.Parse(name, text, segment.Vocabulary())
	faults = append(faults, more...)
	if rules != nil {
		faults = append(faults, processor.Unsupported(name, rules)...)
	}
	if len(text) > moments.MaxActiveBytes && rules != nil {
		faults = append(faults, moments.Fault{
			File: name, Line: 1, Col: 1, Warning: true,
			What: fmt.Sprintf("the file has %d bytes", len(text)), Do: fmt.Sprintf("a running service takes at most %d; shorten it before it is applied", moments.MaxActiveBytes),
		})
	}
	if rules != nil && len(cfg.Channels) > 0 {
		faults = append(faults, unreached(configPath, cfg, rules)...)
	}
	if err := a.printFaults(faults); err != nil {
		return err
	}
	if !usable(faults) {
		return errFailed
	}
	if !a.json {
		fmt.Fprintf(a.out, "%s: %d moments, version %s\n", name, len(rules.Moments), rules.Hash)
	}
	return nil
}

// momentsText reads a moments file; "" is the shipped one.
func momentsText(path string) (name string, text []byte, err error) {
	if path == "" {
		return "shipped moments.yaml", moments.Shipped(), nil
	}
	text, err = os.ReadFile(path)
	if os.IsNotExist(err) {
		err = fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return path, text, err
}

// unreached warns of channels that moments use and the configuration lacks.
func unreached(path string, cfg config.Config, rules *moments.File) (faults []moments.Fault) {
	told := map[string]bool{}
	for _, m := range rules.Moments {
		for _, name := range m.Channels {
			if _, ok := cfg.Channels[name]; !ok && !told[name] {
				told[name] = true
				faults = append(faults, moments.Fault{
					File: path, Line: 1, Col: 1, Warning: true,
					What: fmt.Sprintf("channel %s of moment %s is not configured", name, m.Name), Do: "its actions go to actions.ndjson in the data folder",
				})
			}
		}
	}
	return faults
}

// usable reports whether there are only warnings.
func usable(faults []moments.Fault) bool {
	return !slices.ContainsFunc(faults, func(f moments.Fault) bool { return !f.Warning })
}

// printFaults writes faults, one a line.
func (a *app) printFaults(faults []moments.Fault) error {
	if a.json {
		list := make([]faultJSON, 0, len(faults))
		for _, f := range faults {
			list = append(list, faultJSON{f.File, f.Line, f.Col, f.What, f.Do, f.Warning})
		}
		return printJSON(a.out, list)
	}
	for _, f := range faults {
		if _, err := fmt.Fprintln(a.out, f); err != nil {
			return err
		}
	}
	return nil
}
