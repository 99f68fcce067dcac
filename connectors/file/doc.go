// Package file is the channel that appends actions to a file, one decision
// record per line (NDJSON): for a batch job to pick up, for an export, or to
// look at while trying things out.
//
//	orders.ndjson                        grows, one write per line
//	orders.ndjson.20260302T101500.000Z   what was there before it grew too large
//
// A line is there as a whole or not at all. What a crash or a full disk leaves
// of a line is cut off before the next is written, so a file belongs to one
// process at a time, which a lock enforces.
//
// An action is written once: the channel remembers the ids of its last lines,
// reads them back from the end of the file when it opens it, and answers
// Delivered for one that is there. That is what Idempotent promises, and it
// holds for the last 64 Ki actions or, after a restart, the last 4 MiB. A path that is not
// a regular file, such as /dev/stdout or a named pipe, cannot be read back: there
// the channel is not idempotent.
package file
