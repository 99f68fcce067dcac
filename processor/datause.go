package processor

import "strings"

// What a customer said in the shop's own banner of what data may be used for,
// as each of their events tells it (context.consent.categoryPreferences). It
// permits nothing: who may be told what is the consents' to say. Who refuses
// Advertising is in no audience of an ad platform, whatever else was agreed to,
// until a later event says that it is allowed.

const (
	// adsChannel is the channel of ad platforms.
	adsChannel = "ads"
	// advertisingUse is the purpose under which the refusal is kept: no name of a
	// purpose in a moments file has a colon.
	advertisingUse = "use:advertising"
)

// dataUse notes what data may be used for, and reports whether advertising was
// allowed again, or refused, now. That it is allowed is noted only where it was
// refused before.
func (p *Profile) dataUse(preferences properties, at int64) (allowed, refused bool) {
	was := p.advertised()
	preferences.each(func(category string, v properties) {
		may, ok := v.truth()
		if !ok || !strings.EqualFold(category, "advertising") {
			return
		}
		if _, said := p.word(adsChannel, advertisingUse, ""); said != nil || !may {
			p.setConsent(Consent{Channel: adsChannel, Purpose: advertisingUse, Granted: may, Confirmed: may, At: at})
		}
	})
	is := p.advertised()
	return was != "" && is == "", was == "" && is != ""
}

// advertised returns why data of the customer may not be used for advertising;
// "" = nothing was said against it.
func (p *Profile) advertised() Reason {
	if r, said := p.word(adsChannel, advertisingUse, ""); said != nil {
		return r
	}
	return ""
}
