package scenario

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// elsewhere are the capabilities and edge cases whose test is not a scenario:
// where it stands, or why there is none.
var elsewhere = map[string]string{
	"X26": "processor: TestClockHeldBack",
	"X29": "cmd/onhand: TestWhatIfOfANight",
}

// TestCovers wants a scenario for every capability and edge case that decisions
// depend on: a key covers of a scenario names those it shows.
func TestCovers(t *testing.T) {
	var rows []string
	for _, g := range []struct {
		letter   string
		from, to int
	}{{"A", 1, 6}, {"B", 1, 12}, {"D", 2, 2}, {"D", 6, 8}, {"E", 1, 12}, {"X", 1, 30}} {
		for n := g.from; n <= g.to; n++ {
			rows = append(rows, fmt.Sprint(g.letter, n))
		}
	}
	files, err := filepath.Glob("scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	covered := map[string][]string{}
	for _, f := range files {
		list, faults := Load(f)
		for _, err := range faults {
			t.Error(err)
		}
		for _, s := range list {
			for _, row := range s.Covers {
				covered[row] = append(covered[row], s.Name)
				if strings.Trim(row[1:], "0123456789") != "" || !strings.Contains("ABCDEFX", row[:1]) {
					t.Errorf("%s:%d: covers %q, which is no capability and no edge case", f, s.Line, row)
				}
			}
		}
	}
	for _, row := range rows {
		switch {
		case len(covered[row]) > 0 && elsewhere[row] != "":
			t.Errorf("%s has scenarios; it need not be elsewhere", row)
		case len(covered[row]) == 0 && elsewhere[row] == "":
			t.Errorf("no scenario shows %s", row)
		}
		slices.Sort(covered[row])
		t.Logf("%s: %s%s", row, strings.Join(covered[row], "; "), elsewhere[row])
	}
}
