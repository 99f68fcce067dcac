// Package scenario runs scenarios: tests that a shop owner can read. Simulated
// time, no network, no disk, milliseconds to run.
//
//	name: no reminder when the purchase arrives before the window ends
//	only: [cart_abandoned]
//	steps:
//	  - at: 1m
//	    send: {type: track, event: Product Added, userId: ann, properties: {sku: phone}}
//	  - at: 20m
//	    send: {type: track, event: Order Completed, userId: ann, properties: {order_id: o1, products: [{sku: phone}]}}
//	  - at: 6h
//	    expect: []
//
// A scenario drives the same parser and the same machines as the service: a
// whole deployment in memory, with transfers between partitions, ticks when a
// timer is due and channels that answer.
//
//	Load --> steps --> cluster: machine 0 .. machine n --> decisions --> judge --> report
//	                      ^ records, ticks, transfers, outcomes |
//	                      '-------------------------------------'
//
// Run runs each scenario on 1 partition, on 16, and with a restart before every
// step, and requires the same decisions each time.
//
// # Keys of a scenario
//
//   - name: one sentence. Required, as is steps.
//   - covers: what of the capabilities it shows, as [B5, X12].
//   - start: when it begins, RFC 3339; 2026-03-02T10:00:00Z, a Monday, if left out.
//   - moments: path of a moments file, from this file; the shipped one if left out.
//   - with: laid over the moments file, key by key; null takes a key away.
//   - only: the moments that are on. The others are off.
//   - holdout: true keeps the file's control group, which is off otherwise. A
//     group named under with is on, too.
//
// # Keys of a step
//
// at is required: an offset from start (1d12h) or a time. Timers due up to it
// have fired before the step does anything. A step either does something:
//
//   - apply: laid over the moments in force, as `with`, and activated. Its sibling
//     keep_pending: true lets what is pending have the moments it began under.
//   - control: {stop: TAG} or {resume: TAG}, the kill switch; TAG all = everything.
//     {erase: CUSTOMER} forgets a customer.
//     {held: CHANNEL, until: TIME}: its provider says that it takes nothing before.
//   - deliver: {result: R, channel: C, code: X, lag: T}: what a channel (all, without
//     channel) does with attempts from now on. R is delivered (the beginning),
//     failed, unknown, retry (not now; asked again a minute later) or waiting (no
//     answer until a later deliver gives one). lag is how much later it holds on the
//     platform. With a channel, template: NAME has it do so only with what is sent
//     by that name. A platform that sets up a step gives it an id: STEP#NUMBER, the
//     same one each time it is asked by the same action.
//   - send: one event or a list, as the JSON of an SDK. A timestamp that is left
//     out is the step's time; a messageId that is left out is the event's place
//     in the file; null leaves them out. Times may be offsets (timestamp: -3h).
//     Siblings: repeat: N delivers each N times, shuffle: SEED in another order;
//     refused: true says that the inlet must refuse them.
//
// or asks, or both of these:
//
//   - expect: what has been decided since the last expect, in any order. An entry
//     matches one decision by the fields it names, nested ones too; a list matches
//     element by element, in any order; a time may be an offset. What acts on a
//     customer (sent, retracted) must be listed; the rest only when the scenario
//     cares, as what was learned of a message too late, {correction: raced, reason:
//     purchased}, and outcomes of attempts, {delivery: failed, code: X}.
//   - check: {customer: {id: ann, ...}} and {item: {sku: phone, ...}} and {reward:
//     {reward_id: r1, ...}}, or a list of them, compare fields with the answer of the API.
//
// Nothing may go to the dead letter, unless dead: REASON says of a step that by
// then something has, for that reason.
package scenario
