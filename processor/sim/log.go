package sim

import (
	"encoding/binary"

	"onhand/processor"
)

// broker is the log: for each partition a stream of records and one of commit
// records, with what matters of JetStream: sequences from 1, a stamp by the
// server's clock, which may be set back, and an expectation that is checked
// when a commit is stored, not when it is sent.
type broker struct {
	streams []stream
	order   uint64 // of the last record, in all logs
	skew    int64  // of the server's clock
	plant   Plant
}

type stream struct {
	in  []record
	out [][]byte // commit records

	first, firstOut uint64 // sequences of the first that were not dropped

	commits []processor.CommitRecord // out, read
	landed  []uint64                 // by sender: number of the last message stored here
	sent    []uint64                 // by receiver: number of the last message in a commit record
	renumed []uint64                 // planted: numbers given instead
}

// record is one message of in.<p>.
type record struct {
	data    []byte
	stamp   int64
	order   uint64  // among the records of all logs
	facts   []*fact // that senders put there
	garbage bool    // cannot be read
}

func newBroker(partitions int, plant Plant) *broker {
	b := &broker{streams: make([]stream, partitions), plant: plant}
	for p := range b.streams {
		s := &b.streams[p]
		s.first, s.firstOut = 1, 1
		s.landed, s.sent, s.renumed = make([]uint64, partitions), make([]uint64, partitions), make([]uint64, partitions)
	}
	return b
}

// append stores a record and returns its sequence.
func (b *broker) append(p int, r record, now int64) uint64 {
	s := &b.streams[p]
	if b.plant == IgnoreNumbers {
		r.data = s.renumber(r.data)
	}
	for _, n := range numbersOf(r.data) {
		s.landed[n.sender] = max(s.landed[n.sender], n.number)
	}
	b.order++
	r.stamp, r.order = now+b.skew, b.order
	s.in = append(s.in, r)
	return uint64(len(s.in))
}

// commit stores a commit record when the one before it is the one expected.
func (b *broker) commit(p int, data []byte, expect uint64) (seq uint64, ok bool) {
	s := &b.streams[p]
	if expect != uint64(len(s.out)) && b.plant != SkipFence {
		return 0, false
	}
	c, err := processor.ParseCommit(data)
	if err != nil {
		panic(err)
	}
	for rest := c.Outputs; len(rest) > 0; {
		var o processor.Output
		if o, rest, err = processor.NextOutput(rest); err != nil {
			panic(err)
		}
		if o.Type == processor.TransferOutput {
			t, err := processor.ParseTransfer(o.Body)
			if err != nil {
				panic(err)
			}
			s.sent[t.Receiver] = max(s.sent[t.Receiver], t.Number)
		}
	}
	s.out = append(s.out, data)
	s.commits = append(s.commits, c)
	return uint64(len(s.out)), true
}

// last returns the last commit record and its sequence.
func (b *broker) last(p int) (uint64, []byte) {
	out := b.streams[p].out
	if len(out) == 0 {
		return 0, nil
	}
	return uint64(len(out)), out[len(out)-1]
}

// committed returns the position the commit records stand for.
func (b *broker) committed(p int) uint64 {
	c := b.streams[p].commits
	if len(c) == 0 {
		return 0
	}
	return c[len(c)-1].Position
}

// numbered is a message between partitions as it lies in a record.
type numbered struct {
	sender int
	number uint64
}

// transferType is the type of an entry that holds such a message.
const transferType = 3

// entriesOf splits a record, without the processor's help. It returns nil for
// what is no record.
func entriesOf(data []byte) (entries [][]byte) {
	if len(data) < 9 || data[0] != 1 {
		return nil
	}
	for rest := data[9:]; len(rest) > 0; {
		n, w := binary.Uvarint(rest)
		if w <= 0 || n == 0 || n > uint64(len(rest)-w) {
			return nil
		}
		entries = append(entries, rest[w:w+int(n)])
		rest = rest[w+int(n):]
	}
	return entries
}

func numbersOf(data []byte) (list []numbered) {
	for _, e := range entriesOf(data) {
		if e[0] == transferType {
			sender, w := binary.Uvarint(e[1:])
			_, v := binary.Uvarint(e[1+w:])
			number, _ := binary.Uvarint(e[1+w+v:])
			list = append(list, numbered{int(sender), number})
		}
	}
	return list
}

// renumber gives each message the next number, copy or not, as if the receiver
// did not look.
func (s *stream) renumber(data []byte) []byte {
	entries := entriesOf(data)
	if entries == nil {
		return data
	}
	to := append([]byte(nil), data[:9]...)
	for _, e := range entries {
		if e[0] == transferType {
			sender, w := binary.Uvarint(e[1:])
			_, v := binary.Uvarint(e[1+w:])
			_, x := binary.Uvarint(e[1+w+v:])
			s.renumed[sender]++
			head := append([]byte(nil), e[:1+w+v]...)
			head = binary.AppendUvarint(head, s.renumed[sender])
			e = append(head, e[1+w+v+x:]...)
		}
		to = binary.AppendUvarint(to, uint64(len(e)))
		to = append(to, e...)
	}
	return to
}
