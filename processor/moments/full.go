package moments

import (
	_ "embed"
	"slices"
)

//go:embed testdata/full.yaml
var fullFile []byte

// Full returns a file that uses every part of the language, for those who try
// all of it: the simulator plays it.
func Full() []byte { return slices.Clone(fullFile) }
