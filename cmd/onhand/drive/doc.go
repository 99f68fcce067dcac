// Package drive sends the events of a shop to a service and holds what was
// decided against the shop's own truth.
//
//	shop --Next--> Sender --HTTP--> collector ... log ... commit records
//	  ^              | acknowledged                            |
//	  |              v                                         v
//	  '--Offered-- Judge (Book, Oracle) <------------------ Follower
//
// A Sender speaks to the real collector, over several connections, in batches.
// A Follower reads the commit records of all partitions: what it hands on is
// what was decided, whatever process decided it. Live drives a simulated shop
// by the wall clock, Replay recorded events by a clock of its own that stands
// still until everything up to it has been decided.
package drive
