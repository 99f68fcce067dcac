package seal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"onhand/connectors"
	"onhand/processor"
)

// Codes of results.
const (
	CodeNoAddress = "no_address" // there is none that can be opened
	CodeKeys      = "keys"       // the address, or its key, cannot be had now
)

// Channel tells another channel where the customer is reached: what it gets of
// an action has To, by the name of the channel that the action is for.
//
//	email          {email}
//	sms, whatsapp  {phone}
//	push           {push}, the token of the device heard of last
//	ads, social    {email_sha256, phone_sha256}, those there are, in hexadecimal
//
// The hashes are of the address in lower case, and of the number without
// anything but its digits and a leading plus, as the platforms ask for. A
// message to a customer without the address fails; an audience is also told of
// who has none any more, by the id of before.
type Channel struct {
	connectors.Channel
	sealer *Sealer
	find   func(ctx context.Context, customer string) (processor.Addresses, error)
}

// NewChannel returns a channel that tells c. find returns the sealed addresses
// of a customer; an error of it puts the attempt off.
func NewChannel(c connectors.Channel, s *Sealer, find func(ctx context.Context, customer string) (processor.Addresses, error)) *Channel {
	return &Channel{c, s, find}
}

// Deliver makes one attempt with the address opened.
func (c *Channel) Deliver(ctx context.Context, d *processor.Decision) connectors.Result {
	if d.Customer == "" {
		return c.Channel.Deliver(ctx, d)
	}
	a, err := c.find(ctx, d.Customer)
	if err != nil {
		return connectors.Result{Delivery: processor.Retry, Code: CodeKeys, Detail: "the customer's address cannot be asked for now"}
	}
	to, err := c.open(ctx, d.Action.Channel, &a)
	if err != nil {
		return connectors.Result{Delivery: processor.Retry, Code: CodeKeys, Detail: "the key to the customer's address cannot be had now"}
	}
	if to == nil && d.Action.Kind == "message" && addressed(d.Action.Channel) {
		return connectors.Result{Delivery: processor.Failed, Code: CodeNoAddress, Detail: "no address is known that can be opened"}
	}
	told, action := *d, *d.Action
	action.To, told.Action = to, &action
	return c.Channel.Deliver(ctx, &told)
}

// addressed reports whether a channel reaches nobody without an address.
func addressed(channel string) bool {
	switch channel {
	case "email", "sms", "whatsapp", "push":
		return true
	}
	return false
}

// open opens what a channel is told.
func (c *Channel) open(ctx context.Context, channel string, a *processor.Addresses) (to []processor.Datum, err error) {
	add := func(name, sealed string, as func(string) string) {
		if sealed == "" || err != nil {
			return
		}
		plain, failed := c.sealer.Open(ctx, sealed)
		switch {
		case failed == nil:
			to = append(to, processor.Datum{Name: name, Text: as(plain)})
		case !errors.Is(failed, ErrDestroyed) && !errors.Is(failed, ErrNotSealed):
			err = failed
		}
	}
	same := func(s string) string { return s }
	switch channel {
	case "email":
		add("email", a.Email, same)
	case "sms", "whatsapp":
		add("phone", a.Phone, same)
	case "push":
		add("push", a.Push, same)
	case "ads", "social":
		add("email_sha256", a.Email, hashed)
		add("phone_sha256", a.Phone, func(s string) string { return hashed(digits(s)) })
	}
	return to, err
}

func hashed(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// digits returns a telephone number without spaces, brackets and the like.
func digits(number string) string {
	plus := strings.HasPrefix(number, "+")
	number = strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, number)
	if plus {
		return "+" + number
	}
	return number
}
