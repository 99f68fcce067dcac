package zone

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed places.txt
var placesText string

var places = sync.OnceValue(func() map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(placesText) {
		if code, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok && code[0] != '#' {
			m[code] = name
		}
	}
	return m
})

// zones are those of each country, by its code.
var zones = sync.OnceValue(func() map[string]map[string]bool {
	m := map[string]map[string]bool{}
	for code, name := range places() {
		country, _, _ := strings.Cut(code, "-")
		if m[country] == nil {
			m[country] = map[string]bool{}
		}
		m[country][name] = true
	}
	return m
})

// Within reports whether a zone is that of a country, or of a part of it.
func Within(name, country string) bool { return zones()[country][name] }

// Of returns the name of the one zone of a country, or of a state of it when
// the country has several; "" when the place does not settle it. country is an
// ISO 3166-1 code such as FR, region the code of a state such as CA, with or
// without its country (US-CA).
func Of(country, region string) string {
	country, region = strings.ToUpper(strings.TrimSpace(country)), strings.ToUpper(strings.TrimSpace(region))
	if country == "UK" {
		country = "GB" // what people write
	}
	if name := places()[country]; name != "" {
		return name
	}
	return places()[country+"-"+strings.TrimPrefix(region, country+"-")]
}
