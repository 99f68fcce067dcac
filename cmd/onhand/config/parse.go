package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"onhand/connectors/webhook"
	"onhand/processor/jetstream"
	"onhand/processor/moments"
)

// reader walks the nodes of a file and gathers what is wrong with them.
type reader struct {
	file   string
	faults []moments.Fault
	keys   map[string]bool // all that may stand in the maps that were read, by map; true = it stood there
}

// Parse reads and checks the text of a configuration file. name is for the
// faults.
func Parse(name string, text []byte) (Config, []moments.Fault) {
	r := &reader{file: name, keys: map[string]bool{}}
	return r.config(text), r.sorted()
}

func (r *reader) sorted() []moments.Fault {
	slices.SortStableFunc(r.faults, func(a, b moments.Fault) int {
		return (a.Line-b.Line)*10_000 + a.Col - b.Col
	})
	return r.faults
}

func (r *reader) config(text []byte) (c Config) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return c
	case err != nil:
		r.syntax(err)
		return c
	}
	if decoder.Decode(&second) == nil {
		r.at(&second, "a second document", "keep one document")
	}
	var personal *yaml.Node
	r.fields(doc.Content[0], "the configuration", map[string]func(*yaml.Node){
		"data":       func(n *yaml.Node) { c.Data = r.text(n) },
		"http":       func(n *yaml.Node) { c.HTTP = r.address(n) },
		"moments":    func(n *yaml.Node) { c.Moments = r.text(n) },
		"partitions": func(n *yaml.Node) { c.Partitions = int(r.whole(n, 1, 1024)) },
		"sync":       func(n *yaml.Node) { c.Sync = r.oneOf(n, SyncAlways, SyncInterval) },
		"personal":   func(n *yaml.Node) { personal, c.Personal = n, r.oneOf(n, PersonalSealed, PersonalClear) },
		"memory":     func(n *yaml.Node) { c.Memory = r.memory(n) },
		"nats":       func(n *yaml.Node) { r.nats(n, &c.NATS) },
		"keys":       func(n *yaml.Node) { r.accessKeys(n, &c.Keys) },
		"channels":   func(n *yaml.Node) { c.Channels = r.channels(n) },
		"checkpoints": func(n *yaml.Node) {
			r.fields(n, "checkpoints", map[string]func(*yaml.Node){
				"to":    func(n *yaml.Node) { c.Checkpoints.To = r.place(n) },
				"every": func(n *yaml.Node) { c.Checkpoints.Every = r.duration(n) },
				"keep":  func(n *yaml.Node) { c.Checkpoints.Keep = int(r.whole(n, 2, 1000)) },
			})
		},
		"decisions": func(n *yaml.Node) {
			r.fields(n, "decisions", map[string]func(*yaml.Node){
				"keep": func(n *yaml.Node) { c.Decisions.Keep = r.keep(n) },
			})
		},
	})
	for name, channel := range c.Channels {
		if channel.To && c.Personal == PersonalClear {
			r.at(personal, "channel "+name+" is to be told addresses, and none are kept that are not sealed", "personal: sealed, or no `to` there")
			break
		}
	}
	return c
}

func (r *reader) nats(n *yaml.Node, c *NATS) {
	r.fields(n, "nats", map[string]func(*yaml.Node){
		"url":      func(n *yaml.Node) { c.URL = r.secret(n) },
		"listen":   func(n *yaml.Node) { c.Listen = r.address(n) },
		"replicas": func(n *yaml.Node) { c.Replicas = int(r.whole(n, 1, 5)) },
		"users": func(n *yaml.Node) {
			for _, e := range r.list(n) {
				var u jetstream.User
				r.fields(e, "a user", map[string]func(*yaml.Node){
					"name":     func(n *yaml.Node) { u.Name = r.text(n) },
					"password": func(n *yaml.Node) { u.Password = r.secret(n) },
					"publish": func(n *yaml.Node) {
						for _, e := range r.list(n) {
							u.Publish = append(u.Publish, r.text(e))
						}
					},
				}, "name", "password")
				c.Users = append(c.Users, u)
			}
		},
	})
	if c.URL != "" && c.Listen != "" {
		r.at(n, `nats has both "url" and "listen"`, "a server elsewhere listens by itself; keep one")
	}
	if c.Listen != "" && !Loopback(c.Listen) && len(c.Users) == 0 {
		r.at(n, fmt.Sprintf("nats listens on %s, which is not loopback, without users", c.Listen), "add users, or listen on 127.0.0.1")
	}
}

