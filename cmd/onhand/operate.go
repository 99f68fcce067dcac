package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"onhand/cmd/onhand/api"
	"onhand/connectors/segment"
	"onhand/processor/moments"
)

func (a *app) stopCommand() *cobra.Command {
	return a.switchCommand("stop", "Stop everything that is sent", "Stop throws the kill switch: nothing is sent any more, or nothing of the moments\nwith a tag. What waits is suppressed when its turn comes.", http.MethodPost)
}

func (a *app) resumeCommand() *cobra.Command {
	return a.switchCommand("resume", "Let it go on", "Resume takes a stop back: the one of everything, or that of a tag.", http.MethodDelete)
}

func (a *app) switchCommand(name, short, long, method string) *cobra.Command {
	var cl client
	var tag string
	c := &cobra.Command{
		Use: name, Short: short, Long: long,
		Example: fmt.Sprintf("  onhand %s\n  onhand %s --tag spring", name, name),
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			path, body := "/stops", []byte(nil)
			switch {
			case !c.Flags().Changed("tag"):
			case tag == "":
				return usagef("--tag is empty; leave it out for everything")
			case method == http.MethodPost:
				body, _ = json.Marshal(map[string]string{"tag": tag}) // a map of texts always marshals
			default:
				path += "?tag=" + url.QueryEscape(tag)
			}
			var s api.Stops
			if err := cl.call(c.Context(), method, path, body, &s); err != nil {
				return err
			}
			if tag != "" && method == http.MethodPost {
				a.warnOfTag(c.Context(), &cl, tag)
			}
			if a.json {
				return printJSON(a.out, s)
			}
			return a.printStops(s.Stopped, s.Tags)
		},
	}
	c.Flags().StringVar(&tag, "tag", "", "only moments with this tag")
	return a.withJSON(withServer(c, &cl))
}

// warnOfTag says so when a stop by a tag stops no moment, as one of a tag with a
// slip in it does.
func (a *app) warnOfTag(ctx context.Context, cl *client, tag string) {
	text, _, err := cl.active(ctx)
	if err != nil {
		return // what was asked for is done
	}
	file, _ := moments.Parse("active", text, segment.Vocabulary())
	if file != nil && !slices.ContainsFunc(file.Moments, func(mo moments.Moment) bool { return slices.Contains(mo.Tags, tag) }) {
		fmt.Fprintf(a.err, "onhand: no moment in force has the tag %s; only items of the category %s are stopped\n", tag, tag)
	}
}

func (a *app) printStops(all bool, tags []string) error {
	var parts []string
	if all {
		parts = append(parts, "everything is stopped")
	}
	if len(tags) > 0 {
		parts = append(parts, "stopped: "+strings.Join(tags, ", "))
	}
	if len(parts) == 0 {
		parts = append(parts, "nothing is stopped")
	}
	_, err := fmt.Fprintln(a.out, strings.Join(parts, "; "))
	return err
}

func (a *app) statusCommand() *cobra.Command {
	var cl client
	return a.withJSON(withServer(&cobra.Command{
		Use:     "status",
		Short:   "Show how the partitions stand",
		Example: "  onhand status\n  onhand status --server http://10.0.0.5:7070 --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			answer, _, err := cl.do(c.Context(), http.MethodGet, "/status", nil)
			if err != nil {
				return err
			}
			if a.json {
				_, err := a.out.Write(answer)
				return err
			}
			var s api.Status
			if err := json.Unmarshal(answer, &s); err != nil {
				return fmt.Errorf("the answer cannot be read: %w", err)
			}
			return a.printStatus(&s)
		},
	}, &cl))
}

func (a *app) printStatus(s *api.Status) error {
	state := "ready"
	if !s.Ready {
		state = "not ready: " + s.Reason
	}
	fmt.Fprintf(a.out, "%s; moments %s; times in UTC; ", state, s.Moments)
	if err := a.printStops(s.Stopped, s.Tags); err != nil {
		return err
	}
	t := table{head: []string{">no.", "owner", "standby", "phase", ">epoch", ">position", ">lag", "log time", ">state MiB", "saved at", "checkpoint at"}}
	for _, p := range s.Partitions {
		t.add(strconv.Itoa(p.Partition), p.Owner, p.Standby, strings.TrimSpace(p.Phase+" "+p.Reason), strconv.FormatUint(p.Epoch, 10),
			strconv.FormatUint(p.Position, 10), strconv.FormatUint(p.Lag, 10), p.LogTime.String(), p.MiB(), p.SavedAt.String(), p.CheckpointAt.String())
	}
	return t.print(a.out)
}
