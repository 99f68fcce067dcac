package scenario

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"onhand/processor"
)

// TestReasons wants of every word of the gate a scenario in which it is said:
// the example its documentation names.
func TestReasons(t *testing.T) {
	files, err := filepath.Glob("scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	title, word := regexp.MustCompile(`(?m)^name: (.*)$`), regexp.MustCompile(`reason: (\w+)`)
	said := map[string]map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for doc := range strings.SplitSeq(string(text), "\n---\n") {
			m := title.FindStringSubmatch(doc)
			if m == nil {
				t.Fatalf("%s: a scenario without a name", f)
			}
			said[m[1]] = map[string]bool{}
			for _, w := range word.FindAllStringSubmatch(doc, -1) {
				said[m[1]][w[1]] = true
			}
		}
	}
	rank := -1
	steps := []string{processor.StepWanted, processor.StepAvailable, processor.StepPermitted, processor.StepTimely, processor.StepBest}
	words := map[processor.Reason]bool{}
	for _, d := range processor.Reasons() {
		words[d.Reason] = true
		for rank < 0 || steps[rank] != d.Step {
			if rank++; rank == len(steps) {
				t.Fatalf("%s stands out of the order of the steps", d.Reason)
			}
		}
		switch {
		case d.Meaning == "" || d.Outcomes == "":
			t.Errorf("%s is not documented: its meaning and its outcome", d.Reason)
		case !said[d.Example][string(d.Reason)]:
			t.Errorf("%s: no scenario %q says it", d.Reason, d.Example)
		}
	}
	if len(words) != 54 {
		t.Errorf("%d words are documented, of 54", len(words))
	}
}
