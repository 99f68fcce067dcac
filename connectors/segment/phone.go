package segment

import (
	_ "embed"
	"strings"
	"sync"
)

// dialling is how a country is called: from abroad with the calling code, at
// home with the trunk prefix in front; international leads out of it.
type dialling struct{ calling, trunk, international string }

//go:embed dialing.txt
var diallingText string

var countries = sync.OnceValue(func() map[string]dialling {
	m := map[string]dialling{}
	for line := range strings.Lines(diallingText) {
		f := strings.Fields(line)
		if f[0] == "#" {
			continue
		}
		d := dialling{calling: f[1], international: "00"}
		if f[2] != "-" {
			d.trunk = f[2]
		}
		if len(f) > 3 {
			d.international = f[3]
		}
		m[f[0]] = d
	}
	return m
})

// keepsNoZero holds the calling codes of countries whose 0 is dialled at home
// only: behind the calling code it is a slip of who wrote +33 (0)6.
var keepsNoZero = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for _, d := range countries() {
		if d.trunk == "0" {
			m[d.calling] = true
		}
	}
	return m
})

// IsCountry reports whether numbers of a country, by its ISO 3166-1 code, are
// understood.
func IsCountry(code string) bool { _, ok := countries()[code]; return ok }

// The fewest and the most digits of a number: fewer are an extension or a
// mistake.
const (
	fewestDigits = 7
	mostDigits   = 20
)

// wholeNumber returns a telephone number with its country, as E.164 writes it:
// +33612345678. One that is written as at home is taken to be of the country
// given, an ISO 3166-1 code; where that is "" it stays as it is, without a +,
// and is another number. Spaces, dashes, dots, slashes and parentheses make no
// difference. "" means that it is no number.
//
// It compares numbers and does not judge them: none is checked for being one
// that is given out.
func wholeNumber(number, country string) string {
	digits := make([]byte, 0, 24)
	plus := false
	for i := range len(number) {
		switch c := number[i]; {
		case c >= '0' && c <= '9':
			digits = append(digits, c)
		case c == '+' && len(digits) == 0 && !plus:
			plus = true
		case c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '/':
		default:
			return ""
		}
	}
	n := string(digits)
	home, known := countries()[country]
	if !plus {
		abroad := "00"
		if known {
			abroad = home.international
		}
		var cut bool
		if n, cut = strings.CutPrefix(n, abroad); cut {
			plus = true
		}
	}
	if len(n) < fewestDigits || len(n) > mostDigits {
		return ""
	}
	switch {
	case plus:
		for i := 1; i <= 3; i++ {
			if keepsNoZero()[n[:i]] && n[i] == '0' {
				n = n[:i] + n[i+1:]
				break
			}
		}
	case known:
		n = home.calling + strings.TrimPrefix(n, home.trunk)
	default:
		return n
	}
	return "+" + n
}
