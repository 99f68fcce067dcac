package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"

	"onhand/processor"
	"onhand/processor/jetstream"
)

// filter selects records of one kind. Empty fields select all.
type filter struct {
	record                            processor.OutputType
	customer, moment, outcome, reason string
}

// records are the kinds of record that can be asked for: what was decided,
// what became of the attempts to deliver it, and what was learned of it too
// late.
var records = map[string]processor.OutputType{
	"": processor.DecisionOutput, "decisions": processor.DecisionOutput,
	"deliveries": processor.DeliveryOutput, "corrections": processor.CorrectionOutput,
}

// outcomes are what each kind of record may say became of it.
var outcomes = map[processor.OutputType][]string{
	processor.DecisionOutput:   {"sent", "suppressed", "deferred", "expired", "retracted"},
	processor.DeliveryOutput:   {"delivered", "failed", "unknown", "retry"},
	processor.CorrectionOutput: {"raced", "late", "too_late", "wrong", "drift"},
}

// read returns when a record was made and whether it is selected.
func (f *filter) read(body []byte) (at int64, selected bool, err error) {
	selects := func(customer, moment, outcome, reason string) bool {
		return (f.customer == "" || customer == f.customer) && (f.moment == "" || moment == f.moment) &&
			(f.outcome == "" || outcome == f.outcome) && (f.reason == "" || reason == f.reason)
	}
	switch f.record {
	case processor.DeliveryOutput:
		d, err := processor.ParseDelivery(body)
		return d.At, selects(d.Customer, d.Moment, d.Delivery.String(), d.Code), err
	case processor.CorrectionOutput:
		c, err := processor.ParseCorrection(body)
		return c.At, selects(c.Customer, c.Moment, c.Kind.String(), string(c.Reason)), err
	}
	d, err := processor.ParseDecision(body)
	return d.At, selects(d.Customer, d.Moment, d.Outcome.String(), string(d.Reason)), err
}

// json writes a record that was read before.
func (f *filter) json(body []byte) (json.RawMessage, error) {
	switch f.record {
	case processor.DeliveryOutput:
		d, _ := processor.ParseDelivery(body)
		return d.MarshalJSON()
	case processor.CorrectionOutput:
		c, _ := processor.ParseCorrection(body)
		return c.MarshalJSON()
	}
	d, err := processor.ParseDecision(body)
	return d.AppendJSON(nil), err
}

// mark is how far back the commits of a partition have been read: everything
// from decision number Index of record Seq on has been told.
type mark struct {
	seq   uint64
	index int
}

// whole stands for every decision of a record.
const whole = math.MaxInt32

// found is a record and where it stands.
type found struct {
	body      []byte
	when      int64
	partition int
	at        mark
}

// How far back one request looks: so many commit records of a partition at a
// time, and so many times.
const (
	backRecords = 128
	backTimes   = 8
)

