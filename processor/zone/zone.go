// Package zone holds the world's time zones, pinned with the program: the same
// log must give the same decisions on machines with other zone files.
package zone

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"sync"
	"time"
)

//go:embed zoneinfo.zip
var files []byte

var index = sync.OnceValue(func() map[string]*zip.File {
	r, err := zip.NewReader(bytes.NewReader(files), int64(len(files)))
	if err != nil {
		panic(fmt.Errorf("zone: the embedded zone files are damaged: %w", err))
	}
	m := make(map[string]*zip.File, len(r.File))
	for _, f := range r.File {
		m[f.Name] = f
	}
	return m
})

var loaded sync.Map // name -> *time.Location

// Load returns the location with an IANA name such as Europe/Paris. Other
// names, and the machine's local zone, are errors.
func Load(name string) (*time.Location, error) {
	if loc, ok := loaded.Load(name); ok {
		return loc.(*time.Location), nil
	}
	f := index()[name]
	if f == nil || f.FileInfo().IsDir() {
		return nil, fmt.Errorf("zone: %q is not the name of a time zone", name)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	loc, err := time.LoadLocationFromTZData(name, data)
	if err != nil {
		return nil, err
	}
	loaded.Store(name, loc)
	return loc, nil
}
