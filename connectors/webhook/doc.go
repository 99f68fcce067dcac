// Package webhook is the channel that hands actions to an HTTP endpoint of the
// shop's own, signed as Standard Webhooks describes (standardwebhooks.com), so
// that any of its libraries verifies them.
//
//	POST /your/path
//	webhook-id: act_5f3c...              the action's id, the same in every attempt
//	webhook-timestamp: 1772445600        of this attempt, Unix seconds
//	webhook-signature: v1,K5oZ... v1,9b..  one for each secret
//	content-type: application/json
//
//	{"id": ..., "outcome": "sent", "action": {...}, "evidence": {...}}
//
// The body is the decision record. The receiver answers 2xx once it has the
// action, and drops what it has by webhook-id: then an attempt without an answer
// can be made again, which is what Idempotent promises.
//
// A receiver that speaks for a platform says with the header Effective-At, an
// RFC 3339 time, from when the action holds there. The time from the decision
// until then is in the delivery record (lag_ms) and in the metric
// onhand_platform_lag_seconds.
//
// An audience may need more on the platform than its members (`steps` of its
// moment). Each step is an action of kind set_up, its template the step's name;
// the receiver says with the header External-Id what the platform calls what it
// made, and says the same when the action comes again. The steps after it, the
// members and the take_down carry it in action.data, under the step's name.
//
// A message of the channel onsite stands on the site until action.expires_at. When
// its reason goes before that, an action of kind message_remove takes it down: a
// decision of its own, which names in retracts the one that asked for the message.
// Should it come first, the message is not to be shown when it comes.
package webhook
