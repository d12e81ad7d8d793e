package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/services/erpstream/internal/lines"
	"github.com/erpstream/erpstream/services/erpstream/internal/terminal"
)

// newHistory lists the revisions of a stored flow.
func newHistory(_ string, at *natsServer) *cobra.Command {
	var asJSON, diff bool
	cmd := &cobra.Command{
		Use:   "history FLOW",
		Short: "List the revisions of a flow, with when they were applied and what changed",
		Long: `history lists the revisions of a flow that are kept, the newest first: the last 64. Each says how many lines
came and went since the one before it. --diff shows these lines.`,
		Example: `  erpstream flow history jst-purchasein-to-mysql
  erpstream flow history jst-purchasein-to-mysql --diff`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return at.withStored(cmd.Context(), func(js jetstream.JetStream, stored flow.Snapshot) error {
				rows, err := historyOf(cmd, js, stored, args[0])
				switch {
				case err != nil:
					return err
				case asJSON:
					return printJSON(cmd.OutOrStdout(), rows)
				default:
					return printHistory(cmd.OutOrStdout(), rows, diff)
				}
			})
		},
	}
	cmd.Flags().BoolVar(&diff, "diff", false, "show the lines that changed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON, with the texts")
	return cmd
}

// revisionRow is one revision in a list.
type revisionRow struct {
	flow.Revision
	Current bool `json:"current"`
	Added   int  `json:"lines_added"`
	Removed int  `json:"lines_removed"`

	changed []lines.Line
}

// historyOf returns the revisions of a stored flow, the newest first.
func historyOf(cmd *cobra.Command, js jetstream.JetStream, stored flow.Snapshot, name string) ([]revisionRow, error) {
	revisions, err := flow.History(cmd.Context(), js, flow.KindFlow, name)
	if err != nil {
		return nil, err
	}
	if len(revisions) == 0 {
		return nil, fmt.Errorf("no flow %q is stored: there are %v", name, stored.Names(flow.KindFlow))
	}
	rows := make([]revisionRow, len(revisions))
	for i, r := range revisions {
		rows[i] = revisionRow{Revision: r, Current: r.Number == stored.Revision(flow.KindFlow, name)}
		if i > 0 {
			rows[i].changed = lines.Diff(revisions[i-1].Text, r.Text)
			rows[i].Added, rows[i].Removed = lines.Count(rows[i].changed)
		}
	}
	slices.Reverse(rows)
	return rows, nil
}

func printHistory(out io.Writer, rows []revisionRow, diff bool) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if !diff {
		fmt.Fprintf(table, "REVISION\tAPPLIED\tCHANGED\t\n")
	}
	for i, r := range rows {
		what := fmt.Sprintf("+%d −%d lines", r.Added, r.Removed)
		switch {
		case r.Deleted:
			what = "deleted"
		case i == len(rows)-1:
			what = "the oldest that is kept"
		}
		current := ""
		if r.Current {
			current = "current"
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\n", r.Number, r.Time.Local().Format(time.DateTime), what, current)
		if diff && !r.Deleted && i < len(rows)-1 {
			if err := errors.Join(table.Flush(), lines.Print(out, r.changed, 2)); err != nil {
				return err
			}
		}
	}
	return table.Flush()
}

