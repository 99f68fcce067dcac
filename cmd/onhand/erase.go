package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"onhand/cmd/onhand/api"
)

func (a *app) eraseCommand() *cobra.Command {
	var cl client
	return a.withJSON(withServer(&cobra.Command{
		Use:   "erase CUSTOMER",
		Short: "Forget a customer and print the proof",
		Long: `Erase forgets a customer under all ids: profile, permissions, carts, orders,
wishes, what was said and what was going to be said. Ads come down, units and
places in queues go to the next in line, rewards stay good and lose their
owner. Nothing that happened before is taken any more, however late it arrives.

It prints when, where the erasure stands in the log, under which ids the
customer was known, and how many keys were destroyed. Addresses, names and free
text in the log and in checkpoints were sealed with these keys: nobody can read
them any more. The rest of what was written before, the ids and what was bought
or looked at, stays in the log until it is trimmed, and in checkpoints until
newer ones replace them. Events that were refused are forgotten with the customer
they name; those that name none cannot be read after 30 days.`,
		Example: "  onhand erase ann\n  onhand erase ann@example.com --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] == "" {
				return usagef("the customer's id is empty")
			}
			var e api.Erasure
			if err := cl.call(c.Context(), http.MethodDelete, "/customers/"+url.PathEscape(args[0]), nil, &e); err != nil {
				return err
			}
			if a.json {
				return printJSON(a.out, e)
			}
			_, err := fmt.Fprintf(a.out, "%s is forgotten as of %s: position %d of partition %d\n", e.Customer, e.ErasedAt, e.Position, e.Partition)
			if err == nil {
				_, err = fmt.Fprintf(a.out, "ids: %s; keys destroyed: %d\n", strings.Join(e.IDs, ", "), e.Keys)
			}
			if err == nil && e.Pending > 0 {
				_, err = fmt.Fprintf(a.out, "still on their way: %d removals of ads or cases\n", e.Pending)
			}
			return err
		},
	}, &cl))
}
