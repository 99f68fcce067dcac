// Package whole plays weeks of a shop with the whole moments file in force:
// sales that move, are cancelled and sold out, parcels, rewards used bit by bit, permissions
// given and taken back, visitors who turn out to be customers, customers who ask to be
// forgotten, a product that comes in variants; and, more rarely, what is said of
// carts as a whole, offers that are declined, addresses that are blocked,
// conversations, returns, subscriptions, stores, pages, crises (rarer.go) and what
// an ad platform is found to hold (drift.go). Most
// worlds have some words of the file changed: a minimum and steps of the audience,
// other queues, no hold, more offers than units (rules.go).
//
//	draw(seed) --events--> world: 1 to 16 partitions --decisions--> oracle
//	      '----------------------events----------------------------^
//
// In weeks of their own (kin.go) items have to do with each other: accessories,
// substitutes, a set of parts, a number that changes, and offers that are
// declined in time and late; and their customers live together (home.go).
//
// Nothing fails here: each event is settled before the next one, so that it is
// plain what was known when something was decided. Package sim plays the same
// shop where things fail, and asks the same oracle (Judge).
//
// The oracle is no second engine. It reads events and decisions and asks one
// question at a time, each of which holds for every decision or for every fact
// of a kind: was that bought? was it to be had? was that permitted? It shares
// no code with the processor and goes through the whole list for every answer.
package whole