// newRollback writes the text of an earlier revision of a flow as a new one.
func newRollback(_ string, at *natsServer) *cobra.Command {
	var r rollback
	var list bool
	cmd := &cobra.Command{
		Use:   "rollback FLOW [--to REVISION]",
		Short: "Go back to an earlier revision of a flow",
		Long: `rollback shows what would change, asks, and stores the text of an earlier revision as a new one: without --to
that of the last revision with another text. It is checked against today's documents like any other, so
where it does not fit them any more nothing is stored, and the exit code is 2.

Records that are mapped already stay as they are: "flow replay" maps them again.`,
		Example: `  erpstream flow rollback jst-purchasein-to-mysql
  erpstream flow rollback jst-purchasein-to-mysql --to 17 --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return at.withStored(cmd.Context(), func(js jetstream.JetStream, stored flow.Snapshot) error {
				rows, err := historyOf(cmd, js, stored, args[0])
				switch {
				case err != nil:
					return err
				case list && r.asJSON:
					return printJSON(cmd.OutOrStdout(), rows)
				case list:
					return printHistory(cmd.OutOrStdout(), rows, false)
				default:
					return r.run(cmd, js, stored, args[0], rows)
				}
			})
		},
	}
	cmd.Flags().Uint64Var(&r.to, "to", 0, "revision to go back to (default: the last with another text)")
	cmd.Flags().BoolVar(&list, "list", false, "only list the revisions")
	cmd.Flags().BoolVar(&r.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&r.asJSON, "json", false, "print as JSON what was done (with --yes)")
	return cmd
}

// rollback is a way back to an earlier revision.
type rollback struct {
	to          uint64
	yes, asJSON bool
}

// rolledBack is what a rollback did.
type rolledBack struct {
	Flow string `json:"flow"`
	// From was the revision before, To the one whose text was stored, Revision the one that was made.
	From     uint64 `json:"from"`
	To       uint64 `json:"to"`
	Revision uint64 `json:"revision"`
	Added    int    `json:"lines_added"`
	Removed  int    `json:"lines_removed"`
}

func (r rollback) run(cmd *cobra.Command, js jetstream.JetStream, stored flow.Snapshot, name string, rows []revisionRow) error {
	now := stored.Documents[flow.KindFlow+"."+name].Text
	to, err := r.choose(name, now, rows)
	if err != nil {
		return err
	}
	doc, err := flow.ParseStored(flow.KindFlow, name, []byte(to.Text))
	if err == nil {
		err = check.Set(stored.With(doc))
	}
	if err != nil {
		return misuse{fmt.Errorf("revision %d of flow %s does not fit today's documents, nothing was stored: %w", to.Number, name, err)}
	}
	done := rolledBack{Flow: name, From: stored.Revision(flow.KindFlow, name), To: to.Number}
	changed := lines.Diff(now, to.Text)
	done.Added, done.Removed = lines.Count(changed)
	if !r.asJSON {
		if err := lines.Print(cmd.OutOrStdout(), changed, 2); err != nil {
			return err
		}
	}
	if err := r.confirm(cmd, name, to.Number); err != nil {
		return err
	}
	if _, err := flow.ApplyOver(cmd.Context(), js, stored, []flow.Document{doc}, check.Set); err != nil {
		return err
	}
	after, err := flow.Load(cmd.Context(), js)
	if err != nil {
		return err
	}
	done.Revision = after.Revision(flow.KindFlow, name)
	if r.asJSON {
		return printJSON(cmd.OutOrStdout(), done)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "flow %s is at revision %d, with the text of %d; what revision %d has mapped stays as it is: see `erpstream flow replay --help`\n",
		name, done.Revision, done.To, done.From)
	return err
}

// choose returns the revision that is meant.
func (r rollback) choose(name, now string, rows []revisionRow) (revisionRow, error) {
	for _, row := range rows {
		switch {
		case r.to == 0 && !row.Deleted && row.Text != now:
			return row, nil
		case r.to == 0 || row.Number != r.to:
			continue
		case row.Deleted:
			return row, misuse{fmt.Errorf("at revision %d flow %s was deleted: there is no text to go back to", r.to, name)}
		case row.Text == now:
			return row, misuse{fmt.Errorf("revision %d of flow %s has the text that the flow has now", r.to, name)}
		default:
			return row, nil
		}
	}
	if r.to == 0 {
		return revisionRow{}, fmt.Errorf("flow %s has no earlier revision with another text", name)
	}
	return revisionRow{}, misuse{fmt.Errorf("flow %s has no revision %d, or it is kept no more: `erpstream flow history %s` lists those that are", name, r.to, name)}
}

// confirm asks; where nobody can be asked --yes must say so.
func (r rollback) confirm(cmd *cobra.Command, name string, to uint64) error {
	if r.yes {
		return nil
	}
	if !terminal.Is(cmd.InOrStdin()) || r.asJSON {
		return misuse{errors.New("nothing was stored: --yes lets rollback do it without asking")}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "go back to revision %d of flow %s? [y/N] ", to, name)
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil || !strings.EqualFold(strings.TrimSpace(answer), "y") {
		return errors.New("nothing was stored")
	}
	return nil
}
