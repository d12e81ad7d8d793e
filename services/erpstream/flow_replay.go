package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/replay"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/terminal"
)

// newReplay maps the past of a flow again.
func newReplay(_ string, at *natsServer) *cobra.Command {
	var r replaying
	cmd := &cobra.Command{
		Use:   "replay FLOW --from TIME [--to TIME] [--key KEY]",
		Short: "Map the past of a flow again, as the flow is now",
		Long: `replay maps documents again that changed at the source from one time to another (ce-time), as the flow is now.
Of each document the newest state counts that the stream RAW has: an older one has no effect at a target
that has the newer one. RAW keeps 30 days.

The transformers do it, one replica at a time, at the given rate at most, and whatever becomes of this
command. Records that come now go first, here and at the sink: while some of them wait, or more than 100
messages wait for the sink, the replay waits too. Versions keep newer data safe. A target that has the
same already is written as the sink thinks best: Kingdee and KIS are not called, a MySQL row is written
again, which mends rows that were changed by hand.

Dead letters of documents that are mapped again count as replayed; what dies again is a new letter.

Without --detach it shows how far it is until it is done, and exits with 1 when records died. Ctrl-C leaves
it running. Several replays of a flow are done one after the other. A paused flow keeps its replays
waiting. Times are RFC 3339, or 2025-01-31 or 2025-01-31T08:00:00 in Asia/Shanghai.`,
		Example: `  erpstream flow replay jst-purchasein-to-mysql --from 2026-01-01 --to 2026-01-08
  erpstream flow replay wdt-stockgain-to-kingdee --key RK202601010001 --key RK202601010002
  erpstream flow replay jst-purchasein-to-mysql --from 2026-01-01 --rate 500 --detach
  erpstream flow replay jst-purchasein-to-mysql --list
  erpstream flow replay jst-purchasein-to-mysql --cancel 3`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := r.check(cmd); err != nil {
				return misuse{err}
			}
			return at.withStored(cmd.Context(), func(js jetstream.JetStream, stored flow.Snapshot) error {
				f, ok := stored.Flows[args[0]]
				switch {
				case r.list:
					return r.print(cmd, js, args[0])
				case r.cancel > 0:
					return r.end(cmd, js, args[0])
				case !ok:
					return fmt.Errorf("no flow %q is stored: there are %v", args[0], stored.Names(flow.KindFlow))
				default:
					r.job.AtLeast = stored.Revision(flow.KindFlow, f.Name)
					return r.run(cmd, js, f, stored.Sources[f.From])
				}
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.from, "from", "", "documents that changed at this time or later (required, but with --key)")
	f.StringVar(&r.to, "to", "", "documents that changed before this time (default: now)")
	f.StringArrayVar(&r.job.Keys, "key", nil, "only the document with this key; may be given several times")
	f.Float64Var(&r.job.Rate, "rate", 100, "records a second at most")
	f.StringVar(&r.job.By, "by", userName(), "who does it")
	f.BoolVar(&r.detach, "detach", false, "only ask for it, and don't wait")
	f.BoolVar(&r.list, "list", false, "list the replays of the flow: those that are open, and the last 20 that are over")
	f.Uint64Var(&r.cancel, "cancel", 0, "end the replay of this number; what it has mapped stays")
	f.BoolVar(&r.asJSON, "json", false, "print as JSON: one line for each step, or the list")
	return cmd
}

// replaying is what was asked of replays.
type replaying struct {
	from, to             string
	job                  replay.Job
	detach, list, asJSON bool
	cancel               uint64
}

// check reads the flags.
func (r *replaying) check(cmd *cobra.Command) error {
	asks := r.from != "" || r.to != "" || len(r.job.Keys) > 0 || r.detach
	switch {
	case r.list && r.cancel > 0, (r.list || r.cancel > 0) && asks:
		return errors.New("give --list, or --cancel, or what is to be replayed")
	case cmd.Flags().Changed("cancel") && r.cancel == 0:
		return errors.New("--cancel 0 is no number of a replay: --list shows them")
	case r.list || r.cancel > 0:
		return nil
	case r.from == "" && len(r.job.Keys) == 0:
		return errors.New("what is to be replayed? --from is missing (or --key, for single documents)")
	case r.job.Rate <= 0 || r.job.Rate > replay.MostRate:
		return fmt.Errorf("--rate %v is not more than 0 and at most %d", r.job.Rate, replay.MostRate)
	case len(r.job.Keys) > replay.MostKeys:
		return fmt.Errorf("%d keys are too many for one replay: at most %d", len(r.job.Keys), replay.MostKeys)
	default:
		return r.readRange()
	}
}

// readRange reads the times.
func (r *replaying) readRange() error {
	var errs [2]error
	r.job.From, errs[0] = readMoment("from", r.from)
	r.job.To, errs[1] = readMoment("to", r.to)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	if !r.job.From.IsZero() && !r.job.To.IsZero() && !r.job.From.Before(r.job.To) {
		return fmt.Errorf("--from %s is not before --to %s", r.from, r.to)
	}
	return nil
}

// run asks for a replay and shows how far it is.
func (r *replaying) run(cmd *cobra.Command, js jetstream.JetStream, f flow.Flow, src flow.Source) error {
	described, err := feed.Get(src.Feed)
	if err != nil {
		return err
	}
	r.job.Flow, r.job.Source, r.job.System = f.Name, src.Name, described.System
	if err := warnOfAge(cmd, js, r.job); err != nil {
		return err
	}
	e, err := replay.Ask(cmd.Context(), js, r.job)
	if err != nil {
		return err
	}
	if r.asJSON && r.detach {
		return printLine(cmd.OutOrStdout(), newReplayRow(e))
	}
	if !r.asJSON {
		fmt.Fprintf(cmd.OutOrStdout(), "replay %d of flow %s is asked for\n", e.ID, f.Name)
	}
	if r.detach {
		return nil
	}
	return r.follow(cmd, js, e)
}

// warnOfAge says so when RAW does not reach back as far as asked.
func warnOfAge(cmd *cobra.Command, js jetstream.JetStream, job replay.Job) error {
	raw, err := js.Stream(cmd.Context(), topology.Raw)
	if err != nil {
		return fmt.Errorf("stream %s: %w", topology.Raw, err)
	}
	info := raw.CachedInfo()
	if age := info.Config.MaxAge; age > 0 && !job.From.IsZero() && job.From.Before(time.Now().Add(-age)) {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: RAW keeps records for %d days, so older ones are not replayed; `erpstream source backfill %s` reads them again\n",
			int(age.Hours()/24), job.Source)
	}
	return nil
}

// follow shows how far a replay is until it is over.
func (r *replaying) follow(cmd *cobra.Command, js jetstream.JetStream, e replay.Entry) error {
	watched := terminal.Is(cmd.ErrOrStderr())
	last := e
	err := replay.Follow(cmd.Context(), js, e.Flow, e.ID, func(now replay.Entry) error {
		last = now
		switch {
		case r.asJSON:
			return printLine(cmd.OutOrStdout(), newReplayRow(now))
		case watched:
			terminal.Command(cmd.ErrOrStderr(), terminal.ClearLine)
			fmt.Fprint(cmd.ErrOrStderr(), terminal.Text(newReplayRow(now).text()))
		}
		return nil
	})
	if watched && !r.asJSON {
		fmt.Fprintln(cmd.ErrOrStderr())
	}
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("replay %d of flow %s goes on without you: `erpstream flow replay %s --list` shows how far it is, --cancel %d ends it", e.ID, e.Flow, e.Flow, e.ID)
	case err != nil:
		return err
	}
	if !r.asJSON {
		fmt.Fprintln(cmd.OutOrStdout(), terminal.Text(newReplayRow(last).text()))
	}
	switch {
	case last.State != replay.Finished:
		return fmt.Errorf("replay %d of flow %s did not get to its end: %s", last.ID, last.Flow, last.State)
	case last.Died > 0:
		return fmt.Errorf("%d records became dead letters: `erpstream dead list --flow %s` says why", last.Died, last.Flow)
	default:
		return nil
	}
}

