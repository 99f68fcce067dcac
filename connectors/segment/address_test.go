package segment

import "testing"

func TestPhoneID(t *testing.T) {
	key := []byte("k")
	for _, x := range []struct {
		number, country, same string
		differs               bool
	}{
		{"+33 6 12 34 56 78", "", "+33612345678", false},
		{"0033612345678", "", "+33612345678", false},
		{"+33 (0)6 12-34.56/78", "", "+33612345678", false},
		{"06 12 34 56 78", "FR", "+33612345678", false},
		{"0612345678", "", "+33612345678", true},
		{"0612345678", "DE", "+33612345678", true},
		{"33612345678", "", "+33612345678", true},
		{"+33612345679", "FR", "+33612345678", true},
		{"+33612345678", "DE", "+33612345678", false},
		{"06 1234 5678", "IT", "+390612345678", false}, // the zero belongs to it
		{"+39 06 1234 5678", "FR", "+390612345678", false},
		{"(650) 253-0000", "US", "+16502530000", false},
		{"1 650 253 0000", "CA", "+16502530000", false},
		{"011 44 20 7946 0000", "US", "+442079460000", false},
		{"06 30 123 4567", "HU", "+36301234567", false},
		{"8 916 123 45 67", "RU", "+79161234567", false},
		{"912 345 678", "ES", "+34912345678", false},
	} {
		got, want := PhoneID(key, x.number, x.country), PhoneID(key, x.same, "")
		if got == "" || (got != want) != x.differs {
			t.Errorf("%s in %s: %q, %s is %q", x.number, x.country, got, x.same, want)
		}
	}
	if PhoneID([]byte("other"), "+33612345678", "") == PhoneID(key, "+33612345678", "") {
		t.Error("another deployment makes the same of it")
	}
	for _, number := range []string{"", "112", "call me", "+", "++33612345678", "0033", "sealed:a.b", "+336123456789012345678901234"} {
		if got := PhoneID(key, number, "FR"); got != "" {
			t.Errorf("%q: %q, want none", number, got)
		}
	}
	if got := PhoneID(nil, "+33612345678", "FR"); got != "" {
		t.Errorf("without a key: %q", got)
	}
}

func TestEmailID(t *testing.T) {
	key := []byte("k")
	if a, b := EmailID(key, " Ann@Example.COM"), EmailID(key, "ann@example.com"); a == "" || a != b {
		t.Errorf("%q and %q", a, b)
	}
	if EmailID(key, "ann@example.com") == EmailID(key, "anne@example.com") {
		t.Error("two addresses are one")
	}
	for _, address := range []string{"", "ann", "@example.com", "ann@", "ann lee@example.com", "a@b.com,c@d.com", "Ann <ann@example.com>"} {
		if got := EmailID(key, address); got != "" {
			t.Errorf("%q: %q, want none", address, got)
		}
	}
}

func TestCountries(t *testing.T) {
	if n := len(countries()); n < 240 || !IsCountry("FR") || IsCountry("UK") {
		t.Errorf("%d countries", n)
	}
}
