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
// faults of a call are told at once. Our own names are known in any spelling
// (order_completed is Order Completed); unknown names and unknown properties are
// kept as they are.
//
// A retry repeats messageId and timestamp, and is applied once. What comes under
// one of Meta's names is applied once by its messageId (Meta's event_id) alone,
// as the page and the server both report it and each says when by its own clock:
// up to 48 hours apart, under one id of the customer or two that are known to be
// one person's by then. The first copy says what happened; of the second one
// holds whom it is about and what the data may be used for.
//
// Nothing here reads a clock: the time of arrival is an argument.
package segment
