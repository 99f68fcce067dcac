package faults

import (
	"bytes"
	"context"
	"encoding/binary"

	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/connectors"
	"onhand/processor"
	"onhand/processor/jetstream"
)

// verdict is what the judge read in the logs.
type verdict struct {
	events    map[string]int // message ids in the log, how often
	decisions map[string]int // by outcome
	actions   map[string]*action
	transfers int
	epochs    uint64 // takeovers, all partitions together
	beats     [][]beat
}

// action is the life of one action.
type action struct {
	bodies    []string // the decision as it is handed over, by what each attempt may say
	channel   string
	retracted bool
	delivered int
	failed    string // the code
	unknown   int
}

// judgeData judges what a service with an embedded server has left.
func judgeData(t testing.TB, data string) *verdict {
	t.Helper()
	server, err := jetstream.StartServer(jetstream.ServerOptions{Dir: filepath.Join(data, "nats"), SyncInterval: time.Minute})
	require.NoError(t, err)
	defer server.Close()
	return judge(t, jetstream.Options{Server: server})
}

// judge replays all partitions and holds what was committed against it.
func judge(t testing.TB, o jetstream.Options) *verdict {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	log, err := jetstream.Open(ctx, o)
	require.NoError(t, err)
	defer log.Close()
	v := &verdict{events: map[string]int{}, decisions: map[string]int{}, actions: map[string]*action{}}
	j := &judgement{t: t, verdict: v, log: log, ids: map[string]string{}, of: map[string]string{}}
	v.beats = make([][]beat, log.Partitions())
	for p := range log.Partitions() {
		j.partition(ctx, p)
	}
	j.messages()
	return v
}

// judgement is the judge at work.
type judgement struct {
	*verdict
	t   testing.TB
	log *jetstream.Log
	ids map[string]string // decision id -> the decision
	of  map[string]string // decision id -> id of its action

	sent, received []map[int]uint64 // messages by the other partition, by partition
}

func (j *judgement) partition(ctx context.Context, p int) {
	commits := j.commits(ctx, p)
	j.sent, j.received = append(j.sent, map[int]uint64{}), append(j.received, map[int]uint64{})
	want, stops := j.replay(ctx, p, commits)
	j.compare(p, commits, want, stops)
	j.read(p, want[:sizeOf(commits)])
}

// commits reads the commit records of a partition.
func (j *judgement) commits(ctx context.Context, p int) (all []processor.CommitRecord) {
	last, _, err := j.log.LastCommit(ctx, p)
	require.NoError(j.t, err)
	r, err := j.log.ReadCommits(p, 1)
	require.NoError(j.t, err)
	defer r.Stop()
	for seq := uint64(0); seq < last; {
		m, err := r.Next(ctx)
		require.NoError(j.t, err)
		seq = m.Seq
		c, err := processor.ParseCommit(m.Data)
		require.NoError(j.t, err, "partition %d, commit record %d", p, seq)
		all = append(all, c)
		j.beats[p] = append(j.beats[p], beat{m.Stamp, c.Epoch, c.Position, decides(c.Outputs)})
	}
	require.NotEmpty(j.t, all, "partition %d has no commit record", p)
	j.epochs += all[len(all)-1].Epoch
	return all
}

func sizeOf(commits []processor.CommitRecord) (n int) {
	for _, c := range commits {
		n += len(c.Outputs)
	}
	return n
}

// stop is where the replay stood after a record.
type stop struct {
	hash uint64
	size int  // of all outputs up to there
	said bool // by somebody else: an event, a message, a control
}

// replay applies the log of a partition to a machine that nothing disturbs. It
// returns all outputs, and where it stood after each record.
func (j *judgement) replay(ctx context.Context, p int, commits []processor.CommitRecord) (outputs []byte, stops []stop) {
	t := j.t
	for _, c := range commits {
		require.Empty(t, c.Skips, "partition %d: a step failed", p)
	}
	m, err := processor.NewMachine(processor.Config{Partition: p, Partitions: j.log.Partitions()}, emptyStore{})
	require.NoError(t, err)
	first, last, err := j.log.Bounds(ctx, p)
	require.NoError(t, err)
	require.EqualValues(t, 1, first, "partition %d: the log was trimmed", p)
	r, err := j.log.Read(p, 1)
	require.NoError(t, err)
	defer r.Stop()
	var out processor.Outputs
	stops = append(stops, stop{})
	for seq := uint64(0); seq < last; {
		msg, err := r.Next(ctx)
		require.NoError(t, err)
		seq = msg.Seq
		require.EqualValues(t, len(stops), seq, "partition %d: a gap in the log", p)
		said := j.entries(p, seq, msg.Data)
		m.Apply(seq, msg.Stamp, msg.Data, &out)
		stops = append(stops, stop{m.Shop().Hash, len(out.Buf), said})
	}
	return out.Buf, stops
}

