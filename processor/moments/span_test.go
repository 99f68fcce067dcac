package moments

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func spans(t testing.TB, texts ...string) (out Spans) {
	for _, text := range texts {
		s, err := ParseSpan(text)
		require.NoError(t, err)
		require.Equal(t, text, s.String())
		out = append(out, s)
	}
	return out
}

func TestQuiet(t *testing.T) {
	night := spans(t, "21:00-08:00", "sun 00:00-24:00")
	for _, c := range []struct {
		day    time.Weekday
		minute int
		want   bool
	}{
		{time.Monday, 21*60 - 1, false}, {time.Monday, 21 * 60, true}, {time.Monday, 0, true},
		{time.Monday, 8*60 - 1, true}, {time.Monday, 8 * 60, false}, {time.Sunday, 12 * 60, true},
	} {
		require.Equal(t, c.want, night.Quiet(c.day, c.minute), "%v %d", c.day, c.minute)
	}
	friday := spans(t, "fri 22:00-03:00")
	require.True(t, friday.Quiet(time.Saturday, 60), "a span belongs to the day it starts on")
	require.False(t, friday.Quiet(time.Friday, 60))
	require.False(t, Spans(nil).Quiet(time.Friday, 60))
}

func TestParseSpanFaults(t *testing.T) {
	for _, text := range []string{"", "21:00", "21:00-", "21-08", "24:00-08:00", "21:00-24:01", "21:60-22:00", "9:00-10:00",
		"10:00-10:00", "10:00-00:00", "mon, 10:00-11:00", "Mon 10:00-11:00", "mon,mon 10:00-11:00", "mon  10:00-11:00",
		"mon 10:00 - 11:00", "-1:00-02:00", "1a:00-02:00"} {
		_, err := ParseSpan(text)
		require.Error(t, err, text)
	}
}

// Each zone with instants near its changes: forward, back, by half an hour,
// at midnight, across a whole day, and none.
var zones = map[string][]string{
	"Europe/Paris":        {"2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"},
	"America/Sao_Paulo":   {"2018-11-04T03:00:00Z", "2018-02-18T02:00:00Z"}, // at midnight
	"Australia/Lord_Howe": {"2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z"}, // by half an hour
	"Asia/Kathmandu":      {"1985-12-31T18:30:00Z", "2026-01-01T00:00:00Z"}, // by a quarter
	"Pacific/Apia":        {"2011-12-30T10:00:00Z"},                         // a day is left out
	"America/St_Johns":    {"2006-04-02T03:31:00Z", "2006-10-29T02:31:00Z"}, // a minute past midnight
	"Africa/Casablanca":   {"2026-02-15T02:00:00Z", "2026-03-22T02:00:00Z"},
	"UTC":                 {"2026-01-01T00:00:00Z"},
}

var spanGen = rapid.Custom(func(t *rapid.T) Span {
	s := Span{Days: EveryDay, From: rapid.IntRange(0, dayMinutes-1).Draw(t, "from"), To: rapid.IntRange(1, dayMinutes).Draw(t, "to")}
	if rapid.Bool().Draw(t, "round") {
		s.From, s.To = s.From/30*30, max(30, s.To/30*30)
	}
	if rapid.Bool().Draw(t, "some days") {
		s.Days = Days(rapid.IntRange(1, 127).Draw(t, "days"))
	}
	if s.From == s.To {
		s.From, s.To = 0, dayMinutes
	}
	return s
})

// slowEnd looks at every second-exact minute boundary of the wall clock.
func slowEnd(s Spans, local time.Time) time.Time {
	quiet := func(t time.Time) bool { return s.Quiet(t.Weekday(), t.Hour()*60+t.Minute()) }
	if !quiet(local) {
		return local
	}
	t := local.Add(-time.Duration(local.Second())*time.Second - time.Duration(local.Nanosecond()))
	for range 9 * dayMinutes {
		if t = t.Add(time.Minute); !quiet(t) {
			return t
		}
	}
	return time.Time{}
}

func TestEndAgainstMinutes(t *testing.T) {
	for name, changes := range zones {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		rapid.Check(t, func(t *rapid.T) {
			s := Spans(rapid.SliceOfN(spanGen, 1, 3).Draw(t, "spans"))
			near, _ := time.Parse(time.RFC3339, rapid.SampledFrom(changes).Draw(t, "change"))
			ms := rapid.Int64Range(-36*time.Hour.Milliseconds(), 36*time.Hour.Milliseconds()).Draw(t, "offset")
			local := near.Add(time.Duration(ms) * time.Millisecond).In(zone)
			got, want := s.End(local), slowEnd(s, local)
			if !got.Equal(want) {
				t.Fatalf("%s %v at %v: ends %v, want %v", name, s, local, got, want)
			}
			if !got.IsZero() && got.Location() != zone {
				t.Fatalf("in %v", got.Location())
			}
		})
	}
}

