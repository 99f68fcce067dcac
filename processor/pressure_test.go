package processor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/processor/moments"
	"onhand/processor/zone"
)

// The day, the week and the month of a customer end where the customer is, also
// where clocks move at midnight or a day was left out.
func TestPeriodEnd(t *testing.T) {
	for _, x := range []struct{ calendar, zone, at, end string }{
		{moments.EachDay, "Europe/Paris", "2026-03-02T10:00:00+01:00", "2026-03-03T00:00:00+01:00"},
		{moments.EachDay, "Europe/Paris", "2026-03-29T01:30:00+01:00", "2026-03-30T00:00:00+02:00"}, // 23 hours long
		{moments.EachDay, "Europe/Paris", "2026-10-25T00:30:00+02:00", "2026-10-26T00:00:00+01:00"}, // 25 hours long
		{moments.EachDay, "America/Havana", "2026-03-07T12:00:00-05:00", "2026-03-08T01:00:00-04:00"},
		{moments.EachDay, "Pacific/Apia", "2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00"},
		{moments.EachWeek, "Europe/Paris", "2026-03-02T00:00:00+01:00", "2026-03-09T00:00:00+01:00"}, // a Monday
		{moments.EachWeek, "Europe/Paris", "2026-12-31T23:59:59+01:00", "2027-01-04T00:00:00+01:00"},
		{moments.EachWeek, "Asia/Tokyo", "2026-03-08T23:00:00+09:00", "2026-03-09T00:00:00+09:00"},
		{moments.EachMonth, "Europe/Paris", "2026-01-31T23:00:00+01:00", "2026-02-01T00:00:00+01:00"},
		{moments.EachMonth, "Europe/Paris", "2026-12-01T00:00:00+01:00", "2027-01-01T00:00:00+01:00"},
	} {
		loc, err := zone.Load(x.zone)
		require.NoError(t, err)
		at, err := time.Parse(time.RFC3339, x.at)
		require.NoError(t, err)
		end, err := time.Parse(time.RFC3339, x.end)
		require.NoError(t, err)
		got := periodEnd(x.calendar, at.UnixMilli(), loc)
		require.Equal(t, end.UnixMilli(), got, "%s of %s in %s: %s", x.calendar, x.at, x.zone, time.UnixMilli(got).In(loc))
		require.True(t, samePeriod(x.calendar, at.UnixMilli(), got-1, loc), x)
		require.False(t, samePeriod(x.calendar, at.UnixMilli(), got, loc), x)
	}
}
