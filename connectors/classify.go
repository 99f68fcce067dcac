package connectors

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"onhand/processor"
)

// MaxRetryAfter bounds the wait a provider may ask for.
const MaxRetryAfter = 24 * time.Hour

// Classify says what an HTTP answer means for the attempt:
//
//	2xx                      delivered
//	408, 425, 429, 5xx       retry, after Retry-After if it is given
//	410                      failed, and the endpoint is gone
//	everything else          failed; redirects are never followed
//
// The code is the status as a number. With a 2xx the receiver may say in the
// header Effective-At (EffectiveHeader) from when the action holds on its side,
// and in External-Id (ReferenceHeader) what it calls what it made of it.
func Classify(status int, header http.Header) Result {
	r := Result{
		Delivery: processor.Failed,
		Code:     strconv.Itoa(status),
		Detail:   strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status)),
	}
	switch {
	case status >= 200 && status < 300:
		r.Delivery, r.Detail = processor.Delivered, ""
		r.EffectiveAt = effectiveAt(header, time.Now())
		r.Reference = reference(header)
	case status >= 500, status == http.StatusTooManyRequests,
		status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		r.Delivery = processor.Retry
		r.RetryAfter = retryAfter(header, time.Now())
	case status == http.StatusGone:
		r.Gone = true
	case status >= 300 && status < 400:
		r.Detail += ": redirects are not followed, configure the final address"
	}
	return r
}

// retryAfter reads Retry-After, in seconds or as a date, bounded to
// MaxRetryAfter. A date is measured against the answer's own Date where there
// is one, so that a clock that differs from ours does no harm. What cannot be
// read counts as absent.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(MaxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}

// ReferenceHeader is the header of an answer that says by which id the platform
// knows what it made: the steps that follow carry it. What is longer than
// MaxReference or no plain text counts as not said.
const ReferenceHeader = "External-Id"

// MaxReference bounds a platform's id, in bytes.
const MaxReference = 256

func reference(header http.Header) string {
	ref := strings.TrimSpace(header.Get(ReferenceHeader))
	if len(ref) > MaxReference || strings.ContainsFunc(ref, func(c rune) bool { return c < ' ' || c > '~' }) {
		return ""
	}
	return ref
}

// EffectiveHeader is the header of an answer that says from when an action
// holds on the platform, in RFC 3339: an ad platform that has taken a removal
// may go on showing the ad for hours.
const EffectiveHeader = "Effective-At"

// MaxEffective bounds how far ahead a platform may promise.
const MaxEffective = 30 * 24 * time.Hour

// effectiveAt reads EffectiveHeader. It is measured against the answer's own
// Date where there is one, so that a clock that differs from ours does no
// harm. What cannot be read, or lies too far away, counts as not said.
func effectiveAt(header http.Header, now time.Time) time.Time {
	at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(header.Get(EffectiveHeader)))
	if err != nil {
		return time.Time{}
	}
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		date = now
	}
	wait := at.Sub(date)
	if wait > MaxEffective || wait < -MaxEffective {
		return time.Time{}
	}
	return now.Add(max(wait, 0))
}
