package moments

import (
	"slices"
	"strings"
)

// Field is one of the names that `if` and `score` may use, such as item.price.
type Field uint8

// The fields. Times are Unix milliseconds, money is in minor units, "millionths"
// are those of a Micro. Fields marked * take a key; see Env.
const (
	EventProperties      Field = iota + 1 // JSON object: properties of the `when` event
	CustomerTraits                        // JSON object
	CustomerConsent                       // bool *CHANNEL.PURPOSE
	CustomerTier                          // text
	CustomerValueBand                     // text
	CustomerChurn                         // millionths
	CustomerSocialRank                    // int
	CustomerAwayFromHome                  // bool
	CustomerOrders                        // int, number of orders
	CustomerHour                          // int 0..23, customer's own time
	CustomerWeekday                       // text: sun, mon, tue, wed, thu, fri, sat
	ItemSKU                               // text
	ItemPrice                             // int, money
	ItemMargin                            // int, money
	ItemAvailable                         // int
	ItemCategory                          // text
	ItemBrand                             // text
	ItemFamily                            // text
	InterestName                          // text
	InterestStrength                      // int 1..100
	InterestSince                         // int, time
	InterestPriceSeen                     // int, money
	InterestQuantity                      // int
	InterestMaxPrice                      // int, money
	LinesCount                            // int
	LinesTotal                            // int, money
	LinesMargin                           // int, money
	LinesSKUs                             // list of texts
	SaleID                                // text
	SaleOpensAt                           // int, time
	SaleClosesAt                          // int, time
	SaleMoved                             // bool
	SaleCancelled                         // bool
	SaleQuantity                          // int
	RewardID                              // text
	RewardAmount                          // int, money
	RewardExpiresAt                       // int, time
	OfferID                               // text
	OfferPlace                            // int, from 1
	OfferQuantity                         // int
	OfferEndsAt                           // int, time
	CaseID                                // text
	CaseChannel                           // text
	CaseWarnAt                            // int, time
	CaseDueAt                             // int, time
	StoresWithItem                        // int, stores that have the item
	StoresOpen                            // int, of these, open now
	MessageDelivered                      // bool, in `then`: of the previous message
	MessageOpened                         // bool
	MessageClicked                        // bool
	Told                                  // bool *MOMENT
	Score                                 // millionths *NAME, of traits.scores
)

// kind is the type of a field.
type kind uint8

const (
	intKind kind = iota + 1
	microKind
	boolKind
	textKind
	listKind
	objectKind
)

// fieldTable names the fields; a name that ends in "*" takes a key there.
var fieldTable = [...]struct {
	name string
	kind kind
}{
	EventProperties:      {"event.properties", objectKind},
	CustomerTraits:       {"customer.traits", objectKind},
	CustomerConsent:      {"customer.consents.*", boolKind},
	CustomerTier:         {"customer.tier", textKind},
	CustomerValueBand:    {"customer.value_band", textKind},
	CustomerChurn:        {"customer.churn", microKind},
	CustomerSocialRank:   {"customer.social_rank", intKind},
	CustomerAwayFromHome: {"customer.away_from_home", boolKind},
	CustomerOrders:       {"customer.orders", intKind},
	CustomerHour:         {"customer.local.hour", intKind},
	CustomerWeekday:      {"customer.local.weekday", textKind},
	ItemSKU:              {"item.sku", textKind},
	ItemPrice:            {"item.price", intKind},
	ItemMargin:           {"item.margin", intKind},
	ItemAvailable:        {"item.available", intKind},
	ItemCategory:         {"item.category", textKind},
	ItemBrand:            {"item.brand", textKind},
	ItemFamily:           {"item.family", textKind},
	InterestName:         {"interest.name", textKind},
	InterestStrength:     {"interest.strength", intKind},
	InterestSince:        {"interest.since", intKind},
	InterestPriceSeen:    {"interest.price_seen", intKind},
	InterestQuantity:     {"interest.quantity", intKind},
	InterestMaxPrice:     {"interest.max_price", intKind},
	LinesCount:           {"lines.count", intKind},
	LinesTotal:           {"lines.total", intKind},
	LinesMargin:          {"lines.margin", intKind},
	LinesSKUs:            {"lines.skus", listKind},
	SaleID:               {"sale.id", textKind},
	SaleOpensAt:          {"sale.opens_at", intKind},
	SaleClosesAt:         {"sale.closes_at", intKind},
	SaleMoved:            {"sale.moved", boolKind},
	SaleCancelled:        {"sale.cancelled", boolKind},
	SaleQuantity:         {"sale.quantity", intKind},
	RewardID:             {"reward.id", textKind},
	RewardAmount:         {"reward.amount", intKind},
	RewardExpiresAt:      {"reward.expires_at", intKind},
	OfferID:              {"offer.id", textKind},
	OfferPlace:           {"offer.place", intKind},
	OfferQuantity:        {"offer.quantity", intKind},
	OfferEndsAt:          {"offer.ends_at", intKind},
	CaseID:               {"case.id", textKind},
	CaseChannel:          {"case.channel", textKind},
	CaseWarnAt:           {"case.warn_at", intKind},
	CaseDueAt:            {"case.due_at", intKind},
	StoresWithItem:       {"stores.with_item", intKind},
	StoresOpen:           {"stores.open", intKind},
	MessageDelivered:     {"message.delivered", boolKind},
	MessageOpened:        {"message.opened", boolKind},
	MessageClicked:       {"message.clicked", boolKind},
	Told:                 {"told.*", boolKind},
	Score:                {"score.*", microKind},
}