// end cancels a replay.
func (r *replaying) end(cmd *cobra.Command, js jetstream.JetStream, name string) error {
	e, err := replay.Cancel(cmd.Context(), js, name, r.cancel, r.job.By)
	if err != nil {
		return err
	}
	if r.asJSON {
		return printLine(cmd.OutOrStdout(), newReplayRow(e))
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), terminal.Text(newReplayRow(e).text()))
	return err
}

// print lists the replays of a flow.
func (r *replaying) print(cmd *cobra.Command, js jetstream.JetStream, name string) error {
	all, err := replay.List(cmd.Context(), js, name)
	if err != nil {
		return err
	}
	rows := []replayRow{}
	for _, e := range all {
		rows = append(rows, newReplayRow(e))
	}
	if r.asJSON {
		return printJSON(cmd.OutOrStdout(), rows)
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "no replays of flow %s\n", name)
		return err
	}
	return printReplays(cmd.OutOrStdout(), rows)
}

func printReplays(out io.Writer, rows []replayRow) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "REPLAY\tASKED\tBY\tFROM\tTO\tKEYS\tSTATE\tRAW SEEN\tMAPPED\tFILTERED\tPARKED\tDIED\tWHY\n")
	for _, r := range rows {
		keys := "all"
		if n := len(r.Keys); n > 0 {
			keys = fmt.Sprint(n)
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%d%%\t%d\t%d\t%d\t%d\t%s\n", r.ID, r.Asked.Local().Format(time.DateTime), terminal.Text(r.By),
			bound(r.From), bound(r.To), keys, r.State, r.Percent, r.Mapped, r.Filtered, r.Parked, r.Died, terminal.Text(r.Why))
	}
	return table.Flush()
}

// bound is one end of a range.
func bound(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

// replayRow is a replay as it is shown.
type replayRow struct {
	replay.Job
	// Percent is how much of RAW was looked at.
	Percent int `json:"percent"`
}

func newReplayRow(e replay.Entry) replayRow { return replayRow{e.Job, e.Percent()} }

// text says in one line how far a replay is.
func (r replayRow) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "replay %d of flow %s: %s, %d %% of RAW seen, %d records mapped", r.ID, r.Flow, r.State, r.Percent, r.Mapped)
	for _, part := range []struct {
		n    uint64
		what string
	}{{r.Filtered, "filtered"}, {r.Parked, "parked"}, {r.Died, "died"}, {r.Gone, "gone from RAW"}} {
		if part.n > 0 {
			fmt.Fprintf(&b, ", %d %s", part.n, part.what)
		}
	}
	if r.Why != "" {
		b.WriteString("; " + r.Why)
	}
	return b.String()
}
