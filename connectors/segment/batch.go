package segment

import "onhand/processor"

// MaxBatchCalls bounds the calls of one batch.
const MaxBatchCalls = 10_000

// Envelope is what the body of a request says beside its calls.
type Envelope struct {
	WriteKey string // "" when none
	SentAt   int64  // Unix ms, 0 when none
}

// SplitBatch appends to dst the calls in the body of a batch request, as views
// into it, and returns the rest of the body. The whole body is known to be
// JSON then, but for texts that are not UTF-8: each call is still to be parsed,
// and one with such a text spoils no other. The error is of type Faults.
func SplitBatch(dst [][]byte, body []byte) ([][]byte, Envelope, error) {
	var env Envelope
	p := Parser{s: scanner{b: body}}
	s := &p.s
	n, found := len(dst), false
	s.space()
	if s.i >= len(body) || body[s.i] != '{' {
		s.fail("not an object")
	} else {
		for ok := s.open('}'); ok; ok = s.more('}') {
			switch key := s.key(); {
			case string(p.keyText(key)) != "batch":
				env.read(&p, key)
			case s.i < len(body) && body[s.i] == '[':
				dst, found = dst[:n], true
				for ok := s.open(']'); ok; ok = s.more(']') {
					if v := s.value(maxDepth); s.bad == "" && len(dst)-n <= MaxBatchCalls {
						dst = append(dst, v.raw)
					}
				}
			default:
				found = false
				s.value(maxDepth)
			}
		}
		s.end()
	}
	switch {
	case s.bad != "":
		p.fault(Malformed, "", "malformed JSON at byte %d: %s", s.i, s.bad)
	case !found:
		p.fault(Missing, "batch", "required, a list of calls")
	case len(dst)-n > MaxBatchCalls:
		p.fault(TooLarge, "batch", "more than %d calls; send smaller batches", MaxBatchCalls)
	}
	if p.faults != nil {
		return dst[:n], Envelope{}, p.faults
	}
	return dst, env, nil
}

// WriteKey returns the writeKey in the body of a single call, "" when there is
// none.
func WriteKey(call []byte) string {
	var env Envelope
	p := Parser{s: scanner{b: call}}
	p.s.space()
	if p.s.i < len(call) && call[p.s.i] == '{' {
		for ok := p.s.open('}'); ok; ok = p.s.more('}') {
			env.read(&p, p.s.key())
		}
	}
	if p.s.bad != "" {
		return ""
	}
	return env.WriteKey
}

// read reads the value of a key of the body.
func (env *Envelope) read(p *Parser, key value) {
	name := string(p.keyText(key))
	v := p.s.value(maxDepth)
	if p.s.bad != "" {
		return
	}
	switch name {
	case "writeKey":
		if b := p.inner(v); len(b) <= processor.MaxIDBytes {
			env.WriteKey = string(b)
		}
	case "sentAt":
		// A batch is not refused for its envelope: without a time that can be
		// read nothing is corrected.
		env.SentAt, _ = p.instant(v)
	}
}
