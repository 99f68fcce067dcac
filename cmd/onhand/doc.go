// Command onhand is the service and everything around it: one binary.
//
//	onhand run      config -> NATS + log -> worker -> channels
//	                             ^            |
//	                        /v1 collector  /api/v1, /metrics, / (console)
//	onhand demo     run + a simulated shop + the oracle
//	onhand replay   run + a file + a virtual clock, nothing delivered
//	onhand check, test, sim        need no service
//	onhand status, apply, stop...  ask a running one over HTTP
//
// The packages below do the work: config reads the configuration, service
// wires the parts of the engine together, api answers HTTP, drive sends a
// shop's events and hands what was decided to the oracle. Here are only the
// commands: flags in, text or JSON out, and an exit status.
//
// Exit status: 0 done, 1 a check, test or run failed, 2 wrong usage.
package main
