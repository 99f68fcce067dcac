package processor

// MessageType says what one partition tells another. Stored in the log; never
// renumber.
type MessageType uint8

// The messages between entities. The comment names sender -> receiver.
const (
	WatchItem       MessageType = iota + 1 // watch -> item: this partition has customers with an interest
	Facts                                  // item -> watch: what is true of the item now
	JoinQueue                              // customer -> item: a place in the queue
	LeaveQueue                             // customer -> item: no longer wanted
	RejoinQueue                            // customer -> item: a parked customer can be told now
	OfferUnit                              // item -> customer: a unit is yours if you can be told
	AcceptOffer                            // customer -> item: told; the hold runs until Until
	ReturnOffer                            // customer -> item: not now (parked) or not any more
	EndOffer                               // item -> customer: the hold has ended
	SellItem                               // customer -> item: an order took units
	UnsellItem                             // customer -> item: the order was cancelled
	ShopControl                            // partition 0 -> all: an activation, a stop, a source's word
	AnnounceSale                           // item -> sale at home: scheduled, moved or cancelled
	WatchSale                              // sale -> sale at home: this partition has registered customers
	TellSale                               // sale at home -> sale: what is true of it now
	RewardSaid                             // customer -> ledger: what was said of a reward
	RewardTold                             // ledger -> customer: what a till said of it
	LinkIdentity                           // customer -> id: you are the same person as Ref, which keeps you
	LinkRefused                            // id -> customer: Ref is not
	StatePart                              // id -> keeper: a part of what Ref has
	DetachIdentity                         // keeper -> id: what comes from now on is your own
	PassOn                                 // id -> keeper: an entry of the log that came for Ref
	RenameEntry                            // id -> item: the places of Ref are Customer's
	AnswerOffer                            // item -> customer: the shop answered for the customer; claimed with Park, else declined
	AskCode                                // customer -> partition 0: a code for a message
	GiveCode                               // partition 0 -> customer: there is one, or none is left
	ReturnCode                             // customer -> partition 0: it was not sent
	ResendMessages                         // partition -> partition: say again what you said from number Line on
	ForgetIdentity                         // keeper -> id: the person was erased
	VariantOf                              // item -> item: Ref is a variant of this product; not any more with Park
	JoinAudience                           // customer -> quorum: would be in
	LeaveAudience                          // customer -> quorum: would not any more
	TellAudience                           // quorum -> customer: Line says whether there are enough, and it is set up
	ReservePart                            // item -> item: units of this part for the bundle Ref
	PartReserved                           // item -> item: the part Ref gives Quantity units, the offers from Offer on
	RenamedItem                            // item -> item: Ref was this one's number before
	AccessoryOfItem                        // item -> item: Ref goes with this one; not any more with Park
	ClaimAddress                           // customer -> id: the address this id is made of is Ref's
	HeldElsewhere                          // item -> customer: a unit is held for you under another id
	JoinHousehold                          // customer -> household: is of it, and has what Body lists
	LeaveHousehold                         // customer -> household: is of it no more
	TellHousehold                          // household -> customer: Quantity people are of it, and the others have what Body lists; not you without Park
	AskHousehold                           // customer -> household: one more message; with Park it was sent
	AnswerHousehold                        // household -> customer: it may be sent, with Line as was said before; without Park not before Until
	ReturnHousehold                        // customer -> household: it was not sent
	TakeBackName                           // item -> item: you are not called Ref; the two stay two items
	MoveSale                               // item -> item: a sale that was counted at Ref is yours, under the key Since
	CountVariant                           // item -> item: units of a variant of this product were sold, or were not after all
	MoveEntry                              // customer -> item: the place is in the tier Line now; it may be known as Ref's still
	KeepSold                               // customer -> item: of the order Ref no more than Quantity units stand
	PassBehind                             // customer -> item -> item: Body is for another one, and comes behind what this one told it
)

// Message is what one entity tells another through the log. Which fields are
// set depends on Type.
type Message struct {
	Type     MessageType
	SKU      string
	Customer string
	Ref      string // an order (see orderRef), sale id, reward id, or another customer's id; OfferUnit: the store
	Offer    int64  // number of the offer at its item
	Quantity int64
	Line     int64
	Since    int64 // the interest began; with Tier the rank in the queue
	Tier     int64
	Until    int64
	At       int64  // occurred_at of what is told
	Place    int64  // in a queue; AskCode, GiveCode, ReturnCode: what the message costs
	MaxPrice int64  // of an interest; AskCode: what all messages may cost
	Park     bool   // JoinQueue: as a variant of what is wanted; ReturnOffer: keep the place; SellItem: see takeHeld; LinkIdentity: by use of a device; StatePart: the last
	From     int64  // partition that watches; to a customer, or of a sale: how many have passed it on
	Body     []byte // Facts: encoded facts; SellItem: the location, see takeHeld; JoinQueue, ReturnOffer: the places; VariantOf: the attributes; ShopControl: the control; PassBehind: the message; ...Household: see household.go
}

// to returns the kind and id of the entity the message is for.
func (t MessageType) to() EntityKind {
	switch t {
	case Facts:
		return WatchKind
	case OfferUnit, EndOffer, AnswerOffer, GiveCode, RewardTold, LinkIdentity, LinkRefused, StatePart, DetachIdentity, PassOn, ForgetIdentity, TellAudience, ClaimAddress, HeldElsewhere, TellHousehold, AnswerHousehold:
		return CustomerKind
	case ShopControl, AskCode, ReturnCode, ResendMessages:
		return ShopKind
	case AnnounceSale, WatchSale, TellSale:
		return SaleKind
	case RewardSaid:
		return RewardKind
	case JoinAudience, LeaveAudience:
		return QuorumKind
	case JoinHousehold, LeaveHousehold, AskHousehold, ReturnHousehold:
		return HouseholdKind
	}
	return ItemKind
}

func (m *Message) encode(w *writer) {
	w.u8(uint8(m.Type))
	w.str(m.SKU)
	w.str(m.Customer)
	w.str(m.Ref)
	for _, v := range [...]int64{m.Offer, m.Quantity, m.Line, m.Since, m.Tier, m.Until, m.At, m.Place, m.MaxPrice, m.From} {
		w.int(v)
	}
	w.bool(m.Park)
	w.bytes(m.Body)
}

func (m *Message) decode(r *reader) {
	m.Type = MessageType(r.u8())
	m.SKU, m.Customer, m.Ref = r.str(), r.str(), r.str()
	for _, p := range [...]*int64{&m.Offer, &m.Quantity, &m.Line, &m.Since, &m.Tier, &m.Until, &m.At, &m.Place, &m.MaxPrice, &m.From} {
		*p = r.int()
	}
	m.Park = r.bool()
	m.Body = r.bytes()
}
