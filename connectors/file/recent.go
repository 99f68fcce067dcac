package file

import "strings"

// recent remembers the last ids added, up to a number.
type recent struct {
	ids  map[string]struct{}
	ring []string // in order of arrival, from next
	next int
}

func newRecent(n int) *recent {
	return &recent{ids: map[string]struct{}{}, ring: make([]string, n)}
}

func (r *recent) has(id string) bool {
	_, ok := r.ids[id]
	return ok
}

func (r *recent) add(id string) {
	if r.has(id) {
		return
	}
	delete(r.ids, r.ring[r.next])
	r.ring[r.next], r.ids[id] = id, struct{}{}
	r.next = (r.next + 1) % len(r.ring)
}

// escapeGlob makes a path stand for itself in a pattern of filepath.Glob.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
