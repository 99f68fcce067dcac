package bench

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Report is what `onhand bench --json` prints.
type Report struct {
	Machine Machine `json:"machine"`
	Rows    []Row   `json:"rows"`
}

// Row is one figure: the median of its runs, and the extremes.
type Row struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
	Runs  int     `json:"runs"`
	Note  string  `json:"note,omitempty"` // what it stands on: load, extra figures
}

// row makes the row of some runs.
func row(name, unit, note string, runs []float64) Row {
	sorted := slices.Sorted(slices.Values(runs))
	n := len(sorted)
	r := Row{Name: name, Unit: unit, Note: note, Runs: n}
	if n > 0 {
		r.Value, r.Min, r.Max = (sorted[(n-1)/2]+sorted[n/2])/2, sorted[0], sorted[n-1]
	}
	return r
}

// Row returns the row of a name, false when it was not measured.
func (r *Report) Row(name string) (Row, bool) {
	i := slices.IndexFunc(r.Rows, func(x Row) bool { return x.Name == name })
	if i < 0 {
		return Row{}, false
	}
	return r.Rows[i], true
}

// WriteTo writes the report for people. Events per second are also given as a
// share of the bare pipe's.
func (r *Report) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	m := &r.Machine
	fmt.Fprintf(&b, "%s\n%d cores of which %.2f are given, %d MiB with random reads of %.0f ns, %s, %s/%s, kernel %s\n", m.Command, m.Cores, m.Given, m.MemoryMiB, m.MemoryNs, m.CPU, m.OS, m.Go, m.Kernel)
	fmt.Fprintf(&b, "sync %s, fsync p50 %.2f p99 %.2f ms, load average %s at the start, %s at the end\n", m.Sync, m.FsyncP50, m.FsyncP99, m.LoadStart, m.LoadEnd)
	if m.Quick {
		b.WriteString("QUICK: short runs on a small shop; they flatter latencies, and nothing was flushed. Use them to find what broke.\n")
	}
	fmt.Fprintf(&b, "\n%-26s %12s %-9s %12s %12s %5s %7s\n", "row", "value", "unit", "min", "max", "runs", "of pipe")
	pipe, _ := r.Row("bare_pipe")
	for _, x := range r.Rows {
		share := ""
		if x.Unit == pipe.Unit && pipe.Value > 0 {
			share = fmt.Sprintf("%.0f %%", 100*x.Value/pipe.Value)
		}
		fmt.Fprintf(&b, "%-26s %12s %-9s %12s %12s %5d %7s\n", x.Name, figure(x.Value), x.Unit, figure(x.Min), figure(x.Max), x.Runs, share)
		if x.Note != "" {
			fmt.Fprintf(&b, "    %s\n", x.Note)
		}
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// figure writes a number with three digits that matter, or whole.
func figure(x float64) string {
	switch {
	case x >= 100:
		return grouped(int64(x + 0.5))
	case x >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}

func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// order puts rows in the order of the contract.
func order(rows []Row) {
	place := func(name string) int {
		if i := slices.Index(names, name); i >= 0 {
			return i
		}
		return len(names)
	}
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(place(a.Name), place(b.Name)) })
}
