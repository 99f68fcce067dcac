// Package service wires the parts of the engine into one process.
//
//	collector --> Intake --> log (NATS, embedded or not) --> Worker --> channels
//	                              ^                             |
//	        activation of the moments on a new deployment      api
//
// It decides nothing. It knows the order in which things start and stop: the
// log first, then the worker, then HTTP; and HTTP is the first to go, so that
// nothing is accepted that nobody takes to the log.
package service
