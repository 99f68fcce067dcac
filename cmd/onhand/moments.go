package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"onhand/cmd/onhand/api"
	"onhand/connectors/segment"
	"onhand/processor"
	"onhand/processor/moments"
)

// active gets the moments in force.
func (cl *client) active(ctx context.Context) (text []byte, version string, err error) {
	text, header, err := cl.do(ctx, http.MethodGet, "/moments", nil)
	if err != nil {
		return nil, "", err
	}
	return text, strings.Trim(header.Get("ETag"), `"`), nil
}

func (a *app) applyCommand() *cobra.Command {
	var cl client
	var dry, keep, shadow bool
	c := &cobra.Command{
		Use:   "apply FILE",
		Short: "Put moments in force",
		Long: `Apply checks a moments file and puts it in force, unless somebody else has
changed the moments meanwhile. The change is a record in the log: it holds from
its place on, in all partitions. What is wrong with the file is printed as by
check, and what is in force stays.

What is pending keeps the window it has and is gated by the new file when its
time comes; with --keep-pending by the file it began under.

With --shadow the moments that are new or changed are tried out: they decide and
record, and send nothing. The others go on as they were; a file that changes more
than moments, or leaves one out, is refused then.`,
		Example: "  onhand apply --dry-run moments.yaml\n  onhand apply --shadow moments.yaml\n  onhand apply moments.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			active, version, err := cl.active(c.Context())
			if err != nil {
				return err
			}
			if shadow {
				if text, err = inShadow(args[0], text, active); err != nil {
					return err
				}
			}
			path := fmt.Sprintf("/moments?dry_run=%t&keep_pending=%t", dry, keep)
			match := `"` + version + `"`
			if version == "" {
				match = "*"
			}
			var done api.Activation
			if err := cl.call(c.Context(), http.MethodPut, path, text, &done, "If-Match", match, "Content-Type", "application/yaml"); err != nil {
				return a.refused(args[0], err)
			}
			if a.json {
				return printJSON(a.out, done)
			}
			for _, line := range done.Changes {
				fmt.Fprintln(a.out, line)
			}
			switch {
			case dry:
				fmt.Fprintf(a.out, "dry run: version %s would replace %s\n", done.Version, done.Before)
			case done.Active && done.Version == done.Before:
				fmt.Fprintf(a.out, "version %s was in force already\n", done.Version)
			case done.Active:
				fmt.Fprintf(a.out, "version %s is in force, it was %s\n", done.Version, done.Before)
			default:
				fmt.Fprintf(a.out, "version %s is on its way\n", done.Version)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "only say what would change")
	c.Flags().BoolVar(&shadow, "shadow", false, "what is new or changed decides and records, and sends nothing")
	c.Flags().BoolVar(&keep, "keep-pending", false, "what is pending is gated by the file it began under")
	return a.withJSON(withServer(c, &cl))
}

// inShadow returns the text of a file with what differs from the active one in
// shadow mode. A file at fault is returned as it is: the service says why.
func inShadow(path string, text, active []byte) ([]byte, error) {
	file, _ := moments.Parse(path, text, segment.Vocabulary())
	if file == nil {
		return text, nil
	}
	old, _ := moments.Parse("active", active, segment.Vocabulary())
	tried, _, err := moments.InShadow(old, file)
	return tried, err
}

func (a *app) diffCommand() *cobra.Command {
	var cl client
	return a.withJSON(withServer(&cobra.Command{
		Use:     "diff FILE",
		Short:   "Compare moments with what is in force",
		Long:    "Diff compares a moments file with what is in force, key by key.\nExit status: 0 the same, 1 different, 2 an error.",
		Example: "  onhand diff moments.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			changes, err := a.compare(c.Context(), &cl, args[0])
			if err != nil {
				if !errors.Is(err, errFailed) { // then everything has been said
					fmt.Fprintln(a.err, "onhand:", err)
				}
				return exitStatus(2)
			}
			if a.json {
				if err := printJSON(a.out, changes); err != nil {
					return err
				}
			} else {
				for _, line := range changes {
					fmt.Fprintln(a.out, line)
				}
			}
			if len(changes) > 0 {
				return errFailed
			}
			return nil
		},
	}, &cl))
}

func (a *app) compare(ctx context.Context, cl *client, path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, faults := moments.Parse(path, text, segment.Vocabulary())
	if file == nil {
		for _, f := range faults {
			fmt.Fprintln(a.err, f)
		}
		return nil, errFailed
	}
	before, _, err := cl.active(ctx)
	if err != nil {
		return nil, err
	}
	old, _ := moments.Parse("active", before, segment.Vocabulary())
	return append([]string{}, moments.Diff(old, file)...), nil
}

func (a *app) momentsCommand() *cobra.Command {
	var cl client
	c := &cobra.Command{
		Use:     "moments",
		Short:   "Show the moments in force",
		Example: "  onhand moments list\n  onhand moments show > moments.yaml",
	}
	show := &cobra.Command{
		Use:     "show",
		Short:   "Print the file in force",
		Example: "  onhand moments show > moments.yaml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			text, _, err := cl.active(c.Context())
			if err == nil {
				_, err = a.out.Write(text)
			}
			return err
		},
	}
	list := &cobra.Command{
		Use:     "list",
		Short:   "List the moments in force",
		Example: "  onhand moments list --json",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.listMoments(c.Context(), &cl) },
	}
	reasons := &cobra.Command{
		Use:   "reasons",
		Short: "Explain the words decisions give as their reason",
		Long: `Reasons prints the words of the gate, step by step: what each makes of a
candidate, what it means, and the scenario in which it is said. It asks no
service.`,
		Example: "  onhand moments reasons\n  onhand moments reasons --json",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.listReasons() },
	}
	c.AddCommand(withServer(show, &cl), a.withJSON(withServer(list, &cl)), a.withJSON(reasons))
	return c
}

func (a *app) listReasons() error {
	list := processor.Reasons()
	if a.json {
		return printJSON(a.out, list)
	}
	t := table{head: []string{"step", "reason", "outcome", "meaning", "example"}}
	for _, d := range list {
		t.add(d.Step, string(d.Reason), d.Outcomes, d.Meaning, d.Example)
	}
	return t.print(a.out)
}

// momentJSON is a moment as --json prints it.
type momentJSON struct {
	Name    string   `json:"name"`
	When    []string `json:"when"`
	Class   string   `json:"class"`
	Mode    string   `json:"mode"`
	Tags    []string `json:"tags"`
	About   string   `json:"about,omitempty"`
	Version string   `json:"moments_version"`
}

func (a *app) listMoments(ctx context.Context, cl *client) error {
	text, version, err := cl.active(ctx)
	if err != nil {
		return err
	}
	file, faults := moments.Parse("active", text, segment.Vocabulary())
	if file == nil {
		return fmt.Errorf("the moments in force cannot be read by this version: %w", faults[0])
	}
	t := table{head: []string{"moment", "when", "class", "mode", "about"}}
	list := []momentJSON{}
	for _, m := range file.Moments {
		when := slices.Clone(m.When)
		if m.Fact != "" {
			when = append(when, string(m.Fact))
		}
		t.add(m.Name, strings.Join(when, ", "), m.Class.Name, m.Mode, m.About)
		list = append(list, momentJSON{m.Name, when, m.Class.Name, m.Mode, append([]string{}, m.Tags...), m.About, version})
	}
	if a.json {
		return printJSON(a.out, list)
	}
	return t.print(a.out)
}
