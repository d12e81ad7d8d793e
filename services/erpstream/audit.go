package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/services/erpstream/internal/terminal"
)

// newAudit is the command that adds up the ledger.
func newAudit() *cobra.Command {
	var at natsServer
	var name, from, to string
	var windows, asJSON bool
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Add up windows and receipts: is every record accounted for?",
		Long: `audit adds up, for each flow, what the vendor counted in the windows of its source and what became of
each record:

  source total + removed = published + unchanged
  published = delivered + superseded + filtered + dead + parked + in flight

A record in flight was seen ahead of the transformer or of the sink. One that has no outcome and is
nowhere is missing. audit exits with 1 when something is missing or the totals don't add up, and names
the windows, keys and sequences. Dead letters balance: they are whole, and wait for a decision. It may
run at any time, also while records flow.

--from and --to bound the source time of the windows: RFC 3339, or 2025-01-31 or 2025-01-31T08:00:00 in
Asia/Shanghai. Without them everything is audited of which outcomes are still kept (180 days).`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := auditQuery(name, from, to)
			if err != nil {
				return err
			}
			q.Windows = windows || name != ""
			if terminal.Is(cmd.ErrOrStderr()) {
				q.Progress = showProgress(cmd.ErrOrStderr())
			}
			return at.withStored(cmd.Context(), func(js jetstream.JetStream, stored flow.Snapshot) error {
				report, err := ledger.Audit(cmd.Context(), js, q)
				terminal.Command(cmd.ErrOrStderr(), terminal.ClearLine)
				if err != nil {
					return err
				}
				if asJSON {
					err = printJSON(cmd.OutOrStdout(), report)
				} else {
					err = auditText{cmd.OutOrStdout(), stored, q.Windows}.print(report)
				}
				return errors.Join(err, unbalanced(report))
			})
		},
	}
	at.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&name, "flow", "", "audit this flow alone, with a line for each window")
	f.StringVar(&from, "from", "", "leave out windows that end before this source time")
	f.StringVar(&to, "to", "", "leave out windows that begin after this source time")
	f.BoolVar(&windows, "windows", false, "print a line for each window that has something in it")
	f.BoolVar(&asJSON, "json", false, "print as JSON, with every missing record")
	return cmd
}

// auditQuery reads the flags.
func auditQuery(name, from, to string) (q ledger.Query, err error) {
	if name != "" {
		q.Flows = []string{name}
	}
	if from != "" {
		q.From, err = readTime("from", from)
	}
	if to != "" && err == nil {
		q.To, err = readTime("to", to)
	}
	if err == nil && from != "" && to != "" && !q.From.Before(q.To) {
		err = fmt.Errorf("--from %s is not before --to %s", from, to)
	}
	if err != nil {
		return q, misuse{err}
	}
	return q, nil
}

