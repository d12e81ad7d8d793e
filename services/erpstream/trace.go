package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/history"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
)

// tracer is what `erpstream trace` is asked.
type tracer struct {
	at      natsServer
	query   history.Query
	latest  bool
	asJSON  bool
	timeout time.Duration
}

func newTrace() *cobra.Command {
	var t tracer
	cmd := &cobra.Command{
		Use:   "trace FLOW KEY",
		Short: "Tell what happened to one record: read, mapped, tried, booked",
		Long: `trace tells what happened to a document of a source in one flow, each of its versions in order: the
window and pages that it was read with, what it waited for, the target message and the references that it
was made with, the attempts of the sink with their errors, the outcome with the target's id, dead letters
and what was done with them, and where it stands now. It only reads.

KEY is the document's key at the source: what the feed names as key, several fields joined by "/". Times
are this machine's with their offset; those of --json are RFC 3339. Personal data is masked.

Records and target messages are kept for 30 days, receipts and dead letters for 180, so of older
documents only the outcome is known.

It exits with 1 when nothing is known of the key, and says where it looked.`,
		Example: `  erpstream trace jst-purchasein-to-mysql 2204001
  erpstream trace wdt-stockgain-to-kingdee 31415 --latest --record`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			t.query.Flow, t.query.Key = args[0], args[1]
			return t.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	t.at.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&t.latest, "latest", false, "tell of the latest version only")
	f.BoolVar(&t.query.Records, "record", false, "show the documents of the source too")
	f.BoolVar(&t.query.Personal, "personal", false, "show personal data, for those who may see it")
	f.BoolVar(&t.asJSON, "json", false, "print as JSON")
	f.DurationVar(&t.timeout, "timeout", time.Minute, "how long all of it may take")
	return cmd
}

func (t tracer) run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, t.timeout, fmt.Errorf("not done after %s (--timeout)", t.timeout))
	defer cancel()
	return t.at.withStored(ctx, func(js jetstream.JetStream, stored flow.Snapshot) error {
		h, err := history.Of(ctx, js, stored, t.query)
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if t.latest && len(h.Versions) > 1 {
			h.Versions = h.Versions[len(h.Versions)-1:]
		}
		if t.asJSON {
			err = printJSON(out, h)
		} else if h.Found() {
			err = writeHistory(out, h)
		}
		if err == nil && !h.Found() {
			err = errors.New(nowhere(ctx, js, stored, h))
		}
		return err
	})
}

// nowhere says what was searched for a key that nothing is known of, and what it may be instead.
func nowhere(ctx context.Context, js jetstream.JetStream, stored flow.Snapshot, h history.History) string {
	var b strings.Builder
	fmt.Fprintf(&b, "nothing is known of key %q in flow %s. Searched:\n", h.Key, h.Flow)
	for _, s := range h.Searched {
		fmt.Fprintf(&b, "  %-8s  %s: %s\n", s.Stream, s.Subject, searched(s))
	}
	src := stored.Sources[stored.Flows[h.Flow].From]
	if described, err := feed.Get(src.Feed); err == nil {
		fmt.Fprintf(&b, "Keys of source %s (%s) are the vendor's %s", src.Name, src.Feed, strings.Join(described.Key, "/"))
		if example := lastKey(ctx, js, topology.RawFilter(described.System, src.Name)); example != "" {
			fmt.Fprintf(&b, ", such as %q", example)
		}
		b.WriteString(".\n")
	}
	b.WriteString(proved(ctx, js, src.Name) + "\n")
	b.WriteString("A record that the flow leaves out has a receipt that says so; RAW keeps records for 30 days, receipts and dead letters are kept for 180.")
	return b.String()
}

func searched(s history.Search) string {
	if s.Stream == topology.Dead {
		return "no letter of the key"
	}
	if s.Messages == 0 {
		return "nothing there"
	}
	return fmt.Sprintf("%d messages since %s", s.Messages, local(s.Since))
}

// lastKey is the key of the newest record of a source, "" when there is none.
func lastKey(ctx context.Context, js jetstream.JetStream, filter string) string {
	raw, err := js.Stream(ctx, topology.Raw)
	if err != nil {
		return ""
	}
	msg, err := raw.GetLastMsgForSubject(ctx, filter)
	if err != nil {
		return ""
	}
	key, err := record.Decode(msg.Header.Get(topology.HeaderSubject))
	if err != nil {
		return ""
	}
	return key
}

// proved says how far a source is read.
func proved(ctx context.Context, js jetstream.JetStream, source string) string {
	w, _, err := poll.LastWindow(ctx, js, source)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return fmt.Sprintf("The source was never polled: `erpstream source poll %s` does it now.", source)
	case err != nil:
		return fmt.Sprintf("How far the source is read is not known: %v.", err)
	default:
		return fmt.Sprintf("The source is read up to %s of its time; `erpstream source backfill %s` reads its past again.", local(w.GetCursor().AsTime()), source)
	}
}

// local is a time of this machine with its offset.
func local(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 -07:00") }
