package processor

import (
	"onhand/processor/moments"
	"strings"
	"time"
)

// env tells guards and scores what their names stand for, for one candidate.
type env struct {
	m *Machine
	c *Customer
	o *Occurrence
	v *verdict
}

// Value implements moments.Env.
func (x *env) Value(f moments.Field, key string) moments.Value {
	switch f {
	case moments.LinesCount:
		return moments.Int(int64(len(x.v.lines)))
	case moments.LinesTotal:
		return moments.Int(x.v.total)
	case moments.Score:
		if s, ok := x.c.Models.score(key); ok {
			return moments.Int(int64(s))
		}
		return moments.Value{}
	case moments.LinesMargin:
		var sum int64
		known := false
		for i := range x.v.lines {
			margin := x.m.facts(x.v.lines[i].SKU).Product.Margin
			sum = plus(sum, margin, x.v.lines[i].Quantity)
			known = known || margin != 0
		}
		if !known {
			return moments.Value{}
		}
		return moments.Int(sum)
	case moments.LinesSKUs:
		skus := make([]string, len(x.v.lines))
		for i := range x.v.lines {
			skus[i] = x.v.lines[i].SKU
		}
		return moments.List(skus)
	case moments.CustomerTier:
		return moments.Text(x.c.Profile.Tier.Value)
	case moments.CustomerOrders:
		return moments.Int(int64(len(x.c.OrderIDs) + x.c.Ordered.Len()))
	case moments.CustomerHour, moments.CustomerWeekday:
		loc := x.c.Profile.location(x.m.shop.Now)
		if loc == nil {
			return moments.Value{}
		}
		t := time.UnixMilli(x.m.shop.Now).In(loc)
		if f == moments.CustomerHour {
			return moments.Int(int64(t.Hour()))
		}
		return moments.Text([]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}[t.Weekday()])
	case moments.Told:
		for i := range x.c.Contacts {
			if k := &x.c.Contacts[i]; k.Moment == key && k.Value == x.o.Value {
				return moments.Bool(true)
			}
		}
		return moments.Bool(false)
	case moments.MessageDelivered, moments.MessageOpened, moments.MessageClicked:
		k := x.c.previous(x.o)
		if k == nil {
			return moments.Value{}
		}
		return moments.Bool(f == moments.MessageDelivered && k.Delivered || f == moments.MessageOpened && k.Opened || f == moments.MessageClicked && k.Clicked)
	case moments.CaseID:
		return moments.Text(x.o.Value)
	case moments.CaseChannel:
		if x.o.Told == nil {
			return moments.Value{}
		}
		return moments.Text(x.o.Told.Channel)
	case moments.RewardID, moments.RewardAmount, moments.RewardExpiresAt:
		return x.reward(f)
	case moments.OfferEndsAt, moments.CaseWarnAt, moments.CaseDueAt:
		return x.date(f)
	case moments.OfferID:
		if x.o.Offer == 0 {
			return moments.Value{}
		}
		return moments.Text(OfferID(x.o.Value, x.o.Offer))
	case moments.OfferQuantity:
		in := x.c.interest(x.o.Value)
		if x.o.Offer == 0 || in == nil {
			return moments.Value{}
		}
		stock := x.m.rules.stock(&Item{SKU: in.SKU, Product: x.m.facts(in.SKU).Product})
		return moments.Int(min(max(in.Quantity, 1), max(stock.Each, 1)))
	case moments.CustomerAwayFromHome:
		if x.c.Whereabouts == nil || x.o.Told == nil || x.o.Told.Here == (position{}) {
			return moments.Value{}
		}
		return moments.Bool(x.o.Told.Here.far(x.c.Whereabouts.Home, awayMetres))
	case moments.CustomerConsent:
		channel, purpose, _ := strings.Cut(key, ".")
		return moments.Bool(x.c.Profile.permits(channel, purpose, "") == "")
	case moments.CustomerTraits, moments.CustomerValueBand, moments.CustomerChurn, moments.CustomerSocialRank:
		return x.trait(f)
	case moments.EventProperties:
		if x.o.Told == nil || x.o.Told.Properties == "" {
			return moments.Value{}
		}
		return moments.JSON([]byte(x.o.Told.Properties))
	case moments.OfferPlace:
		return moments.Int(x.o.more().Place)
	}
	if v, ok := x.item(f); ok {
		return v
	}
	if v, ok := x.sale(f); ok {
		return v
	}
	return x.interest(f)
}

