package processor

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// customer writes whom something is about: null for what is about an item alone,
// or about what an audience needs on its platform (see Setup).
func (j *object) customer(id string) {
	if id == "" || isQuorumID(id) {
		j.key("customer")
		j.b = append(j.b, "null"...)
		return
	}
	j.str("customer", id)
}

// AppendJSON appends the decision record in the one JSON form that users see:
// commit exports, API, webhooks, scenarios, console.
func (d *Decision) AppendJSON(dst []byte) []byte {
	j := object{b: append(dst, '{')}
	j.str("id", d.ID)
	j.time("at", d.At)
	j.customer(d.Customer)
	j.str("moment", d.Moment)
	j.open("cause")
	j.opt("event", d.Cause.Event)
	j.opt("id", d.Cause.ID)
	j.opt("timer", d.Cause.Timer)
	j.opt("offer", d.Cause.Offer)
	j.opt("value", d.Cause.Value)
	j.num("occurrence", d.Cause.N)
	j.close()
	j.str("outcome", d.Outcome.String())
	j.opt("step", d.Step)
	j.opt("reason", string(d.Reason))
	if d.Until != 0 {
		j.time("until", d.Until)
	}
	j.opt("retracts", d.Retracts)
	j.str("mode", d.Mode)
	j.str("moments_version", d.Version)
	if a := d.Action; a != nil {
		j.open("action")
		j.str("id", a.ID)
		j.str("kind", a.Kind)
		j.str("channel", a.Channel)
		j.str("class", a.Class)
		j.str("template", a.Template)
		j.list("skus")
		for i := range a.Lines {
			j.sep()
			j.b = appendJSONString(j.b, a.Lines[i].SKU)
		}
		j.end()
		j.list("lines")
		for i := range a.Lines {
			l := &a.Lines[i]
			j.sep()
			j.b = append(j.b, '{')
			j.str("sku", l.SKU)
			j.num("quantity", l.Quantity)
			j.num("price", l.Price)
			j.opt("title", l.Title)
			j.opt("url", l.URL)
			j.opt("image_url", l.Image)
			j.opt("replaces", l.Replaces)
			j.close()
		}
		j.end()
		j.num("total", a.Total)
		j.opt("currency", a.Currency)
		j.opt("cart_id", a.CartID)
		j.opt("offer_id", a.OfferID)
		if a.HoldUntil != 0 {
			j.time("hold_until", a.HoldUntil)
		}
		if a.ExpiresAt != 0 {
			j.time("expires_at", a.ExpiresAt)
		}
		if len(a.Data) > 0 {
			j.open("data")
			for i := range a.Data {
				switch x := &a.Data[i]; {
				case x.Text != "":
					j.str(x.Name, x.Text)
				case strings.HasSuffix(x.Name, "_at"):
					j.time(x.Name, x.Number)
				default:
					j.num(x.Name, x.Number)
				}
			}
			j.close()
		}
		if len(a.To) > 0 {
			j.open("to")
			for i := range a.To {
				j.str(a.To[i].Name, a.To[i].Text)
			}
			j.close()
		}
		j.close()
	}
	e := &d.Evidence
	j.open("evidence")
	j.num("position", int64(e.Position))
	j.num("step", int64(e.Step))
	if e.StockAgeMS >= 0 {
		j.num("stock_age_ms", e.StockAgeMS)
		j.num("facts", int64(e.Facts))
	}
	if e.PriceAgeMS >= 0 {
		j.num("price_age_ms", e.PriceAgeMS)
	}
	if e.ConsentAgeMS >= 0 {
		j.num("consent_age_ms", e.ConsentAgeMS)
	}
	j.str("rules", d.Version)
	if e.Place != 0 {
		j.num("place", e.Place)
	}
	if e.Score != 0 || len(e.Factors) > 0 {
		j.micro("score", e.Score)
	}
	if len(e.Factors) > 0 {
		j.open("factors")
		for _, f := range e.Factors {
			j.micro(f.Name, f.Value)
		}
		j.close()
	}
	if slices.ContainsFunc(e.Factors, func(f Factor) bool { return f.Note != "" }) {
		j.open("factor_notes")
		for _, f := range e.Factors {
			j.opt(f.Name, f.Note)
		}
		j.close()
	}
	j.opt("lost_to", e.LostTo)
	if len(e.Dropped) > 0 {
		j.list("dropped")
		for _, l := range e.Dropped {
			j.sep()
			j.b = append(j.b, '{')
			j.str("sku", l.SKU)
			j.str("reason", string(l.Reason))
			j.close()
		}
		j.end()
	}
	j.opt("household", e.Household)
	j.close()
	return append(j.b, '}')
}

// MarshalJSON implements json.Marshaler.
func (d *Decision) MarshalJSON() ([]byte, error) { return d.AppendJSON(nil), nil }

// object appends the members of nested JSON objects and lists.
type object struct {
	b []byte
}

func (j *object) sep() {
	if last := j.b[len(j.b)-1]; last != '{' && last != '[' {
		j.b = append(j.b, ',')
	}
}

func (j *object) key(k string) {
	j.sep()
	j.b = append(j.b, '"')
	j.b = append(j.b, k...)
	j.b = append(j.b, '"', ':')
}

func (j *object) str(k, v string) { j.key(k); j.b = appendJSONString(j.b, v) }
func (j *object) num(k string, v int64) {
	j.key(k)
	j.b = strconv.AppendInt(j.b, v, 10)
}

func (j *object) opt(k, v string) {
	if v != "" {
		j.str(k, v)
	}
}

func (j *object) time(k string, ms int64) {
	j.key(k)
	j.b = append(j.b, '"')
	j.b = time.UnixMilli(ms).UTC().AppendFormat(j.b, "2006-01-02T15:04:05.000Z")
	j.b = append(j.b, '"')
}

// micro appends a number of millionths as a decimal.
func (j *object) micro(k string, v int64) {
	j.key(k)
	if v < 0 {
		j.b = append(j.b, '-')
		v = -v
	}
	j.b = strconv.AppendInt(j.b, v/1_000_000, 10)
	if f := v % 1_000_000; f != 0 {
		digits := strconv.AppendInt(nil, f+1_000_000, 10)[1:]
		for digits[len(digits)-1] == '0' {
			digits = digits[:len(digits)-1]
		}
		j.b = append(append(j.b, '.'), digits...)
	}
}

func (j *object) open(k string) { j.key(k); j.b = append(j.b, '{') }
func (j *object) close()        { j.b = append(j.b, '}') }
func (j *object) list(k string) { j.key(k); j.b = append(j.b, '[') }
func (j *object) end()          { j.b = append(j.b, ']') }

// appendJSONString appends s quoted. Plain ASCII, nearly all there is, takes
// the short way.
func appendJSONString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(s) // cannot fail for a string
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
