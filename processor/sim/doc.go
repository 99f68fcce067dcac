// Package sim runs the whole cluster in one goroutine: workers, their disks,
// the log between them, channels and senders, with every fault we know of, from
// one seed.
//
//	senders --records--> net --> broker: in.<p>, out.<p>
//	                      ^          |
//	                      |          v  read by position
//	       commits, messages,   process 0..W-1, each with a clock of its own
//	       ticks, outcomes        runner = worker.Partition + state.Store
//	                      |          |          on a disk that can lose power
//	                      '----------+--attempts--> channel --outcomes--'
//
// What runs is the production protocol (worker.Partition), the production core
// (processor.Machine) and the production state (state.Store, Pebble on a file
// system in memory). What is simulated is the outside: the log with the
// semantics of JetStream, clocks, disks, providers, and who owns what. In each
// turn the seed picks one thing that may happen: a packet arrives, an answer is
// lost, a partition applies a record, a process is killed, paused, cut off from
// everybody, or comes back with an empty disk and an old checkpoint; in half of
// all worlds the logs are trimmed behind the checkpoints. Then the
// faults end and everything must come to rest within a bounded number of turns.
//
// There are two kinds of worlds. In one there are three moments with windows of
// seconds, and the Oracle is exact. In the other (Config.Whole) the shop of
// package whole lives through some days with the whole moments file in force;
// what happens at once is said at once, and between such bursts the world comes
// to rest, through all faults (weeks.go). So for each decision it is known what
// its customer's log had said, what had surely arrived from elsewhere, and what
// was on its way; a decision is wrong when it is wrong in each of the ways in
// which that may have been (judge_whole.go).
//
// Afterwards the logs are judged. An undisturbed replay must give what was
// committed byte for byte, an Oracle that shares no code with the processor
// says what had to be said to whom, and checkers with names ask one question
// each. The same seed does the same again, which is checked by a hash over
// everything that happened.
//
// At the very end of some worlds a log loses its end, with what it had
// acknowledged (lost.go): whoever opens its partition must stop with a word that
// says so, and decide nothing more. Where the logs are not trimmed it is then
// rewound by the recipe (rewind.go): the world must come to rest again, what was
// not taken back stands, and every message is heard.
package sim
