package processor

// Messages between partitions are numbered, and the receiver takes only the
// next one. When its log has lost some that it had acknowledged, the next one
// does not come by itself: the sender believes that all is told. So the
// receiver asks for them, and the sender's owner publishes again what its commit
// records hold. A partition that was rewound on purpose asks all others.
//
//	transfer n+k -> receiver, who stands at n: dropped
//	receiver --ResendMessages{n+1}--> sender --ResendOutput--> n+1, n+2, ... again

// askAgainMS is how long a receiver waits for what it asked for, by its log
// time, before it asks again.
const askAgainMS = 60_000

// missing takes note that a message of a partition came before its turn, and
// asks for those before it.
func (m *Machine) missing(s *Sender) {
	if s.ID >= uint64(m.partitions) || s.ID == uint64(m.partition) || s.Asked == s.Number+1 && m.shop.Now < s.AskedAt+askAgainMS {
		return
	}
	s.Asked, s.AskedAt = s.Number+1, m.shop.Now
	m.sendTo(int(s.ID), &Message{Type: ResendMessages, From: int64(m.partition), Line: int64(s.Asked)})
}

// resend asks this partition's owner to publish messages again.
func (m *Machine) resend(msg *Message) {
	if msg.From < 0 || msg.From >= int64(m.partitions) || msg.From == int64(m.partition) || msg.Line < 1 {
		return
	}
	w := &m.body
	w.b = w.b[:0]
	Resend{int(msg.From), uint64(msg.Line)}.encode(w)
	m.emit(ResendOutput)
}

// Resend is a ResendOutput: the messages to Receiver from number From on are to
// be published again.
type Resend struct {
	Receiver int
	From     uint64
}

func (x Resend) encode(w *writer) {
	w.uint(uint64(x.Receiver))
	w.uint(x.From)
}

// ParseResend reads the body of a ResendOutput.
func ParseResend(body []byte) (Resend, error) {
	r := reader{b: body}
	x := Resend{int(r.uint()), r.uint()}
	return x, r.err
}
