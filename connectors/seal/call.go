package seal

import (
	"context"
	"fmt"
	"time"

	"onhand/processor"
)

// A call that an inlet refuses is kept as it was sent, so that people can see
// what is wrong with it. What in it is personal cannot be known, or it would
// have been read: all of it is sealed, with the key of the customer whom it
// names, so that it is forgotten with the customer. One that names nobody, or
// cannot be read so far, is sealed with a key of the day it came, which is
// destroyed after CallsKept.

// CallsKept is how long a refused call that names no customer can be read.
const CallsKept = 30 * 24 * time.Hour

// expireDays is for how many days before that keys are looked for: those of a
// service that was stopped for as long.
const expireDays = 100

// SealCall seals a call that was refused, as it was sent. now is when it came.
func (s *Sealer) SealCall(ctx context.Context, call []byte, now time.Time) (string, error) {
	id := customerOf(call)
	if id == "" {
		id = dayID(now)
	}
	name := nameOf(id)
	keys := map[string]*key{name: nil}
	if err := s.ring.ensure(ctx, keys); err != nil {
		return "", err
	}
	t := keys[name].tools()
	return string(t.seal(nil, name, string(call))), nil
}

// ExpireCalls destroys the keys of the days that are past CallsKept.
func (s *Sealer) ExpireCalls(ctx context.Context, now time.Time) error {
	var ids []string
	for day := range expireDays {
		ids = append(ids, dayID(now.Add(-CallsKept-time.Duration(day+1)*24*time.Hour)))
	}
	_, err := s.Destroy(ctx, ids)
	return err
}

// dayID stands for a customer in the name of a key of the day: no customer has
// an id with a control character.
func dayID(t time.Time) string { return fmt.Sprintf("\x00%s", t.UTC().Format(time.DateOnly)) }

// customerOf returns whom a call names as its customer, as far as it can be
// read; "" for nobody.
func customerOf(call []byte) string {
	user, anonymous := "", ""
	members(call, func(k []byte, _, from, to int) bool {
		if v := call[from:to]; v[0] == '"' {
			switch string(k) {
			case "userId":
				user = plain(v)
			case "anonymousId":
				anonymous = plain(v)
			}
		}
		return true
	})
	if user == "" {
		user = anonymous
	}
	if len(user) > processor.MaxIDBytes {
		return ""
	}
	return user
}
