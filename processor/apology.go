package processor

import (
	"encoding/json"
	"slices"

	"onhand/processor/moments"
)

// An apology is said of a message that was corrected: a moment with `when:
// Message Corrected`, which no file has to have. The event is the engine's own;
// no inlet takes it. Its properties are correction (raced, late, too_late,
// wrong), reason, moment and channel of that message, and message, its id.
//
//	order, an hour late -> Correction of the reminder -> window -> gate -> apology
//
// It is a candidate like any other. All that one cause corrects is one
// occurrence, which what is corrected while it waits joins. Nothing begins for a
// transactional message, which said what was so, nor for an apology.

// regret begins what the rules say of a message that was corrected.
func (c *Customer) regret(m *Machine, k *Contact, x *Correction) {
	if len(m.rules.startOf[MessageCorrected]) == 0 || k.Class == "" || k.Class == "transactional" {
		return
	}
	if mo := m.rules.file.Moment(k.Moment); mo != nil && slices.Contains(mo.When, moments.MessageCorrected) {
		return
	}
	said, err := json.Marshal(map[string]string{
		"correction": x.Kind.String(), "reason": string(x.Reason), "moment": x.Moment, "channel": x.Channel, "message": x.Decision,
	})
	if err != nil {
		return // texts always have a form
	}
	e := Event{Kind: MessageCorrected, At: m.shop.Now, Channel: x.Channel, Reason: string(x.Reason), Properties: said}
	for _, mo := range m.rules.starts(&e) {
		if mo.Mode != moments.Off && matches(mo.Where, &e) {
			c.start(m, mo, "", &e) // decided when its time comes, be it at once
		}
	}
}

// regretted returns what an apology says of the message it is for: the last one
// that was corrected.
func (c *Customer) regretted() (data []Datum) {
	for i := range backwards(&c.Contacts) {
		if k := &c.Contacts[i]; k.Corrected && k.Class != "transactional" {
			return []Datum{{"corrects", k.ID, 0}, {"corrected_moment", k.Moment, 0}}
		}
	}
	return nil
}
