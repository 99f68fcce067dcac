// Package api answers HTTP: the collector's paths, health, metrics, the JSON
// API under /api/v1 and the page for people at /.
//
//	request --> host and origin --> key --> handler --> this worker's partition
//	            (loopback only      read or              |
//	             without keys)      operate              '--> another worker's: the
//	                                                          request is passed on
//
// Reads are answered by the owner of the partition, between two of its steps.
// A worker that does not own it passes the request on, once. Errors are problem
// documents (RFC 9457) with all faults; lists are {"data": [], "next": cursor}.
// openapi.json describes every path.
package api
