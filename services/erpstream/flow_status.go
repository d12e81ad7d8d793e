package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/vitals"
	"github.com/erpstream/erpstream/services/erpstream/internal/terminal"
)

// newStatus shows how flows are.
func newStatus(_ string, at *natsServer) *cobra.Command {
	var s statusView
	cmd := &cobra.Command{
		Use:   "status [FLOW…]",
		Short: "Show how flows are: revision confirmed by each replica, lag, what waits, what failed last",
		Long: `status shows of each flow, or of those that are named, whether all transformers run the stored revision, how
many records lie ahead of them and how old the oldest is, the same for the sink (of all flows of that
connection together), what is parked for which master data, the dead letters nothing was done with yet, how
far replays are, and the last error.

running, updating (replicas take up a new revision), paused or failing: no transformer or no sink runs it, or
one says that it can't. It exits with 1 when a flow, or the sink of one that is paused, is failing. Lag, parked
records and dead letters alone are no failure.`,
		Example: `  erpstream flow status
  erpstream flow status jst-purchasein-to-mysql --watch
  erpstream flow status --json | jq '.[] | select(.state == "failing")'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			s.names, s.out = args, cmd.OutOrStdout()
			if s.every < 100*time.Millisecond {
				return misuse{fmt.Errorf("--every %s is less than 100ms", s.every)}
			}
			return at.withStored(cmd.Context(), func(js jetstream.JetStream, _ flow.Snapshot) error {
				return s.run(cmd.Context(), js)
			})
		},
	}
	cmd.Flags().BoolVar(&s.watch, "watch", false, "show it again and again, until Ctrl-C")
	cmd.Flags().DurationVar(&s.every, "every", 2*time.Second, "how often, with --watch")
	cmd.Flags().BoolVar(&s.asJSON, "json", false, "print as JSON; with --watch one line each time")
	return cmd
}

// statusView shows how flows are.
type statusView struct {
	names         []string
	watch, asJSON bool
	every         time.Duration
	out           io.Writer
}

// run shows it once, or until ctx is done.
func (s statusView) run(ctx context.Context, js jetstream.JetStream) error {
	flows, err := s.look(ctx, js)
	if err != nil || !s.watch {
		return cmp.Or(err, failing(flows))
	}
	for err == nil {
		consume.Pause(ctx, s.every)
		_, err = s.look(ctx, js)
	}
	if errors.Is(err, context.Canceled) {
		err = nil // whoever watches has seen enough
	}
	return err
}

// look shows it once.
func (s statusView) look(ctx context.Context, js jetstream.JetStream) ([]vitals.Flow, error) {
	stored, err := flow.Load(ctx, js)
	if err != nil {
		return nil, err
	}
	flows, err := vitals.Look(ctx, js, stored, s.names...)
	if err != nil {
		return nil, err
	}
	return flows, s.show(flows)
}

// failing is the error of flows that don't work.
func failing(flows []vitals.Flow) error {
	var names []string
	for _, f := range flows {
		if len(f.Problems) > 0 {
			names = append(names, f.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return errors.New("failing: " + strings.Join(names, ", "))
}

func (s statusView) show(flows []vitals.Flow) error {
	switch {
	case s.asJSON && s.watch:
		return printLine(s.out, flows)
	case s.asJSON:
		return printJSON(s.out, flows)
	}
	if s.watch {
		terminal.Command(s.out, terminal.ClearScreen)
		fmt.Fprintln(s.out, time.Now().Format(time.DateTime))
	}
	return printStatus(s.out, flows, len(s.names) > 0, time.Now())
}

// printStatus writes a table, and below it what there is to say of each flow; more is said of those that
// were asked for by name.
func printStatus(out io.Writer, flows []vitals.Flow, named bool, now time.Time) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "FLOW\tSTATE\tREVISION\tCONFIRMED\tUNMAPPED\tOLDEST\tUNWRITTEN\tOLDEST\tPARKED\tDEAD\tREPLAYS\n")
	for _, f := range flows {
		confirmed, parked := 0, uint64(0)
		for _, r := range f.Transformers {
			if r.Confirmed && r.Error == "" {
				confirmed++
			}
		}
		for _, n := range f.Parked {
			parked += n
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%d of %d\t%d\t%s\t%d\t%s\t%d\t%d\t%d\n", f.Name, f.State, f.Revision, confirmed, len(f.Transformers),
			f.Unmapped.Pending+f.Unmapped.InHand, age(f.Unmapped.Oldest, now), f.Unwritten.Pending+f.Unwritten.InHand, age(f.Unwritten.Oldest, now), parked, f.Dead, len(f.Replays))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, f := range flows {
		for _, line := range notes(f, named) {
			if _, err := fmt.Fprintf(out, "%s: %s\n", f.Name, terminal.Text(line)); err != nil {
				return err
			}
		}
	}
	return nil
}

// notes are what there is to say of a flow.
func notes(f vitals.Flow, named bool) []string {
	var all []string
	if f.Hold != nil {
		all = append(all, "paused "+f.Hold.String(time.Local))
	}
	for _, p := range f.Problems {
		all = append(all, "failing: "+p)
	}
	for _, j := range f.Replays {
		all = append(all, replayRow{j, j.Percent()}.text())
	}
	for _, what := range slices.Sorted(maps.Keys(f.Parked)) {
		all = append(all, fmt.Sprintf("parked: %d wait for %s", f.Parked[what], what))
	}
	if named {
		all = append(all, fmt.Sprintf("revision %d, applied %s", f.Revision, f.Applied.Local().Format(time.DateTime)))
		for _, r := range f.Transformers {
			all = append(all, "transformer "+replicaText(r))
		}
		for _, r := range f.Sinks {
			all = append(all, "sink "+replicaText(r))
		}
	}
	if e := f.LastError; e != nil {
		all = append(all, fmt.Sprintf("last error %s, %s: %s", e.Time.Local().Format(time.DateTime), e.Where, e.Text))
	}
	return all
}

func replicaText(r vitals.Replica) string {
	text := fmt.Sprintf("%s: %s since %s, revision %d", r.Instance, r.State, r.Since.Local().Format(time.DateTime), r.Revision)
	if !r.Confirmed {
		text += ", which is not the one stored"
	}
	return text
}

// age is how long ago a time is, in words that fit a table.
func age(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return max(now.Sub(t), 0).Round(time.Second).String()
}
