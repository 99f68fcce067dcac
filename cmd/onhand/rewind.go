package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"onhand/processor/worker"
)

func (a *app) rewindCommand() *cobra.Command {
	var cl client
	var before uint64
	c := &cobra.Command{
		Use:   "rewind PARTITION",
		Short: "Go on with a partition whose log went back",
		Long: `Rewind makes a running service go on with a partition that has stopped because its
log has lost messages it had acknowledged (onhand status says so: the log went
back). That happens when machines lose power before their disks have written.

The partition begins with its last checkpoint from before the loss, replays what
the log has left, and decides anew from where the log is not what it was. It asks
the other partitions for what they had told it. What is lost and was an event of
yours is lost, unless its source sends it again: what is repeated is known by its
message id. What was decided of it stays sent, and the partition does not remember
it. The other partitions keep what they were told.`,
		Example: "  onhand rewind 3",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := strconv.ParseUint(args[0], 10, 31); err != nil {
				return usagef("%q is not the number of a partition", args[0])
			}
			path := "/partitions/" + args[0] + "/rewind"
			if before > 0 {
				path += "?" + url.Values{"before": {strconv.FormatUint(before, 10)}}.Encode()
			}
			cl.within = longCall
			var r worker.Rewinding
			if err := cl.call(c.Context(), http.MethodPost, path, nil, &r); err != nil {
				return err
			}
			if a.json {
				return printJSON(a.out, &r)
			}
			fmt.Fprintf(a.out, "partition %d stood at record %d; it holds as it was decided up to record %d, %d commit records are taken back;\n"+
				"what its log has from there to record %d is decided anew, in incarnation %d\n",
				r.Partition, r.Committed, r.Position, r.TakenBack, r.Last, r.Incarnation)
			return nil
		},
	}
	c.Flags().Uint64Var(&before, "before", 0, "a record that is not what it was, and all behind it; without, the stamps tell")
	return a.withJSON(withServer(c, &cl))
}

// longCall is how long a rewind may take.
const longCall = 2 * time.Minute