// entries takes note of what a record holds, and reports whether somebody else
// than the partition itself has said something in it.
func (j *judgement) entries(p int, seq uint64, data []byte) (said bool) {
	t := j.t
	rec, err := processor.ParseRecord(data)
	require.NoError(t, err, "partition %d, record %d", p, seq)
	for {
		entry, err := rec.Next()
		require.NoError(t, err, "partition %d, record %d", p, seq)
		if entry == nil {
			return said
		}
		switch processor.EntryType(entry[0]) {
		case processor.TickEntry, processor.OutcomeEntry, processor.ReleaseEntry:
		default:
			said = true
		}
		switch processor.EntryType(entry[0]) {
		case processor.EventEntry:
			var e processor.Event
			require.NoError(t, processor.DecodeEvent(entry[1:], &e), "partition %d, record %d", p, seq)
			j.events[e.MessageID]++
		case processor.TransferEntry:
			sender, number := transferOf(entry)
			before := j.received[p][sender]
			require.LessOrEqual(t, number, before+1, "partition %d, record %d: a message of partition %d is missing before this one", p, seq, sender)
			j.received[p][sender] = max(before, number)
		}
	}
}

// compare holds the commit records against the replay.
func (j *judgement) compare(p int, commits []processor.CommitRecord, want []byte, stops []stop) {
	t := j.t
	var before processor.CommitRecord
	at := 0
	for i, c := range commits {
		where := fmt.Sprintf("partition %d, commit record %d of %d (epoch %d, position %d, outputs from %d)", p, i+1, len(commits), c.Epoch, c.Position, c.First)
		require.GreaterOrEqual(t, c.Epoch, before.Epoch, "%s: an earlier owner has committed after a later one", where)
		require.GreaterOrEqual(t, c.Position, before.Position, "%s: it goes back", where)
		require.Equal(t, before.First+uint64(before.Count), c.First, "%s: outputs are missing or doubled", where)
		require.Less(t, c.Position, uint64(len(stops)), "%s: the log is shorter", where)
		require.Equal(t, stops[c.Position].hash, c.Hash, "%s: the replay has another hash", where)
		require.LessOrEqual(t, at+len(c.Outputs), len(want), "%s: more was committed than a replay yields", where)
		require.True(t, bytes.Equal(want[at:at+len(c.Outputs)], c.Outputs), "%s: the replay yields other outputs", where)
		at += len(c.Outputs)
		before = c
	}
	// A last word of the partition to itself may have come when its owner had
	// stopped reading: the next one hears it.
	for i, s := range stops[before.Position+1:] {
		require.False(t, s.said, "partition %d: record %d of %d was not committed", p, before.Position+1+uint64(i), len(stops)-1)
	}
	require.Equal(t, stops[before.Position].size, at, "partition %d: outputs up to position %d were not committed", p, before.Position)
}

// read asks what the outputs of a partition mean.
func (j *judgement) read(p int, outputs []byte) {
	t := j.t
	open := map[string]processor.Decision{} // candidates without an end
	ended := map[string]string{}            // candidates, and the id of their end
	for n := 0; len(outputs) > 0; n++ {
		o, rest, err := processor.NextOutput(outputs)
		require.NoError(t, err)
		outputs = rest
		where := fmt.Sprintf("partition %d, output %d", p, n)
		switch o.Type {
		case processor.DecisionOutput:
			d, err := processor.ParseDecision(o.Body)
			require.NoError(t, err, where)
			text := string(d.AppendJSON(nil))
			require.Empty(t, j.ids[d.ID], "%s: decision %s was made before, now:\n%s", where, d.ID, text)
			j.ids[d.ID] = text
			j.decisions[d.Outcome.String()]++
			j.decided(where, &d, open, ended)
		case processor.TransferOutput:
			x, err := processor.ParseTransfer(o.Body)
			require.NoError(t, err, where)
			require.Equal(t, j.sent[p][x.Receiver]+1, x.Number, "%s: messages to partition %d are not numbered one by one", where, x.Receiver)
			j.sent[p][x.Receiver] = x.Number
			j.transfers++
		case processor.DeliveryOutput:
			d, err := processor.ParseDelivery(o.Body)
			require.NoError(t, err, where)
			a := j.actions[d.Action]
			require.NotNil(t, a, "%s: outcome of action %s, which nobody decided", where, d.Action)
			switch d.Delivery {
			case processor.Delivered:
				a.delivered++
			case processor.Failed:
				a.failed = d.Code
			case processor.Unknown:
				a.unknown++
			}
		case processor.ReleaseOutput: // another attempt: its lines are those wanted and sellable by then
			r, err := processor.ParseRelease(o.Body)
			require.NoError(t, err, where)
			a := j.actions[r.Decision.Action.ID]
			require.NotNil(t, a, "%s: release of action %s, which nobody decided", where, r.Decision.Action.ID)
			a.bodies = append(a.bodies, string(r.Decision.AppendJSON(nil)))
		case processor.DeadOutput:
			d, err := processor.ParseDead(o.Body)
			require.NoError(t, err, where)
			if d.Reason == "link" { // of somebody to oneself, by oddCalls
				break
			}
			require.Fail(t, where+": a dead letter", "%s: %s", d.Reason, d.Detail)
		}
	}
	for candidate, d := range open {
		require.True(t, d.Until == 0 || d.Until > d.At, "partition %d: candidate %q was deferred to the past", p, candidate)
	}
}

