// Package bench measures the engine with a seeded load: the harness behind
// `onhand bench`. Everything runs in one process, as with `onhand run`: the
// load, the embedded NATS server with its files, the worker with its stores.
//
//	Generator --entries--> packers --> in.<p> --> Worker --> out.<p> --+
//	    ^                                                              |
//	    +---- closed loop: so many events between here and there <---- Pipe
//
// There are two ways to press. A closed loop keeps a number of events in the
// pipe: what comes out is the ceiling. An open loop sends at a rate, each event
// at a time fixed before, and measures from that time: an engine that stalls
// pays for all that should have been sent meanwhile.
//
// The end of every measurement is a commit record, as a reader of the commit
// stream receives it. That is a little later than its acknowledgement reaches
// the worker, so latencies are upper bounds.
//
// Each figure is the median of several runs and names the smallest and the
// greatest. Runs of one row follow each other on one deployment that was warmed
// up before; a short run flatters, see README.md.
package bench
