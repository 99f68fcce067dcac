package processor

import (
	"bytes"
	"fmt"
	"strings"

	"onhand/processor/moments"
)

// Unsupported returns a warning for each moment of a file that this program
// does not carry out in full, at the line of its name. A moment that it would
// carry out wrongly starts nothing; see unsupported. file names the file.
func Unsupported(file string, f *moments.File) (faults []moments.Fault) {
	for i := range f.Moments {
		mo := &f.Moments[i]
		if mo.Mode == moments.Off {
			continue
		}
		line, col := placeOf(f.Source, mo.Name)
		warn := func(what, then string) {
			faults = append(faults, moments.Fault{File: file, Line: line, Col: col, Warning: true, What: what, Do: then})
		}
		if why := unsupported(mo); why != "" {
			warn(fmt.Sprintf("moment %s: this version does not carry out %s", mo.Name, why), "it starts nothing until a version does; write mode: off to say so")
		}
	}
	return faults
}

// unsupported names what of a moment this program would get wrong; "" = nothing.
func unsupported(mo *moments.Moment) string {
	switch {
	case len(mo.Lines) > 0 && !hasLines(mo.Per):
		return "lines per " + mo.Per
	case mo.Stock == moments.StockSellable && mo.Class.Name != "marketing" && !hasLines(mo.Per):
		return "stock: sellable per " + mo.Per
	}
	return ""
}

// hasLines reports whether what there is one occurrence for speaks of items.
func hasLines(per string) bool {
	switch per {
	case "cart_id", "sku", "family", "sale_id", "order_id", "shipment_id", "subscription_id":
		return true
	}
	return false
}

// placeOf returns the line and column of a moment's name in the file, from 1.
func placeOf(text []byte, name string) (line, col int) {
	in := false
	for i, l := range bytes.Split(text, []byte("\n")) {
		s := string(l)
		if strings.HasPrefix(s, "moments:") {
			in = true
		}
		if trimmed := strings.TrimLeft(s, " "); in && strings.HasPrefix(trimmed, name+":") {
			return i + 1, len(s) - len(trimmed) + 1
		}
	}
	return 1, 1
}
