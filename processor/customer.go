package processor

import "strings"

// Customer is all we remember of one person: profile and consents, carts,
// orders, what they want, what is going to be said to them and what was said.
type Customer struct {
	*head
	ID    string
	Known bool  // an event named this id as a user, not as a visitor
	Last  int64 // latest sender timestamp applied; see duplicate
	recent
	Count int64 // occurrences begun

	Profile     Profile
	Carts       []Cart
	Orders      []Order
	OrderIDs    []uint64 // hashes of order ids applied, the latest; see ordered
	Ordered     List     // the others, for good
	Interests   []Interest
	Sights      []sight
	Occurrences []Occurrence
	Pending     []Pending
	Contacts    []Contact
	Identity    *Identity      // nil for those with one id
	After       *AfterOrder    // nil for most
	Sales       []registration // latest word on each sale registered for
	Standing    *Standing      // nil when there is nothing to say
	Models      *Models        // nil when no model spoke of the customer
	Platform    *Platform      // nil when no ad platform said anything
	Numbers     *Numbers       // nil when nothing is wanted that had another number
	Whereabouts *Whereabouts   // nil when nobody said, or it is not to be known
	Traits      *Traits        // nil when the rules ask for none, or none is known
	Journeys    *Journeys      // nil for who never searched in vain
	Claims      *Claims        // nil when no address is known to be the customer's
	Member      *Membership    // nil when the rules ask for no household, or none was named
	Pixels      *pixels        // nil for who sends no pixel events

	// What follows is derived, and not stored.
	soonest     int64            // earliest due time set in this step
	recase      bool             // a case was opened or closed in this step
	itemAt      map[uint64]int32 // of Interests, when there are many
	occurrentAt map[uint64]int32 // of Occurrences, when there are many
	itemsBought map[uint64]int64 // of Orders, when there are many; see newestOrder
}

// Limits of what one customer holds. What goes beyond drops the oldest; only
// an interest that holds a place is never dropped, the new one is refused.
const (
	maxCarts       = 16
	maxLines       = 200
	maxOrders      = 200
	maxInterests   = 500
	maxOccurrences = 1000
	maxContacts    = 200
)

func (c *Customer) id() string { return c.ID }

func (c *Customer) bytes() int {
	n := 730 + c.Identity.bytes() + len(c.ID) + 16*cap(c.sent) + 8*cap(c.OrderIDs) + c.Profile.bytes()
	for i := range c.Carts {
		n += 80 + 96*cap(c.Carts[i].Lines)
	}
	n += c.After.bytes() + c.Platform.bytes() + c.Numbers.bytes() + c.Models.bytes() + c.Traits.bytes() + c.Journeys.bytes() + c.Claims.bytes() + c.Member.bytes() + c.Pixels.bytes()
	for i := range c.Occurrences {
		n += c.Occurrences[i].Told.bytes()
	}
	n += 72*len(c.Orders) + 48*len(c.Interests) // mostly one line, one want
	return n + 144*cap(c.Orders) + 120*cap(c.Interests) + 16*cap(c.Sights) + 120*cap(c.Occurrences) + 900*len(c.Pending) + 150*cap(c.Contacts) + c.Standing.bytes()
}

func (c *Customer) encode(w *writer) {
	w.str(c.ID)
	w.bool(c.Known)
	w.int(c.Last)
	c.recent.encode(w, c.Last)
	w.int(c.Count)
	c.Profile.encode(w)
	w.uint(uint64(len(c.Carts)))
	for i := range c.Carts {
		c.Carts[i].encode(w)
	}
	w.uint(uint64(len(c.Orders)))
	for i := range c.Orders {
		c.Orders[i].encode(w)
	}
	w.uint(uint64(len(c.OrderIDs)))
	for _, h := range c.OrderIDs {
		w.u64(h)
	}
	c.Ordered.encode(w)
	w.uint(uint64(len(c.Interests)))
	for i := range c.Interests {
		c.Interests[i].encode(w)
	}
	w.uint(uint64(len(c.Sights)))
	for _, s := range c.Sights {
		w.u64(s.key)
		w.int(s.at)
	}
	w.uint(uint64(len(c.Occurrences)))
	for i := range c.Occurrences {
		c.Occurrences[i].encode(w)
	}
	w.uint(uint64(len(c.Pending)))
	for i := range c.Pending {
		c.Pending[i].encode(w)
	}
	w.uint(uint64(len(c.Contacts)))
	for i := range c.Contacts {
		c.Contacts[i].encode(w)
	}
	c.Identity.encode(w)
	c.After.encode(w)
	encodeRegistrations(w, c.Sales)
	c.Standing.encode(w)
	c.Models.encode(w)
	c.Platform.encode(w)
	c.Numbers.encode(w)
	c.Whereabouts.encode(w)
	c.Traits.encode(w)
	c.Journeys.encode(w)
	c.Claims.encode(w)
	c.Member.encode(w)
	c.Pixels.encode(w)
}

