package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/services/erpstream/internal/backup"
)

func newRestore() *cobra.Command {
	var at natsServer
	var o backup.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "restore DIR",
		Short: "Make all streams, buckets and consumers anew from a backup",
		Long: `restore puts NATS back to the moment at which a backup began. It verifies the backup, refuses while services
are at work or streams hold data, makes every stream with its messages, sequences and consumers, compares it
with the backup message by message, and provisions what this version needs beyond. Until a stream is compared it
does not count: interrupted, the same command goes on with those that are not there yet.

Targets do not go back. Start the services afterwards: pollers read from the cursors of the backup on, and what
comes to a target twice is known there. MySQL compares versions; for Kingdee (金蝶) and KIS the sinks ask
the target before they book a document that they know nothing of, which costs a call for each new one, until

  erpstream restore trust

says, once "erpstream audit" balances and nothing is in flight, that all is known again.`,
		Example: `  erpstream restore /backup/2026-11-22-0300 --replicas 3`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Replicas < 0 {
				return misuse{fmt.Errorf("--replicas %d: a number from 1, or none for as many as in the backup", o.Replicas)}
			}
			js, closeNATS, err := at.connect()
			if err != nil {
				return err
			}
			defer closeNATS()
			o.Progress = showWork(cmd.ErrOrStderr())
			began := time.Now()
			done, err := backup.Restore(cmd.Context(), js, args[0], o)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), done)
			}
			return printRestored(cmd.OutOrStdout(), done, time.Since(began))
		},
	}
	at.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.Replace, "replace", false, "delete streams that hold data (default: refuse)")
	f.IntVar(&o.Replicas, "replicas", 0, "replicas of each stream (default: as many as in the backup)")
	f.BoolVar(&asJSON, "json", false, "print what was done as JSON")
	cmd.AddCommand(newTrust(&at))
	return cmd
}

func printRestored(out io.Writer, done backup.Restored, took time.Duration) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "STREAM\tMESSAGES\tTOO OLD BY NOW\t\n")
	for _, s := range done.Streams {
		note := ""
		if s.There {
			note = "restored by an earlier try"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\n", s.Name, s.Messages, s.Gone, note)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, change := range done.Provisioned {
		fmt.Fprintln(out, change)
	}
	_, err := fmt.Fprintf(out, "NATS is as of %s, compared with the backup, after %s. Start the services; `erpstream audit` says when all is caught up, then run `erpstream restore trust`.\n",
		done.To.Local().Format(time.RFC3339), took.Round(time.Second))
	return err
}

func newTrust(at *natsServer) *cobra.Command {
	return &cobra.Command{
		Use:   "trust",
		Short: "Say that all bookings from before a restore are known again",
		Long: `trust ends what a restore began: sinks that book at Kingdee (金蝶) and KIS ask the target no more before they
book a document without a link. Run it when "erpstream audit" balances, nothing is in flight, parked or dead
that was there before the restore, and every source has been polled since.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			js, closeNATS, err := at.connect()
			if err != nil {
				return err
			}
			defer closeNATS()
			was, err := booking.Trust(cmd.Context(), js)
			switch {
			case err != nil:
				return err
			case !was:
				fmt.Fprintln(cmd.OutOrStdout(), "links were not in doubt")
			default:
				fmt.Fprintln(cmd.OutOrStdout(), "links are trusted: new documents are booked without asking first")
			}
			return nil
		},
	}
}
