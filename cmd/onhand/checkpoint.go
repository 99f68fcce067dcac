package main

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"onhand/cmd/onhand/api"
	"onhand/cmd/onhand/service"
)

func (a *app) checkpointCommand() *cobra.Command {
	var cl client
	var backup bool
	c := &cobra.Command{
		Use:   "checkpoint",
		Short: "Save the state of all partitions now",
		Long: `Checkpoint makes a running service save the states of all partitions where its
configuration says (checkpoints), and prints what was new. It does so by itself
every ten minutes: a worker that finds its disk empty or broken begins there.

Each partition is saved at its own time, by the worker that owns it, so that only
its log can tell what followed. With --backup the logs are saved as well, from
there up to places that fit together: that is what onhand restore makes a
deployment of. It holds everything that was accepted before the command. Nothing
pauses, and any number of workers may run.`,
		Example: "  onhand checkpoint\n  onhand checkpoint --backup",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			path := "/checkpoints"
			if backup {
				path += "?backup=1"
			}
			cl.within = time.Hour
			var s api.Checkpoints
			if err := cl.call(c.Context(), http.MethodPost, path, nil, &s); err != nil {
				return err
			}
			if err := a.printCheckpoints(&s); err != nil {
				return err
			}
			if len(s.Errors) > 0 {
				return errFailed
			}
			return nil
		},
	}
	c.Flags().BoolVar(&backup, "backup", false, "the whole deployment, to be restored elsewhere")
	return a.withJSON(withServer(c, &cl))
}

func (a *app) printCheckpoints(s *api.Checkpoints) error {
	if a.json {
		return printJSON(a.out, s)
	}
	t := table{head: []string{">no.", ">position", ">checkpoint", ">files", ">new", ">MiB", ">new MiB", ">took"}}
	mib := func(n int64) string { return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) }
	for _, p := range s.Partitions {
		t.add(strconv.Itoa(p.Partition), strconv.FormatUint(p.Position, 10), strconv.FormatUint(p.Number, 10), strconv.Itoa(p.Files),
			strconv.Itoa(p.New), mib(p.Bytes), mib(p.NewBytes), p.Took.Round(time.Millisecond).String())
	}
	if err := t.print(a.out); err != nil {
		return err
	}
	if s.Backup != "" {
		fmt.Fprintf(a.out, "backup %s\n", s.Backup)
	}
	for _, e := range s.Errors {
		fmt.Fprintln(a.err, "not saved:", e)
	}
	return nil
}

func (a *app) restoreCommand() *cobra.Command {
	var r service.Restore
	c := &cobra.Command{
		Use:   "restore",
		Short: "Make a deployment of a backup",
		Long: `Restore makes a deployment of what onhand checkpoint --backup has saved: the
state of every partition, and a log that begins behind it. It replays what was
decided, silently, and goes on. It has an identity of its own, so it saves its own checkpoints,
and the old one, should it still run, is not disturbed. But both would write to
the same customers: stop the old one first.

What the old one decided in the seconds in which the backup was made may be
decided again, with the same ids. What was decided before is remembered, but not listed again by
/api/v1/decisions: the commit records stay in the old log. Dead letters and the
configuration are not part of a backup. Who was erased after it was made is
erased again.`,
		Example: "  onhand restore --from /backup/onhand --data ./data\n  onhand restore --from 's3://bucket/onhand?region=eu-west-1' --data ./data\n  onhand run --data ./data",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if r.From == "" {
				return usagef("--from is missing: a folder, s3://BUCKET/PREFIX, or nats://HOST")
			}
			switch {
			case r.Replicas < 1 || r.Replicas > 5:
				return usagef("--replicas %d: from 1 to 5", r.Replicas)
			case r.Replicas > 1 && r.NATS == "":
				return usagef("--replicas %d: the embedded server keeps everything once; name the servers of a cluster with --nats", r.Replicas)
			}
			r.Logger = a.quiet(c)
			start := time.Now()
			id, b, err := r.Run(c.Context())
			if err != nil {
				return err
			}
			t := table{head: []string{">no.", ">position", ">behind it"}}
			for i, p := range b.Partitions {
				t.add(strconv.Itoa(i), strconv.FormatUint(p.Position, 10), strconv.Itoa(p.Records))
			}
			if err := t.print(a.out); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "backup %s of %s restored as %s in %s; go on with: onhand run --data %s\n",
				b.Name, b.Deployment, id, time.Since(start).Round(time.Millisecond), r.Data)
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&r.From, "from", "", "where the backup is: a folder, s3://BUCKET/PREFIX, or nats://HOST")
	f.StringVar(&r.Data, "data", "data", "folder of the service to be; empty, or none yet")
	f.StringVar(&r.NATS, "nats", "", "NATS servers to make the log on; without them one is embedded")
	f.IntVar(&r.Replicas, "replicas", 1, "servers that keep each stream; 3 on a cluster")
	f.StringVar(&r.Deployment, "deployment", "", "which deployment's, when there are several")
	f.StringVar(&r.Backup, "backup", "", "name of the backup; the newest without")
	return c
}
