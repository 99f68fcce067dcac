package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// parameters returns what the query of each operation may say, by method and
// path, as the document describes it.
func parameters(doc []byte) (map[string][]string, error) {
	type parameter struct {
		Ref  string `json:"$ref"`
		Name string `json:"name"`
		In   string `json:"in"`
	}
	var d struct {
		Paths map[string]map[string]struct {
			Parameters []parameter `json:"parameters"`
		} `json:"paths"`
		Components struct {
			Parameters map[string]parameter `json:"parameters"`
		} `json:"components"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for path, methods := range d.Paths {
		for method, op := range methods {
			for _, p := range op.Parameters {
				if ref, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
					p = d.Components.Parameters[ref]
				}
				if p.In == "query" {
					key := strings.ToUpper(method) + " " + path
					all[key] = append(all[key], p.Name)
				}
			}
		}
	}
	return all, nil
}

// known refuses a query that says something the operation does not know: a
// slip in a name would widen what is asked for, up to the switch of everything.
// Workers among themselves say more.
func known(r *http.Request, names []string) error {
	if r.Header.Get(hopHeader) != "" || r.URL.RawQuery == "" {
		return nil
	}
	for name := range r.URL.Query() {
		if slices.Contains(names, name) {
			continue
		}
		if len(names) == 0 {
			return badRequest("%s is no parameter here, and nothing is", name)
		}
		return badRequest("%s is no parameter here; known: %s", name, strings.Join(names, ", "))
	}
	return nil
}

// readBody reads a small JSON body into v; an empty one leaves it. shape says what
// the body may be.
func readBody(w http.ResponseWriter, r *http.Request, v any, shape string) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<10))
	if err != nil {
		return badRequest("the body is %s: %v", shape, err)
	}
	if len(text) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err = d.Decode(v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		err = fmt.Errorf("%s is no place for %s", cmp.Or(wrong.Field, "this"), wrong.Value)
	} else if err == nil && d.InputOffset() < int64(len(bytes.TrimRight(text, " \t\r\n"))) {
		err = errors.New("something follows its end")
	}
	if err != nil {
		return badRequest("the body is %s: %v", shape, err)
	}
	return nil
}

// flag reads a parameter that is true or false, false when it is left out.
func flag(r *http.Request, name string) (bool, error) {
	switch text := r.URL.Query().Get(name); text {
	case "true", "1":
		return true, nil
	case "", "false", "0":
		return false, nil
	default:
		return false, badRequest("%s is %q; true or false", name, text)
	}
}
