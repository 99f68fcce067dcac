package processor

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// OutputType says what an output is. Stored in commit records; never renumber.
type OutputType uint8

// The outputs of a step.
const (
	DecisionOutput   OutputType = iota + 1 // a Decision
	TransferOutput                         // a message to another partition
	DeadOutput                             // an entry that could not be applied, with its reason
	ReleaseOutput                          // a pending action may be attempted once
	DeliveryOutput                         // what became of an attempt
	ResendOutput                           // a Resend
	CorrectionOutput                       // a Correction of a message that was sent
)

// Outputs collects what steps ask of the outside, encoded as it will stand in
// the commit record:
//
//	{ type(1) size(uvarint) body }*
type Outputs struct {
	Buf   []byte
	Count int
}

// Reset empties the outputs and keeps the memory.
func (o *Outputs) Reset() { o.Buf, o.Count = o.Buf[:0], 0 }

func (o *Outputs) append(t OutputType, body []byte) {
	o.Buf = append(o.Buf, byte(t))
	o.Buf = binary.AppendUvarint(o.Buf, uint64(len(body)))
	o.Buf = append(o.Buf, body...)
	o.Count++
}

// Output is one output being read. Body is a view.
type Output struct {
	Type OutputType
	Body []byte
}

var errBadOutput = errors.New("processor: not an output")

// NextOutput splits the first output off buf.
func NextOutput(buf []byte) (Output, []byte, error) {
	if len(buf) < 2 {
		return Output{}, nil, errBadOutput
	}
	n, w := binary.Uvarint(buf[1:])
	if w <= 0 || n > uint64(len(buf)-1-w) {
		return Output{}, nil, errBadOutput
	}
	at := 1 + w
	return Output{OutputType(buf[0]), buf[at : at+int(n)]}, buf[at+int(n):], nil
}

// Transfer is a TransferOutput: Number counts the messages from this partition
// to Receiver, without a gap. Message is the encoded Message.
type Transfer struct {
	Receiver int
	Number   uint64
	Message  []byte

	Incarnation uint64 // of the commit record it is in; not part of the output
}

// ParseTransfer reads the body of a TransferOutput.
func ParseTransfer(body []byte) (Transfer, error) {
	r := reader{b: body}
	t := Transfer{Receiver: int(r.uint()), Number: r.uint()}
	t.Message = r.rest()
	return t, r.err
}

// AppendTransfer appends the entry that carries a transfer to its receiver.
// incarnation is raised when the sender was rewound on purpose.
func AppendTransfer(dst []byte, sender int, incarnation uint64, t Transfer) []byte {
	dst = append(dst, byte(TransferEntry))
	dst = binary.AppendUvarint(dst, uint64(sender))
	dst = binary.AppendUvarint(dst, incarnation)
	dst = binary.AppendUvarint(dst, t.Number)
	return append(dst, t.Message...)
}

// ParseTransferEntry reads who sent the message in an entry of a log, and its
// number; ok is false when the entry is no message.
func ParseTransferEntry(entry []byte) (sender, number uint64, ok bool) {
	if len(entry) == 0 || EntryType(entry[0]) != TransferEntry {
		return 0, 0, false
	}
	r := reader{b: entry[1:]}
	sender, _, number = r.uint(), r.uint(), r.uint()
	return sender, number, r.err == nil
}

// AppendShardEvent appends the entry of an event read from an ingest shard.
// number is its sequence in the shard's stream, event what AppendEvent wrote.
func AppendShardEvent(dst []byte, shard int, number uint64, event []byte) []byte {
	dst = append(dst, byte(ShardEntry))
	dst = binary.AppendUvarint(dst, ShardSender(shard))
	dst = binary.AppendUvarint(dst, 0)
	dst = binary.AppendUvarint(dst, number)
	return append(dst, event...)
}

// Dead is an entry that could not be applied.
type Dead struct {
	Position uint64
	Step     uint64
	Reason   string // a word, for example malformed, limit, panic
	Detail   string
	Entry    []byte
}

func (d *Dead) encode(w *writer) {
	w.uint(d.Position)
	w.uint(d.Step)
	w.str(d.Reason)
	w.str(d.Detail)
	w.bytes(d.Entry)
}

// ParseDead reads the body of a DeadOutput.
func ParseDead(body []byte) (Dead, error) {
	r := reader{b: body}
	d := Dead{r.uint(), r.uint(), r.str(), r.str(), r.bytes()}
	return d, r.err
}

// Release is a ReleaseOutput: the gate let a pending action go. Attempt counts
// from 1.
type Release struct {
	Attempt  int
	Decision Decision
}

// ParseRelease reads the body of a ReleaseOutput.
func ParseRelease(body []byte) (Release, error) {
	r := reader{b: body}
	var x Release
	x.Attempt = int(r.uint())
	x.Decision.decode(&r)
	return x, r.err
}

