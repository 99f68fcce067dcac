package segment

import (
	"strings"

	"onhand/processor"
)

// A crawler, a page that is fetched before anybody wants it and a browser without
// a screen send what a visitor sends. As far as they say who they are, the visit
// is marked (processor.ByMachine): it is kept, and is nobody's wish. A sender that
// knows more says it with the property by. Who claims to be a machine takes only
// the visits it sends out of what counts: orders, and what takes a wish back,
// count whatever is said.

// crawlers are what the user agents of machines have in them, in lower case.
var crawlers = []string{"bot/", "bot;", "bot)", "bot ", "bot-", "crawl", "spider", "slurp", "headlesschrome", "phantomjs", "lighthouse", "facebookexternalhit", "meta-external", "prerender"}

// maxAgent is how much of a user agent is looked at.
const maxAgent = 512

// isCrawler reports whether a user agent says that nobody is looking.
func isCrawler(userAgent string) bool {
	s := strings.ToLower(userAgent) + " "
	if strings.Contains(s, "cubot") {
		return false // a telephone
	}
	for _, a := range crawlers {
		if strings.Contains(s, a) {
			return true
		}
	}
	return false
}

// crawled marks the visit of a machine. The user agent in the call is the
// visitor's; that of the request may be a server's which passes the call on.
func (p *Parser) crawled(e *processor.Event) {
	if !e.Kind.Visits() {
		return
	}
	if name := p.inner(p.call.context.userAgent); len(name) > 0 {
		if name = name[:min(len(name), maxAgent)]; string(name) != p.agent.name {
			p.agent = newAgent(string(name))
		}
	} else if name := p.o.UserAgent[:min(len(p.o.UserAgent), maxAgent)]; name != p.agent.name {
		p.agent = newAgent(name)
	}
	if p.o.Prefetched || p.agent.crawler {
		e.By = processor.ByMachine
	}
}

// agent is the user agent asked for last: the calls of a batch mostly name one.
type agent struct {
	name    string
	crawler bool
}

func newAgent(name string) agent { return agent{strings.Clone(name), isCrawler(name)} }
