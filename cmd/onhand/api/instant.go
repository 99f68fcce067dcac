package api

import (
	"encoding/json"
	"time"

	"onhand/processor"
)

// Instant is processor.Instant as both sides of the API have it.
type Instant int64

// MarshalJSON implements json.Marshaler.
func (t Instant) MarshalJSON() ([]byte, error) { return processor.Instant(t).MarshalJSON() }

// UnmarshalJSON implements json.Unmarshaler.
func (t *Instant) UnmarshalJSON(b []byte) error {
	var at *time.Time
	if err := json.Unmarshal(b, &at); err != nil {
		return err
	}
	*t = 0
	if at != nil {
		*t = Instant(at.UnixMilli())
	}
	return nil
}

// format writes the instant for people, "" when there is none.
func (t Instant) format(layout string) string {
	if t == 0 {
		return ""
	}
	return time.UnixMilli(int64(t)).UTC().Format(layout)
}

// String writes the instant for people, to the second.
func (t Instant) String() string { return t.format(time.DateTime) }

// Clock writes its time of day, to the millisecond.
func (t Instant) Clock() string { return t.format("15:04:05.000") }
