package segment

import "testing"

func TestPhoneID(t *testing.T) {
	key := []byte("k")
	same := PhoneID(key, "+33612345678")
	for number, equal := range map[string]bool{
		"+33 6 12 34 56 78": true, "0033612345678": true, "+33 (6) 12-34.56/78": true,
		"0612345678": false, "33612345678": false, "+33612345679": false,
	} {
		if got := PhoneID(key, number); got == "" || (got == same) != equal {
			t.Errorf("%s: %q, the other is %q", number, got, same)
		}
	}
	if PhoneID([]byte("other"), "+33612345678") == same {
		t.Error("another deployment makes the same of it")
	}
	for _, number := range []string{"", "112", "call me", "+", "sealed:a.b", "+336123456789012345678901234"} {
		if got := PhoneID(key, number); got != "" {
			t.Errorf("%q: %q, want none", number, got)
		}
	}
	if got := PhoneID(nil, "+33612345678"); got != "" {
		t.Errorf("without a key: %q", got)
	}
}
