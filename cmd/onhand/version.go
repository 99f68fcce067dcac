package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"onhand/processor"
)

// version is set when a release is linked.
var version = "dev"

type versionInfo struct {
	Version   string `json:"version"`
	Revision  string `json:"revision,omitempty"`
	Modified  bool   `json:"modified,omitempty"`
	Decisions int    `json:"decisions"` // version of the decisions this program makes
	Go        string `json:"go"`
	Platform  string `json:"platform"`
}

func versionOf() versionInfo {
	v := versionInfo{Version: version, Decisions: processor.CodeVersion, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Revision = s.Value[:min(12, len(s.Value))]
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	return v
}

func (a *app) versionCommand() *cobra.Command {
	return a.withJSON(&cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  onhand version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := versionOf()
			if a.json {
				return printJSON(a.out, v)
			}
			revision := v.Revision
			if v.Modified {
				revision += " (modified)"
			}
			_, err := fmt.Fprintf(a.out, "onhand %s %s decisions %d, %s %s\n", v.Version, revision, v.Decisions, v.Go, v.Platform)
			return err
		},
	})
}