// decisions answers what was decided, latest first, from the commit records.
// A page may hold fewer than the limit, even none, though there are more: next
// says so.
func (a *API) decisions(w http.ResponseWriter, r *http.Request) error {
	n, err := pageSize(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	f := filter{records[q.Get("records")], q.Get("customer"), q.Get("moment"), q.Get("outcome"), q.Get("reason")}
	if f.record == 0 {
		return badRequest("records is one of decisions, deliveries, corrections")
	}
	if list := outcomes[f.record]; f.outcome != "" && !slices.Contains(list, f.outcome) {
		return badRequest("outcome is %q; one of %s", f.outcome, strings.Join(list, ", "))
	}
	named := func(d processor.ReasonDoc) bool { return string(d.Reason) == f.reason }
	if f.record == processor.DecisionOutput && f.reason != "" && !slices.ContainsFunc(processor.Reasons(), named) {
		return badRequest("reason is %q; onhand moments reasons lists the words", f.reason)
	}
	marks, err := a.cursor(q.Get("cursor"))
	if err != nil {
		return err
	}
	data, more, err := a.recent(r.Context(), f, n, marks)
	if err != nil {
		return err
	}
	page := list{Data: data}
	if more {
		next := spell(marks)
		page.Next = &next
	}
	return reply(w, page)
}

// recent returns up to n decisions before the marks, latest first, and moves
// the marks. more says that the log goes on.
func (a *API) recent(ctx context.Context, f filter, n int, marks []mark) (data []json.RawMessage, more bool, err error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	var all []found
	for p := range marks {
		if f.customer != "" && p != a.partitionOf(f.customer) {
			marks[p] = mark{}
			continue
		}
		group.Go(func() {
			list, back, failed := a.back(ctx, p, f, n, marks[p])
			mu.Lock()
			defer mu.Unlock()
			all, err, marks[p] = append(all, list...), errors.Join(err, failed), back
		})
	}
	group.Wait()
	if err != nil {
		return nil, false, err
	}
	slices.SortFunc(all, func(x, y found) int {
		switch {
		case x.when != y.when:
			return int(y.when - x.when)
		case x.partition != y.partition:
			return x.partition - y.partition
		case x.at.seq != y.at.seq:
			return int(int64(y.at.seq - x.at.seq))
		}
		return y.at.index - x.at.index
	})
	// What does not fit on the page is read again for the next one.
	for _, d := range all[min(n, len(all)):] {
		if m := &marks[d.partition]; d.at.seq > m.seq || d.at.seq == m.seq && d.at.index >= m.index {
			*m = mark{d.at.seq, d.at.index + 1}
		}
	}
	data = make([]json.RawMessage, 0, n)
	for _, d := range all[:min(n, len(all))] {
		text, err := f.json(d.body)
		if err != nil {
			return nil, false, err
		}
		data = append(data, text)
	}
	for _, m := range marks {
		more = more || m.seq > 0
	}
	return data, more, nil
}

// back reads the commits of a partition backwards from a mark until it has n
// decisions or has looked far enough. It returns how far it has come; the zero
// mark is the beginning.
func (a *API) back(ctx context.Context, p int, f filter, n int, from mark) (list []found, at mark, err error) {
	if from.seq > 0 || from.index < 0 {
		last, _, err := a.Log.LastCommit(ctx, p)
		if err != nil {
			return nil, mark{}, err
		}
		if from.index < 0 || from.seq > last { // the end, or a cursor of a log that went on for longer
			from = mark{last, whole}
		}
	}
	at = from
	for range backTimes {
		if at.seq == 0 || len(list) >= n {
			break
		}
		first := at.seq - min(at.seq-1, backRecords-1)
		block, begins, err := a.block(ctx, p, f, first, at)
		if err != nil {
			return nil, mark{}, err
		}
		list = append(block, list...)
		at = mark{begins - 1, whole}
		if begins > first { // what was before is trimmed
			at = mark{}
		}
	}
	if at.seq == 0 {
		at = mark{}
	}
	return list, at, nil
}

// block reads the commit records from first up to a mark. begins is the first
// record there is.
func (a *API) block(ctx context.Context, p int, f filter, first uint64, to mark) (list []found, begins uint64, err error) {
	r, err := a.Log.ReadCommits(p, first)
	if err != nil {
		return nil, 0, err
	}
	defer func() { r.Stop() }()
	begins = first
	for seq := uint64(0); seq < to.seq; {
		m, err := r.Next(ctx)
		if gap, ok := errors.AsType[*jetstream.GapError](err); ok {
			if gap.Got > to.seq {
				return list, gap.Got, nil
			}
			r.Stop()
			if r, err = a.Log.ReadCommits(p, gap.Got); err != nil {
				return nil, 0, err
			}
			begins = gap.Got
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		seq = m.Seq
		index := 0
		err = Outputs(m.Data, func(o processor.Output) error {
			if o.Type != f.record {
				return nil
			}
			when, selected, err := f.read(o.Body)
			if selected && (m.Seq < to.seq || index < to.index) {
				list = append(list, found{bytes.Clone(o.Body), when, p, mark{m.Seq, index}})
			}
			index++
			return err
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return list, begins, nil
}

// Outputs calls f for each output of a commit record.
func Outputs(commit []byte, f func(processor.Output) error) error {
	c, err := processor.ParseCommit(commit)
	if err != nil {
		return err
	}
	for rest := c.Outputs; len(rest) > 0; {
		var o processor.Output
		if o, rest, err = processor.NextOutput(rest); err != nil {
			return err
		}
		if err := f(o); err != nil {
			return err
		}
	}
	return nil
}

// spell writes marks as a cursor.
func spell(marks []mark) string {
	var b []byte
	for _, m := range marks {
		b = binary.AppendUvarint(b, m.seq)
		b = binary.AppendUvarint(b, uint64(m.index))
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// cursor reads marks, one for each partition; "" is the end of the log.
func (a *API) cursor(s string) ([]mark, error) {
	marks := make([]mark, a.Log.Partitions())
	b, err := base64.RawURLEncoding.DecodeString(s)
	for p := range marks {
		if s == "" {
			marks[p].index = -1
			continue
		}
		seq, n := binary.Uvarint(b)
		index, k := binary.Uvarint(b[max(0, n):])
		if err != nil || n <= 0 || k <= 0 || index > whole || seq > math.MaxInt64 {
			return nil, badRequest("cursor is none that a list has told")
		}
		marks[p], b = mark{seq, int(index)}, b[n+k:]
	}
	if len(b) > 0 {
		return nil, badRequest("cursor is none that a list has told")
	}
	return marks, nil
}
