package segment

import (
	"strconv"

	"onhand/processor"
)

// extra is a property that did not come in the properties.
type extra struct {
	key string
	v   value
}

// keep sets e.Properties to the properties that did not become fields, and to
// what belongs there from the rest of the call. A key sent twice is kept once,
// as it was sent last.
func (p *Parser) keep(e *processor.Event, used fieldSet) {
	var room [8]extra
	extras := room[:0]
	if p.o.Only != nil {
		p.publicExtras()
	}
	ctx := &p.call.context
	if ctx.consent.form == formObject && !emptyObject(ctx.consent.raw) {
		extras = append(extras, extra{ConsentProperty, ctx.consent})
	}
	if ctx.timezone.form == formText {
		extras = append(extras, extra{TimezoneProperty, ctx.timezone})
	}
	if ctx.token.form == formText {
		extras = append(extras, extra{TokenProperty, ctx.token})
	}
	switch e.Kind {
	case processor.Page, processor.Screen:
		extras = appendExtra(extras, "name", p.call.name)
		extras = appendExtra(extras, "category", p.call.category)
	case processor.Group:
		extras = appendExtra(extras, "groupId", p.call.groupID)
	case processor.Identify:
		extras = p.provenance(extras)
		if p.trusted() && e.UserID != "" {
			extras = p.ownAddresses(extras)
		}
	}
	dropped := p.shadowed(extras)
	kept, size := 0, 2
	for i := range p.props {
		if pr := &p.props[i]; pr.key != nil && !used.has(pr.field) {
			kept++
			size += len(pr.raw) + 1
		} else {
			dropped = true
		}
	}
	if kept == 0 && len(extras) == 0 {
		return
	}
	if !dropped && len(extras) == 0 {
		e.Properties = p.call.properties.raw
	} else {
		for _, x := range extras {
			size += len(x.key) + len(x.v.raw) + 4
		}
		e.Properties = p.join(used, extras, size)
	}
	if len(e.Properties) > processor.MaxPropertyBytes {
		p.fault(TooLarge, "properties", "%d bytes besides what Onhand has fields for; at most %d", len(e.Properties), processor.MaxPropertyBytes)
	}
}

// provenance adds how the traits of an identify are known.
func (p *Parser) provenance(extras []extra) []extra {
	how, sure := p.call.context.provenance, p.call.context.confidence
	if how.form != formNone && how.form != formNull {
		switch string(p.inner(how)) {
		case "explicit", "implicit", "inferred":
		default:
			p.fault(Invalid, "context.provenance", "must be explicit, implicit or inferred")
		}
	}
	if sure.form != formNone && sure.form != formNull {
		if f, err := strconv.ParseFloat(string(p.inner(sure)), 64); err != nil || !(f >= 0 && f <= 1) {
			p.fault(Invalid, "context.confidence", "must be a number from 0 to 1")
		}
	}
	return appendExtra(appendExtra(extras, ProvenanceProperty, how), ConfidenceProperty, sure)
}

func appendExtra(all []extra, key string, v value) []extra {
	if v.form == formNone || v.form == formNull {
		return all
	}
	return append(all, extra{key, v})
}

func (p *Parser) join(used fieldSet, extras []extra, size int) []byte {
	p.reserve(size)
	start := len(p.arena)
	b := append(p.arena, '{')
	for i := range p.props {
		if pr := &p.props[i]; pr.key != nil && !used.has(pr.field) {
			b = append(append(b, pr.raw...), ',')
		}
	}
	for _, x := range extras {
		b = append(append(append(b, '"'), x.key...), '"', ':')
		b = append(append(b, x.v.raw...), ',')
	}
	b[len(b)-1] = '}'
	p.arena = b
	return b[start:len(b):len(b)]
}

// shadowed unsets the keys of properties that were sent again later, and
// reports whether there are any.
func (p *Parser) shadowed(extras []extra) (some bool) {
	if len(p.props) > 32 {
		return p.shadowedOfMany(extras)
	}
	for i := range p.props {
		pr := &p.props[i]
		again := false
		for j := i + 1; j < len(p.props) && !again; j++ {
			again = string(pr.key) == string(p.props[j].key)
		}
		for _, x := range extras {
			again = again || string(pr.key) == x.key
		}
		if again {
			pr.key, some = nil, true
		}
	}
	return some
}

// shadowedOfMany does the same in linear time.
func (p *Parser) shadowedOfMany(extras []extra) (some bool) {
	last := make(map[string]bool, len(p.props))
	for _, x := range extras {
		last[x.key] = true
	}
	for i := len(p.props) - 1; i >= 0; i-- {
		pr := &p.props[i]
		if last[string(pr.key)] {
			pr.key, some = nil, true
			continue
		}
		last[text(pr.key)] = true
	}
	return some
}
