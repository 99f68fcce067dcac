// Package checkpoint keeps the state of a partition in a blob store, so that it
// survives its machine: another one fetches it and replays only the log since.
//
//	<deployment>/<partition>/files/e<epoch>-<sha256>     tables, as they are on disk
//	<deployment>/<partition>/manifests/<number>          what a checkpoint consists of
//
// A checkpoint is its manifest: the position in the log it stands for, and the
// name, size and hash of every file. It is written last, so that what has no
// manifest is no checkpoint.
//
// # Only what is new
//
// Tables never change, and most of them outlive many checkpoints. What the
// manifest before names is not uploaded again. What else may be there does not
// count: it may be about to be deleted.
//
// # Two owners
//
// Manifests are numbered, and a number is created by whoever comes first, so
// the number is a compare-and-swap. An owner that was replaced without knowing
// it finds a manifest of a greater epoch, or the number taken, and has lost:
// ErrFenced. It may have been asleep since any moment, also while it deleted
// what no manifest named when it looked:
//
//   - A file's name carries the epoch of its uploader and its hash, so two
//     owners never mean different bytes by one name, and none deletes files of
//     a greater epoch than its own.
//   - A manifest reuses only what the one before it names, and who deletes was
//     the last to write one when it looked: so what it finds named by none of
//     those that stay, no later one can name.
//
// # Keeping
//
// The newest Keep manifests stay, and those of the newest KeepBackups backups of
// the whole deployment (see Backup). A file is deleted when no manifest that
// stays names it. Report.Floor says how far the newest ones reach: what is
// before is not needed from the log any more.
//
// # Coming back
//
// Fetch takes the newest checkpoint and checks each file's hash while it
// downloads. One that is broken or incomplete is passed over for the one before.
package checkpoint
