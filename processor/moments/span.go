package moments

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const dayMinutes = 24 * 60

// Span is a span of the day on some days of the week, in the customer's own
// time. From and To are minutes since midnight; To is not part of the span. A
// span with To before From crosses midnight and belongs to the day it starts on.
type Span struct {
	Days     Days
	From, To int
}

// Days is a set of weekdays: bit 0 is Sunday, as in package time.
type Days uint8

// EveryDay is the whole week.
const EveryDay Days = 1<<7 - 1

func (d Days) has(day time.Weekday) bool { return d&(1<<uint(day)) != 0 }

var dayNames = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

var errSpan = errors.New("write it like 21:00-08:00 or sun,mon 00:00-24:00")

// ParseSpan reads a span: 21:00-08:00, or with days in front, as in
// "mon,tue 12:00-13:00". 24:00 is the end of the day.
func ParseSpan(s string) (Span, error) {
	span := Span{Days: EveryDay}
	if strings.Contains(s, " -") || strings.Contains(s, "- ") {
		return Span{}, errSpan
	}
	if days, hours, found := strings.Cut(s, " "); found {
		span.Days = 0
		for name := range strings.SplitSeq(days, ",") {
			day, err := parseDay(name)
			if err != nil {
				return Span{}, err
			}
			if span.Days.has(day) {
				return Span{}, fmt.Errorf("day %q stands twice", name)
			}
			span.Days |= 1 << uint(day)
		}
		s = hours
	}
	from, to, found := strings.Cut(s, "-")
	var ok1, ok2 bool
	span.From, ok1 = parseMinute(from)
	span.To, ok2 = parseMinute(to)
	if !found || !ok1 || !ok2 || span.From == dayMinutes {
		return Span{}, errSpan
	}
	if span.From == span.To {
		return Span{}, errors.New("it is empty; the whole day is 00:00-24:00")
	}
	if span.To == 0 {
		return Span{}, errors.New("the end of the day is 24:00")
	}
	return span, nil
}

func parseDay(name string) (time.Weekday, error) {
	for i, n := range dayNames {
		if n == name {
			return time.Weekday(i), nil
		}
	}
	return 0, fmt.Errorf("day %q does not exist; one of %s", name, strings.Join(dayNames[:], ", "))
}

// parseMinute reads HH:MM, up to 24:00.
func parseMinute(s string) (int, bool) {
	if len(s) != 5 || s[2] != ':' || strings.Trim(s[:2]+s[3:], "0123456789") != "" {
		return 0, false
	}
	h, _ := strconv.Atoi(s[:2])
	m, _ := strconv.Atoi(s[3:])
	return h*60 + m, m < 60 && h*60+m <= dayMinutes
}

// String writes the span as the file does.
func (s Span) String() string {
	var days []string
	for i, name := range dayNames {
		if s.Days != EveryDay && s.Days.has(time.Weekday(i)) {
			days = append(days, name)
		}
	}
	hours := fmt.Sprintf("%02d:%02d-%02d:%02d", s.From/60, s.From%60, s.To/60, s.To%60)
	if days == nil {
		return hours
	}
	return strings.Join(days, ",") + " " + hours
}

func (s Span) covers(day time.Weekday, minute int) bool {
	if s.From < s.To {
		return s.Days.has(day) && s.From <= minute && minute < s.To
	}
	return s.Days.has(day) && minute >= s.From || s.Days.has((day+6)%7) && minute < s.To
}

// Spans is a union of spans. The empty one covers nothing: it is what
// "quiet_hours: never" means.
type Spans []Span

// Quiet reports whether one of the spans covers that minute of the day, from 0
// to 1439, on that day.
func (s Spans) Quiet(day time.Weekday, minute int) bool {
	for _, span := range s {
		if span.covers(day, minute) {
			return true
		}
	}
	return false
}

// End returns the first instant from local on that is not quiet, in the
// location of local: local itself when it is not. A wall time that the clocks
// skip or repeat is taken as they show it, so a span from 02:00 to 03:00 does
// not happen in the night they go forward and happens twice when they go back.
// End returns the zero time when the spans cover the whole week.
func (s Spans) End(local time.Time) time.Time {
	// Between two changes of the zone's offset the wall clock is a straight
	// line, so each stretch is minute arithmetic. A week without an end in any
	// one stretch is a week without an end at all.
	for t, end := local, local.Add(9*Day); t.Before(end); {
		wall := wallMinute(t)
		wait := s.quietMinutes(wall)
		if wait == 0 {
			return t
		}
		_, change := t.ZoneBounds()
		if wait > 0 {
			sinceMinute := time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
			out := t.Add(time.Duration(wait)*time.Minute - sinceMinute)
			if change.IsZero() || out.Before(change) {
				return out
			}
		}
		if change.IsZero() {
			break
		}
		t = change.In(local.Location())
	}
	return time.Time{}
}

const weekMinutes = 7 * dayMinutes

// wallMinute returns the minute of the week, from Sunday 00:00, that the
// clock shows.
func wallMinute(t time.Time) int {
	return int(t.Weekday())*dayMinutes + t.Hour()*60 + t.Minute()
}

// quietMinutes returns how many minutes the spans go on from that minute of
// the week, -1 when for ever.
func (s Spans) quietMinutes(wall int) int {
	for wait := 0; wait <= weekMinutes; {
		minute := (wall + wait) % weekMinutes
		if !s.Quiet(time.Weekday(minute/dayMinutes), minute%dayMinutes) {
			return wait
		}
		// Quiet ends where some span ends, and nowhere else.
		next := dayMinutes
		for _, span := range s {
			if d := (span.To - minute%dayMinutes + dayMinutes) % dayMinutes; d > 0 && d < next {
				next = d
			}
		}
		wait += next
	}
	return -1
}

// always reports whether the spans leave no minute of the week.
func (s Spans) always() bool { return s.quietMinutes(0) < 0 }

func (s Spans) String() string {
	if len(s) == 0 {
		return "never"
	}
	all := make([]string, len(s))
	for i, span := range s {
		all[i] = span.String()
	}
	return strings.Join(all, ", ")
}
