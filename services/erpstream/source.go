package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/poll"
)

// newSource is the command for stored sources, with what only they have.
func newSource() *cobra.Command {
	cmd := newDocuments(flow.KindSource, "what is polled", newCheck)
	cmd.Short = "List, show and check sources; poll one now, or read its past again"
	var at natsServer
	pollNow, backfill := newPoll(&at), newBackfill(&at)
	at.flags(pollNow)
	at.flags(backfill)
	cmd.AddCommand(pollNow, backfill)
	return cmd
}

func newPoll(at *natsServer) *cobra.Command {
	return &cobra.Command{
		Use:   "poll NAME",
		Short: "Poll a source now, before its next tick",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return at.withStored(cmd.Context(), func(js jetstream.JetStream, stored flow.Snapshot) error {
				src, err := storedSource(stored, args[0])
				if err != nil {
					return err
				}
				if err := poll.Tick(cmd.Context(), js, src.Connection, src.Name); err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "source %s is polled as soon as connection %s is free\n", src.Name, src.Connection)
				return err
			})
		},
	}
}

func newBackfill(at *natsServer) *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "backfill NAME --from TIME --to TIME",
		Short: "Read a source's past again",
		Long: `backfill reads all windows of a source from one time to another again, in jobs of about a minute that
live polling may overtake. What is stored already in the same state is not published again; versions
keep newer data safe. Times are RFC 3339, or 2025-01-31 or 2025-01-31T08:00:00 in Asia/Shanghai.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			begin, err := readTime("from", from)
			end, err2 := readTime("to", to)
			if err := errors.Join(err, err2); err != nil {
				return misuse{err}
			}
			if !begin.Before(end) {
				return misuse{fmt.Errorf("--from %s is not before --to %s", from, to)}
			}
			return at.withStored(cmd.Context(), func(js jetstream.JetStream, stored flow.Snapshot) error {
				src, err := storedSource(stored, args[0])
				if err != nil {
					return err
				}
				past := poll.Past{ID: nuid.Next(), From: begin, To: end}
				if err := poll.Backfill(cmd.Context(), js, src.Connection, src.Name, past); err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "backfill %s of source %s is queued: %s to %s\n", past.ID, src.Name, begin.Format(time.RFC3339), end.Format(time.RFC3339))
				return err
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "where to begin (required)")
	cmd.Flags().StringVar(&to, "to", "", "where to end (required)")
	return cmd
}

func storedSource(stored flow.Snapshot, name string) (flow.Source, error) {
	src, ok := stored.Sources[name]
	if !ok {
		return src, fmt.Errorf("no source %q is stored: there are %v", name, stored.Names(flow.KindSource))
	}
	return src, nil
}

// readTime reads the time of a flag.
func readTime(flag, text string) (time.Time, error) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		return time.Time{}, err
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, shanghai); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--%s %q is no time: write 2025-01-31 or 2025-01-31T08:00:00+08:00", flag, text)
}
