package processor

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What an inlet has sealed is kept for the channels; another text is another
// address, if it was sealed with the same key.
func TestSealedAddresses(t *testing.T) {
	var p Profile
	say := func(at int64, traits string) { p.identify(&Event{Kind: Identify, At: at, Traits: []byte(traits)}, at) }
	say(1, `{"email":"sealed:k1.AAA","phone":"sealed:k1.BBB","push_token":"sealed:k1.CCC"}`)
	require.Equal(t, &Addresses{"sealed:k1.AAA", "sealed:k1.BBB", "sealed:k1.CCC"}, p.Addresses)
	p.Blocked, p.BlockedAt = []string{"email"}, 2

	say(3, `{"email":"sealed:k1.AAA"}`)
	require.Equal(t, []string{"email"}, p.Blocked, "it is the address that is blocked")
	say(4, `{"email":"sealed:k2.DDD"}`)
	require.Equal(t, []string{"email"}, p.Blocked, "under another id it may be the same one")
	require.Equal(t, "sealed:k2.DDD", p.Addresses.Email)
	say(3, `{"email":"sealed:k2.EEE"}`)
	require.Equal(t, "sealed:k2.DDD", p.Addresses.Email, "the newer word counts")
	say(5, `{"email":"sealed:k2.FFF"}`)
	require.Empty(t, p.Blocked, "another address")
	say(6, `{"email":"ann@example.com","phone":"1","push_token":"t"}`)
	require.Nil(t, p.Addresses, "what came in clear is not kept")
}

// The keeper of two ids is reached where either was.
func TestSealedAddressesOfTwoIDs(t *testing.T) {
	p := Profile{Email: 1, EmailAt: 1, Addresses: &Addresses{Email: "sealed:k1.AAA"}}
	q := Profile{Email: 2, EmailAt: 2, Phone: 3, PhoneAt: 3, Addresses: &Addresses{"sealed:k2.BBB", "sealed:k2.CCC", "sealed:k2.DDD"}}
	p.merge(&q)
	require.Equal(t, &Addresses{"sealed:k1.AAA", "sealed:k2.CCC", "sealed:k2.DDD"}, p.Addresses)
	p, q = Profile{}, Profile{}
	p.merge(&q)
	require.Nil(t, p.Addresses)
}
