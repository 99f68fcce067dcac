package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"onhand/cmd/onhand/api"
)

func (a *app) dlqCommand() *cobra.Command {
	var cl client
	c := &cobra.Command{
		Use:   "dlq",
		Short: "Look at what could not be processed",
		Long: `Dead letters are what could not be processed: calls that an inlet has refused,
and events in the log whose step failed. They are kept until they are purged, up
to 256 MiB. When that is full the oldest quarter of what was refused is dropped,
which the log says and onhand_dead_letters_dropped_total counts; events whose step
failed are never dropped by themselves. A refused call is sealed, with its
customer's key, and shown to who may operate.`,
		Example: "  onhand dlq list\n  onhand dlq show 17",
	}
	list := &cobra.Command{
		Use:     "list",
		Short:   "List dead letters, oldest first",
		Example: "  onhand dlq list --json",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.listLetters(c.Context(), &cl) },
	}
	show := &cobra.Command{
		Use:     "show NUMBER",
		Short:   "Show one with what was sent",
		Example: "  onhand dlq show 17",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := number(args[0])
			if err != nil {
				return err
			}
			var v any
			if err := cl.get(c.Context(), "/dlq/"+n, &v); err != nil {
				return err
			}
			return printJSON(a.out, v)
		},
	}
	retry := &cobra.Command{
		Use:     "retry NUMBER",
		Short:   "Put the event of a step that failed into the log again",
		Example: "  onhand dlq retry 17",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := number(args[0])
			if err != nil {
				return err
			}
			return cl.call(c.Context(), http.MethodPost, "/dlq/"+n+"/retry", nil, nil)
		},
	}
	var through uint64
	purge := &cobra.Command{
		Use:     "purge [NUMBER]",
		Short:   "Drop one, or all up to one that was seen",
		Example: "  onhand dlq purge 17\n  onhand dlq purge --through 120",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) == 1 && through == 0:
				n, err := number(args[0])
				if err != nil {
					return err
				}
				return cl.call(c.Context(), http.MethodDelete, "/dlq/"+n, nil, nil)
			case len(args) == 0 && through > 0:
				return cl.call(c.Context(), http.MethodDelete, fmt.Sprintf("/dlq?through=%d", through), nil, nil)
			}
			return usagef("name one dead letter, or give --through")
		},
	}
	purge.Flags().Uint64Var(&through, "through", 0, "drop all up to this one")
	c.AddCommand(a.withJSON(withServer(list, &cl)), withServer(show, &cl), withServer(retry, &cl), withServer(purge, &cl))
	return c
}

func number(s string) (string, error) {
	if n, err := strconv.ParseUint(s, 10, 64); err != nil || n == 0 {
		return "", usagef("%q is not the number of a dead letter; see onhand dlq list", s)
	}
	return s, nil
}

func (a *app) listLetters(ctx context.Context, cl *client) error {
	all := []api.Letter{}
	for cursor := ""; ; {
		var page struct {
			Data []api.Letter `json:"data"`
			Next *string      `json:"next"`
		}
		answer, _, err := cl.do(ctx, http.MethodGet, "/dlq?limit=500&cursor="+cursor, nil)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(answer, &page); err != nil {
			return fmt.Errorf("the answer cannot be read: %w", err)
		}
		all = append(all, page.Data...)
		if page.Next == nil {
			break
		}
		cursor = *page.Next
	}
	if a.json {
		return printJSON(a.out, all)
	}
	t := table{head: []string{">no.", "at", "kind", "source", "reason", "detail"}}
	for _, l := range all {
		t.add(strconv.FormatUint(l.Seq, 10), l.At.String(), l.Kind, l.Source, l.Reason, l.Detail)
	}
	return t.print(a.out)
}
