package moments

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestInShadow(t *testing.T) {
	parse := func(text string) *File {
		t.Helper()
		file, faults := Parse("moments.yaml", []byte(text), Standard())
		require.NotNil(t, file, "%v", faults)
		return file
	}
	shipped := string(Three())
	before := parse(shipped)
	text, names, err := InShadow(before, parse(shipped))
	require.NoError(t, err)
	require.Empty(t, names)
	require.Equal(t, shipped, string(text))

	// Everything is new: nothing is sent, and nothing else is otherwise.
	text, names, err = InShadow(nil, before)
	require.NoError(t, err)
	require.Len(t, names, len(before.Moments))
	for _, mo := range parse(string(text)).Moments {
		require.Equal(t, Shadow, mo.Mode, mo.Name)
	}
	for _, line := range Diff(before, parse(string(text))) {
		require.Regexp(t, `: mode: (\(left out\)|live) -> shadow$`, line)
	}

	// One has changed, its layout stays; what was in shadow and is to be live waits.
	changed := strings.Replace(string(text), "mode: shadow\n", "mode: \"live\"  # ĥere\n", 1)
	tried, names, err := InShadow(parse(string(text)), parse(changed))
	require.NoError(t, err)
	require.Len(t, names, 1)
	require.Equal(t, strings.Replace(changed, `"live"`, "shadow", 1), string(tried))

	// More than moments.
	_, _, err = InShadow(before, parse(strings.Replace(shipped, "currency: EUR", "currency: SEK", 1)))
	require.ErrorContains(t, err, "would hold for those that are live")
	_, _, err = InShadow(parse(string(text)), parse(shipped[:strings.Index(shipped, "\nmoments:")]+"\nmoments: {}\n"))
	require.ErrorContains(t, err, "what is live would end")
}

// Whatever moments are tried out, the text says just that of them and is a file.
func TestInShadowAnyLayout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := "version: 1\n# ça va\nmoments:"
		inline := rapid.Bool().Draw(t, "flow")
		if inline {
			text += " {"
		}
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,6}`), 1, 5, rapid.ID).Draw(t, "names")
		for i, name := range names {
			mode := rapid.SampledFrom([]string{"", "mode: live", `mode: 'live'`, "mode: shadow"}).Draw(t, "mode")
			if inline {
				text += strings.Repeat(", ", min(i, 1)) + name + ": {" + mode + strings.Repeat(", ", min(len(mode), 1)) + "about: \"é{:\"}"
			} else {
				text += "\n" + strings.Repeat(" ", 3) + name + ":  # é\n"
				lines := []string{"about: 'é # {'", mode}
				if rapid.Bool().Draw(t, "first") {
					lines[0], lines[1] = lines[1], lines[0]
				}
				for _, l := range lines {
					if l != "" {
						text += strings.Repeat(" ", 5) + l + "\n"
					}
				}
			}
		}
		if inline {
			text += "}"
		}
		file := &File{Source: []byte(text), Moments: nil}
		for _, name := range names {
			file.Moments = append(file.Moments, Moment{Name: name, Mode: Live})
		}
		out, tried, err := InShadow(nil, file)
		if err != nil || len(tried) != len(names) {
			t.Fatalf("%v %v\n%s", tried, err, text)
		}
		for _, line := range Diff(file, &File{Source: out}) {
			if !strings.HasSuffix(line, "-> shadow") {
				t.Fatalf("%s\n%s\n%s", line, text, out)
			}
		}
		for _, name := range names {
			if got := flow(child(child(child(rootOf(&File{Source: out}), "moments"), name), "mode")); got != "shadow" {
				t.Fatalf("%s is %s\n%s\n%s", name, got, text, out)
			}
		}
	})
}
