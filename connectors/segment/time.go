package segment

// notTime says what a time looks like.
const notTime = "must be a time: RFC 3339 with its zone, as 2026-03-02T10:00:00.000Z, or Unix seconds or milliseconds"

// Instant reads the text of a call's time as calls are read: RFC 3339 with its
// zone, or a number of seconds, milliseconds or microseconds since 1970. ok is
// false when it is none.
func Instant(text []byte) (ms int64, ok bool) {
	ms, fault := instant(text)
	return ms, fault == ""
}

// instant reads a time in Unix ms: RFC 3339 (T or a space, any fraction, a
// zone), or a number. A number below 1e11 is seconds (until the year 5138),
// below 1e14 milliseconds, above microseconds. Times before 1970 and
// after 9999 are refused.
func instant(b []byte) (ms int64, fault string) {
	if len(b) >= 20 && b[4] == '-' {
		return calendarTime(b)
	}
	// Three digits more than asked for keep the fraction of seconds.
	n, _, why := scale(b, 3, 9e18)
	if why != "" || n < 0 {
		return 0, notTime
	}
	switch {
	case n < 1e11*1000:
		return n, ""
	case n < 1e14*1000:
		return n / 1000, ""
	}
	return n / 1000 / 1000, ""
}

func calendarTime(b []byte) (int64, string) {
	year, ok1 := digits(b[0:4])
	month, ok2 := digits(b[5:7])
	day, ok3 := digits(b[8:10])
	hour, ok4 := digits(b[11:13])
	minute, ok5 := digits(b[14:16])
	second, ok6 := digits(b[17:19])
	if (!ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6) || b[7] != '-' || b[10]|0x20 != 't' && b[10] != ' ' || b[13] != ':' || b[16] != ':' ||
		month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 60 {
		return 0, notTime
	}
	rest, fraction := b[19:], int64(0)
	if rest[0] == '.' || rest[0] == ',' {
		i := 1
		for ; i < len(rest) && rest[i]-'0' <= 9; i++ {
			if i <= 3 {
				fraction = fraction*10 + int64(rest[i]-'0')
			}
		}
		if i == 1 {
			return 0, notTime
		}
		for k := i; k < 4; k++ {
			fraction *= 10
		}
		rest = rest[i:]
	}
	offset, ok := zone(rest)
	if !ok {
		return 0, notTime
	}
	seconds := daysSince1970(year, month, day)*86400 + hour*3600 + minute*60 + second - offset
	if seconds < 0 {
		return 0, "must not be before 1970"
	}
	return seconds*1000 + fraction, ""
}

// zone reads Z, +01:00 or +0100 as seconds east of Greenwich.
func zone(b []byte) (int64, bool) {
	if len(b) == 1 {
		return 0, b[0]|0x20 == 'z'
	}
	if len(b) == 6 && b[3] == ':' {
		b = append(append(make([]byte, 0, 5), b[:3]...), b[4:]...)
	}
	if len(b) != 5 || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	h, ok1 := digits(b[1:3])
	m, ok2 := digits(b[3:5])
	if !ok1 || !ok2 || h > 23 || m > 59 {
		return 0, false
	}
	if b[0] == '-' {
		return -(h*3600 + m*60), true
	}
	return h*3600 + m*60, true
}

func digits(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	return n, true
}

func daysIn(year, month int64) int64 {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysSince1970 counts days of the Gregorian calendar, with years that begin
// in March so that the leap day is the last of its year.
func daysSince1970(y, m, d int64) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + d - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}
