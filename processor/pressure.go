package processor

import (
	"slices"
	"time"

	"onhand/processor/moments"
)

// How much a customer was told, and how much more the caps let through. A cap
// slides, or goes by the customer's own calendar: then what was sent on the same
// day, in the same week from Monday or in the same month counts, whatever the
// clocks do in between. Whose zone is unknown is told no more than in the
// longest such window.

// capped returns until when the policy's caps of a person forbid one more message
// of a class on a channel at a time, with what was sent so far and the contact
// reserved (nil = none); 0 = they do not.
func (c *Customer) capped(m *Machine, class, channel string, at int64, reserved *Contact) (until int64) {
	return m.rules.capped(false, c.Contacts, reserved, class, channel, at, func() *time.Location { return c.Profile.location(m.shop.Now) })
}

// capped is capped of a person, or of a household, with what each was sent. zone
// is that of whom is to be told.
func (r *rules) capped(household bool, said []Contact, reserved *Contact, class, channel string, at int64, zone func() *time.Location) (until int64) {
	for i := range r.file.Policy.Caps {
		cp := &r.file.Policy.Caps[i]
		if cp.Household != household || cp.Class != class || cp.Channel != "" && cp.Channel != channel {
			continue
		}
		every := cp.Every.Milliseconds()
		var loc *time.Location
		if cp.Calendar != "" {
			loc = zone()
		}
		var within []int64
		count := func(k *Contact) {
			if k.Class == class && (cp.Channel == "" || k.Channel == channel) && at-k.At < every && (loc == nil || samePeriod(cp.Calendar, k.At, at, loc)) {
				within = append(within, k.At)
			}
		}
		for j := range said {
			count(&said[j])
		}
		if reserved != nil {
			count(reserved)
		}
		switch {
		case len(within) < cp.AtMost:
		case loc != nil:
			until = max(until, periodEnd(cp.Calendar, at, loc))
		default:
			slices.Sort(within)
			until = max(until, within[len(within)-cp.AtMost]+every)
		}
	}
	return until
}

// samePeriod reports whether two times fall on the same day, into the same week
// or month, where the customer is.
func samePeriod(calendar string, a, b int64, loc *time.Location) bool {
	s, t := time.UnixMilli(a).In(loc), time.UnixMilli(b).In(loc)
	switch calendar {
	case moments.EachMonth:
		return s.Year() == t.Year() && s.Month() == t.Month()
	case moments.EachWeek:
		sy, sw := s.ISOWeek()
		ty, tw := t.ISOWeek()
		return sy == ty && sw == tw
	}
	return s.Year() == t.Year() && s.YearDay() == t.YearDay()
}

// periodEnd returns when the day, week or month of a time is over where the
// customer is. Where clocks are moved at midnight, or a whole day is left out,
// it is the first half hour of another one.
func periodEnd(calendar string, at int64, loc *time.Location) int64 {
	t := time.UnixMilli(at).In(loc)
	year, month, day := t.Date()
	switch calendar {
	case moments.EachMonth:
		month, day = month+1, 1
	case moments.EachWeek:
		day += 7 - int(t.Weekday()+6)%7 // weeks begin on Mondays
	default:
		day++
	}
	end := time.Date(year, month, day, 0, 0, 0, 0, loc).UnixMilli()
	for end <= at || samePeriod(calendar, end, at, loc) {
		end += 30 * 60_000
	}
	return end
}

// PressureView is how many messages a customer was sent, over all channels. What
// no cap counts, as what is transactional, is there too.
type PressureView struct {
	Day   int `json:"day"`   // in the last 24 hours
	Week  int `json:"week"`  // in the last 7 days
	Month int `json:"month"` // in the last 30 days
}

// pressure returns how much was said: in all, and under the name of each class
// that said something in the last 30 days.
func (c *Customer) pressure(now int64) map[string]PressureView {
	const day = 24 * 3600_000
	all := map[string]PressureView{}
	for i := range c.Contacts {
		k := &c.Contacts[i]
		age := now - k.At
		if age >= 30*day {
			continue
		}
		for _, name := range [...]string{"all", k.Class} {
			p := all[name]
			p.Month++
			if age < 7*day {
				p.Week++
			}
			if age < day {
				p.Day++
			}
			all[name] = p
		}
	}
	return all
}
