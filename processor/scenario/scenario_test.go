package scenario

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestScenarios runs every scenario that ships, on 1 and 16 partitions and
// with restarts.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	names, total := map[string]string{}, 0
	for _, f := range files {
		list, faults := Load(f)
		for _, err := range faults {
			t.Error(err)
		}
		for i, s := range list {
			if names[s.Name] != "" {
				t.Errorf("%s:%d: the name %q is taken in %s", f, s.Line, s.Name, names[s.Name])
			}
			names[s.Name] = f
			total++
			t.Run(filepath.Base(f)+"/"+s.Name, func(t *testing.T) {
				t.Parallel()
				r := Run(context.Background(), s, Options{Corrections: true})
				if !r.OK() {
					t.Errorf("\n%s", r.text())
				}
				if i%8 != 0 {
					return
				}
				// The same log says the same, to the last number.
				a, b := run(context.Background(), s, setting{partitions: 3}), run(context.Background(), s, setting{partitions: 3})
				if diff := cmp.Diff(a.Decisions, b.Decisions, cmpopts.IgnoreUnexported(Decided{})); diff != "" {
					t.Errorf("run twice:\n%s", diff)
				}
			})
		}
	}
	if total < 45 {
		t.Errorf("%d scenarios; at least 45", total)
	}
}
