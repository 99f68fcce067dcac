package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"onhand/cmd/onhand/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// usageError is the mistake of whoever called: exit status 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exitStatus ends the command with a status when everything has been said.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// errFailed ends a command whose output has said what failed.
const errFailed = exitStatus(1)

// app is what all commands share.
type app struct {
	out, err io.Writer
	json     bool
	log      *slog.Logger

	logLevel, logFormat string
}

// run executes one command line and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{out: stdout, err: stderr, log: slog.New(slog.DiscardHandler)}
	root := a.root()
	root.SetArgs(args)
	began := false
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		began = true
		return a.setLogger()
	}
	err := root.ExecuteContext(ctx)
	var status exitStatus
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	}
	fmt.Fprintln(stderr, "onhand:", err)
	if errors.As(err, &usage) || !began {
		return 2
	}
	return 1
}

// root returns the tree of commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "onhand",
		Short: "Acts in a customer's moment of need",
		Long: `Onhand reads what a shop's systems say happened, remembers what each customer
wants, and decides, when it becomes true, the one thing worth doing, or stays
silent. It can always say why.

Exit status: 0 done, 1 a check, test or run failed, 2 wrong usage.`,
		Example:       "  onhand demo                 # a simulated shop, about a minute\n  onhand run --data ./data    # the service",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	f := root.PersistentFlags()
	f.StringVar(&a.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&a.logFormat, "log-format", "text", "text or json; logs go to stderr")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		a.runCommand(), a.demoCommand(), a.replayCommand(),
		a.checkCommand(), a.testCommand(), a.simCommand(), a.benchCommand(),
		a.applyCommand(), a.diffCommand(), a.whatifCommand(), a.momentsCommand(),
		a.statusCommand(), a.stopCommand(), a.resumeCommand(), a.eraseCommand(), a.dlqCommand(),
		a.checkpointCommand(), a.restoreCommand(), a.rewindCommand(),
		a.versionCommand(),
	)
	root.SetHelpCommand(helpCommand(root))
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Example = "  source <(onhand completion bash)"
		for _, shell := range completion.Commands() {
			shell.Example = "  " + shell.CommandPath()
		}
	}
	group(root)
	return root
}

// helpCommand is help, but a command that there is not is a mistake.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("there is no command %s; onhand help lists them", strings.Join(args, " "))
			}
			c.InitDefaultHelpFlag()
			return c.Help()
		},
	}
}

// group makes a command with others below it explain them, and say which one was
// probably meant; these say how they are written when their arguments are wrong.
func group(parent *cobra.Command) {
	parent.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	parent.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var known []string
		for _, sub := range c.Commands() {
			known = append(known, sub.Name())
		}
		if best := config.Nearest(args[0], known); best != "" {
			return usagef("there is no command %s %s; did you mean %s?", c.CommandPath(), args[0], best)
		}
		return usagef("there is no command %s %s; %s --help lists them", c.CommandPath(), args[0], c.CommandPath())
	}
	for _, c := range parent.Commands() {
		if c.HasSubCommands() {
			group(c)
		} else if check := c.Args; check != nil {
			c.Args = func(c *cobra.Command, args []string) error {
				err := check(c, args)
				if err == nil {
					return nil
				}
				switch _, takes, _ := strings.Cut(c.Use, " "); {
				case takes == "":
					err = fmt.Errorf("%s takes no %q", c.CommandPath(), args[0])
				case len(args) == 0:
					err = fmt.Errorf("%s needs %s", c.CommandPath(), takes)
				default:
					err = fmt.Errorf("%s takes %s, not %q besides", c.CommandPath(), takes, args[len(args)-1])
				}
				return usagef("%w; write: %s", err, c.UseLine())
			}
		}
	}
}

var (
	unknownFlag     = regexp.MustCompile(`^unknown flag: --([^=]+)`)
	invalidArgument = regexp.MustCompile(`^invalid argument "(.*)" for "(?:-., )?--(.*)" flag: `)
)

// flagValues says what flags take, by their type.
var flagValues = map[string]string{
	"int": "a whole number", "uint64": "a whole number, not below 0", "float64": "a number",
	"duration": "a duration like 30s or 24h", "bool": "true or false",
}

// flagError tells which flag was probably meant.
func flagError(c *cobra.Command, err error) error {
	if m := invalidArgument.FindStringSubmatch(err.Error()); m != nil {
		if f := c.Flags().Lookup(m[2]); f != nil && flagValues[f.Value.Type()] != "" {
			return usagef("--%s %s: write %s", m[2], m[1], flagValues[f.Value.Type()])
		}
	}
	m := unknownFlag.FindStringSubmatch(err.Error())
	if m == nil {
		return usagef("%w; see onhand help %s", err, c.Name())
	}
	var known []string
	c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if best := config.Nearest(m[1], known); best != "" {
		return usagef("%w; did you mean --%s?", err, best)
	}
	return usagef("%w; see onhand help %s", err, c.Name())
}

func (a *app) setLogger() error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
		return usagef("--log-level %s: one of debug, info, warn, error", a.logLevel)
	}
	o := &slog.HandlerOptions{Level: level}
	switch a.logFormat {
	case "text":
		a.log = slog.New(slog.NewTextHandler(a.err, o))
	case "json":
		a.log = slog.New(slog.NewJSONHandler(a.err, o))
	default:
		return usagef("--log-format %s: text or json", a.logFormat)
	}
	return nil
}

// withJSON adds the flag of commands that print a table.
func (a *app) withJSON(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

// quiet returns a logger for commands whose output is for people: only what is
// wrong is logged, unless a level was asked for.
func (a *app) quiet(c *cobra.Command) *slog.Logger {
	if c.Flags().Changed("log-level") || strings.EqualFold(a.logLevel, "debug") {
		return a.log
	}
	return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// terminal reports whether w is one.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}
