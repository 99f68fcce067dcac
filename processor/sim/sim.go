package sim

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/cespare/xxhash/v2"

	"onhand/processor"
	"onhand/processor/sim/whole"
	"onhand/state"
)

// Config describes a world. What is zero is drawn from the seed.
type Config struct {
	Seed       uint64
	Turns      int         // with faults; default 2000
	Workers    int         // 2 or 3
	Partitions int         // 2 to 8
	Plant      Plant       // a mistake to be found
	Whole      bool        // with the whole moments file and the shop of package whole; no Turns
	Hide       whole.Plant // a mistake of its kind
	Trace      io.Writer   // takes a line per happening; nil = none
}

// Plant is a mistake planted in the simulator, to see that it is found.
type Plant string

// The mistakes that can be planted.
const (
	IgnoreNumbers Plant = "the receiver takes copies of messages"
	FlushEarly    Plant = "state is saved before its commit is confirmed"
	SkipFence     Plant = "commits are stored whatever they expect"
	TrustTheNet   Plant = "a message whose fate is unknown counts as told"
	LoseEvents    Plant = "an inlet answers success without an acknowledgement"
	OtherLog      Plant = "a standby reads a record that is not the owner's"
	TrimEarly     Plant = "the log is trimmed up to what is committed"
)

// Violation is a broken promise.
type Violation struct {
	Checker string   // which promise
	Text    string   // how it was broken
	Story   []string // what lies behind it
}

func (v Violation) String() string { return v.Checker + ": " + v.Text }

// Result is what became of a world.
type Result struct {
	Seed       uint64
	Whole      bool
	Hash       uint64 // over everything that happened
	Turns      int    // with faults
	Rounds     int    // without, until the world was at rest
	Facts      int    // said by the shop
	Records    int
	Commits    int
	Decisions  int
	Sent       int
	Crashes    int
	Takeovers  int
	Promoted   int // takeovers by a standby
	Fenced     int // commits refused
	Violations []Violation
}

// Err returns the violations and how to see them again, nil when there are none.
func (r Result) Err() error {
	if len(r.Violations) == 0 {
		return nil
	}
	lines := []string{fmt.Sprintf("seed %d%s breaks %d promises; to see it again: onhand sim --seed %d", r.Seed, r.with(), len(r.Violations), r.Seed)}
	for i, v := range r.Violations {
		if i == maxShown {
			lines = append(lines, fmt.Sprintf("  and %d more", len(r.Violations)-i))
			break
		}
		lines = append(lines, "  "+v.String())
	}
	for _, s := range r.Violations[0].Story {
		lines = append(lines, "    "+s)
	}
	return errors.New(strings.Join(lines, "\n"))
}

func (r Result) with() string {
	if r.Whole {
		return " with the whole file and with faults"
	}
	return ""
}

const maxShown = 10

// world is everything there is.
type world struct {
	cfg    Config
	rng    *rand.Rand
	now    int64 // true time, Unix ms
	faulty bool

	broker    *broker
	net       net
	severed   bool       // who sends now is cut off
	copies    [][]copied // checkpoints, by partition, the newest last
	processes []*process
	owner     []int // by partition: the process that is meant to own it
	standby   []int // and the one that is meant to stand by
	senders   []*sender
	shared    *state.Shared

	// drawn once
	customers, items int
	memory           int64
	commitBytes      int
	idempotent       bool
	flushEvery       int64
	trouble          int  // a fault in so many rounds
	stands           bool // with standbys
	trims            bool // what is covered is dropped from the logs

	facts    []*fact
	orders   []*fact
	offers   []offer
	levels   map[string]edition // by item: the last one told
	attempts []*attempt
	handed   map[string]*handed
	saves    []saved
	lost     *lost    // what became of a log that went back; nil while none did
	cuts     []uint64 // orders of the records known everywhere when the world was at rest

	digest *xxhash.Digest
	result Result
}

// edition is the number and time of a report.
type edition struct{ version, at int64 }

// offer is one that a customer was told of.
type offer struct{ customer, sku, offer string }

// saved is a write-behind that reached a store.
type saved struct {
	part      int
	position  uint64
	committed uint64   // by then
	landed    []uint64 // by receiver: messages of this partition in its log by then
}

// Run lives through one world and judges it.
func Run(cfg Config) Result {
	w := newWorld(cfg)
	defer w.shared.Close()
	defer w.close()
	if cfg.Whole {
		w.judgeWhole(w.weeks())
	} else {
		w.seconds()
		w.judge()
		w.wentBack()
	}
	w.result.Hash = w.digest.Sum64()
	return w.result
}

