package seal

// rule says what happens to a value by its key.
type rule uint8

const (
	leave    rule = iota
	text          // sealed as it is
	email         // trimmed, in lower case
	phone         // trimmed
	composed      // an object: its members but those of clearMembers, as one
)

// Keys by their folded names; see fold. Those of anywhere, of the traits of a
// person only, and of the properties of an event only.
var (
	anywhere = map[string]rule{
		"email": email, "emailaddress": email, "mail": email,
		"phone": phone, "phonenumber": phone, "mobile": phone, "mobilephone": phone, "telephone": phone, "tel": phone,
		"firstname": text, "middlename": text, "lastname": text, "surname": text, "fullname": text, "username": text,
		"birthday": text, "birthdate": text, "dateofbirth": text, "dob": text,
		"address": composed, "homeaddress": composed, "postaladdress": composed, "shippingaddress": composed,
		"billingaddress": composed, "deliveryaddress": composed, "customer": composed, "recipient": composed,
		"pushtoken": text, "devicetoken": text,
	}
	ofTraits = map[string]rule{
		"name": text, "avatar": text, "description": text, "website": text, "bio": text,
	}
	ofProperties = map[string]rule{
		"context.device.token": text,
		"text":                 text, "message": text, "comment": text, "comments": text, "note": text, "notes": text, "feedback": text,
		"body": text, "reviewbody": text, "reviewtext": text, "reviewtitle": text, "giftmessage": text,
	}
)

// clearMembers stay as they are in an object that is sealed: the core knows the
// time zone by them.
var clearMembers = map[string]bool{"country": true, "state": true, "region": true}

// sealedMember is what the others become.
const sealedMember = "sealed"

// table is the rules of one object.
type table struct {
	rules map[string]rule
	// ends has a bit for the last letter of the rules that begin with a letter:
	// few other keys are like one of them at both ends.
	ends [26]uint32
}

// maxKey is the length of the longest key that may have a rule.
const maxKey = 32

var traits, properties = newTable(anywhere, ofTraits), newTable(anywhere, ofProperties)

func newTable(all ...map[string]rule) *table {
	t := &table{rules: map[string]rule{}}
	for _, m := range all {
		for k, r := range m {
			t.rules[k] = r
			t.ends[k[0]-'a'] |= 1 << (k[len(k)-1] - 'a')
		}
	}
	return t
}

// rule returns the rule of a key.
func (t *table) rule(key []byte) rule {
	if len(key) == 0 || len(key) > maxKey {
		return leave
	}
	first, last := key[0]|0x20, key[len(key)-1]|0x20
	if first < 'a' || first > 'z' || last < 'a' || last > 'z' || t.ends[first-'a']>>(last-'a')&1 == 0 {
		return leave
	}
	var buf [maxKey]byte
	return t.rules[string(fold(buf[:0], key))]
}

// fold makes one of the ways to write a key of several words: firstName,
// first_name, First-Name.
func fold(dst, key []byte) []byte {
	for _, c := range key {
		switch {
		case c == '_' || c == '-' || c == ' ':
		case c >= 'A' && c <= 'Z':
			dst = append(dst, c|0x20)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
