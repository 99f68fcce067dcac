package zone

import "testing"

func TestWithin(t *testing.T) {
	for _, x := range []struct {
		name, country string
		want          bool
	}{{"Europe/Paris", "FR", true}, {"Europe/Paris", "DE", false}, {"America/Los_Angeles", "US", true}, {"", "FR", false}, {"Europe/Paris", "", false}} {
		if got := Within(x.name, x.country); got != x.want {
			t.Errorf("%s in %s: %v", x.name, x.country, got)
		}
	}
}

func TestOf(t *testing.T) {
	for code, name := range places() {
		if _, err := Load(name); err != nil {
			t.Errorf("%s: %v", code, err)
		}
	}
	for _, x := range []struct{ country, region, want string }{
		{"FR", "", "Europe/Paris"}, {" de ", "BY", "Europe/Berlin"}, {"uk", "", "Europe/London"}, {"IN", "", "Asia/Kolkata"},
		{"US", "", ""}, {"US", "CA", "America/Los_Angeles"}, {"US", "US-NY", "America/New_York"}, {"US", "TX", ""},
		{"ES", "", ""}, {"", "", ""}, {"", "FR", ""}, {"XX", "", ""},
	} {
		if got := Of(x.country, x.region); got != x.want {
			t.Errorf("%q %q: %q, want %q", x.country, x.region, got, x.want)
		}
	}
}
