// Package shop is a simulated shop that knows its own truth, and the judge
// that holds every decision against it.
//
//	        Next                        Acked
//	Shop ---------> the caller sends ---------> Book    who bought what when,
//	 ^              each event                   |      carts, consents, stock,
//	 | Offered                                   |      requests in their order
//	 |                                           v
//	 the caller reads decisions -- Decided --> Oracle --> Summary
//
// A Shop is made from a seed: its customers browse, fill carts, buy, cancel,
// walk away and wait for what is sold out; its items sell out and come back,
// flap, and are reported late, twice and out of order. It never reads a clock
// and never sells what it does not have. Retail is the same thing for a real
// shop's recorded invoices.
//
// A Book remembers what the collector accepted, and when: only what was
// accepted can be demanded. An Oracle collects the decisions that were
// committed and judges them at the end. Facts take time to travel, so each
// question is asked about a span (Policy.Grace on both sides of the instant):
// a message is wrong only when no state the shop had within the span allows
// it, and missing only when every one of them demands it. Between the two the
// oracle does not care.
package shop
