package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// A wrong expectation fails, and the decisions stand beside it.
func TestWrongExpectations(t *testing.T) {
	var out bytes.Buffer
	failed, err := RunFiles(context.Background(), []string{"testdata/wrong.yaml"}, FileOptions{Out: &out, Verbose: true})
	if err != nil || failed != 3 {
		t.Errorf("%d failed, %v; want 3", failed, err)
	}
	golden(t, "wrong.txt", regexp.MustCompile(`\(\d+(\.\d+)?[a-zµ]+\)\n$`).ReplaceAllString(out.String(), "(TIME)\n"))
}

// Every fault of a file is told with its place; what is right can be run.
func TestFaults(t *testing.T) {
	list, errs := Load("testdata/faults.yaml")
	var out strings.Builder
	for _, err := range errs {
		out.WriteString(err.Error() + "\n")
	}
	golden(t, "faults.txt", out.String())
	if len(list) != 1 || list[0].Name != "is right" {
		t.Errorf("%d scenarios can be run, want the one that is right", len(list))
	}
}

func TestRunFilter(t *testing.T) {
	var out bytes.Buffer
	failed, err := RunFiles(context.Background(), []string{"testdata/wrong.yaml"}, FileOptions{Out: &out, Run: regexp.MustCompile("right$"), Verbose: true})
	if failed != 0 || err != nil || !strings.Contains(out.String(), "ok    is right\n1 scenarios, 0 failed") {
		t.Errorf("%d failed, %v:\n%s", failed, err, out.String())
	}
	if _, err := RunFiles(context.Background(), []string{"testdata/wrong.yaml"}, FileOptions{Run: regexp.MustCompile("no such")}); err == nil {
		t.Error("a filter that finds nothing is no success")
	}
	if _, err := RunFiles(context.Background(), []string{"testdata/none.yaml"}, FileOptions{}); err == nil {
		t.Error("a file that is not there is no success")
	}
}

func TestReports(t *testing.T) {
	var out, junit bytes.Buffer
	if _, err := RunFiles(context.Background(), []string{"testdata/wrong.yaml"}, FileOptions{Out: &out, JUnit: &junit, JSON: true}); err != nil {
		t.Fatal(err)
	}
	var report struct {
		Run, Failed int
		Scenarios   []struct {
			Name      string
			OK        bool
			Line      int
			Decisions map[string]int
			Failures  []struct{ Text string }
		}
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if report.Run != 4 || report.Failed != 3 || len(report.Scenarios) != 4 || report.Scenarios[3].OK != true ||
		report.Scenarios[0].Decisions["suppressed"] != 1 || report.Scenarios[1].Line != 16 || len(report.Scenarios[1].Failures) != 1 {
		t.Errorf("%+v", report)
	}
	var suites struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name    string `xml:"name,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
					Text    string `xml:",chardata"`
				} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(junit.Bytes(), &suites); err != nil {
		t.Fatal(err)
	}
	if suites.Tests != 4 || suites.Failures != 3 || len(suites.Suites) != 1 || len(suites.Suites[0].Cases) != 4 {
		t.Fatalf("%+v", suites)
	}
	if f := suites.Suites[0].Cases[0].Failure; f == nil || !strings.Contains(f.Text, "purchased") {
		t.Errorf("the first case has failure %+v", f)
	}
	if f := suites.Suites[0].Cases[3].Failure; f != nil {
		t.Errorf("what passed has failure %+v", f)
	}
}

// A run that is cancelled says so.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := RunFiles(ctx, []string{"testdata/wrong.yaml"}, FileOptions{}); err == nil {
		t.Error("no error")
	}
}
