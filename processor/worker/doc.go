// Package worker is the hands of a partition: it reads the log, lets the
// machine decide, commits what was decided and only then lets it go.
//
//	in.<p> --read--> Apply --> outputs --commit--> out.<p>
//	                   |                      |
//	                   |        confirmed: transfers -> in.<q>
//	                   |                   actions   -> channels -> outcomes -> in.<p>
//	                   |                   dead letters
//	                   '--> write-behind, kept back until confirmed --> state
//
// There are two layers. A Partition is the protocol of one partition: which
// step comes next, what may be published now and what not yet. It has no
// goroutine, no clock and no network; what it wants is asked of it and what
// happened is told to it, so that a simulator can drive it with faults. A
// Worker is a process: it shares the partitions out with the other workers and
// runs one goroutine, a dumb loop, around each Partition it owns or stands by
// for.
//
// A standby follows the commit records and applies the log as far as they go,
// so that it can go on where the owner stops:
//
//	       owner lives                     owner dies, or names its heir
//	out.<p> --Follow, compare--> standby --own fence, followed--> owner
//	in.<p>  --Apply, muted-----'                '--Apply, live--'
//
// Workers tell each other with their heartbeats how their partitions stand, and
// all draw the same conclusions: a partition stays where it is, goes to its
// standby when its owner is gone, and moves for balance only to a standby that is
// level, a few at a time (placement.go, handover.go).
//
// The rules the protocol keeps:
//
//   - Nothing leaves before the commit record that holds it is confirmed.
//   - An output has one number for ever. A replay yields it again and it is
//     muted, by its number; a hash over all steps proves that it is the same.
//   - State is written only when a commit record covers its position and all
//     messages to other partitions up to there are in their logs. So whatever a
//     crash takes away, the log and the last commit record give back.
//   - A commit expects the sequence of the one before. An owner that was
//     replaced without knowing it is refused, and stops.
package worker
