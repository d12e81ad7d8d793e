package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/pkg/hold"
	"github.com/erpstream/erpstream/services/erpstream/internal/terminal"
)

// newDocuments returns the command for one kind of stored documents; more makes its further subcommands.
func newDocuments(kind, about string, more ...func(kind string, at *natsServer) *cobra.Command) *cobra.Command {
	var at natsServer
	cmd := &cobra.Command{
		Use:   kind,
		Short: fmt.Sprintf("List, show and check %ss: %s", kind, about),
	}
	at.flags(cmd)
	cmd.AddCommand(newList(kind, &at), newShow(kind, &at))
	for _, sub := range more {
		cmd.AddCommand(sub(kind, &at))
	}
	return cmd
}

func newList(kind string, at *natsServer) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: fmt.Sprintf("List the stored %ss", kind),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return at.withStored(cmd.Context(), func(js jetstream.JetStream, stored flow.Snapshot) error {
				rows := documentRows(stored, kind)
				if err := markPaused(cmd.Context(), js, kind, rows); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), rows)
				}
				return printTable(cmd.OutOrStdout(), rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// documentRow is one line of a list.
type documentRow struct {
	Name     string `json:"name"`
	Revision uint64 `json:"revision"`
	What     string `json:"what"`
	// Paused is what holds a flow, nil for nothing.
	Paused *hold.Hold `json:"paused,omitempty"`
}

// documentRows returns a line for each stored document of a kind, by name.
func documentRows(stored flow.Snapshot, kind string) []documentRow {
	rows := []documentRow{}
	for _, k := range slices.Sorted(maps.Keys(stored.Documents)) {
		if d := stored.Documents[k]; d.Kind == kind {
			rows = append(rows, documentRow{Name: d.Name, Revision: stored.Revision(kind, d.Name), What: summary(d)})
		}
	}
	return rows
}

// markPaused notes at flows what holds them.
func markPaused(ctx context.Context, js jetstream.JetStream, kind string, rows []documentRow) error {
	if kind != flow.KindFlow {
		return nil
	}
	holds, err := hold.All(ctx, js)
	for i, r := range rows {
		if h, held := holds[r.Name]; held {
			rows[i].Paused = &h
		}
	}
	return err
}

func printTable(out io.Writer, rows []documentRow) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "NAME\tREVISION\tWHAT\n")
	for _, r := range rows {
		what := r.What
		if r.Paused != nil {
			what += "; paused " + terminal.Text(r.Paused.String(time.Local))
		}
		fmt.Fprintf(table, "%s\t%d\t%s\n", r.Name, r.Revision, what)
	}
	return table.Flush()
}

// summary says in a few words what a document is.
func summary(d flow.Document) string {
	switch {
	case d.Connection != nil:
		return fmt.Sprintf("%s at %s", d.Connection.System, d.Connection.Endpoint)
	case d.Source != nil && d.Source.Every > 0:
		return fmt.Sprintf("%s of %s every %s", d.Source.Feed, d.Source.Connection, d.Source.Every)
	case d.Source != nil:
		return fmt.Sprintf("%s of %s at %s %s", d.Source.Feed, d.Source.Connection, d.Source.Cron, d.Source.Zone)
	default:
		return fmt.Sprintf("%s to %s at %s", d.Flow.From, d.Flow.Target.Message, d.Flow.Target.Connection)
	}
}

func newShow(kind string, at *natsServer) *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: fmt.Sprintf("Print a stored %s as it was applied", kind),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return at.withStored(cmd.Context(), func(_ jetstream.JetStream, stored flow.Snapshot) error {
				d, ok := stored.Documents[kind+"."+args[0]]
				if !ok {
					return fmt.Errorf("no %s %q is stored: there are %v", kind, args[0], stored.Names(kind))
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "# revision %d\n%s\n", stored.Revision(kind, d.Name), d.Text)
				return err
			})
		},
	}
}

func newCheck(kind string, _ *natsServer) *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE|DIR…",
		Short: fmt.Sprintf("Check %ss in files, with all that they refer to, without NATS", kind),
		Long: `check reads documents as apply does and checks them against one another; nothing is stored and no
server is asked, so give all files that belong together. It exits with 2 when something is wrong.`,
		Args: cobra.MinimumNArgs(1),
		RunE: checkFiles,
	}
}

// checkFiles checks the documents in files against one another.
func checkFiles(cmd *cobra.Command, args []string) error {
	docs, err := readDocuments(cmd.InOrStdin(), args)
	if err != nil {
		return err
	}
	set := flow.Set{}.With(docs...)
	if err := check.Set(set); err != nil {
		return misuse{err}
	}
	warnOfRisks(cmd, docs)
	fmt.Fprintf(cmd.OutOrStdout(), "%d connections, %d sources, %d flows: all right\n", len(set.Connections), len(set.Sources), len(set.Flows))
	return nil
}

// warnOfRisks says which connections others could listen to, as their documents allow.
func warnOfRisks(cmd *cobra.Command, docs []flow.Document) {
	for _, d := range docs {
		if d.Connection == nil {
			continue
		}
		if risk := d.Connection.Risk(); risk != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: %v\n", risk)
		}
	}
}
