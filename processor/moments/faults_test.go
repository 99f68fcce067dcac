package moments

import (
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestFaults plays testdata/faults: a file (or a part of one) and all that is
// wrong with it.
//
//	check            the text is a whole file
//	moments          the text is what stands under moments:, from line 5 on,
//	                 indented by two
//	policy           the text is what stands under policy:, from line 5 on
func TestFaults(t *testing.T) {
	const head = "version: 1\ncurrency: EUR\n"
	datadriven.Walk(t, "testdata/faults", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			text := d.Input
			switch d.Cmd {
			case "check":
			case "moments":
				text = head + "interest: {cart: {from: Product Added, strength: 1, lasts: 1d}}\nmoments:\n  " + text
			case "policy":
				text = head + "\npolicy:\n  " + text
			default:
				d.Fatalf(t, "unknown command %s", d.Cmd)
			}
			f, faults := Parse("f", []byte(text), Standard())
			out := strings.Join(append(lines(faults), ""), "\n")
			if f != nil {
				out += "ok\n"
			}
			return out
		})
	})
}

// Every fault of a golden file says where, and every one that is not a warning
// says what.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"shipped.yaml", "testdata/faults/yaml", "testdata/faults/moments", "testdata/faults/policy"} {
		text, err := os.ReadFile(name)
		require.NoError(f, err)
		for part := range strings.SplitSeq(string(text), "\n\n") {
			f.Add([]byte(part))
			f.Add([]byte("version: 1\ncurrency: EUR\nmoments:\n" + strings.TrimPrefix(part, "moments\n")))
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, faults := Parse("f", text, Standard())
		refused := false
		for _, x := range faults {
			refused = refused || !x.Warning
			if x.File != "f" || x.Line < 1 || x.Col < 1 || x.What == "" || strings.Contains(x.String(), "\n") {
				t.Fatalf("%q", x.String())
			}
		}
		if refused != (file == nil) {
			t.Fatalf("file %v, faults %v", file != nil, lines(faults))
		}
		if file != nil {
			if diff := Diff(file, file); diff != nil {
				t.Fatal(diff)
			}
		}
		if _, again := Parse("f", text, Standard()); len(again) != len(faults) {
			t.Fatal("not the same twice")
		}
	})
}
