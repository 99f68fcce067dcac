// Package connectors holds what all channels share. A channel hands actions to
// one outside system: a webhook, a file, a mail provider. Each has a folder of
// its own and passes the suite in connectortest.
//
//	engine --Submit--> lane of the channel --one attempt--> Channel.Deliver
//	   ^                queue by deadline                        |
//	   |                rate, in flight, breaker                 |
//	   '----------------------- Report <-------------------------'
//
// A submitted Job permits one attempt. Its lane starts it when the provider's
// rate, the number in flight and the breaker allow, earliest deadline first,
// and what came of it is handed to the engine as a Report. The Dispatcher never
// repeats an attempt: a Report whose Delivery is Retry names the time at which
// the engine should ask for release again, so that the gate answers once more
// before anything is sent. For the same reason nothing grows old in a queue: a
// job whose turn does not come within the lane's patience is given back.
//
// A channel that is down delays only itself. Each channel has its own lane:
// its own queue, goroutine and limits.
package connectors
