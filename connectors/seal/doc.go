// Package seal keeps personal data out of the log: addresses, names and free
// text are encrypted at the inlet, with a key of the customer's own, and opened
// where an action leaves for a channel that needs them.
//
//	identify {email, phone, timezone}      inlet: HTTP collector, ingest shard
//	   | Sealer.Seal                       key of the customer: cache, else NATS KV
//	   v
//	{email: "sealed:NAME.BODY", phone: "sealed:...", timezone: "Europe/Paris"}
//	   | the log, the core, checkpoints    see bytes, compare bytes, keep bytes
//	   v
//	Channel.Deliver                        address of the customer, from the state
//	   | Sealer.Open                       to: {email: "ann@example.com"}
//	   v
//	the provider
//
// To forget a customer is to destroy the keys of all ids of the person and to
// empty the entity by an ordinary event. The log stays as it is, so a replay
// gives the same bytes; nobody can read in it any more what was sealed.
//
// # What is sealed
//
// Of the events of a customer (fields.go has the table; upper and lower case
// and underscores make no difference):
//
//   - e-mail addresses, telephone numbers, push tokens, first, last and full
//     names, user names, dates of birth, pictures, in traits and properties;
//     name, description and website in traits, where they are a person's;
//   - postal addresses and the objects customer and recipient: all but country,
//     state and region, from which the core knows the time zone;
//   - free text: text, message, comment, note, feedback, body and text of a
//     review, gift message.
//
// What an event of nobody known holds of these, such as a sale at the till, is
// left out: it has no key that could be destroyed.
//
// Not sealed is what the rules decide by: time zone, country, language, tier,
// consents and the proof of each (which the shop must be able to show), the
// position of the home and of a search in stores, scores, any other trait or
// property a guard may look at, and the ids. A shop that uses an e-mail address
// as userId has it in the log; a guard that looks at a sealed trait sees that
// there is one, and whether it changed, not what it says. Also not sealed: an
// event on the ingest subject, for the moment until its shard has moved it.
//
// A call that is refused is sealed whole, for what in it is personal cannot be
// known: with the key of the customer it names, else with one of the day, which
// is destroyed after CallsKept. Why it was refused is in clear.
//
// # How
//
// AES-256 in GCM. A key is 64 random bytes, one half to encrypt with, the other
// to draw the nonce: the beginning of an HMAC-SHA-256 of the text. So a text
// sealed twice for one customer gives the same bytes, and no two texts share a
// nonce. That makes a retry a copy, a shard that is read twice says the same
// twice, and the core sees that an address is another one without knowing
// either: what is sealed is its own matching key, and it goes with the key. It
// reveals nothing across customers, for each has a key of their own. E-mail
// addresses are trimmed and put in lower case before, telephone numbers
// trimmed. The hashes of addresses that advertising platforms want are made
// when an action is released (see Channel) instead of before sealing: a plain
// hash in the log could be found out by trying addresses, for ever. The id made
// of an address (segment.PhoneID, segment.EmailID) is no plain hash: it needs a
// key of the deployment (AddressKey), which is in no log.
//
// NAME is a hash of the id of the customer whose key it is, so that a value can
// be opened wherever it has moved to: after two ids turned out to be one person
// the keeper holds what was sealed with the key of either.
//
// # Keys
//
// jetstream.Keys: a KV bucket beside the streams, on as many servers. A key is
// made when the first personal datum of an id arrives, with one question to
// NATS for all ids of a request that are not in the cache (Ring), which holds
// the latest 128 Ki. Events without personal data ask for nothing. While NATS
// is away the inlet answers 503, as it does without a log, and a channel puts
// the attempt off by its ordinary retry. Destroyed keys are overwritten on the
// disk, told to all processes, which drop them from their caches, and not made
// again from memory: a customer who comes back gets another key. Of a cluster
// each server also has the latest changes in its consensus log, until it is
// compacted.
//
// A backup holds the keys, or what is restored could not be read. An erasure is
// noted beside the backups and takes its keys out of them; what is restored
// erases those who were erased since once more (state/checkpoint, Erasure). A
// backup that was copied elsewhere, or that another deployment restores after
// it has erased somebody itself, hears of none: keep copies no longer than the
// law lets you take to forget.
package seal
