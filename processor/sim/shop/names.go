package shop

import (
	"strconv"
	"strings"
)

// Ids are the shop's own, so they may hold anything. A few in a hundred hold
// what is awkward for subjects, keys, paths, JSON or log lines.
var hostile = []func(n string) string{
	func(n string) string { return "Zoë Ünïcode 客戶 " + n },
	func(n string) string { return "with space " + n },
	func(n string) string { return "a.b..c." + n },
	func(n string) string { return "in.*.>" + n },
	func(n string) string { return `quote"back\slash` + n },
	func(n string) string { return "zero\u200bwidth\u202eturned\u2028" + n },
	func(n string) string { return "🛒" + n },
	func(n string) string { return "../../etc/" + n + "?a=b&c=%00#x" },
	func(n string) string { return strings.Repeat("x", 256-len(n)) + n },
	func(n string) string { return strings.Repeat("é", 100) + n },
	func(n string) string { return "null-" + n + "-{}[],:" },
}

// nameOf returns the id of the i-th customer or item; every 40th is hostile.
func nameOf(prefix string, i int) string {
	n := strconv.Itoa(i)
	if i%40 == 7 {
		return hostile[i/40%len(hostile)](prefix + n)
	}
	return prefix + strings.Repeat("0", max(0, 6-len(n))) + n
}

// zones are the customers' time zones; "" is not told, one is no zone at all.
var zones = []string{
	"Europe/Paris", "Europe/Paris", "Europe/London", "Europe/Berlin", "Europe/Lisbon", "Europe/Helsinki",
	"America/New_York", "America/Los_Angeles", "America/Sao_Paulo", "America/St_Johns",
	"Asia/Tokyo", "Asia/Kolkata", "Australia/Sydney", "Pacific/Auckland", "UTC",
	"", "Mars/Olympus",
}

var categories = []string{"phones", "cases", "shoes", "books", "toys", "garden", "coffee", "tools"}
