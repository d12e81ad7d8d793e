package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/parked"
)

// newParked is the command for the records that wait.
func newParked() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "parked",
		Short: "List the records that wait, and let those go on that a quality rule holds",
	}
	cmd.AddCommand(newParkedList(), newParkedRelease())
	return cmd
}

func newParkedList() *cobra.Command {
	var at natsServer
	var f parked.Filter
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [FLOW]",
		Short: "List the records that wait for master data, or that a quality rule holds",
		Example: `  erpstream parked list
  erpstream parked list jst-purchasein-to-mysql --rule "qty in bounds" --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return at.withStored(cmd.Context(), func(js jetstream.JetStream, stored flow.Snapshot) error {
				if len(args) > 0 {
					f.Flow = args[0]
					if err := knownFlow(stored, f.Flow); err != nil {
						return err
					}
				}
				all, err := parked.List(cmd.Context(), js, f)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), append([]parked.Record{}, all...))
				}
				return printParked(cmd.OutOrStdout(), all)
			})
		},
	}
	at.flags(cmd)
	cmd.Flags().StringVar(&f.Rule, "rule", "", "those that this quality rule holds")
	cmd.Flags().StringArrayVar(&f.Keys, "key", nil, "those of this document; may be given several times")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func knownFlow(stored flow.Snapshot, name string) error {
	if known := stored.Names(flow.KindFlow); !slices.Contains(known, name) {
		return misuse{fmt.Errorf("there is no flow %q%s", name, flow.DidYouMean(name, known))}
	}
	return nil
}

func printParked(out io.Writer, all []parked.Record) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "No record waits.")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FLOW\tKEY\tRAW\tSINCE\tREVISION\tWAITS FOR")
	for _, r := range all {
		waits := fmt.Sprintf("%s with %s %q", r.Collection, r.Field, r.Value)
		if r.Rule != "" {
			waits = fmt.Sprintf("rule %q: %s", r.Rule, r.Why)
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%d\t%s\n", r.Flow, r.Key, r.RawSequence, r.Since.Local().Format("2006-01-02 15:04:05 -07:00"), r.Revision, waits)
	}
	return table.Flush()
}

func newParkedRelease() *cobra.Command {
	var at natsServer
	var f parked.Filter
	var dryRun, asJSON bool
	cmd := &cobra.Command{
		Use:   "release FLOW --rule NAME",
		Short: "Let records go on that a quality rule holds, as if it was not there",
		Long: `release lets records of a flow go on that the named quality rule holds (else: park): they are mapped as
if the flow did not have that rule. Another rule may hold them then. What waits for master data goes on by
itself when that comes.

The name of a rule is that of its name: field, or else what it says; parked list shows it. A rule that is
wrong is better mended in the flow: what it held is tried again with each new revision.`,
		Example: `  erpstream parked release jst-purchasein-to-mysql --rule "qty in bounds" --dry-run
  erpstream parked release jst-purchasein-to-mysql --rule "qty in bounds" --key 4711`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.Flow = args[0]; f.Rule == "" {
				return misuse{errors.New("--rule: name the quality rule that holds the records; `erpstream parked list` shows it")}
			}
			return at.withStored(cmd.Context(), func(js jetstream.JetStream, stored flow.Snapshot) error {
				if err := knownFlow(stored, f.Flow); err != nil {
					return err
				}
				return release(cmd, js, f, dryRun, asJSON)
			})
		},
	}
	at.flags(cmd)
	cmd.Flags().StringVar(&f.Rule, "rule", "", "the quality rule (required)")
	cmd.Flags().StringArrayVar(&f.Keys, "key", nil, "this document alone; may be given several times")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "list what would be released, and do nothing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// release releases, or tells what would be.
func release(cmd *cobra.Command, js jetstream.JetStream, f parked.Filter, dryRun, asJSON bool) error {
	if dryRun {
		all, err := parked.List(cmd.Context(), js, f)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), append([]parked.Record{}, all...))
		}
		return printParked(cmd.OutOrStdout(), all)
	}
	n, err := parked.Release(cmd.Context(), js, f)
	if asJSON {
		return errors.Join(printLine(cmd.OutOrStdout(), map[string]int{"released": n}), err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d records of flow %s released from rule %q\n", n, f.Flow, f.Rule)
	return err
}
