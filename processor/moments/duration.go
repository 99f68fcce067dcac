package moments

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Day is the day of a duration: 24 hours, whatever the clocks do.
const Day = 24 * time.Hour

// maxDuration bounds every duration of the file, so that sums of a few of them
// and a date stay far from overflow.
const maxDuration = 20 * 365 * Day

var durationUnits = []struct {
	name string
	size time.Duration
}{
	{"y", 365 * Day}, {"w", 7 * Day}, {"d", Day}, {"h", time.Hour},
	{"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond},
}

var errDuration = errors.New("write it like 45m, 1h30m or 14d")

// ParseDuration reads a duration as Prometheus writes them: whole numbers with
// the units y, w, d, h, m, s, ms, each at most once, the larger first. A day is
// 24 hours, a year 365 days. A number without a unit is an error.
func ParseDuration(s string) (time.Duration, error) {
	rest, sum, unit := s, time.Duration(0), 0
	for first := true; first || rest != ""; first = false {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil {
			return 0, errDuration
		}
		rest = rest[digits:]
		name := rest[:len(rest)-len(strings.TrimLeft(rest, "ywdhms"))]
		for unit < len(durationUnits) && durationUnits[unit].name != name {
			unit++
		}
		if unit == len(durationUnits) {
			return 0, errDuration
		}
		size := durationUnits[unit].size
		if n > int64(maxDuration/size) || sum > maxDuration-time.Duration(n)*size {
			return 0, errors.New("at most 20y")
		}
		sum += time.Duration(n) * size
		rest = rest[len(name):]
		unit++
	}
	return sum, nil
}

// FormatDuration writes a duration as the file does, without years and weeks:
// 1h30m, 14d, 0s. Anything under a millisecond is cut off.
func FormatDuration(d time.Duration) string {
	if d < 0 {
		return "-" + FormatDuration(-d)
	}
	var b strings.Builder
	for _, u := range durationUnits[2:] {
		if n := d / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.size
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}

// Micro is a decimal in millionths: 0.25 is 250000. It is what costs and
// scores are counted in, because floating point may differ between machines.
type Micro int64

// One is 1.0.
const One Micro = 1_000_000

// MaxLever is the most a lever counts for: more would make one moment win
// whatever the others are worth.
const MaxLever = 10 * One

const maxMicro = 1_000_000 * One

// ParseMicro reads a decimal without sign or exponent, with at most six digits
// after the point, up to 1000000.
func ParseMicro(s string) (Micro, error) {
	whole, part, point := strings.Cut(s, ".")
	if whole == "" || point && part == "" || strings.Trim(whole+part, "0123456789") != "" {
		return 0, errors.New("write a decimal like 0.25")
	}
	if len(part) > 6 {
		return 0, errors.New("at most six digits after the point")
	}
	n, err := strconv.ParseInt(whole+part+"000000"[len(part):], 10, 64)
	if err != nil || Micro(n) > maxMicro {
		return 0, errors.New("at most 1000000")
	}
	return Micro(n), nil
}

// String writes the decimal without trailing zeros.
func (m Micro) String() string {
	sign, u := "", magnitude(m)
	if m < 0 {
		sign = "-"
	}
	s := fmt.Sprintf("%s%d", sign, u/uint64(One))
	if part := u % uint64(One); part != 0 {
		s += "." + strings.TrimRight(fmt.Sprintf("%06d", part), "0")
	}
	return s
}

// Times multiplies two decimals, rounding towards zero. A product too large
// for an int64 becomes the largest (or smallest) one.
func (m Micro) Times(o Micro) Micro {
	hi, lo := bits.Mul64(magnitude(m), magnitude(o))
	q := uint64(math.MaxInt64)
	if hi < uint64(One)/2 { // else the quotient has more than 63 bits
		q, _ = bits.Div64(hi, lo, uint64(One))
	}
	if (m < 0) != (o < 0) {
		return -Micro(q)
	}
	return Micro(q)
}

func magnitude(m Micro) uint64 {
	if m < 0 {
		return -uint64(m)
	}
	return uint64(m)
}