// DeliveryRecord is a DeliveryOutput: what became of one attempt.
type DeliveryRecord struct {
	At       int64
	Customer string
	Action   string
	Moment   string
	Channel  string
	Attempt  int
	Delivery Delivery
	Code     string
	// LagMS is how long after the decision it holds on the platform, by the
	// platform's own word; -1 when it said none.
	LagMS int64
}

func (d *DeliveryRecord) encode(w *writer) {
	w.int(d.At)
	w.str(d.Customer)
	w.str(d.Action)
	w.str(d.Moment)
	w.str(d.Channel)
	w.uint(uint64(d.Attempt))
	w.u8(uint8(d.Delivery))
	w.str(d.Code)
	w.int(d.LagMS)
}

// MarshalJSON implements json.Marshaler.
func (d *DeliveryRecord) MarshalJSON() ([]byte, error) {
	j := object{[]byte{'{'}}
	j.time("at", d.At)
	j.customer(d.Customer)
	j.str("moment", d.Moment)
	j.str("action", d.Action)
	j.str("channel", d.Channel)
	j.num("attempt", int64(d.Attempt))
	j.str("delivery", d.Delivery.String())
	j.opt("code", d.Code)
	if d.LagMS >= 0 {
		j.num("lag_ms", d.LagMS)
	}
	return append(j.b, '}'), nil
}

// ParseDelivery reads the body of a DeliveryOutput.
func ParseDelivery(body []byte) (DeliveryRecord, error) {
	r := reader{b: body}
	d := DeliveryRecord{r.int(), r.str(), r.str(), r.str(), r.str(), int(r.uint()), Delivery(r.u8()), r.str(), r.int()}
	if d.Delivery > Retry {
		r.fail()
	}
	return d, r.err
}

// ParseDecision reads the body of a DecisionOutput.
func ParseDecision(body []byte) (Decision, error) {
	r := reader{b: body, s: string(body)} // one copy holds all of its strings
	var d Decision
	d.decode(&r)
	return d, r.err
}

// CommitRecord is one message of a partition's output log: what the steps up
// to Position asked for, and the proof of where the partition stands.
type CommitRecord struct {
	Epoch    uint64 // of the owner; grows with each takeover
	Code     uint64 // version of this program's decisions
	Rules    string
	Position uint64 // last record applied
	Step     uint64 // last step applied
	First    uint64 // number of the first output
	Count    int
	Hash     uint64   // chain after Step
	Now      int64    // log time
	Acked    []uint64 // by receiver: messages known to be in its log
	Skips    []Skip   // steps passed over since the last commit
	Outputs  []byte

	// Incarnation is raised by the record with which a partition was rewound on
	// purpose: it stands at an earlier position than the one before, and what that
	// one and others said from there on is taken back.
	Incarnation uint64
}

// Skip names a step that failed and is passed over by every replay.
type Skip struct {
	Position uint64
	Index    int // of the step within the record
}

const commitVersion = 1

// CodeVersion is the version of the decisions this program makes. It is raised
// when the same log would give other outputs.
const CodeVersion = 1

// Append appends the encoded commit record.
func (c *CommitRecord) Append(dst []byte) []byte {
	w := writer{b: dst}
	w.u8(commitVersion)
	w.uint(c.Epoch)
	w.uint(c.Code)
	w.str(c.Rules)
	w.uint(c.Position)
	w.uint(c.Step)
	w.uint(c.First)
	w.uint(uint64(c.Count))
	w.u64(c.Hash)
	w.int(c.Now)
	w.uint(uint64(len(c.Acked)))
	for _, n := range c.Acked {
		w.uint(n)
	}
	w.uint(uint64(len(c.Skips)))
	for _, s := range c.Skips {
		w.uint(s.Position)
		w.uint(uint64(s.Index))
	}
	w.uint(c.Incarnation)
	w.b = append(w.b, c.Outputs...)
	return w.b
}

// ParseCommit reads a commit record. Outputs is a view into msg.
func ParseCommit(msg []byte) (CommitRecord, error) {
	r := reader{b: msg}
	if v := r.u8(); v != commitVersion {
		return CommitRecord{}, fmt.Errorf("processor: commit record of version %d, this program reads %d", v, commitVersion)
	}
	c := CommitRecord{Epoch: r.uint(), Code: r.uint(), Rules: r.str(), Position: r.uint(), Step: r.uint(), First: r.uint()}
	c.Count = int(r.uint())
	c.Hash = r.u64()
	c.Now = r.int()
	c.Acked = make([]uint64, r.count(1))
	for i := range c.Acked {
		c.Acked[i] = r.uint()
	}
	c.Skips = make([]Skip, r.count(2))
	for i := range c.Skips {
		c.Skips[i] = Skip{r.uint(), int(r.uint())}
	}
	c.Incarnation = r.uint()
	c.Outputs = r.rest()
	return c, r.err
}
