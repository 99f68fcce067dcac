// Package moments is the language of the rules file: it reads moments.yaml,
// checks it as a whole and compiles it to what the processor asks at run time.
//
//	text --yaml--> nodes --read--> File --check--> File or faults
//	                         |                       |
//	                         |                       every fault at once, each with
//	                         |                       FILE:LINE:COL, what, what to do
//	                         `-- if: CEL --> Guard, asked once per candidate
//
// A [File] is a value: nothing in it changes after [Parse], so many partitions
// may read one at the same time. What the file leaves out stands in it with its
// default. Everything is exact: time is a [time.Duration], money is an integer
// in the minor unit of the file's currency, a decimal is a [Micro].
//
// The package knows nothing of the rest of the program. Which events exist,
// and what each of them carries, is told by a [Vocabulary]; what a name such as
// lines.total stands for at run time is asked of an [Env].
package moments
