// Package jetstream is the log on NATS JetStream: it packs entries into
// records, appends them, reads them back by position, and keeps the commit
// records that make outputs happen exactly once. It knows bytes, not business:
// entries and commit records are opaque.
//
//	HTTP, MQTT, files          any NATS client
//	       |                         |  NAME.ingest[.key]
//	    Packer.Add                   v
//	       |                   stream NAME-ingest --- ReadShard ---.
//	       v                                                       |
//	stream NAME-in-<p>  <---- Append: transfers, ticks, outcomes   |
//	       |            <------------------------------------------'
//	      Read          by sequence; the reader's state is the cursor
//	       |
//	   partition p
//	       |
//	     Commit         expects the sequence of the previous commit
//	       v
//	stream NAME-out-<p> --- ReadCommits ---> standby, replay, audit
//
// Each partition has one stream for its input and one for its commits. A
// stream refuses what it has no room for; it never drops the old to make room
// for the new. Every publish is answered, so nothing is lost in silence.
//
// # What may go wrong, and the word for it
//
// A write ends in one of four ways. It was acknowledged. It was refused for
// now (ErrOverloaded, ErrUnavailable: nothing was written, try again). It was
// refused for good (FencedError, ErrTooLarge). Or its fate is not known
// (ErrUnknown: the connection broke between the question and the answer).
// Whoever appends an entry of unknown fate sends it again, and the receiver
// removes the copy. Whoever commits asks LastCommit, and never publishes
// blindly.
//
// A read ends in a message or in one of two complaints. GapError: a message
// that was wanted is not there. WentBackError: the log is shorter than the
// position asked for, which means that a server lost what it had acknowledged.
// Everything else (a connection lost, a server restarted, a consumer gone) a
// Reader repairs by itself.
//
// # Fencing
//
// The expectation of a commit is the sequence of the commit before it, taken
// from its acknowledgement. Two owners that both believe in themselves thus
// compete for the same next commit; one of them is refused, sees a FencedError
// and stops. Membership (Join) only says who should own what. It may be wrong;
// the commit may not.
package jetstream