func (r *reader) channels(n *yaml.Node) map[string]Channel {
	all := map[string]Channel{}
	r.each(n, "channels", func(name, value *yaml.Node) {
		all[name.Value] = r.channel(name.Value, value)
	})
	return all
}

func (r *reader) channel(name string, n *yaml.Node) (c Channel) {
	only := map[string]string{"url": "webhook", "secrets": "webhook", "public_only": "webhook", "path": "file", "sync": "file", "max_bytes": "file"}
	where, before := map[string]*yaml.Node{}, len(r.faults)
	mine := func(key string, read func(*yaml.Node)) func(*yaml.Node) {
		return func(n *yaml.Node) { where[key] = n; read(n) }
	}
	fields := map[string]func(*yaml.Node){
		"type": func(n *yaml.Node) { c.Type = r.oneOf(n, "webhook", "file") },
		"url":  mine("url", func(n *yaml.Node) { c.URL = r.secret(n) }),
		"secrets": mine("secrets", func(n *yaml.Node) {
			for _, e := range r.list(n) {
				c.Secrets = append(c.Secrets, r.secret(e))
			}
		}),
		"public_only": mine("public_only", func(n *yaml.Node) { c.PublicOnly = r.flag(n) }),
		"path":        mine("path", func(n *yaml.Node) { c.Path = r.text(n) }),
		"sync":        mine("sync", func(n *yaml.Node) { c.Sync = r.flag(n) }),
		"max_bytes":   mine("max_bytes", func(n *yaml.Node) { c.MaxBytes = r.size(n) }),
		"to":          func(n *yaml.Node) { c.To = r.flag(n) },
		"rate":        func(n *yaml.Node) { c.Rate = r.number(n) },
		"burst":       func(n *yaml.Node) { c.Burst = int(r.whole(n, 1, 1_000_000)) },
		"in_flight":   func(n *yaml.Node) { c.InFlight = int(r.whole(n, 1, 10_000)) },
		"timeout":     func(n *yaml.Node) { c.Timeout = r.duration(n) },
	}
	r.fields(n, "channel "+name, fields, "type")
	for key, typ := range only {
		if at, given := where[key]; given && c.Type != "" && typ != c.Type {
			r.at(at, fmt.Sprintf("%q is not for a channel of type %s", key, c.Type), "leave it out")
		}
	}
	need := map[string][]string{"webhook": {"url", "secrets"}, "file": {"path"}}
	for _, key := range need[c.Type] {
		if where[key] == nil {
			r.at(n, fmt.Sprintf("channel %s has no %q", name, key), "add it")
		}
	}
	if c.Type == "webhook" && len(r.faults) == before {
		channel, err := webhook.New(webhook.Config{URL: c.URL, Secrets: c.Secrets, Timeout: c.Timeout, PublicOnly: c.PublicOnly})
		if err != nil {
			for fault := range strings.Lines(strings.TrimPrefix(err.Error(), "webhook: ")) {
				r.at(n, "channel "+name+": "+strings.TrimSpace(fault), "")
			}
			return c
		}
		channel.Close()
	}
	return c
}

// at adds a fault at a node.
func (r *reader) at(n *yaml.Node, what, do string) {
	r.faults = append(r.faults, moments.Fault{File: r.file, Line: max(1, n.Line), Col: max(1, n.Column), What: what, Do: do})
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntax adds the fault of a text that is not YAML.
func (r *reader) syntax(err error) {
	f := moments.Fault{File: r.file, Line: 1, Col: 1, What: err.Error(), Do: "the file is not YAML"}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		f.What = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			f.Line = n
		}
	}
	r.faults = append(r.faults, f)
}

// each calls fn for each entry of a map.
func (r *reader) each(n *yaml.Node, what string, fn func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.at(n, what+" is not a map", "write key: value")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if seen[key.Value] {
			r.at(key, fmt.Sprintf("%q stands twice in %s", key.Value, what), "keep one")
			continue
		}
		seen[key.Value] = true
		fn(key, n.Content[i+1])
	}
}

