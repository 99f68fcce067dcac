package segment

import "math"

// Amounts never pass through floating point: the decimal text is shifted by
// the currency's exponent and read as an integer.

// maxAmount bounds money (in minor units) and quantities, so that what is
// computed from a few of them stays far from overflow.
const maxAmount = 1_000_000_000_000_000

// Why a text is not the number wanted.
const (
	notNumber  = "must be a number"
	notInteger = "must be a whole number, without a fraction"
	tooBig     = "is too large; at most 1000000000000000"
)

// scale reads a decimal (12, -1.5, 1e3) times 10^exponent. Digits beyond are
// rounded, half away from zero; exact says that there were none. Nothing
// larger than limit is read.
func scale(b []byte, exponent int, limit int64) (n int64, exact bool, fault string) {
	neg := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		neg = b[0] == '-'
		b = b[1:]
	}
	whole := 0
	for whole < len(b) && b[whole]-'0' <= 9 {
		whole++
	}
	end, digits := whole, whole
	if end < len(b) && b[end] == '.' {
		for end++; end < len(b) && b[end]-'0' <= 9; end++ {
			digits++
		}
	}
	if digits == 0 {
		return 0, false, notNumber
	}
	shift := exponent
	if end < len(b) {
		e, ok := decimalExponent(b[end:])
		if !ok {
			return 0, false, notNumber
		}
		shift += e
	}
	keep := whole + shift // digits in front of the rounded point
	exact = true
	for i := range max(digits, keep) {
		d := int64(0)
		switch {
		case i < whole:
			d = int64(b[i] - '0')
		case i < digits:
			d = int64(b[i+1] - '0')
		case n == 0:
			return 0, exact, "" // zero however it is shifted
		}
		if i < keep {
			if n > (limit-d)/10 {
				return 0, false, tooBig
			}
			n = n*10 + d
			continue
		}
		exact = exact && d == 0
		if i == keep && d >= 5 {
			n++
		}
	}
	if n > limit {
		return 0, false, tooBig
	}
	if neg {
		n = -n
	}
	return n, exact, ""
}

// decimalExponent reads e12, E+3, e-4.
func decimalExponent(b []byte) (int, bool) {
	if b[0]|0x20 != 'e' {
		return 0, false
	}
	b = b[1:]
	neg := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		neg = b[0] == '-'
		b = b[1:]
	}
	e := 0
	for _, c := range b {
		if c-'0' > 9 {
			return 0, false
		}
		e = min(e*10+int(c-'0'), 100_000)
	}
	if neg {
		e = -e
	}
	return e, len(b) > 0
}

// whole reads a whole number.
func whole(b []byte, limit int64) (int64, string) {
	n, exact, fault := scale(b, 0, limit)
	if fault == "" && !exact {
		fault = notInteger
	}
	return n, fault
}

// minorDigits returns the digits of a currency's minor unit (ISO 4217), 2 for
// a currency not known.
func minorDigits(currency string) int {
	switch currency {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	case "CLF", "UYW":
		return 4
	}
	return 2
}

// duration reads a duration as Prometheus writes it (30d, 1h30m, 500ms) in ms.
func duration(s string) (int64, bool) {
	if s == "0" {
		return 0, true
	}
	units := []struct {
		name string
		ms   int64
	}{{"y", 365 * 86400_000}, {"w", 7 * 86400_000}, {"d", 86400_000}, {"h", 3600_000}, {"m", 60_000}, {"s", 1000}, {"ms", 1}}
	total, next := int64(0), 0
	for s != "" {
		n, i := int64(0), 0
		for ; i < len(s) && s[i]-'0' <= 9; i++ {
			if n = n*10 + int64(s[i]-'0'); n > math.MaxInt32 {
				return 0, false
			}
		}
		j := i
		for j < len(s) && s[j]-'0' > 9 {
			j++
		}
		for next < len(units) && units[next].name != s[i:j] {
			next++
		}
		if i == 0 || next == len(units) {
			return 0, false
		}
		total += n * units[next].ms
		next++
		s = s[j:]
	}
	return total, total > 0
}