// seconds lets things happen and fail turn by turn, and come to rest.
func (w *world) seconds() {
	w.begin()
	w.faulty, w.trouble = true, 100
	for i := range w.cfg.Turns {
		if i%lullTurns == lullTurns-1 {
			w.pass(w.now + w.rng.Int64N(lullMS))
		}
		if len(w.result.Violations) > 0 {
			break
		}
		w.turn()
		w.result.Turns++
	}
	w.faulty = false
	if len(w.result.Violations) == 0 {
		w.settle()
	}
}

// After so many turns the shop is silent for up to so long, and everybody is
// told what there is to say: who is told may answer.
const (
	lullTurns = 500
	lullMS    = 40_000
)

func newWorld(cfg Config) *world {
	w := &world{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 1)), now: 1_800_000_000_000,
		levels: map[string]edition{}, handed: map[string]*handed{}, digest: xxhash.New()}
	draw := func(v *int, from, to int) {
		if n := from + w.rng.IntN(to-from+1); *v == 0 {
			*v = n
		}
	}
	draw(&w.cfg.Workers, 2, 3)
	draw(&w.cfg.Partitions, 2, 8)
	draw(&w.customers, 3, 8)
	draw(&w.items, 1, 3)
	if w.cfg.Turns == 0 {
		w.cfg.Turns = 2000
	}
	w.memory = []int64{1, 64 << 10, 64 << 20}[w.rng.IntN(3)]
	w.commitBytes = []int{300, 2000, 0}[w.rng.IntN(3)]
	w.idempotent = w.rng.IntN(2) == 0
	w.flushEvery, w.stands = 3000, true
	w.result.Seed, w.result.Whole = cfg.Seed, cfg.Whole
	w.shared = newShared(func(msg string) { panic(msg) })
	w.broker = newBroker(w.cfg.Partitions, cfg.Plant)
	w.copies = make([][]copied, w.cfg.Partitions)
	for i := range w.cfg.Workers {
		w.processes = append(w.processes, newProcess(w, i))
	}
	for range 2 + w.rng.IntN(2) {
		w.senders = append(w.senders, newSender(w))
	}
	for p := range w.cfg.Partitions {
		w.owner = append(w.owner, p%w.cfg.Workers)
		w.standby = append(w.standby, (p+1)%w.cfg.Workers)
	}
	w.trims = w.rng.IntN(2) == 0
	return w
}

// begin brings the rules into force and makes the customers known.
func (w *world) begin() {
	w.activate([]byte(rules))
	for i := range w.customers {
		f := &fact{kind: identified, id: fmt.Sprint("i", i), customer: fmt.Sprint("c", i), at: w.now}
		w.facts = append(w.facts, f)
		w.senders[0].say(f)
	}
	w.settle()
	w.wrongClocks()
}

// activate brings rules into force.
func (w *world) activate(rules []byte) {
	data := processor.AppendRecordHeader(nil, w.now)
	data = processor.AppendRecordEntry(data, processor.AppendControl(nil, &processor.Control{Type: processor.Activate, At: w.now, Text: rules}))
	w.broker.append(0, record{data: data}, w.now)
	w.settle()
}

// wrongClocks sets clocks wrong, or none.
func (w *world) wrongClocks() {
	if w.rng.IntN(2) == 0 {
		w.broker.skew = w.rng.Int64N(4000) - 2000
		for _, p := range w.processes {
			p.skew = w.rng.Int64N(20_000) - 10_000
		}
	}
}

// close lets go of every store.
func (w *world) close() {
	for _, p := range w.processes {
		for part, r := range p.runners {
			if r != nil {
				p.leave(part)
			}
		}
	}
}

// note folds what happened into the hash of the world.
func (w *world) note(what string, part, a, b int) {
	fmt.Fprintln(w.digest, what, part, a, b)
	if w.cfg.Trace != nil {
		fmt.Fprintf(w.cfg.Trace, "%6d %d %s partition=%d %d %d\n", w.result.Turns, w.now, what, part, a, b)
	}
}

func (w *world) fail(checker, format string, args ...any) {
	v := Violation{Checker: checker, Text: fmt.Sprintf(format, args...)}
	w.result.Violations = append(w.result.Violations, v)
	w.note(v.String(), -1, 0, 0)
}

// committed looks at a commit record that was just stored.
func (w *world) committed(p int) {
	s := &w.broker.streams[p]
	c := &s.commits[len(s.commits)-1]
	_, _ = w.digest.Write(s.out[len(s.out)-1])
	for q, n := range c.Acked {
		if have := w.broker.streams[q].landed[p]; n > have {
			w.fail("acked <= durable", "commit %d of partition %d says that partition %d has its messages up to %d; only %d are there", len(s.out), p, q, n, have)
		}
	}
}
