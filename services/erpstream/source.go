package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/poll"
)

// newSource is the command for stored sources, with what only they have.
func newSource() *cobra.Command {
	cmd := newDocuments(flow.KindSource, "what is polled", newCheck)
	cmd.Short = "List, show and check sources; poll one now, read its past again or have it counted again"
	var at natsServer
	for _, below := range []*cobra.Command{newPoll(&at), newBackfill(&at), newRecount(&at)} {
		at.flags(below)
		cmd.AddCommand(below)
	}
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

func newRecount(at *natsServer) *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "recount NAME [--from TIME] [--to TIME]",
		Short: "Have the vendor count a source's closed windows again",
		Long: `recount asks the vendor again how many documents the closed windows of a source hold, as happens each
night by itself, and compares that with what was read. The result is an event: recount-done in any case;
recount-more when records were missed, which are then read by a backfill; recount-fewer when documents
are gone at the source, which takes a while to be sure of. Without --from it goes back three days. Times
are RFC 3339, or 2025-01-31 or 2025-01-31T08:00:00 in Asia/Shanghai.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := auditQuery("", from, to)
			if err != nil {
				return err
			}
			return at.withStored(cmd.Context(), func(js jetstream.JetStream, stored flow.Snapshot) error {
				src, err := storedSource(stored, args[0])
				if err != nil {
					return err
				}
				if err := recountable(cmd.Context(), js, src, q.From); err != nil {
					return err
				}
				past := poll.Past{ID: nuid.Next(), From: q.From, To: q.To}
				if err := poll.Recount(cmd.Context(), js, src.Connection, src.Name, past); err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "recount %s of source %s is queued\n", past.ID, src.Name)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "where to begin (default: three days ago)")
	cmd.Flags().StringVar(&to, "to", "", "where to end (default: what is proved)")
	return cmd
}

// recountable refuses a recount that could not say anything.
func recountable(ctx context.Context, js jetstream.JetStream, src flow.Source, from time.Time) error {
	f, err := feed.Get(src.Feed)
	if err != nil {
		return err
	}
	if f.Snapshot || src.ByVersion {
		return misuse{fmt.Errorf("source %s is not read by windows of time: each of its polls counts; see `erpstream source poll %s`", src.Name, src.Name)}
	}
	since, err := poll.RecountableFrom(ctx, js, src.Name)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("source %s was never polled: there is nothing to count again", src.Name)
	}
	if err == nil && !from.IsZero() && from.Before(since) {
		return misuse{fmt.Errorf("--from is too early: RAW has all records of source %s only from %s on; older ones can be read again with `erpstream source backfill %s`",
			src.Name, since.In(f.Location()).Format(time.RFC3339), src.Name)}
	}
	return err
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
