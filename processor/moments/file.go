package moments

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Limits of a file. What is activated in a running service travels in one
// record of the log, and in one message to each partition.
const (
	MaxFileBytes   = 1 << 20
	MaxActiveBytes = 192 << 10
	MaxMoments     = 1000
)

// Version is the version of the format this program reads.
const Version = 1

// File is a checked and compiled rules file. Nothing in it may be changed.
type File struct {
	Version   int
	Currency  string // ISO 4217: unit of every amount
	Country   string // ISO 3166-1 of the shop, "" = not told
	Policy    Policy
	Interests []Interest // in the order of the file
	Moments   []Moment   // in the order of the file
	Hash      string     // of Source, 16 hex digits: the version of the rules
	Source    []byte     // the text as it was
}

// Moment returns the moment of that name, nil when there is none.
func (f *File) Moment(name string) *Moment {
	return find(f.Moments, func(m *Moment) string { return m.Name }, name)
}

// Interest returns the interest of that name, nil when there is none.
func (f *File) Interest(name string) *Interest {
	return find(f.Interests, func(i *Interest) string { return i.Name }, name)
}

// Hash returns the hash of a text as File has it.
func Hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Parse reads, checks and compiles a rules file. name is the file's name, for
// the faults. It returns all that is wrong, in the order of the text; the file
// is nil unless all faults are warnings.
func Parse(name string, text []byte, v Vocabulary) (*File, []Fault) {
	r := &reader{faults: faults{file: name}, vocabulary: v, eventNames: slices.Sorted(maps.Keys(v.Events))}
	if len(text) > MaxFileBytes {
		r.at(1, 1, "the file has %d bytes", len(text)).do("at most %d; split off what is not rules", MaxFileBytes)
		return nil, r.sorted()
	}
	f := &File{Hash: Hash(text), Source: slices.Clone(text)}
	if root := r.root(text); root != nil {
		r.lines = strings.Split(string(text), "\n")
		r.document(root, f)
	}
	all := r.sorted()
	if slices.ContainsFunc(all, func(f Fault) bool { return !f.Warning }) {
		return nil, all
	}
	return f, all
}

var (
	currencyPattern = regexp.MustCompile(`^[A-Z]{3}$`)
	countryPattern  = regexp.MustCompile(`^[A-Z]{2}$`)
)

// document reads the whole file.
func (r *reader) document(root *yaml.Node, f *File) {
	r.interestNames = keysOf(child(root, "interest"))
	r.momentNames = keysOf(child(root, "moments"))
	have := r.fields(root, "the file",
		field{"version", func(v *yaml.Node) {
			if f.Version = int(r.int(v, "version", 1, 1_000_000)); f.Version > Version {
				r.fault(v, "version %d is newer than this program", f.Version).do("it reads version %d", Version)
			}
		}},
		field{"currency", func(v *yaml.Node) {
			if f.Currency, _ = r.text(v, "currency"); f.Currency != "" && !currencyPattern.MatchString(f.Currency) {
				r.fault(v, "currency %q does not exist", shorten(f.Currency)).do("write three capital letters, for example EUR")
			}
		}},
		field{"country", func(v *yaml.Node) {
			f.Country, _ = r.text(v, "country")
			if known := r.vocabulary.Countries; f.Country != "" && (!countryPattern.MatchString(f.Country) || known != nil && !known(f.Country)) {
				r.fault(v, "country %q does not exist", shorten(f.Country)).do("write two capital letters, for example FR")
			}
		}},
		field{"policy", func(*yaml.Node) {}}, // below: it has defaults
		field{"interest", func(v *yaml.Node) { f.Interests = r.interests(v) }},
		field{"moments", func(*yaml.Node) {}}, // below: they need the policy
	)
	for _, key := range []string{"version", "currency"} {
		if have[key] == nil && root.Kind == yaml.MappingNode {
			r.fault(root, "the file has no %q", key).do("begin with version: 1 and currency: EUR")
		}
	}
	r.policy(filled(have["policy"]), &f.Policy)
	if moments := filled(have["moments"]); moments != nil {
		r.moments(moments, f)
	}
}

func (r *reader) moments(n *yaml.Node, f *File) {
	if count := len(n.Content) / 2; n.Kind == yaml.MappingNode && count > MaxMoments {
		r.fault(n, "the file has %d moments", count).do("at most %d", MaxMoments)
		return
	}
	var drafts []*draft
	r.named(n, "moments", "a moment", func(key, value *yaml.Node) {
		drafts = append(drafts, r.moment(key, value, &f.Policy))
	})
	for _, d := range drafts {
		f.Moments = append(f.Moments, *d.Moment)
	}
	r.checkTogether(drafts)
}
