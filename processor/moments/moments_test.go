package moments

import (
	"os"
	"testing"
)

func TestFull(t *testing.T) {
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"full.yaml": text, "shipped.yaml": Shipped()} {
		f, faults := Parse(name, text, Standard())
		for _, x := range faults {
			t.Error(x)
		}
		_ = f
	}
}
