package sim

import (
	"fmt"
	"slices"
)

// maxStory is how many lines of a story are told, the last ones.
const maxStory = 60

// about is a complaint with the story of a customer and an item behind it: what
// their logs said, and what was decided with it.
func (o *oracle) about(customer, sku, checker, format string, args ...any) {
	o.w.fail(checker, format, args...)
	v := &o.w.result.Violations[len(o.w.result.Violations)-1]
	for _, key := range []string{customer, sku} {
		v.Story = append(v.Story, o.story(key, sku)...)
	}
}

// story tells what the log of a customer or an item said of an item.
func (o *oracle) story(key, sku string) (lines []string) {
	if key == "" {
		return nil
	}
	home := o.home(key)
	for i, m := range o.logs[home].records {
		for _, f := range m.facts {
			if f.key() == key && (f.sku == sku || f.sku == "" || sku == "") {
				lines = append(lines, fmt.Sprintf("%s: record %d, now %d: %s", key, i, m.now, f))
			}
		}
		for _, s := range o.after[home].steps[i].said {
			if s.customer == key && (s.value == sku || sku == "") {
				lines = append(lines, fmt.Sprintf("%s: record %d, now %d: decided %v%s", key, i, m.now, &s, name(" offer ", s.offer)))
			}
		}
	}
	if n := len(lines) - maxStory; n > 0 {
		lines = slices.Replace(lines, 0, n, fmt.Sprintf("%s: (%d lines before)", key, n))
	}
	return lines
}