// unbalanced returns the error that says which flows don't balance, nil when all do.
func unbalanced(report ledger.Report) error {
	var wrong []string
	for _, f := range report.Flows {
		if f.Balanced {
			continue
		}
		var parts []string
		if f.Missing > 0 {
			parts = append(parts, fmt.Sprintf("%d missing", f.Missing))
		}
		for _, w := range f.Windows {
			if d := w.Difference(); d != 0 {
				parts = append(parts, fmt.Sprintf("source total %d + removed %d - published %d - unchanged %d = %d", w.SourceTotal, w.Removed, w.Published, w.Unchanged, d))
				break
			}
		}
		wrong = append(wrong, f.Flow+" ("+strings.Join(parts, "; ")+")")
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("does not balance: %s", strings.Join(wrong, ", "))
}

// showProgress writes how far the reading is, over and over in one line.
func showProgress(out io.Writer) func(flow, stream string, read, total uint64) {
	return func(flow, stream string, read, total uint64) {
		terminal.Command(out, terminal.ClearLine)
		fmt.Fprintf(out, "%s: %s %d of %d", flow, stream, read, total)
	}
}

// auditText prints a report for people.
type auditText struct {
	out     io.Writer
	stored  flow.Snapshot
	windows bool
}

func (p auditText) print(report ledger.Report) error {
	table := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FLOW\tSOURCE TOTAL\tREMOVED\tPUBLISHED\tUNCHANGED\tDELIVERED\tSUPERSEDED\tFILTERED\tDEAD\tPARKED\tIN FLIGHT\tMISSING\tBALANCED")
	for _, f := range report.Flows {
		fmt.Fprintf(table, "%s\t%s\n", f.Flow, numbers(f.Account))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, f := range report.Flows {
		if err := p.flow(f); err != nil {
			return err
		}
	}
	return nil
}

// numbers are the columns of an account.
func numbers(a ledger.Account) string {
	balanced := "yes"
	if !a.Balanced {
		balanced = "NO"
	}
	return fmt.Sprintf("%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s",
		a.SourceTotal, a.Removed, a.Published, a.Unchanged, a.Delivered, a.Superseded, a.Filtered, a.Dead, a.Parked, a.InFlight, a.Missing, balanced)
}

// flow prints what there is to say of one flow besides its numbers.
func (p auditText) flow(f ledger.FlowReport) error {
	for _, note := range p.notes(f) {
		fmt.Fprintf(p.out, "\n%s: %s\n", f.Flow, note)
	}
	if len(f.Windows) == 0 {
		return nil
	}
	fmt.Fprintf(p.out, "\nWindows of source %s, flow %s:\n", f.Source, f.Flow)
	table := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FROM\tTO\tRAW\tSOURCE TOTAL\tREMOVED\tPUBLISHED\tUNCHANGED\tDELIVERED\tSUPERSEDED\tFILTERED\tDEAD\tPARKED\tIN FLIGHT\tMISSING\tBALANCED")
	for _, w := range f.Windows {
		fmt.Fprintf(table, "%s\t%s\t%d-%d\t%s\n", p.time(f, w.From), p.time(f, w.To), w.FirstSequence, w.LastSequence, numbers(w.Account))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, w := range f.Windows {
		p.missing(f, w)
	}
	return nil
}

// notes explain what the numbers don't say.
func (p auditText) notes(f ledger.FlowReport) []string {
	var notes []string
	if f.Cursor == nil {
		notes = append(notes, fmt.Sprintf("source %s was never polled", f.Source))
	}
	for _, n := range f.NotAudited {
		notes = append(notes, fmt.Sprintf("%d windows with %d records, read until %s, are not audited: %s", n.Windows, n.Published, p.time(f, n.Until), n.Why))
	}
	if f.BeforeFlow > 0 {
		notes = append(notes, fmt.Sprintf("%d records had left RAW by age when the flow was made at %s: it never saw them (`erpstream source backfill %s` reads them again)", f.BeforeFlow, p.time(f, *f.Made), f.Source))
	}
	return notes
}

// shownKeys is how many missing records of a window are named; --json names all.
const shownKeys = 20

// missing names the missing records of a window.
func (p auditText) missing(f ledger.FlowReport, w ledger.WindowReport) {
	if len(w.Records) == 0 {
		return
	}
	fmt.Fprintf(p.out, "\nMissing of window %s to %s:\n", p.time(f, w.From), p.time(f, w.To))
	for _, r := range w.Records[:min(len(w.Records), shownKeys)] {
		fmt.Fprintf(p.out, "  key %s, RAW sequence %d, last seen in %s\n", orUnknown(r.Key), r.RawSequence, lastSeen(r))
	}
	if more := len(w.Records) - shownKeys; more > 0 {
		fmt.Fprintf(p.out, "  and %d more: --json names all\n", more)
	}
}

func orUnknown(key string) string {
	if key == "" {
		return "unknown"
	}
	return key
}

func lastSeen(r ledger.MissingRecord) string {
	switch r.LastSeen {
	case "TARGET":
		return fmt.Sprintf("TARGET, sequence %d", r.TargetSequence)
	case "RAW":
		return "RAW: the transformer settled it and nothing came of it"
	default:
		return "its window only: RAW has it no more"
	}
}

// time writes a time in the zone of the source's connection.
func (p auditText) time(f ledger.FlowReport, t time.Time) string {
	return t.In(p.stored.Connections[p.stored.Sources[f.Source].Connection].Location()).Format(time.RFC3339)
}
