package processor

// recent is what a customer sent last, in a burst: message ids with the
// timestamps of their senders. A copy repeats its original's timestamp, so an
// event later than floor is new unless it is listed here, and the store need
// not be asked. The busiest customers have several events in a millisecond,
// and a look-up on disk for each of them costs more than all the rest. Nobody
// else has a list at all.
//
//	stamp <= floor   all there was may be a copy: ask the store
//	stamp >  floor   listed, or new
//
// It is part of the state, not of what happens to be in memory: a sender who
// breaks the rule and repeats an id with another timestamp gets the same answer
// in each replay.
type recent struct {
	floor int64 // greatest timestamp applied and not listed
	sent  []sent
}

type sent struct {
	stamp int64
	id    uint64
}

const (
	burstMS   = 2000 // a longer silence ends a burst
	maxRecent = 64
)

// known answers for an event without a look-up, if it can: whether it is a
// copy.
func (r *recent) known(stamp int64, id uint64) (copied, certain bool) {
	for i := range r.sent {
		if r.sent[i].id == id {
			return true, true
		}
	}
	return false, stamp > r.floor
}

// add notes an event that was applied. last is the greatest timestamp before.
func (r *recent) add(stamp, last int64, id uint64) {
	switch {
	case stamp <= r.floor:
	case stamp > last+burstMS:
		r.floor, r.sent = stamp, r.sent[:0]
	default:
		if len(r.sent) == maxRecent {
			r.floor = max(r.floor, r.sent[0].stamp)
			r.sent = r.sent[:copy(r.sent, r.sent[1:])]
		}
		r.sent = append(r.sent, sent{stamp, id})
	}
}

// encode writes r; last is the greatest timestamp applied.
func (r *recent) encode(w *writer, last int64) {
	w.int(last - r.floor)
	w.uint(uint64(len(r.sent)))
	for _, s := range r.sent {
		w.int(last - s.stamp)
		w.u64(s.id)
	}
}

func (r *recent) decode(from *reader, last int64) {
	r.floor = last - from.int()
	r.sent = resize(r.sent, from.count(9))
	for i := range r.sent {
		r.sent[i] = sent{last - from.int(), from.u64()}
	}
}
