package processor

// What of the entries of a record others than the machine may want to read: who
// replays a log beside the live one leaves some out and puts others in.

// ParseControl reads a ControlEntry.
func ParseControl(entry []byte) (Control, error) {
	r := bodyOf(entry)
	var c Control
	c.decode(&r)
	return c, r.err
}

// TransferOrigin reads who sent a TransferEntry: the partition, its incarnation,
// and the message's number among those to this receiver.
func TransferOrigin(entry []byte) (sender int, incarnation, number uint64, err error) {
	r := bodyOf(entry)
	sender, incarnation, number = int(r.uint()), r.uint(), r.uint()
	return sender, incarnation, number, r.err
}

// AttemptEntry is an OutcomeEntry, or with Delivery 0 a ReleaseEntry.
type AttemptEntry struct {
	Customer  string
	Action    string
	Attempt   int
	Delivery  Delivery
	Code      string
	Effective int64  // see AppendEffective; 0 = not told
	Reference string // see AppendReference
}

// ParseAttempt reads an OutcomeEntry or a ReleaseEntry.
func ParseAttempt(entry []byte) (AttemptEntry, error) {
	r := bodyOf(entry)
	a := AttemptEntry{Customer: r.str(), Action: r.str(), Attempt: int(r.uint())}
	if r.err == nil && EntryType(entry[0]) == OutcomeEntry {
		a.Delivery, a.Code = Delivery(r.u8()), r.str()
		if r.err == nil && r.left() > 0 {
			a.Effective = r.int()
		}
		if r.err == nil && r.left() > 0 {
			a.Reference = r.str()
		}
		if a.Delivery < Delivered || a.Delivery > Retry {
			r.fail()
		}
	}
	return a, r.err
}

func bodyOf(entry []byte) reader {
	if len(entry) == 0 {
		return reader{err: errBadOutput}
	}
	return reader{b: entry[1:]}
}
