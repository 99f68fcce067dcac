package processor

import "slices"

// Shop is the partition's own state: its clock, its place in the log, what it
// has sent to and received from the others, and what holds for the whole shop.
// It is the mark that each write-behind carries, so that state and position
// are one.
type Shop struct {
	Now      int64  // log time, Unix ms; never goes back
	Position uint64 // sequence of the last record applied
	Step     uint64 // steps applied since the log began
	Hash     uint64 // chain over all steps
	Outputs  uint64 // outputs since the log began
	Chunks   uint64 // chunks made, the source of their keys
	Decided  uint64 // decisions since the log began

	Sent     []uint64 // by receiver: number of the last message to it
	Received []Sender // what was accepted last, by sender

	Rules   []byte   // the moments file in force, as activated
	Version string   // its hash
	Stopped bool     // kill switch, whole
	Tags    []string // kill switch, by tag
	Crises  []string // tags with a declared crisis
	Sources []SourceState

	Deployment Deployment
	Codes      []CodeCount // given out; partition 0 counts for all
	Held       []ChannelState
	Secret     string // keys the codes given out; see Control

	Activations uint64 // of a moments file since the log began
	Kept        []Kept // files that hold for what is pending, oldest first

	Journeys [stages]int64 // of the customers here, by the stage they have come to

	Words []crisisWord // the latest on each crisis, at partition 0

	Late uint8 // under which files the stock is behind, as was told to those it matters to; see stockLate
}

// Limits of what events may say of the whole shop.
const (
	maxSources = 256
	maxCrises  = 256
)

// ChannelState is a channel whose provider takes nothing for a while.
type ChannelState struct {
	Name  string
	Until int64 // log time
}

// hold notes until when a channel takes nothing.
func (s *Shop) hold(channel string, until int64) {
	s.Held = slices.DeleteFunc(s.Held, func(x ChannelState) bool { return x.Name == channel })
	if until > s.Now {
		s.Held = append(s.Held, ChannelState{channel, until})
	}
}

// heldUntil returns until when a channel takes nothing; 0 = it does.
func (s *Shop) heldUntil(channel string) int64 {
	for _, x := range s.Held {
		if x.Name == channel && x.Until > s.Now {
			return x.Until
		}
	}
	return 0
}

// Sender is the last message accepted from a sender. Senders below Slots are
// partitions; above are ingest shards.
type Sender struct {
	ID          uint64
	Incarnation uint64
	Number      uint64

	Asked   uint64 // number of the message that was asked for last
	AskedAt int64
}

// ShardSender returns the sender id of an ingest shard.
func ShardSender(shard int) uint64 { return Slots + uint64(shard) }

// SourceState is how far a source has reported.
type SourceState struct {
	Name       string
	CompleteTo int64
}

const shopVersion = 1

func (s *Shop) encode(w *writer) {
	w.u8(shopVersion)
	w.int(s.Now)
	w.uint(s.Position)
	w.uint(s.Step)
	w.u64(s.Hash)
	w.uint(s.Outputs)
	w.uint(s.Chunks)
	w.uint(s.Decided)
	w.uint(uint64(len(s.Sent)))
	for _, n := range s.Sent {
		w.uint(n)
	}
	w.uint(uint64(len(s.Received)))
	for _, x := range s.Received {
		w.uint(x.ID)
		w.uint(x.Incarnation)
		w.uint(x.Number)
		w.uint(x.Asked)
		w.int(x.AskedAt)
	}
	w.bytes(s.Rules)
	w.str(s.Version)
	w.bool(s.Stopped)
	writeStrings(w, s.Tags)
	writeStrings(w, s.Crises)
	w.uint(uint64(len(s.Sources)))
	for _, x := range s.Sources {
		w.str(x.Name)
		w.int(x.CompleteTo)
	}
	s.Deployment.encode(w)
	w.uint(uint64(len(s.Codes)))
	for _, x := range s.Codes {
		w.str(x.Moment)
		w.int(x.Given)
		w.int(x.Spent)
	}
	w.uint(uint64(len(s.Held)))
	for _, x := range s.Held {
		w.str(x.Name)
		w.int(x.Until)
	}
	w.str(s.Secret)
	s.encodeKept(w)
	for _, n := range s.Journeys {
		w.int(n)
	}
	s.encodeWords(w)
	w.u8(s.Late)
}

func (s *Shop) decode(r *reader) {
	if v := r.u8(); v != shopVersion {
		r.fail()
		return
	}
	s.Now = r.int()
	s.Position = r.uint()
	s.Step = r.uint()
	s.Hash = r.u64()
	s.Outputs = r.uint()
	s.Chunks = r.uint()
	s.Decided = r.uint()
	s.Sent = make([]uint64, r.count(1))
	for i := range s.Sent {
		s.Sent[i] = r.uint()
	}
	s.Received = make([]Sender, r.count(5))
	for i := range s.Received {
		s.Received[i] = Sender{r.uint(), r.uint(), r.uint(), r.uint(), r.int()}
	}
	s.Rules = r.bytes()
	s.Version = r.str()
	s.Stopped = r.bool()
	s.Tags = readStrings(r)
	s.Crises = readStrings(r)
	s.Sources = make([]SourceState, r.count(2))
	for i := range s.Sources {
		s.Sources[i] = SourceState{r.str(), r.int()}
	}
	s.Deployment.decode(r)
	s.Codes = make([]CodeCount, r.count(3))
	for i := range s.Codes {
		s.Codes[i] = CodeCount{r.str(), r.int(), r.int()}
	}
	s.Held = nil
	if n := r.count(2); n > 0 {
		s.Held = make([]ChannelState, n)
		for i := range s.Held {
			s.Held[i] = ChannelState{r.str(), r.int()}
		}
	}
	s.Secret = r.str()
	s.decodeKept(r)
	for i := range s.Journeys {
		s.Journeys[i] = r.int()
	}
	s.decodeWords(r)
	s.Late = r.u8()
}

func writeStrings(w *writer, list []string) {
	w.uint(uint64(len(list)))
	for _, s := range list {
		w.str(s)
	}
}

func readStrings(r *reader) []string {
	n := r.count(1)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.word()
	}
	return list
}

// sender returns the last message accepted from a sender.
func (s *Shop) sender(id uint64) *Sender {
	for i := range s.Received {
		if s.Received[i].ID == id {
			return &s.Received[i]
		}
	}
	s.Received = append(s.Received, Sender{ID: id})
	return &s.Received[len(s.Received)-1]
}

// completeTo returns how far a source has reported; false when it never did.
func (s *Shop) completeTo(name string) (int64, bool) {
	for _, x := range s.Sources {
		if x.Name == name {
			return x.CompleteTo, true
		}
	}
	return 0, false
}

// report moves a source forward; a report is never taken back.
func (s *Shop) report(name string, to int64) {
	for i := range s.Sources {
		if s.Sources[i].Name == name {
			s.Sources[i].CompleteTo = max(s.Sources[i].CompleteTo, to)
			return
		}
	}
	s.Sources = append(s.Sources, SourceState{name, to})
}

func setMember(list []string, s string, in bool) []string {
	i := slices.Index(list, s)
	switch {
	case in && i < 0:
		return append(list, s)
	case !in && i >= 0:
		return slices.Delete(list, i, i+1)
	}
	return list
}