func (c *Customer) decode(r *reader) {
	c.ID = r.str()
	c.Known = r.bool()
	c.Last = r.int()
	c.recent.decode(r, c.Last)
	c.Count = r.int()
	c.Profile.decode(r)
	c.Carts = resize(c.Carts, r.count(3))
	for i := range c.Carts {
		c.Carts[i].decode(r)
	}
	c.Orders = resize(c.Orders, r.count(5))
	for i := range c.Orders {
		c.Orders[i].decode(r)
	}
	c.OrderIDs = resize(c.OrderIDs, r.count(8))
	for i := range c.OrderIDs {
		c.OrderIDs[i] = r.u64()
	}
	c.Ordered.decode(r)
	c.Interests = resize(c.Interests, r.count(8))
	for i := range c.Interests {
		c.Interests[i].decode(r)
	}
	c.Sights = resize(c.Sights, r.count(9))
	for i := range c.Sights {
		c.Sights[i] = sight{r.u64(), r.int()}
	}
	c.Occurrences = resize(c.Occurrences, r.count(8))
	for i := range c.Occurrences {
		c.Occurrences[i].decode(r)
	}
	c.Pending = make([]Pending, r.count(8))
	for i := range c.Pending {
		c.Pending[i].decode(r)
	}
	c.Contacts = resize(c.Contacts, r.count(8))
	for i := range c.Contacts {
		c.Contacts[i].decode(r)
	}
	c.Identity = decodeIdentity(r)
	c.After = decodeAfterOrder(r)
	c.Sales = decodeRegistrations(r)
	c.Standing = decodeStanding(r)
	c.Models = decodeModels(r)
	c.Platform = decodePlatform(r)
	c.Numbers = decodeNumbers(r)
	c.Whereabouts = decodeWhereabouts(r)
	c.Traits = decodeTraits(r)
	c.Journeys = decodeJourneys(r)
	c.Claims = decodeClaims(r)
	c.Member = decodeMembership(r)
	c.Pixels = decodePixels(r)
}

// empty makes a customer that was frozen one of whom nothing is known, and
// keeps the room of its lists.
func (c *Customer) empty() {
	// What lies behind the end of a list may share its slices with what stands
	// in it.
	clearEnd(c.Carts)
	clearEnd(c.Orders)
	clearEnd(c.Interests)
	for i := range c.Carts {
		clearEnd(c.Carts[i].Lines)
	}
	*c = Customer{
		head: c.head, recent: recent{sent: c.sent[:0]}, Profile: Profile{Consents: c.Profile.Consents[:0]},
		Carts: c.Carts[:0], Orders: c.Orders[:0], OrderIDs: c.OrderIDs[:0], Interests: c.Interests[:0],
		Sights: c.Sights[:0], Occurrences: c.Occurrences[:0], Contacts: c.Contacts[:0],
	}
}

// resize returns s with n elements, which hold anything. A decoder that is
// given s sets all of each, and uses again the slices in them.
func resize[T any](s []T, n int) []T {
	if n <= cap(s) {
		return s[:n]
	}
	return make([]T, n)
}

// add appends to a list that may be long and lies in memory for as long as it is
// in use: with an eighth of room to spare, where append doubles.
func add[T any](s []T, x T) []T {
	if n := len(s); n == cap(s) {
		s = append(make([]T, 0, n+n/8+2), s...)
	}
	return append(s, x)
}

