package api

import (
	"context"
	"net/http"
	"time"

	"onhand/processor"
)

// reward answers whether a reward can be used: unknown, valid, used or
// expired. A till asks with the number on the certificate.
func (a *API) reward(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	var view processor.LedgerView
	here, err := a.at(w, r, a.partitionOf(id), func(m *processor.Machine) { view = m.RewardView(id) })
	if !here || err != nil {
		return err
	}
	return reply(w, view)
}

// Redemption is what a till says when it redeems a reward. The order, or the
// receipt, tells one use from another: repeated, it is the same use.
type Redemption struct {
	OrderID string `json:"order_id"`
	Store   string `json:"store"`
	Amount  int64  `json:"amount"` // minor units; 0 = all that is left

	// Of a use that a till allowed while it reached nobody: what it was shown, and
	// when. It counts whatever is left, for it has happened.
	Voucher string    `json:"voucher"`
	At      time.Time `json:"at"`
}

// redeem uses a reward if it can be used. Of two tills that try at the same
// time one is answered 200, the other 409 with what the reward is by then.
func (a *API) redeem(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if here, err := a.at(w, r, a.partitionOf(id), func(*processor.Machine) {}); !here || err != nil {
		return err
	}
	var body Redemption
	if err := readBody(w, r, &body, `{"order_id": "...", "store": "...", "amount": 500}`); err != nil {
		return err
	}
	if body.OrderID == "" {
		body.OrderID = r.Header.Get("Idempotency-Key")
	}
	switch {
	case body.OrderID == "":
		return badRequest("order_id is missing: the order or the receipt that uses the reward, so that a repeated request uses it once")
	case body.Amount < 0:
		return badRequest("amount must not be negative")
	case len(id) > processor.MaxIDBytes || len(body.OrderID) > processor.MaxIDBytes || len(body.Store) > processor.MaxIDBytes:
		return badRequest("an id is longer than %d bytes", processor.MaxIDBytes)
	}
	now := a.Clock().UnixMilli()
	e := processor.Event{
		Kind: processor.RewardRedeemed, Source: "api", Stamp: now, At: now, RewardID: id, OrderID: body.OrderID, Location: body.Store,
		Total: body.Amount, Status: processor.StatusIfValid,
	}
	if body.Voucher != "" || !body.At.IsZero() {
		if err := a.offline(&body, &e); err != nil {
			return err
		}
	}
	part := a.partitionOf(id)
	entry := processor.AppendEvent([]byte{byte(processor.EventEntry)}, &e)
	seq, err := a.Log.Append(r.Context(), part, processor.AppendRecordEntry(processor.AppendRecordHeader(nil, now), entry))
	if err != nil {
		return err
	}
	view, redeemed, err := a.redeemed(r.Context(), part, seq, &e)
	if err != nil {
		return err
	}
	if !redeemed {
		return &problem{Status: http.StatusConflict, Detail: "the reward is " + string(view.State) + ", or has less left than was asked for"}
	}
	return reply(w, view)
}

// redeemed waits until a position of the log is applied, and says what the
// reward is then.
func (a *API) redeemed(ctx context.Context, part int, seq uint64, e *processor.Event) (view processor.LedgerView, redeemed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, takesEffect)
	defer cancel()
	for {
		err := a.Worker.Ask(ctx, part, func(m *processor.Machine) { view, redeemed = m.RewardView(e.RewardID), m.Redeemed(e) })
		if err != nil || view.Position >= seq {
			return view, redeemed, err
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return view, redeemed, ctx.Err()
		}
	}
}
