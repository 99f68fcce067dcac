// Package faults has only tests: what becomes of the real binary when it is
// killed, frozen, cut off from NATS, out of disk, or fed rubbish.
//
//	simulated shop --HTTP, retries--> onhand run --> actions.ndjson, webhook
//	      |                            ^  ^   |
//	      | what was answered 200      |  |   '--> logs in.<p>, out.<p>
//	      v                         kill  stop           |
//	    judge <------------------------------------------'
//
// The judge has no part in the run. It opens the logs the services have left,
// replays the input of each partition into a machine of its own, which is
// never killed and never saved, and wants the committed outputs back byte for
// byte. Then it asks the questions a customer would ask: is everything that
// was answered 200 in the log, has everybody who was to be told been told, and
// only once.
//
// go test runs a short version. The long one kills as often as it is told:
//
//	go test ./cmd/onhand/faults -run TestKill -kill 20 -timeout 20m -v
//
// TestChaos does the same with three services on three servers of a NATS
// cluster, all of them processes of their own, between which the test can cut
// every connection. See there for what else it breaks.
package faults