func TestEndStory(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	require.NoError(t, err)
	night := spans(t, "21:00-08:00")
	at := func(s string) time.Time {
		x, err := time.ParseInLocation("2006-01-02 15:04:05", s, paris)
		require.NoError(t, err)
		return x
	}
	require.Equal(t, 10*time.Hour, night.End(at("2026-03-28 21:00:00")).Sub(at("2026-03-28 21:00:00")), "the short night")
	require.Equal(t, 12*time.Hour, night.End(at("2026-10-24 21:00:00")).Sub(at("2026-10-24 21:00:00")), "the long night")
	require.Equal(t, at("2026-06-02 08:00:00"), night.End(at("2026-06-01 23:12:13")))
	require.Equal(t, at("2026-06-02 12:00:01"), night.End(at("2026-06-02 12:00:01")))
	// 02:15-02:45 does not happen on the night the clocks go forward.
	require.Equal(t, at("2026-03-29 03:00:00"), spans(t, "01:30-02:45").End(at("2026-03-29 01:45:00")))
	require.True(t, spans(t, "00:00-12:00", "12:00-24:00").End(at("2026-06-01 00:00:00")).IsZero())
	require.True(t, spans(t, "00:00-12:00", "12:00-24:00").always())
}

func TestParseDurationAgainstPrometheus(t *testing.T) {
	check := func(t require.TestingT, s string) {
		got, err := ParseDuration(s)
		want, wantErr := model.ParseDuration(s)
		if s == "0" || err == nil && wantErr == nil {
			require.True(t, s == "0" || got == time.Duration(want), s)
			return
		}
		if wantErr == nil && time.Duration(want) > maxDuration {
			return
		}
		require.Equal(t, wantErr == nil, err == nil, "%q: %v, Prometheus: %v", s, err, wantErr)
	}
	for _, s := range []string{"0s", "45m", "1h30m", "14d", "1y2w3d4h5m6s7ms", "90m", "", "5", "h", "1h1h", "1m1h", "1.5h", "-1h", "1 h", "1ms1s", "1msd", "01h", "99999999999999999999h"} {
		check(t, s)
	}
	rapid.Check(t, func(rt *rapid.T) {
		check(rt, rapid.StringMatching(`([0-9]{1,3}(y|w|d|h|m|s|ms| |x)){0,4}`).Draw(rt, "s"))
	})
	rapid.Check(t, func(rt *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(maxDuration/time.Millisecond)).Draw(rt, "ms")) * time.Millisecond
		back, err := ParseDuration(FormatDuration(d))
		if err != nil || back != d {
			rt.Fatalf("%v: %v %v", d, back, err)
		}
	})
	require.Equal(t, "-1h30m", FormatDuration(-90*time.Minute))
}

func TestMicro(t *testing.T) {
	for text, want := range map[string]Micro{"0": 0, "1": One, "1.0": One, "0.08": 80_000, "0.000001": 1, "1000000": maxMicro} {
		m, err := ParseMicro(text)
		require.NoError(t, err)
		require.Equal(t, want, m)
	}
	for _, text := range []string{"", ".5", "1.", "-1", "+1", "1e3", "0.0000001", "1000000.1", "1_0", "1.2.3", "99999999999999999999"} {
		_, err := ParseMicro(text)
		require.Error(t, err, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		m := Micro(rapid.Int64Range(0, int64(maxMicro)).Draw(t, "m"))
		if back, err := ParseMicro(m.String()); err != nil || back != m {
			t.Fatalf("%v: %v %v", m, back, err)
		}
	})
	require.Equal(t, "-1.5", (-One * 3 / 2).String())
	require.Equal(t, Micro(300_000), Micro(250_000).Times(1_200_000))
	require.Equal(t, Micro(-1), Micro(-3).Times(500_000), "towards zero")
	const most = Micro(1<<63 - 1)
	require.Equal(t, most, most.Times(2*One))
	require.Equal(t, -most, most.Times(-2*One))
	require.Equal(t, most, most.Times(most))
	require.Equal(t, most, most.Times(One))
}
