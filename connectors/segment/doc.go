// Package segment turns one call of the Segment tracking API, as JSON, into
// the events of the core.
//
//	{"type":"track","event":"AddToCart","userId":"ann",      one call, as sent
//	 "properties":{"content_ids":["phone"],"value":199}}
//	        | scan      one pass, views into the call, strict about the JSON
//	        | name      AddToCart is Product Added (names.go)
//	        | normalise keys become fields, money minor units, times Unix ms
//	        | split     one event per line where lines go different ways
//	        v
//	processor.Event{Kind: ProductAdded, UserID: "ann", SKU: "phone", ...}
//
// Every inlet that speaks JSON ends here, so an event means the same whichever
// way it came. What is refused is refused with the field and the reason; all
// faults of a call are told at once. Unknown names and unknown properties are
// kept as they are.
//
// Nothing here reads a clock: the time of arrival is an argument.
package segment
