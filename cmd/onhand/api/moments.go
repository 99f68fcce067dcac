package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"onhand/connectors/segment"
	"onhand/processor"
	"onhand/processor/moments"
)

// takesEffect is how long a change may take before the answer says that it is
// on its way.
const takesEffect = 5 * time.Second

// moments answers the text in force. Its version is the ETag.
func (a *API) moments(w http.ResponseWriter, r *http.Request) error {
	var text []byte
	version := ""
	here, err := a.at(w, r, 0, func(m *processor.Machine) { text, version = m.Shop().Rules, m.Shop().Version })
	if !here || err != nil {
		return err
	}
	h := w.Header()
	h.Set("ETag", `"`+version+`"`)
	h.Set("Content-Type", "application/yaml")
	h.Set("Cache-Control", "no-cache")
	if version != "" && r.Header.Get("If-None-Match") == `"`+version+`"` {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	_, err = w.Write(text)
	return err
}

// Activation is the answer to PUT /api/v1/moments.
type Activation struct {
	Version string   `json:"version"`
	Before  string   `json:"before"`
	Active  bool     `json:"active"` // false: dry run, or still on its way
	Changes []string `json:"changes"`
	Faults  []fault  `json:"warnings"`
}

// activate checks a moments file and puts it in force. If-Match names the
// version it replaces. With dry_run=true it only says what would change, with
// keep_pending=true what is pending is gated by the file it began under.
func (a *API) activate(w http.ResponseWriter, r *http.Request) error {
	if here, err := a.at(w, r, 0, func(*processor.Machine) {}); !here || err != nil {
		return err
	}
	dry, err := flag(r, "dry_run")
	if err != nil {
		return err
	}
	keep, err := flag(r, "keep_pending")
	if err != nil {
		return err
	}
	// Nobody waits for a sender that is slow: the kill switch takes the same lock.
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, moments.MaxActiveBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("the file is larger than %d KiB", moments.MaxActiveBytes>>10)}
	case err != nil:
		return badRequest("the file could not be read to its end")
	}
	a.control.Lock()
	defer a.control.Unlock()
	var before []byte
	version := ""
	if err := a.Worker.Ask(r.Context(), 0, func(m *processor.Machine) { before, version = m.Shop().Rules, m.Shop().Version }); err != nil {
		return err
	}
	switch match := r.Header.Get("If-Match"); {
	case match == "":
		return &problem{Status: http.StatusPreconditionRequired, Detail: `If-Match is missing: the version this replaces, as GET tells in ETag, or "*"`}
	case match != "*" && strings.Trim(match, `"`) != version:
		return &problem{Status: http.StatusPreconditionFailed, Detail: fmt.Sprintf("version %s is in force, not %s; look at it again", version, strings.Trim(match, `"`))}
	}
	file, faults := moments.Parse("moments.yaml", text, segment.Vocabulary())
	if file != nil {
		faults = append(faults, processor.Unsupported("moments.yaml", file)...)
	}
	answer := Activation{Before: version, Changes: []string{}, Faults: []fault{}}
	for _, f := range faults {
		answer.Faults = append(answer.Faults, fault{f.Line, f.Col, f.What, f.Do, f.Warning})
	}
	if file == nil {
		return &problem{Status: http.StatusUnprocessableEntity, Detail: "the file is refused, what is in force stays", Errors: answer.Faults}
	}
	old, _ := moments.Parse("moments.yaml", before, segment.Vocabulary())
	answer.Version = file.Hash
	answer.Changes = append(answer.Changes, moments.Diff(old, file)...)
	if !dry {
		t := processor.Activate
		if keep {
			t = processor.ActivateKeeping
		}
		if err := a.Worker.Control(r.Context(), &processor.Control{Type: t, At: a.Clock().UnixMilli(), Text: text}); err != nil {
			return err
		}
		answer.Active = a.wait(r.Context(), func(s *processor.Shop) bool { return s.Version == file.Hash })
		w.Header().Set("ETag", `"`+file.Hash+`"`)
		a.Logger.Info("moments activated", "version", file.Hash, "before", version)
	}
	return reply(w, answer)
}