// clearEnd clears the room behind the end of a list.
func clearEnd[T any](s []T) { clear(s[len(s):cap(s)]) }

// customer returns a customer, made when new, ready to be changed.
func (m *Machine) customer(id string) *Customer {
	e, at := m.find(CustomerKind, id, Hash(id))
	if e == nil {
		c := m.create(CustomerKind, at).(*Customer)
		c.ID = strings.Clone(id)
		return c
	}
	m.touch(e)
	return e.(*Customer)
}

// customerEvent applies an event about a customer: what it says is folded into
// what we know, then it may show an interest, end what was going to be said,
// and start something new.
func (m *Machine) customerEvent(e *Event) {
	c := m.customer(e.Customer())
	if c.Identity == nil || !c.passEvent(m, e) {
		c.event(m, e)
	}
}

func (c *Customer) event(m *Machine, e *Event) {
	if c.erased(e.At) {
		return
	}
	if e.Kind == CustomerErased {
		c.erasedBy(m, e)
		return
	}
	if e.Pixel && c.heldPixel(m, e) {
		return
	}
	if e.MessageID != "" && c.duplicate(m, e) {
		if e.Pixel {
			c.copyEvent(m, e)
		}
		return
	}
	c.Last = max(c.Last, e.Stamp)
	c.Known = c.Known || e.UserID != ""
	lived := c.Profile.location(m.shop.Now)
	learned, refused := c.Profile.observe(e, m.shop.Now)
	if (e.AnonymousID != "" && e.UserID != "" || e.PreviousID != "") && !e.Pixel {
		c.identityEvent(m, e)
	}
	if e.byMachine() {
		c.crawled(m, e, learned, refused)
		return
	}

	// changed: something new. less: something may no longer be wanted or
	// allowed. more: something may be allowed that was not.
	changed, less, more := true, false, learned
	switch e.Kind {
	case Identify:
		tier := c.Profile.Tier.Value
		if c.Profile.identify(e, m.shop.Now); c.Profile.Tier.Value != tier {
			c.retier(m, "")
		}
		c.lives(e)
		c.hide()
		c.learn(m, e)
		c.learnTraits(m, e)
		c.owned(e)
		c.claimAddresses(m, e)
		c.learnHousehold(m, e)
		less, more = true, true
	case ConsentChanged:
		c.Profile.consent(m, e)
		c.hide()
		less, more = true, true
	case ProductAdded, ProductRemoved, CartUpdated, CartViewed, CheckoutStarted:
		if changed, less = c.cartEvent(m, e); less {
			c.emptied(m, e)
		}
	case ProductsSearched:
		c.searched(m, e)
	case ProductRemovedFromWishlist:
		c.unwant(m, ProductAddedToWishlist, e.SKU, Ended)
	case OrderCompleted, OrderUpdated:
		changed, less = c.orderEvent(m, e)
	case OrderCancelled:
		changed, less = c.cancelEvent(m, e)
	case OrderRefunded:
		changed, less = c.refundEvent(m, e)
	case ShipmentUpdated:
		changed = c.shipmentEvent(m, e)
		less = changed
	case ReturnReceived:
		changed = c.returnEvent(m, e)
		less = changed
	case RewardIssued, RewardRedeemed, RewardExpired:
		changed = c.rewardEvent(m, e)
		less = changed
	case PickupReady, PickupCollected:
		changed = c.collectionEvent(e)
	case SubscriptionStarted, SubscriptionChanged, SubscriptionRenewed, SubscriptionEnded:
		changed = c.subscriptionEvent(m, e)
		less = changed
	case ProductDismissed:
		c.dismiss(m, e)
		less = true
	case OfferClaimed, OfferDeclined:
		c.answerOffer(m, e)
		less = true
	case BackInStockCancelled:
		c.endInterest(m, e.SKU, e.At, Declined)
		less = true
	case SaleRegistered, SaleUnregistered:
		changed, less = c.register(m, e)
	case MessageDelivered, MessageOpened, MessageClicked:
		c.heard(m, e)
	case MessageBounced, MessageComplained, MessageUnsubscribed:
		c.Profile.block(m, e, c.contact(e.ActionID))
		less = true
	case AudienceReported:
		c.reported(m, e)
	case AudienceResumed:
		c.resumed(m, e)
	case MessageReceived, MessageAnswered:
		less, more = c.talk(m, e)
	}
	less = less || refused
	if c.Member != nil {
		c.homeEvent(m, e.Kind)
	}
	if changed {
		c.showInterest(m, e)
	}
	c.endOccurrences(m, e)
	if changed {
		c.startOccurrences(m, e)
	}
	if c.Profile.location(m.shop.Now) != lived {
		c.travelledTo(m)
		more = true
	}
	if m.rules.moves[e.Kind] {
		c.redate(m)
	}
	if less || more {
		c.recheck(m, e, more, refused)
	}
	if n := len(c.Contacts); n > 0 && e.At < c.Contacts[n-1].At && (less || len(m.rules.ends(e)) > 0) {
		c.tooLate(m, e)
	}
	if more {
		c.rejoin(m)
	}
	if c.Journeys != nil && c.mayTravel(m, e) {
		c.travelled(m)
	}
	c.ready(m)
}