// fields reads a map whose keys are known.
func (r *reader) fields(n *yaml.Node, what string, known map[string]func(*yaml.Node), required ...string) {
	found := map[string]bool{}
	r.each(n, what, func(key, value *yaml.Node) {
		found[key.Value] = true
		if read := known[key.Value]; read != nil {
			read(value)
			return
		}
		words := make([]string, 0, len(known))
		for k := range known {
			words = append(words, k)
		}
		slices.Sort(words)
		do := "one of " + strings.Join(words, ", ")
		if best := Nearest(key.Value, words); best != "" {
			do = fmt.Sprintf("did you mean %q?", best)
		}
		r.at(key, fmt.Sprintf("unknown key %q in %s", key.Value, what), do)
	})
	for key := range known {
		if at := what + ": " + key; !r.keys[at] {
			r.keys[at] = found[key]
		}
	}
	for _, key := range required {
		if n.Kind == yaml.MappingNode && !found[key] {
			r.at(n, fmt.Sprintf("%s has no %q", what, key), "add it")
		}
	}
}

func (r *reader) list(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		r.at(n, "not a list", "write [a, b]")
		return nil
	}
	return n.Content
}

func (r *reader) text(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "" {
		r.at(n, "not a text", "give a value, or leave the key out")
		return ""
	}
	return n.Value
}

// secret reads a text that may stand in the environment.
func (r *reader) secret(n *yaml.Node) string {
	s := r.text(n)
	if name, ok := strings.CutPrefix(s, "${"); ok && strings.HasSuffix(name, "}") {
		name = strings.TrimSuffix(name, "}")
		if s = os.Getenv(name); s == "" {
			r.at(n, fmt.Sprintf("the environment has no %s", name), "set it")
		}
	}
	return s
}

// minKey is the least length of a key: shorter ones can be guessed.
const minKey = 16

func (r *reader) key(n *yaml.Node) string {
	s := r.secret(n)
	if s != "" && len(s) < minKey {
		r.at(n, fmt.Sprintf("the key has %d characters", len(s)), fmt.Sprintf("use at least %d, drawn at random", minKey))
	}
	return s
}

func (r *reader) address(n *yaml.Node) string {
	s := r.text(n)
	if _, _, err := net.SplitHostPort(s); s != "" && err != nil {
		r.at(n, fmt.Sprintf("%q is not an address", s), "write host:port, for example 127.0.0.1:7070")
	}
	return s
}

func (r *reader) oneOf(n *yaml.Node, words ...string) string {
	s := r.text(n)
	if s != "" && !slices.Contains(words, s) {
		r.at(n, fmt.Sprintf("%q is not possible here", s), "one of "+strings.Join(words, ", "))
		return ""
	}
	return s
}

func (r *reader) whole(n *yaml.Node, low, high int64) int64 {
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil || v < low || v > high {
		r.at(n, fmt.Sprintf("%q is not a whole number from %d to %d", n.Value, low, high), "change it")
		return 0
	}
	return v
}

func (r *reader) number(n *yaml.Node) float64 {
	v, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || !(v > 0) || v > 1e9 {
		r.at(n, fmt.Sprintf("%q is not a number above zero", n.Value), "leave it out for no limit")
		return 0
	}
	return v
}

func (r *reader) flag(n *yaml.Node) bool {
	if n.Tag != "!!bool" {
		r.at(n, fmt.Sprintf("%q is neither true nor false", n.Value), "write true or false")
	}
	return n.Value == "true"
}

func (r *reader) duration(n *yaml.Node) time.Duration {
	d, err := moments.ParseDuration(n.Value)
	if err != nil || d <= 0 {
		r.at(n, fmt.Sprintf("%q is not a duration", n.Value), "write for example 15s")
	}
	return d
}

// minKeep is the least time for which decisions are kept.
const minKeep = time.Hour

func (r *reader) keep(n *yaml.Node) time.Duration {
	if n.Value == "always" {
		return KeepAlways
	}
	d := r.duration(n)
	if d > 0 && d < minKeep {
		r.at(n, fmt.Sprintf("%q is less than an hour", n.Value), "write for example 90d, or always")
	}
	return d
}

func (r *reader) size(n *yaml.Node) int64 {
	v, err := ParseSize(n.Value)
	if err != nil {
		r.at(n, err.Error(), "write for example 512MiB or 2GiB")
	}
	return v
}

func (r *reader) memory(n *yaml.Node) int64 {
	v := r.size(n)
	if v > 0 && v < MinMemory {
		r.at(n, fmt.Sprintf("%s of memory is too little", n.Value), fmt.Sprintf("at least %d MiB", MinMemory>>20))
	}
	return v
}

func (r *reader) place(n *yaml.Node) string {
	s := r.text(n)
	if err := CheckpointsPlace(s); err != nil {
		what, do, _ := strings.Cut(err.Error(), "; ")
		r.at(n, what, do)
	}
	return s
}