// decided keeps the balance of candidates, and the actions.
func (j *judgement) decided(where string, d *processor.Decision, open map[string]processor.Decision, ended map[string]string) {
	t := j.t
	candidate := fmt.Sprintf("%s|%s|%s|%d", d.Customer, d.Moment, d.Cause.Value, d.Cause.N)
	switch d.Outcome {
	case processor.Retracted:
		require.NotEmpty(t, j.ids[d.Retracts], "%s: it retracts %s, which nobody decided", where, d.Retracts)
		if a := j.actions[j.of[d.Retracts]]; a != nil {
			a.retracted = true
		}
	default:
		require.Empty(t, ended[candidate], "%s: candidate %q has ended before, now %s", where, candidate, d.Outcome)
		if d.Outcome == processor.Deferred {
			open[candidate] = *d
			break
		}
		delete(open, candidate)
		ended[candidate] = d.ID
	}
	if d.Action != nil && d.Mode == "live" && (d.Outcome == processor.Sent || d.Outcome == processor.Retracted) {
		require.Nil(t, j.actions[d.Action.ID], "%s: action %s was decided before", where, d.Action.ID)
		j.actions[d.Action.ID] = &action{bodies: []string{string(d.AppendJSON(nil))}, channel: d.Action.Channel}
		j.of[d.ID] = d.Action.ID
	}
}

// messages holds what partitions sent against what arrived.
func (j *judgement) messages() {
	for p, sent := range j.sent {
		for q, n := range sent {
			require.Equal(j.t, n, j.received[q][p], "messages of partition %d to %d that have arrived", p, q)
		}
	}
}

// wants checks that everything that was answered 200 is in the log.
func (v *verdict) wants(t testing.TB, accepted map[string]bool) {
	t.Helper()
	var lost []string
	for id := range accepted {
		if v.events[id] == 0 {
			lost = append(lost, id)
		}
	}
	require.Empty(t, lost, "events were answered 200 and are not in the log, of %d", len(accepted))
}

// told checks that everything that was to be handed over was, once, as it was
// decided. got is what arrived, by the action's id.
func (v *verdict) told(t testing.TB, got map[string]string) {
	t.Helper()
	require.NotEmpty(t, v.actions)
	for id, a := range v.actions {
		body, arrived := got[id]
		require.LessOrEqual(t, a.delivered, 1, "action %s was delivered %d times", id, a.delivered)
		require.Zero(t, a.unknown, "action %s: nobody knows what became of it", id)
		if a.delivered == 1 {
			require.True(t, arrived, "action %s was reported as delivered and is not there", id)
			require.Contains(t, a.bodies, body, "action %s", id)
			continue
		}
		if a.failed != "" {
			// Too late to be of use, or outdated by a newer state of the audience.
			require.Contains(t, []string{connectors.CodeExpired, string(processor.Superseded)}, a.failed, "action %s failed", id)
			continue
		}
		require.True(t, a.retracted, "action %s was neither delivered nor taken back:\n%s", id, a.bodies[0])
	}
	for id := range got {
		require.NotNil(t, v.actions[id], "action %s is there, and nobody decided it", id)
	}
}

// emptyStore is a store that holds nothing: a machine that is never saved.
type emptyStore struct{}

func (emptyStore) Mark() ([]byte, error)                           { return nil, nil }
func (emptyStore) Get(uint8, uint64, []byte) ([]byte, bool, error) { return nil, false, nil }
func (emptyStore) Timers(func(int64, uint8, uint64) error) error   { return nil }
func (emptyStore) Seen(uint64, uint32) (bool, error)               { return false, nil }
func (emptyStore) Scan(uint8, func(uint64, []byte) error) error    { return nil }

// transferOf returns the sender and number of a message between partitions.
func transferOf(entry []byte) (sender int, number uint64) {
	s, n := binary.Uvarint(entry[1:])
	_, i := binary.Uvarint(entry[1+n:])
	number, _ = binary.Uvarint(entry[1+n+i:])
	return int(s), number
}