// item answers for the item the candidate is about, when it is about one.
func (x *env) item(f moments.Field) (moments.Value, bool) {
	sku := x.o.Value
	switch {
	case len(x.v.lines) == 1:
		sku = x.v.lines[0].SKU
	case x.o.Told != nil && x.o.Told.SKU != "":
		sku = x.o.Told.SKU
	}
	facts := x.m.facts(sku)
	switch f {
	case moments.StoresWithItem:
		return moments.Int(int64(len(facts.Places))), true
	case moments.StoresOpen:
		return x.m.openStores(x.c.interest(sku), facts), true
	case moments.ItemSKU:
		return moments.Text(sku), true
	case moments.ItemPrice:
		if facts.Price == 0 {
			return moments.Value{}, true
		}
		return moments.Int(facts.Price), true
	case moments.ItemMargin:
		if facts.Product.Margin == 0 {
			return moments.Value{}, true
		}
		return moments.Int(facts.Product.Margin), true
	case moments.ItemAvailable:
		return moments.Int(facts.Available), true
	case moments.ItemCategory:
		return moments.Text(facts.Product.Category), true
	case moments.ItemBrand:
		return moments.Text(facts.Product.Brand), true
	case moments.ItemFamily:
		return moments.Text(facts.Product.Family), true
	}
	return moments.Value{}, false
}

// sale answers for the sale the candidate is about: by its id, or the item's
// own.
func (x *env) sale(f moments.Field) (moments.Value, bool) {
	if f < moments.SaleID || f > moments.SaleQuantity {
		return moments.Value{}, false
	}
	id, s := x.o.Value, x.m.sale(x.o.Value)
	if s == nil {
		item := x.m.facts(x.o.Value)
		if item.OpensAt == 0 && item.ClosesAt == 0 {
			return moments.Value{}, true
		}
		id, s = "", &SaleFacts{OpensAt: item.OpensAt, ClosesAt: item.ClosesAt}
	}
	known := func(v int64) moments.Value {
		if v == 0 {
			return moments.Value{}
		}
		return moments.Int(v)
	}
	switch f {
	case moments.SaleID:
		return moments.Text(id), true
	case moments.SaleOpensAt:
		return known(s.OpensAt), true
	case moments.SaleClosesAt:
		return known(s.ClosesAt), true
	case moments.SaleMoved:
		return moments.Bool(s.Moved), true
	case moments.SaleCancelled:
		return moments.Bool(s.Cancelled), true
	}
	return known(s.Quantity), true
}

// interest answers for the customer's interest in the item.
func (x *env) interest(f moments.Field) moments.Value {
	in := x.c.interest(x.o.Value)
	if in == nil {
		return moments.Value{}
	}
	name, strength := in.strongest(x.m.shop.Now)
	switch f {
	case moments.InterestName:
		return moments.Text(name)
	case moments.InterestStrength:
		return moments.Int(int64(strength))
	case moments.InterestSince:
		return moments.Int(in.Since)
	case moments.InterestPriceSeen:
		return moments.Int(in.PriceSeen)
	case moments.InterestQuantity:
		return moments.Int(in.Quantity)
	case moments.InterestMaxPrice:
		return moments.Int(in.MaxPrice)
	}
	return moments.Value{}
}

// reward answers for the reward the candidate is about.
func (x *env) reward(f moments.Field) moments.Value {
	w := x.c.reward(x.o.Value)
	if w == nil {
		return moments.Value{}
	}
	switch f {
	case moments.RewardID:
		return moments.Text(w.ID)
	case moments.RewardExpiresAt:
		if w.ExpiresAt == 0 {
			return moments.Value{}
		}
		return moments.Int(w.ExpiresAt)
	}
	left, _ := w.left()
	return moments.Int(left)
}

// date answers for a date the candidate is about.
func (x *env) date(f moments.Field) moments.Value {
	mo := x.m.rules.moment(x.o)
	if mo == nil {
		return moments.Value{}
	}
	name := moments.OfferEnds
	switch f {
	case moments.CaseWarnAt:
		name = moments.CaseWarn
	case moments.CaseDueAt:
		name = moments.CaseDue
	}
	if at := x.c.dateOf(x.m, mo, name, x.o); at > 0 {
		return moments.Int(at)
	}
	return moments.Value{}
}