// wait waits until a change has reached partition 0, and says whether it has.
func (a *API) wait(ctx context.Context, reached func(*processor.Shop) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, takesEffect)
	defer cancel()
	for {
		done := false
		if err := a.Worker.Ask(ctx, 0, func(m *processor.Machine) { done = reached(m.Shop()) }); err != nil || done {
			return done
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
}

// Stops is what the kill switch holds back.
type Stops struct {
	Stopped bool     `json:"stopped"` // everything
	Tags    []string `json:"tags"`
}

// maxStops bounds the tags that are stopped at a time: each message is asked
// about all of them.
const maxStops = 256

func stopsOf(s *processor.Shop) Stops {
	return Stops{s.Stopped, append([]string{}, s.Tags...)}
}

func (a *API) stops(w http.ResponseWriter, r *http.Request) error {
	var s Stops
	here, err := a.at(w, r, 0, func(m *processor.Machine) { s = stopsOf(m.Shop()) })
	if !here || err != nil {
		return err
	}
	return reply(w, s)
}

// stop throws the kill switch, whole or for a tag.
func (a *API) stop(w http.ResponseWriter, r *http.Request) error {
	if here, err := a.at(w, r, 0, func(*processor.Machine) {}); !here || err != nil {
		return err
	}
	var body struct {
		Tag *string `json:"tag"`
	}
	if err := readBody(w, r, &body, `{"tag": "..."}, or {} for everything`); err != nil {
		return err
	}
	return a.hold(w, r, processor.Stop, body.Tag)
}

// resume takes a stop back, of a tag or of everything.
func (a *API) resume(w http.ResponseWriter, r *http.Request) error {
	if here, err := a.at(w, r, 0, func(*processor.Machine) {}); !here || err != nil {
		return err
	}
	var tag *string
	if q := r.URL.Query(); q.Has("tag") {
		text := q.Get("tag")
		tag = &text
	}
	return a.hold(w, r, processor.Resume, tag)
}

// hold turns the switch of a tag, or without one of everything. A tag that is
// empty is the mistake of whoever filled it in, and not everything.
func (a *API) hold(w http.ResponseWriter, r *http.Request, t processor.ControlType, named *string) error {
	tag := ""
	if named != nil {
		if tag = *named; tag == "" {
			return badRequest("the tag is empty; leave it out for everything")
		}
	}
	if len(tag) > processor.MaxIDBytes {
		return badRequest("the tag is longer than %d bytes", processor.MaxIDBytes)
	}
	a.control.Lock()
	defer a.control.Unlock()
	if t == processor.Stop && tag != "" {
		var before Stops
		if err := a.Worker.Ask(r.Context(), 0, func(m *processor.Machine) { before = stopsOf(m.Shop()) }); err != nil {
			return err
		}
		if len(before.Tags) >= maxStops && !holds(before, tag) {
			return &problem{Status: http.StatusConflict, Detail: fmt.Sprintf("%d tags are stopped, no more are kept; resume some, or stop everything", maxStops)}
		}
	}
	if err := a.Worker.Control(r.Context(), &processor.Control{Type: t, Name: tag, At: a.Clock().UnixMilli()}); err != nil {
		return err
	}
	var s Stops
	a.wait(r.Context(), func(shop *processor.Shop) bool {
		s = stopsOf(shop)
		return holds(s, tag) == (t == processor.Stop)
	})
	a.Logger.Warn("kill switch", "stopped", t == processor.Stop, "tag", tag)
	return reply(w, s)
}

// holds reports whether a tag, or with "" everything, is stopped.
func holds(s Stops, tag string) bool {
	if tag == "" {
		return s.Stopped
	}
	return slices.Contains(s.Tags, tag)
}
