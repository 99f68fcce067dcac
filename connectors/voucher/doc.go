// Package voucher signs what a reward is worth, so that a till can check a
// certificate while it reaches nobody.
//
//	POST /api/v1/rewards/{id}/voucher --> paper, or a code on it
//	till, off line: Verify with the public key --> takes it, notes it
//	till, later: POST /api/v1/rewards/{id}/redeem with the voucher and the time
//
// A till off line cannot know whether another one took the same voucher. That
// shows when both have reported: the reward is used twice then, and whoever runs
// the shop is told, with both tills.
//
// A voucher is one line of text, three parts with a point between them:
//
//	ov1.BODY.SIGNATURE
//
// BODY is a JSON object, SIGNATURE the Ed25519 signature (RFC 8032) of "ov1." and
// BODY as they stand there; both in base64 for URLs without padding. It says
// nothing of the customer.
package voucher
