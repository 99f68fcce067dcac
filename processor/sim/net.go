package sim

// net carries packets to the broker and answers back. Either may be lost or
// slow, and a packet given up by its sender may still arrive.
type net struct {
	packets []*packet
	answers []*answered
}

// packet is one publish. A commit is a packet with an expectation.
type packet struct {
	partition int
	commit    bool
	expect    uint64
	record    record
	fate      fate
	reply     func(answer, uint64) // nothing when the sender is gone
}

// answer is what a sender hears of its packet.
type answer uint8

const (
	stored  answer = iota // the sequence says where
	refused               // another commit is the last one
	busy                  // surely not stored
	unknown               // no answer in time
)

type answered struct {
	packet *packet
	answer answer
	seq    uint64
}

// fate is what the net does to a packet.
type fate uint8

const (
	arrives    fate = iota
	ackIsLost       // stored, but the sender hears nothing
	packetLost      // never arrives
	overload        // the broker takes nothing now
	slow            // the sender gives up, then it arrives
)

// send takes a packet and draws its fate.
func (w *world) send(p *packet) {
	p.fate = arrives
	switch {
	case w.severed:
		p.fate = packetLost
	case w.faulty:
		switch n := w.rng.IntN(100); {
		case n < 6:
			p.fate = ackIsLost
		case n < 11:
			p.fate = packetLost
		case n < 15:
			p.fate = overload
		case n < 22:
			p.fate = slow
		}
	}
	switch p.fate {
	case packetLost:
		w.net.answers = append(w.net.answers, &answered{p, unknown, 0})
		return
	case overload:
		w.net.answers = append(w.net.answers, &answered{p, busy, 0})
		return
	case slow:
		w.net.answers = append(w.net.answers, &answered{p, unknown, 0})
	}
	w.net.packets = append(w.net.packets, p)
}

// arrive lets packet i reach the broker.
func (w *world) arrive(i int) {
	p := take(&w.net.packets, i)
	a := answered{packet: p, answer: stored}
	if p.commit {
		seq, ok := w.broker.commit(p.partition, p.record.data, p.expect)
		if a.seq = seq; !ok {
			a.answer = refused
			w.result.Fenced++
		} else {
			w.committed(p.partition)
		}
		w.note("commit", p.partition, int(p.expect), int(a.seq))
	} else {
		a.seq = w.broker.append(p.partition, p.record, w.now)
		w.note("append", p.partition, int(a.seq), len(p.record.data))
	}
	switch p.fate {
	case slow:
		return // the sender has stopped waiting
	case ackIsLost:
		a.answer = unknown
	}
	w.net.answers = append(w.net.answers, &a)
}

// answer brings answer i to its sender.
func (w *world) answer(i int) {
	a := take(&w.net.answers, i)
	w.note("answer", a.packet.partition, int(a.answer), int(a.seq))
	a.packet.reply(a.answer, a.seq)
}

// take removes element i, keeping the order of the others.
func take[T any](list *[]T, i int) T {
	x := (*list)[i]
	*list = append((*list)[:i], (*list)[i+1:]...)
	return x
}
