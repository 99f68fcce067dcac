package processor

// The catalogue says what has changed of an item, and some of it is heard late
// or in another order. Each thing it speaks of has a time of its own: an older
// word on one of them holds while nothing newer was said of that one, whatever
// was said of others since. The price has its edition, see Item.Priced.

// subject is what the catalogue speaks of. They are stored by their number.
type subject uint8

const (
	ofPublished subject = iota
	ofCategory
	ofBrand
	ofFamily
	ofAccessory
	ofTitle
	ofURL
	ofImage
	ofLasts
	ofSubstitutes
	ofLow
	ofMargin
	ofParent
	ofVariant
	ofParts
	ofCountries
	ofNumber
	subjects
)

// said is when the last word on each subject was said; 0 = none was.
type said [subjects]int64

// newest reports whether no word on a subject was said after that time, and notes
// this one. Of two words of one time the one heard last holds.
func (s *said) newest(on subject, at int64) bool {
	if at < s[on] {
		return false
	}
	s[on] = at
	return true
}

// encode writes the times as what they are before the last one, which nearly all
// of them are equal to.
func (s *said) encode(w *writer, last int64) {
	mask := uint64(0)
	for i, at := range s {
		if at != 0 {
			mask |= 1 << i
		}
	}
	w.uint(mask)
	for _, at := range s {
		if at != 0 {
			w.int(last - at)
		}
	}
}

func (s *said) decode(r *reader, last int64) {
	mask := r.uint()
	for i := range s {
		if s[i] = 0; mask&(1<<i) != 0 {
			s[i] = last - r.int()
		}
	}
}
