package segment

import (
	"encoding/json"
	stdflag "flag"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"onhand/processor"
)

var rewrite = stdflag.Bool("rewrite", false, "write testdata/vocabulary.txt anew")

// TestVocabulary sends every name of the vocabularies through the parser of
// the inlets, with the properties its vendor documents, and compares what
// comes out. Nothing may be lost: every value that went in is a field or still
// a property.
func TestVocabulary(t *testing.T) {
	const file = "testdata/vocabulary.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	told := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "\t") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		i := strings.IndexByte(line, '{')
		if i < 1 {
			t.Fatalf("not a name and its properties: %s", line)
		}
		name, properties := strings.TrimSpace(line[:i]), line[i:]
		told[name] = true
		events, err := Parse(nil, []byte(track(name, properties)), Options{Source: "web", Now: arrival, Currency: "EUR"})
		if err != nil {
			t.Errorf("%s is refused: %v", name, err)
			continue
		}
		all := ""
		for i := range events {
			all += "\t" + telling(&events[i]) + "\n"
		}
		out.WriteString(all)
		for _, v := range leaves(t, properties) {
			if !slices.ContainsFunc(v, func(s string) bool { return strings.Contains(all, s) }) {
				t.Errorf("%s: %s is lost:\n%s", name, v[0], all)
			}
		}
	}
	for name := range names {
		if !told[name] {
			t.Errorf("%s is not in %s", name, file)
		}
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if out.String() != string(text) {
		t.Errorf("other events come out than %s says; read the difference after -rewrite", file)
	}
}

// telling writes an event with each of its fields that has a value, less what
// every call of the table has.
func telling(e *processor.Event) string {
	x := *e
	x.Source, x.Stamp, x.Stamped, x.At, x.UserID = "", 0, false, 0, ""
	title := x.Kind.String()
	if x.Kind == processor.Custom {
		title = "custom " + strconv.Quote(x.Name)
	}
	x.Kind, x.Name = 0, ""
	parts := []string{title}
	v := reflect.ValueOf(x)
	for i := range v.NumField() {
		f := v.Field(i)
		if f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0 {
			continue
		}
		text := fmt.Sprintf("%+v", f.Interface())
		if b, ok := reflect.TypeAssert[[]byte](f); ok {
			text = string(b)
		}
		parts = append(parts, v.Type().Field(i).Name+"="+text)
	}
	return strings.Join(parts, " ")
}

// leaves returns the scalars of a JSON object, each in the forms telling may
// write it: an amount is in minor units once it is a field.
func leaves(t *testing.T, text string) (all [][]string) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var walk func(key string, v any)
	walk = func(key string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				walk(k, x)
			}
		case []any:
			for _, x := range v {
				walk(key, x)
			}
		case json.Number:
			forms := []string{v.String()}
			if f, err := v.Float64(); err == nil && slices.Contains([]string{"price", "item_price", "total", "value"}, key) {
				if f == 0 {
					return // is no field and says nothing
				}
				forms = append(forms, strconv.Itoa(int(math.Round(100*f))))
			} else if err == nil && f == 0 {
				forms = append(forms, "HasLevel=true")
			}
			all = append(all, forms)
		case string:
			all = append(all, []string{v})
		}
	}
	walk("", v)
	return all
}
