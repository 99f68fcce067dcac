package processor

// ReasonDoc says what one word of the gate means.
type ReasonDoc struct {
	Reason   Reason `json:"reason"`
	Step     string `json:"step"`
	Outcomes string `json:"outcomes"` // what it makes of a candidate: suppressed, deferred, expired
	Meaning  string `json:"meaning"`
	Example  string `json:"example"` // name of a scenario in which the word is said
}

// Reasons returns the words of the gate in their order: the steps as they are
// asked, and in each step the words by precedence. A retraction uses the same
// words for what ended the permission.
func Reasons() []ReasonDoc {
	list := make([]ReasonDoc, len(reasonDocs))
	for i, d := range reasonDocs {
		d.Step = d.Reason.Step()
		list[i] = d
	}
	return list
}

const (
	suppresses = "suppressed"
	defers     = "deferred"
	expires    = "expired"
)

// reasonDocs is the table of the words; the examples are tests.
var reasonDocs = [...]ReasonDoc{
	{Reason: Purchased, Outcomes: suppresses, Meaning: "it was bought, on whatever channel", Example: "bought in the store, the cart on the web is not mentioned"},
	{Reason: RecentlyBought, Outcomes: suppresses, Meaning: "it, or one of its family, was bought lately or is still on its way", Example: "bought last week, the same item in a cart is not advertised"},
	{Reason: CartEmptied, Outcomes: suppresses, Meaning: "the customer took the lines out", Example: "an emptied cart is not abandoned"},
	{Reason: Declined, Outcomes: suppresses, Meaning: "the customer is not interested, or declined the offer", Example: "not interested ends the ads"},
	{Reason: Cancelled, Outcomes: suppresses, Meaning: "the customer cancelled the order of these lines", Example: "a customer who cancelled the order is not reminded of its lines"},
	{Reason: Returned, Outcomes: suppresses, Meaning: "what it is for was sent back", Example: "the phone went back, and its case is not mentioned"},
	{Reason: Subscribed, Outcomes: suppresses, Meaning: "it comes by subscription anyway", Example: "what comes every month by subscription needs no reminder, and what is not used up neither"},
	{Reason: Redeemed, Outcomes: suppresses, Meaning: "the reward was used", Example: "the certificate was used in the store, and the reminder waiting for the morning is not sent"},
	{Reason: Ended, Outcomes: suppresses, Meaning: "an event of until came while it waited", Example: "a checkout that fails at night ends the reminder that waits for the morning"},
	{Reason: GuardFalse, Outcomes: suppresses, Meaning: "the moment's if does not hold", Example: "fourteen euro ninety-nine is not worth a reminder"},

	{Reason: OutOfStock, Outcomes: suppresses, Meaning: "it cannot be bought any more", Example: "sold out at six, nothing is said at eight"},
	{Reason: NoUnit, Outcomes: defers, Meaning: "it could be said now, but each unit is held for somebody earlier; the place is kept", Example: "in the morning each unit is held for somebody who was awake, and the first that is not bought is told"},
	{Reason: NotYetOnSale, Outcomes: suppresses, Meaning: "it is in stock and its sale has not opened", Example: "a sale opens with what is there, says nothing of what is sold out, and nothing of what is not on sale yet"},
	{Reason: SaleOver, Outcomes: suppresses, Meaning: "its sale has closed or was cancelled", Example: "a sale that is cancelled is said to who registered, and a message that waits for its opening is not"},
	{Reason: Unpublished, Outcomes: suppresses, Meaning: "it is in stock and its page is not published", Example: "a product page that was taken down is not linked to"},
	{Reason: NotOfferedHere, Outcomes: suppresses, Meaning: "it is to be had in places this customer does not accept, or not sold where they live", Example: "three in Lyon are no reason to advertise in Lille"},
	{Reason: TooFew, Outcomes: defers, Meaning: "the customer wants more units than there are", Example: "who wants two is told when there are two, and the one left goes to the next"},
	{Reason: PriceAboveLimit, Outcomes: suppresses, Meaning: "it costs more than the customer asked for", Example: "asked for at most 199 euro and told when it costs that"},
	{Reason: PriceRose, Outcomes: suppresses, Meaning: "the price went up again", Example: "down at night and up again before the morning, and the drop is not told"},
	{Reason: StockStale, Outcomes: suppresses, Meaning: "the stock source is behind, or never named the item", Example: "an item no stock report ever named is not promised"},
	{Reason: PriceStale, Outcomes: defers, Meaning: "the price source is behind: perhaps it costs something else by now", Example: "while the price list is behind no drop is told, and a price that rose meanwhile is honoured"},

	{Reason: NoConsent, Outcomes: suppresses, Meaning: "never granted for this purpose on any allowed channel", Example: "without consent nothing is sent"},
	{Reason: ConsentPending, Outcomes: defers, Meaning: "granted, and not confirmed where that is needed", Example: "a double opt-in that is not confirmed waits, and the confirmation lets the reminder go"},
	{Reason: ConsentWithdrawn, Outcomes: suppresses, Meaning: "granted once and withdrawn since", Example: "consent withdrawn at night, nothing is said in the morning"},
	{Reason: NoAddress, Outcomes: suppresses, Meaning: "no address on any channel that is permitted", Example: "consent without an address reaches nobody"},
	{Reason: AddressBlocked, Outcomes: suppresses, Meaning: "the address bounced, or its owner complained", Example: "an address that bounced is not written to again"},
	{Reason: Erased, Outcomes: suppresses, Meaning: "the customer asked to be forgotten", Example: "who asks to be forgotten is forgotten, the ad comes down and the unit goes to the next in line"},
	{Reason: Stopped, Outcomes: suppresses, Meaning: "the kill switch, for everything or for a tag", Example: "the kill switch for everything silences everything"},
	{Reason: Crisis, Outcomes: defers, Meaning: "marketing with this tag pauses until the crisis ends", Example: "a declared crisis holds marketing until it ends"},
	{Reason: CaseOpen, Outcomes: defers, Meaning: "marketing waits until the customer's complaint is closed", Example: "while a complaint is open marketing waits, and the answer lets it go"},
	{Reason: OwnedElsewhere, Outcomes: suppresses, Meaning: "another system sends this class to this customer", Example: "what another system says to this customer is not said twice"},
	{Reason: ConsentStale, Outcomes: defers, Meaning: "the consent source is behind: perhaps it was withdrawn", Example: "while the consent system is behind nobody is written to, and a withdrawal on its way is honoured"},

	{Reason: ExpiredReason, Outcomes: expires, Meaning: "of no use any more", Example: "a double opt-in never confirmed expires"},
	{Reason: OfferEnded, Outcomes: expires, Meaning: "the hold or the code ended first", Example: "a message whose code has ended is not sent any more"},
	{Reason: QuietHours, Outcomes: defers, Meaning: "it is night where the customer is", Example: "a window that ends at night waits for eight in the morning"},
	{Reason: TimezoneUnknown, Outcomes: suppresses, Meaning: "nothing says what time it is where the customer is", Example: "where nobody knows the hour it is night"},
	{Reason: OutsideHours, Outcomes: suppresses, Meaning: "it happened outside the moment's hours", Example: "a store search by day is answered now, at night when the store opens"},
	{Reason: FrequencyCap, Outcomes: "deferred, suppressed", Meaning: "told too often lately; suppressed when it would be of no use by then", Example: "three marketing messages in a week, and the fourth is too late when its turn comes"},
	{Reason: TooSoon, Outcomes: suppresses, Meaning: "within the moment's again", Example: "not again within three days, then again"},
	{Reason: OrderSourceStale, Outcomes: defers, Meaning: "the source of orders, or of what would end it, is behind: perhaps it was bought", Example: "while the order feed is behind nobody is reminded, and an order on its way is honoured"},
	{Reason: LateEvent, Outcomes: suppresses, Meaning: "it happened longer ago than the moment's whole window", Example: "an event eight days late is remembered and starts nothing"},
	{Reason: NoChannelInTime, Outcomes: "deferred, expired", Meaning: "every allowed channel is down or throttled for longer than it is of use; deferred while too much that was decided for the customer has no outcome", Example: "the mail provider takes nothing until the day after tomorrow, and by then the reminder is of no use"},

	{Reason: LostArbitration, Outcomes: suppresses, Meaning: "another message scored higher; evidence.lost_to names it", Example: "a night's messages compete in the morning"},
	{Reason: BetterIsComing, Outcomes: "suppressed, deferred", Meaning: "a better one is due within one_at_a_time; a reward waits for the reorder message that will carry it", Example: "who knows that something better is due within two hours keeps silent"},
	{Reason: Holdout, Outcomes: suppresses, Meaning: "the customer is in the control group", Example: "the control group gets no marketing, and it is recorded"},
	{Reason: Shadow, Outcomes: suppresses, Meaning: "the moment is in shadow mode", Example: "in shadow mode everything is decided and nothing is sent"},
	{Reason: SwitchedOff, Outcomes: suppresses, Meaning: "the moment was switched off or removed while this waited", Example: "a moment switched off ends what waits for it"},
	{Reason: Combined, Outcomes: suppresses, Meaning: "said in another message, or to another account of the same address", Example: "one item is spoken of once in two hours, whatever the class"},
	{Reason: Superseded, Outcomes: suppresses, Meaning: "a newer state of the same audience or message replaced it", Example: "an ad for one id of a person comes down when another becomes the one that is spoken to"},
	{Reason: DuplicateCause, Outcomes: suppresses, Meaning: "the same cause was decided before, under another id of the same person", Example: "registered for one sale under two names, in two zones, and reminded once"},
	{Reason: BudgetSpent, Outcomes: suppresses, Meaning: "the units of a code, or what the moment may spend, are used up", Example: "there are two codes, and the third customer gets none"},
	{Reason: BelowMinimum, Outcomes: suppresses, Meaning: "a score of zero or less, or an audience with fewer members than its channel takes", Example: "what is worth nothing is not said"},
	{Reason: NotSetUp, Outcomes: suppresses, Meaning: "the platform refused what the audience needs; it is asked again in an hour", Example: "the platform refuses the ad set, what stood already comes down, and an hour later all of it stands"},
	{Reason: Drifted, Outcomes: suppresses, Meaning: "it was changed on the platform itself; that is left alone until what is wanted changes, or Audience Resumed", Example: "taken out of the audience by hand under one name, and not entered again under the other"},
}
