package scenario

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// FileOptions say which scenarios are run and where the report goes.
type FileOptions struct {
	Options
	Run     *regexp.Regexp // only scenarios whose name it matches; nil = all
	Verbose bool           // name the ones that pass, too
	JSON    bool           // the report as one JSON object
	Out     io.Writer      // report
	JUnit   io.Writer      // the same for a build server; nil = none
}

// outcome is a result with what a report says beside it.
type outcome struct {
	Result
	took time.Duration
}

// RunFiles runs the scenarios in files and folders (*.yaml and *.yml in them,
// at any depth) and writes a report. failed counts the scenarios that failed.
// The error says what cannot be read; the other scenarios have been run then.
func RunFiles(ctx context.Context, paths []string, o FileOptions) (failed int, err error) {
	if o.Out == nil {
		o.Out = io.Discard
	}
	files, err := find(paths)
	if err != nil {
		return 0, err
	}
	var errs []error
	var results []outcome
	began := time.Now()
	for _, f := range files {
		list, faults := Load(f)
		errs = append(errs, faults...)
		for _, s := range list {
			if o.Run != nil && !o.Run.MatchString(s.Name) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return failed, err
			}
			at := time.Now()
			x := outcome{Run(ctx, s, o.Options), time.Since(at)}
			results = append(results, x)
			if !x.OK() {
				failed++
			}
			if !o.JSON {
				x.print(o.Out, o.Verbose)
			}
		}
	}
	took := time.Since(began)
	if o.JSON {
		err = writeJSON(o.Out, results, failed)
	} else {
		_, err = fmt.Fprintf(o.Out, "%d scenarios, %d failed (%s)\n", len(results), failed, took.Round(time.Millisecond))
	}
	errs = append(errs, err)
	if o.JUnit != nil {
		errs = append(errs, writeJUnit(o.JUnit, results, failed, took))
	}
	if len(results) == 0 && errors.Join(errs...) == nil {
		errs = append(errs, errors.New("no scenario was run; check the path and --run"))
	}
	return failed, errors.Join(errs...)
}

// find returns the files that paths name, in order, each once.
func find(paths []string) (files []string, err error) {
	for _, p := range paths {
		err := filepath.WalkDir(p, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			ext := filepath.Ext(path)
			if !d.IsDir() && (path == p || ext == ".yaml" || ext == ".yml") && !slices.Contains(files, path) {
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// print writes what became of a scenario.
func (x *outcome) print(w io.Writer, verbose bool) {
	if x.OK() {
		if verbose {
			fmt.Fprintf(w, "ok    %s\n", x.Scenario.Name)
		}
		return
	}
	fmt.Fprintf(w, "FAIL  %s\n%s", x.Scenario.Name, indent(x.text()))
}

// text is what failed, one paragraph for each step.
func (r *Result) text() string {
	var b strings.Builder
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "%s:%d", r.Scenario.File, f.Line)
		if f.At != "" {
			fmt.Fprintf(&b, " (%s)", f.At)
		}
		fmt.Fprintf(&b, ": %s\n", strings.TrimRight(f.Text, "\n"))
	}
	return b.String()
}

func indent(s string) string {
	return "      " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n      ") + "\n"
}

func writeJSON(w io.Writer, results []outcome, failed int) error {
	type failure struct {
		Line int    `json:"line"`
		At   string `json:"at,omitempty"`
		Text string `json:"text"`
	}
	type row struct {
		Name      string         `json:"name"`
		File      string         `json:"file"`
		Line      int            `json:"line"`
		OK        bool           `json:"ok"`
		TookMS    int64          `json:"took_ms"`
		Decisions map[string]int `json:"decisions"`
		Failures  []failure      `json:"failures,omitempty"`
	}
	report := struct {
		Run       int   `json:"run"`
		Failed    int   `json:"failed"`
		Scenarios []row `json:"scenarios"`
	}{len(results), failed, []row{}}
	for _, x := range results {
		r := row{
			Name: x.Scenario.Name, File: x.Scenario.File, Line: x.Scenario.Line, OK: x.OK(),
			TookMS: x.took.Milliseconds(), Decisions: counts(x.Decisions),
		}
		for _, f := range x.Failures {
			r.Failures = append(r.Failures, failure(f))
		}
		report.Scenarios = append(report.Scenarios, r)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(report)
}

// writeJUnit writes the report build servers read: one suite for each file.
func writeJUnit(w io.Writer, results []outcome, failed int, took time.Duration) error {
	type failure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testcase struct {
		Name    string   `xml:"name,attr"`
		Class   string   `xml:"classname,attr"`
		File    string   `xml:"file,attr"`
		Line    int      `xml:"line,attr"`
		Time    string   `xml:"time,attr"`
		Failure *failure `xml:"failure,omitempty"`
	}
	type suite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Time     string     `xml:"time,attr"`
		Cases    []testcase `xml:"testcase"`

		took time.Duration
	}
	report := struct {
		XMLName  xml.Name `xml:"testsuites"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Time     string   `xml:"time,attr"`
		Suites   []*suite `xml:"testsuite"`
	}{Tests: len(results), Failures: failed, Time: seconds(took)}
	for _, x := range results {
		n := len(report.Suites)
		if n == 0 || report.Suites[n-1].Name != x.Scenario.File {
			report.Suites = append(report.Suites, &suite{Name: x.Scenario.File})
			n++
		}
		u := report.Suites[n-1]
		c := testcase{
			Name: x.Scenario.Name, Class: strings.TrimSuffix(filepath.Base(x.Scenario.File), filepath.Ext(x.Scenario.File)),
			File: x.Scenario.File, Line: x.Scenario.Line, Time: seconds(x.took),
		}
		if !x.OK() {
			u.Failures++
			first, _, _ := strings.Cut(x.Failures[0].Text, "\n")
			c.Failure = &failure{first, x.text()}
		}
		u.Tests++
		u.took += x.took
		u.Time = seconds(u.took)
		u.Cases = append(u.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(report); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
