// Package whatif answers what other moments would have decided: it replays a
// span of the log twice, by the rules as they were and by the rules given, and
// tells the difference.
//
//	checkpoint or the log's beginning                 base.go
//	   |  replay, as it was, compared with the commit records
//	   v
//	state at the span's beginning, copied
//	   |-----------------------------.
//	   v                             v
//	world as it was            world with the rules   world.go
//	   ^    both are fed the same    ^
//	   |    records, by log time     |                span.go
//	   v                             v
//	decisions ----- compared by their cause -----> Report
//	   ^                                              compare.go, report.go
//	   '-- compared with the commit records: does the replay tell the truth?
//
// # What a world is
//
// All partitions together, with a transport and a clock of their own, because
// what partitions tell each other depends on the rules. What came from outside
// is taken from the log: events, stops, what sources and channels said, each at
// its own log time. What the deployment said to itself is not: messages between
// partitions are delivered as the world's own machines send them, and timers
// fire when they are due. Messages sent before the span and received in it
// belong to both worlds.
//
// Moments that were activated within the span hold in the world as it was only;
// the rules given hold from the beginning to the end, also for what was pending.
//
// # What became of what was sent
//
// An action that was also sent in truth has the outcome it had, however much
// earlier or later it is sent here. One without a recorded outcome counts as
// delivered after a minute (assumed.go). What customers did after a message
// they got, or did not get, is what they did in truth: nobody knows what else
// they would have done.
//
// # What cannot happen
//
// Nothing here can send, append or commit: a run holds a jetstream.Past, which
// can only read, and the states it changes are copies in a folder of its own
// that is removed. It imports no connector.
//
// # Limits
//
// The log is read as a stream and the states rest on disk, so the length of the
// span is limited by time only. Candidates that have an outcome in one world and
// not yet in the other are kept in memory, at most maxOpen.
package whatif
