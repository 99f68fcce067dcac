package shop

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// decision is one committed decision record, as far as the oracle reads it.
// Keys it does not know are left alone.
type decision struct {
	ID       string  `json:"id"`
	At       instant `json:"at"`
	Customer string  `json:"customer"`
	Moment   string  `json:"moment"`
	Outcome  string  `json:"outcome"`
	Reason   string  `json:"reason"`
	Mode     string  `json:"mode"`
	Retracts string  `json:"retracts"`
	Cause    struct {
		Event string `json:"event"`
		ID    string `json:"id"`
		Timer string `json:"timer"`
		Offer string `json:"offer"`
		Value string `json:"value"`
		N     int64  `json:"occurrence"`
	} `json:"cause"`
	Action *struct {
		ID        string       `json:"id"`
		Kind      string       `json:"kind"`
		Channel   string       `json:"channel"`
		Class     string       `json:"class"`
		Template  string       `json:"template"`
		SKUs      []string     `json:"skus"`
		Lines     []actionLine `json:"lines"`
		CartID    string       `json:"cart_id"`
		OfferID   string       `json:"offer_id"`
		HoldUntil instant      `json:"hold_until"`
		ExpiresAt instant      `json:"expires_at"`
	} `json:"action"`

	partition int
	committed int64 // Unix ms
	raw       string
	withdrawn int64 // sent: when it was retracted; 0 = not
	failed    bool  // sent: could not be handed over
}

type actionLine struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

func parseDecision(record []byte) (*decision, error) {
	d := &decision{}
	if err := json.Unmarshal(record, d); err != nil {
		return nil, fmt.Errorf("shop: not a decision record: %w", err)
	}
	if d.ID == "" || d.Outcome == "" || d.At == 0 {
		return nil, fmt.Errorf("shop: not a decision record: id, at and outcome are required, got %.100q", record)
	}
	return d, nil
}

func (d *decision) at() int64 { return int64(d.At) }

func (d *decision) sent() bool { return d.Outcome == "sent" && d.Mode != "shadow" }

// final reports whether the record ends its candidate.
func (d *decision) final() bool {
	return d.Outcome == "sent" || d.Outcome == "suppressed" || d.Outcome == "expired"
}

// candidate names the candidate a record belongs to.
func (d *decision) candidate() string {
	return fmt.Sprintf("%s\x00%s\x00%s\x00%s\x00%s\x00%s\x00%d", d.Mode, d.Moment, d.Customer, d.Cause.Value, d.Cause.Timer, d.Cause.Offer, d.Cause.N)
}

func (d *decision) skus() []string {
	if d.Action == nil {
		return nil
	}
	if len(d.Action.SKUs) > 0 || len(d.Action.Lines) == 0 {
		return d.Action.SKUs
	}
	var s []string
	for _, l := range d.Action.Lines {
		s = append(s, l.SKU)
	}
	return s
}

// item is the one item the decision is about, "" when it is about a cart.
func (d *decision) item() string {
	if s := d.skus(); len(s) > 0 {
		return s[0]
	}
	return d.Cause.Value
}

func (d *decision) cart() string {
	if d.Action != nil && d.Action.CartID != "" {
		return d.Action.CartID
	}
	return d.Cause.Value
}

// instant is a time in a record: RFC 3339, or a number of Unix ms. 0 is none.
type instant int64

func (t *instant) UnmarshalJSON(b []byte) error {
	if string(b) == "null" || string(b) == `""` {
		return nil
	}
	if b[0] != '"' {
		n, err := strconv.ParseInt(string(b), 10, 64)
		*t = instant(n)
		return err
	}
	x, err := time.Parse(time.RFC3339Nano, string(b[1:len(b)-1]))
	*t = instant(x.UnixMilli())
	return err
}
