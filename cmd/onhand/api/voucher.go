package api

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"time"

	"onhand/connectors/voucher"
	"onhand/processor"
)

// voucherLasts is how long a voucher holds of a reward that has no end.
const voucherLasts = 90 * 24 * time.Hour

// tillClock is how far the clock of a till may be ahead, or behind.
const tillClock = 10 * time.Minute

// errNoVouchers answers where no key is configured to sign with.
func errNoVouchers() error {
	return &problem{Status: http.StatusNotFound, Detail: "no vouchers are made here: keys: voucher is not configured"}
}

// voucher signs what is left of a reward, for a till that reaches nobody.
func (a *API) voucher(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	var view processor.LedgerView
	here, err := a.at(w, r, a.partitionOf(id), func(m *processor.Machine) { view = m.RewardView(id) })
	if !here || err != nil {
		return err
	}
	if a.Voucher == nil {
		return errNoVouchers()
	}
	if view.State != processor.RewardValid {
		return &problem{Status: http.StatusConflict, Detail: "the reward is " + string(view.State)}
	}
	now := a.Clock().UTC().Truncate(time.Second)
	v := voucher.Voucher{Reward: id, IssuedAt: now, ExpiresAt: now.Add(voucherLasts)}
	if view.ExpiresAt != 0 {
		v.ExpiresAt = time.UnixMilli(int64(view.ExpiresAt)).UTC()
	}
	if view.Amount > 0 {
		v.Amount, v.Currency = view.Left, view.Currency
	}
	text, err := voucher.Sign(a.Voucher, v)
	if err != nil {
		return badRequest("%v", err)
	}
	return reply(w, struct {
		Text string `json:"voucher"`
		voucher.Voucher
	}{text, v})
}

// voucherKey tells the public key with which a till checks vouchers.
func (a *API) voucherKey(w http.ResponseWriter, _ *http.Request) error {
	if a.Voucher == nil {
		return errNoVouchers()
	}
	public := a.Voucher.Public().(ed25519.PublicKey)
	return reply(w, map[string]string{"algorithm": "Ed25519", "public_key": base64.StdEncoding.EncodeToString(public)})
}

// offline makes an event of what a till allowed while it reached nobody: the
// voucher must have held then. What is left now does not matter.
func (a *API) offline(body *Redemption, e *processor.Event) error {
	if a.Voucher == nil {
		return errNoVouchers()
	}
	if body.Voucher == "" || body.At.IsZero() {
		return badRequest("voucher and at belong together: what the till was shown, and when")
	}
	v, err := voucher.Verify(a.Voucher.Public().(ed25519.PublicKey), body.Voucher, body.At)
	switch {
	case err != nil:
		return badRequest("%v", err)
	case v.Reward != e.RewardID:
		return badRequest("the voucher is one of another reward, %s", v.Reward)
	case body.Amount > v.Amount:
		return badRequest("amount is more than the voucher says, %d", v.Amount)
	case body.At.Before(v.IssuedAt.Add(-tillClock)):
		return badRequest("at is before the voucher was made, %s", v.IssuedAt.UTC().Format(time.RFC3339))
	case body.At.After(a.Clock().Add(tillClock)):
		return badRequest("at is in the future")
	}
	e.At, e.Status = body.At.UnixMilli(), ""
	if e.Total == 0 {
		e.Total = v.Amount
	}
	return nil
}