// String returns the name as the file writes it, without a key.
func (f Field) String() string {
	if int(f) < len(fieldTable) {
		return strings.TrimSuffix(fieldTable[f].name, ".*")
	}
	return "unknown"
}

func (f Field) kind() kind { return fieldTable[f].kind }

// scope is a name that has names below it, such as item or customer.local.
type scope struct {
	fields map[string]Field // a value each
	scopes map[string]bool  // further names below
	names  []string         // of both, in the order of the table
	keyed  Field            // takes any key, 0 = does not
}

// scopes holds, by path, what stands below a name; "" is the top.
var scopes = func() map[string]*scope {
	all := map[string]*scope{"": {scopes: map[string]bool{}}}
	for f := EventProperties; int(f) < len(fieldTable); f++ {
		parts, path := strings.Split(fieldTable[f].name, "."), ""
		for i, part := range parts {
			s := all[path]
			switch {
			case part == "*":
				s.keyed = f
			case i == len(parts)-1:
				s.fields[part] = f
			default:
				s.scopes[part] = true
			}
			if part != "*" && !slices.Contains(s.names, part) {
				s.names = append(s.names, part)
			}
			path = strings.TrimPrefix(path+"."+part, ".")
			if i < len(parts)-1 && all[path] == nil {
				all[path] = &scope{fields: map[string]Field{}, scopes: map[string]bool{}}
			}
		}
	}
	return all
}()

// Value is what a field stands for. The zero Value is absent: a guard that
// needs it has no answer.
type Value struct {
	kind kind
	num  int64
	text string
	list []string
	json []byte
}

// Int returns a number: of units, minor units, milliseconds, or millionths, as
// the field says.
func Int(v int64) Value { return Value{kind: intKind, num: v} }

// Bool returns a truth value.
func Bool(v bool) Value {
	if v {
		return Value{kind: boolKind, num: 1}
	}
	return Value{kind: boolKind}
}

// Text returns a text.
func Text(v string) Value { return Value{kind: textKind, text: v} }

// List returns a list of texts. It is not copied.
func List(v []string) Value { return Value{kind: listKind, list: v} }

// JSON returns an object from its JSON text, which is not copied. Without text
// it is the empty object; text that is not JSON reads as absent.
func JSON(v []byte) Value { return Value{kind: objectKind, json: v} }

// Known reports whether the value is there.
func (v Value) Known() bool { return v.kind != 0 }

// Env tells what the fields stand for, for one candidate at one instant. It is
// asked only for what an expression needs, when it needs it, and may be asked
// for the same field again. Value must return what belongs to the type of the
// field (see the constants), or the zero Value when it is not known. key is ""
// but for the fields that take one: the moment's name for Told, the score's
// name for Score, CHANNEL.PURPOSE for CustomerConsent.
type Env interface {
	Value(f Field, key string) Value
}

// Operand is one factor of a score: a constant, or a field when Field is set.
type Operand struct {
	Const Micro
	Name  string // as written, "" for a constant
	Field Field
	Key   string
}

// Eval returns the factor. known is false when the field is not known to env;
// the factor is then One, which changes nothing.
func (o *Operand) Eval(env Env) (factor Micro, known bool) {
	if o.Field == 0 {
		return o.Const, true
	}
	v := env.Value(o.Field, o.Key)
	switch {
	case v.kind != intKind:
		return One, false
	case o.Field.kind() == microKind:
		return Micro(v.num), true
	}
	const most = int64(1<<63-1) / int64(One)
	return Micro(min(max(v.num, -most), most)) * One, true
}