// customerMessage applies what an item, or another id, tells a customer.
func (m *Machine) customerMessage(msg *Message) {
	c := m.customer(msg.Customer)
	if c.relay(m, msg) {
		return
	}
	switch msg.Type {
	case OfferUnit:
		if c.awaits() {
			c.holdOffer(msg)
		} else {
			c.offered(m, msg)
		}
	case EndOffer:
		c.offerEnded(m, msg)
	case GiveCode:
		c.codeGiven(m, msg)
	case RewardTold:
		c.rewardTold(m, msg)
	case LinkIdentity:
		c.asked(m, msg)
	case LinkRefused:
		c.refused(m, msg)
	case StatePart:
		c.statePart(m, msg)
	case DetachIdentity:
		c.detach(msg)
	case PassOn:
		c.passedOn(m, msg)
	case AnswerOffer:
		c.answered(m, msg)
	case TellAudience:
		c.quorumTold(m, msg)
	case HeldElsewhere:
		c.heldElsewhere(m, msg)
	case ClaimAddress:
		c.claimed(m, msg)
	case TellHousehold:
		c.householdTold(m, msg)
	case AnswerHousehold:
		c.householdAnswered(m, msg)
	case ForgetIdentity:
		c.forgotten(m, msg)
	}
	c.ready(m)
}

// soon notes that something of the customer is due at a time.
func (c *Customer) soon(due int64) {
	if due != 0 && (c.soonest == 0 || due < c.soonest) {
		c.soonest = due
	}
}

// ready wakes the customer in time for what became due in this step. What was
// put off since is found when the customer wakes: the due time kept is never
// later than the real one, and moving a window costs nothing.
func (c *Customer) ready(m *Machine) {
	c.casesChanged(m)
	if c.soonest != 0 && (c.due == 0 || c.soonest < c.due) {
		m.arm(c, c.soonest)
	}
	c.soonest = 0
}

// rearm works out anew when the customer has something due.
func (c *Customer) rearm(m *Machine) {
	var due int64
	for i := range c.Occurrences {
		if d := c.Occurrences[i].Due; d != 0 && (due == 0 || d < due) {
			due = d
		}
	}
	for i := range c.Pending {
		if d := c.Pending[i].Due; d != 0 && (due == 0 || d < due) {
			due = d
		}
	}
	if x := c.Identity; x != nil {
		if d := c.dueIdentity(m.shop.Now); d != 0 && (due == 0 || d < due) {
			due = d
		}
	}
	c.soonest = 0 // all of it is in due
	m.arm(c, due)
}

// fire ends the windows that are due, in the order of their due times.
func (c *Customer) fire(m *Machine) {
	if c.Identity != nil {
		c.fireIdentity(m)
	}
	c.firePending(m)
	for range maxDuePerStep {
		best := -1
		for i := range c.Occurrences {
			o := &c.Occurrences[i]
			if o.Due != 0 && o.Due <= m.shop.Now && (best < 0 || o.before(&c.Occurrences[best])) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		c.occur(m, best)
	}
	c.casesChanged(m)
	c.rearm(m)
}

// maxDuePerStep bounds the windows of one customer ended by one step.
const maxDuePerStep = 16
