package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"onhand/processor/moments"
)

// judge compares what was decided with what was expected. It returns "" when
// each expectation has a decision of its own and every decision that acts on a
// customer is expected, else both side by side.
func judge(s Scenario, want []expected, got []Decided) string {
	var musts []int
	for j := range got {
		if got[j].acts {
			musts = append(musts, j)
		}
	}
	left, right := pair(len(want), len(got), func(i, j int) bool { return matches(want[i].fields, got[j].Fields) }, musts...)
	missing, unexpected := 0, 0
	for _, j := range left {
		if j < 0 {
			missing++
		}
	}
	for _, j := range musts {
		if right[j] < 0 {
			unexpected++
		}
	}
	if missing == 0 && unexpected == 0 {
		return ""
	}
	rows := [][]string{{"", "AT", "CUSTOMER", "MOMENT", "OUTCOME", "REASON", "WHAT"}}
	asked := slices.ContainsFunc(want, func(e expected) bool {
		fields, _ := e.fields.(map[string]any)
		return fields["delivery"] != nil
	})
	for j := range got {
		if right[j] < 0 && !asked && got[j].Fields["delivery"] == "delivered" {
			continue // as it should be, and nobody asked
		}
		mark := ""
		switch {
		case right[j] >= 0:
			mark = "ok"
		case got[j].acts:
			mark = "NOT EXPECTED"
		}
		rows = append(rows, got[j].row(s, mark))
	}
	for i := range want {
		if left[i] >= 0 {
			continue
		}
		fields, _ := want[i].fields.(map[string]any)
		rows = append(rows, row(s, "MISSING", fields))
		if near := nearest(want[i].fields, got, right); near != "" {
			rows = append(rows, []string{"", "", near})
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d expected, %d of them missing; %d decided that nobody expected\n", len(want), missing, unexpected)
	table(&b, rows)
	return strings.TrimRight(b.String(), "\n")
}

// nearest says in what the most similar free decision differs.
func nearest(want any, got []Decided, taken []int) string {
	best := []string(nil)
	for j := range got {
		if taken[j] >= 0 {
			continue
		}
		d := differences(nil, "", want, got[j].Fields)
		if best == nil || len(d) < len(best) {
			best = d
		}
	}
	named, _ := want.(map[string]any)
	if best == nil || len(best) >= len(named) && len(named) > 1 {
		return ""
	}
	return "^ the nearest has " + strings.Join(best, "; ")
}

func (d *Decided) row(s Scenario, mark string) []string { return row(s, mark, d.Fields) }

// row writes a decision, or an expectation, as one line of a table. What has
// no column of its own stands in the last one.
func row(s Scenario, mark string, fields map[string]any) []string {
	text := func(key string) string {
		if v := fields[key]; v != nil {
			return show(v)
		}
		return "-"
	}
	outcome := text("outcome")
	if fields["outcome"] == nil && fields["delivery"] != nil {
		outcome = text("delivery")
	}
	if fields["correction"] != nil {
		outcome = text("correction")
	}
	at := "-"
	switch v := fields["at"].(type) {
	case string:
		at = offset(s, v)
	case word:
		at = v.text
	}
	return []string{mark, at, text("customer"), text("moment"), outcome, text("reason"), what(s, fields)}
}

// what picks what else helps a reader.
func what(s Scenario, fields map[string]any) string {
	var parts []string
	add := func(name string, v any) {
		if v == nil {
			return
		}
		if t, ok := v.(string); ok {
			v = offset(s, t)
		}
		parts = append(parts, name+" "+show(v))
	}
	add("until", fields["until"])
	if a, ok := fields["action"].(map[string]any); ok {
		for _, key := range []string{"kind", "channel", "skus", "lines", "total", "offer_id"} {
			if key == "lines" && a["skus"] != nil || key == "kind" && a[key] == "message" {
				continue
			}
			add(key, a[key])
		}
	} else if c, ok := fields["cause"].(map[string]any); ok {
		add("of", c["value"])
	}
	add("channel", fields["channel"])
	add("late_ms", fields["late_ms"])
	add("code", fields["code"])
	if e, ok := fields["evidence"].(map[string]any); ok {
		add("place", e["place"])
		add("left out", e["dropped"])
	}
	if fields["mode"] == "shadow" {
		add("mode", "shadow")
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

// offset writes a time as the scenario does; other texts as they are.
func offset(s Scenario, v string) string {
	t, err := time.Parse(jsonTime, v)
	if err != nil {
		return v
	}
	return moments.FormatDuration(time.Duration(t.UnixMilli()-s.Start) * time.Millisecond)
}

// stamp writes a time as decisions do.
func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format(jsonTime) }

// table writes rows with their columns aligned. A row of three cells is a
// remark: its last cell is not aligned.
func table(b *strings.Builder, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if len(widths) <= i {
				widths = append(widths, 0)
			}
			if len(row) > 3 {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		fmt.Fprintln(b, strings.TrimRight("  "+line.String(), " "))
	}
}

// counts says how many decisions of each outcome there were, for a summary.
func counts(list []Decided) map[string]int {
	m := map[string]int{}
	for i := range list {
		if o, ok := list[i].Fields["outcome"].(string); ok && slices.Contains(outcomes, o) {
			m[o]++
		}
	}
	return m
}
