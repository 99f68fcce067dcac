// Package collector is the HTTP inlet: the Segment tracking API, as its
// libraries for servers and browsers and those of RudderStack speak it.
//
//	POST /v1/batch          who?     write key: Basic, Bearer, or in the body
//	   |                    how big? Content-Length, then while reading, then
//	   |                             while unpacking
//	   v
//	[ call call call ... ]  segment.Parse, each on its own
//	   |           \
//	   |            refused: DeadLetter, with its field and reason
//	   v
//	Appender.Append         the log has it
//	   v
//	200 {"success":true}
//
// 200 is said only after the log has acknowledged. One bad call in a batch is
// put into the dead letter and the rest goes on: the libraries drop a whole
// batch at 400 and at 413, so these are said only of a request that can never
// work. What may work later is answered 429 or 503 with Retry-After; a retry
// repeats its message ids and so does no harm.
//
// A key that stands in pages and apps may send less than one of a server: see
// segment.OfPages. What it may not send is refused like anything else, alone
// with 403.
//
// The Content-Type is not looked at. Browsers send JSON as text/plain, to
// spare themselves a preflight, and one server library sends compressed JSON
// as a form.
package collector
