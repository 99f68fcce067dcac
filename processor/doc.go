// Package processor is the decision: what an event means for the customer and
// the items it names, and what, if anything, should be said about it. It is
// pure. It reads no clock, no random source, no file and no network, starts no
// goroutine, and never ranges over a map where the order could reach a result.
// The same log gives the same state and the same outputs, byte for byte, which
// is what makes a crash a replay, a standby a second replay, and "why" and
// "what if" questions that have an answer.
//
// # One event
//
//	record of the log
//	   |  Machine.Apply: log time moves, timers that are due fire first
//	   v
//	Event -> Customer: profile, cart, order          the fold (profile.go, cart.go, order.go)
//	            |  shows an Interest                  interest.go
//	            |  ends or starts Occurrences         occurrence.go
//	            v
//	         window ends -> the gate                  gate.go: wanted, available, permitted, timely, best
//	            |
//	            v
//	         Decision, always with its reason         contact.go, decision.go
//	            |  sent: stays Pending until its outcome is known    pending.go
//	            v
//	         Outputs -> commit record                 output.go
//
// # One restock
//
//	Stock Level Reported -> Item: what should be there, less safety   item.go
//	   |  Facts -> Watch in each partition with interested customers   facts.go, watch.go
//	   |               |  a wave tells them what became true: back, sold out, cheaper   wave.go
//	   v
//	Queue: head of the line, one offer for each free unit              queue.go, pickup.go, accounts.go
//	   |  OfferUnit, through the log
//	   v
//	Customer: the gate; told, and the hold begins, or the unit goes back   offer.go
//
// When an item is on sale at all is its windows' to say (window.go), and of how many
// units (limited.go); who registered for a sale is told by the Sale (sale.go). Who wants any variant of
// a product waits in the line of each (variant.go); a bundle can be had while
// its parts can (bundle.go), and is offered by units they give it (reserve.go). Who wanted an item
// that got another number wants that one (rename.go); what goes with an item is
// suggested to who has it (accessory.go). Not everything is sold everywhere (region.go).
//
// # One person
//
//	event with both ids, alias -> keeper asks the other id     identity.go
//	   |  the other id hands all it has over and is a forward  identity_state.go
//	   v
//	keeper: one customer of two, most restrictive, gated again identity_merge.go
//
// Who is known by an address alone is found by an id made of it (claim.go). Who
// lives together is a Household (household.go, member.go).
//
// Who asks to be forgotten is, under all ids (erase.go).
//
// # What the gate relies on
//
// Whether a newer word may be on its way is the sources' to say (feed.go), who
// waits for one is woken by it (word.go, late.go, roster.go), what
// a guard may know of the event and of the customer stands in trait.go, who
// would be in an audience is counted by its Quorum (quorum.go), what has to stand
// for it on the platform is set up step by step (setup.go), what is given
// out and spent by partition 0 (code.go). What was learned too late is a
// Correction (correction.go), for which the shop may apologize (apology.go), and each send is looked at once more (audit.go).
// What stands on the site is taken down again (banner.go).
//
// # After the order
//
//	Order Completed, Updated, Cancelled, Refunded, Return Received -> Order    order.go, return.go, chargeback.go
//	Shipment Updated, Subscription ...  -> what follows it           afterorder.go, shipment.go, subscription.go
//	Reward ..., an order that uses one  -> Reward <--> its Ledger    reward.go, ledger.go: where a till asks
//
// Each is a function of the set of events about it, not of their order.
//
// Customers and items live in the partition their id hashes to and talk by
// numbered Messages through the log (message.go). What holds for the whole shop
// enters at partition 0 and is passed on (control.go).
//
// A search that found nothing begins a Journey (journey.go), which ends with the
// parcel.
//
// # State
//
// Entities in use are decoded; those used before are kept as they are written,
// without a pointer to any of them (entity.go, memory.go, places.go, arena.go, spare.go); what
// the next entries of a record need is fetched together (ahead.go). What
// changed is written behind in slices, with a copy of the old state made
// before a change that comes in between (flush.go). Ordered lists lie in their owner while they are short; long
// ones, queues above all, are kept in chunks (list.go). Timers, waves and fan-outs are one backlog ordered by due time
// (timer.go); each record runs a bounded part of it, so that a million timers
// never block their neighbours.
package processor
