package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/services/erpstream/internal/dryrun"
	"github.com/erpstream/erpstream/services/erpstream/internal/terminal"
)

// mostRecords is how many records are tried at most: what is made of each is kept until the end.
const mostRecords = 10_000

// trial is what preview and diff have in common: which records are tried, and how it is shown.
type trial struct {
	at       *natsServer
	last     int
	keys     []string
	since    string
	sample   string
	pick     string
	asJSON   bool
	personal bool
	timeout  time.Duration
}

func (t *trial) flags(cmd *cobra.Command, last int) {
	f := cmd.Flags()
	f.IntVar(&t.last, "last", last, fmt.Sprintf("how many documents, the newest first; at most %d", mostRecords))
	f.StringSliceVar(&t.keys, "key", nil, "only the documents with these keys")
	f.StringVar(&t.since, "since", "", "only what came since: a length of time such as 24h, or a time such as 2026-10-01T08:00:00+08:00")
	f.StringVar(&t.sample, "sample", "", "take records from a file with JSON (one, several, or a list) instead of RAW")
	f.BoolVar(&t.personal, "personal", false, "show personal data, for those who may see it")
	f.BoolVar(&t.asJSON, "json", false, "print as JSON")
	f.DurationVar(&t.timeout, "timeout", time.Minute, "how long all of it may take")
}

func newFlowPreview(_ string, at *natsServer) *cobra.Command {
	t := trial{at: at}
	cmd := &cobra.Command{
		Use:   "preview FLOW|FILE",
		Short: "Show what a flow makes of the last records, without effects",
		Long: `preview (预览) maps the newest records of a flow's source that RAW holds, the newest version of each document,
and shows each record beside its message, with what becomes of it: mapped, removed, filtered, dropped,
parked or dead, and why. It only reads: nothing is published, and no sink hears of it.

FLOW is one that is stored, FILE one that is not applied yet, with the sources and connections that the file
holds or that are stored. Look-ups see the master data as it is now. Whether a value is unique is not
looked at. Personal data is masked.

It exits with 1 when a record would be dead, with 2 when a document is wrong.`,
		Example: `  erpstream flow preview jst-purchasein-to-mysql --last 5
  erpstream flow preview shops.yaml --since 24h --json
  erpstream flow preview wdt-stockgain.yaml --sample receipt.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.preview(cmd, args[0])
		},
	}
	t.flags(cmd, 20)
	cmd.Flags().StringVar(&t.pick, "flow", "", "the flow, where FILE holds several")
	return cmd
}

func (t trial) preview(cmd *cobra.Command, name string) error {
	return t.with(cmd.Context(), func(ctx context.Context, js jetstream.JetStream, stored flow.Snapshot) error {
		set, f, err := t.find(cmd.InOrStdin(), stored, name)
		if err != nil {
			return err
		}
		revision, err := t.revision(ctx, cmd.ErrOrStderr(), js, set, f)
		if err != nil {
			return err
		}
		records, err := t.records(ctx, cmd.ErrOrStderr(), js, revision)
		if err != nil {
			return err
		}
		rows := make([]dryrun.Row, 0, len(records))
		dead := 0
		for _, rec := range records {
			row, err := revision.Preview(rec)
			if err != nil {
				return err
			}
			if row.Verdict == verdict.Dead {
				dead++
			}
			rows = append(rows, row)
		}
		if t.asJSON {
			err = printJSON(cmd.OutOrStdout(), rows)
		} else {
			err = dryrun.WriteRows(cmd.OutOrStdout(), rows, revision.Judge.Feed.Location(), terminalWidth(cmd.OutOrStdout()))
		}
		if err == nil && dead > 0 {
			err = fmt.Errorf("%d of %d records would be dead", dead, len(rows))
		}
		return err
	})
}

// with does something with NATS and what is stored there, within the timeout.
func (t trial) with(ctx context.Context, do func(context.Context, jetstream.JetStream, flow.Snapshot) error) error {
	if t.last < 1 || t.last > mostRecords {
		return misuse{fmt.Errorf("--last must be from 1 to %d", mostRecords)}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.timeout, fmt.Errorf("not done after %s (--timeout)", t.timeout))
	defer cancel()
	return t.at.withStored(ctx, func(js jetstream.JetStream, stored flow.Snapshot) error {
		err := do(ctx, js, stored)
		if err != nil && ctx.Err() != nil {
			err = errors.Join(err, context.Cause(ctx))
		}
		return err
	})
}

// find returns a flow that is stored, or one from a file, with all that it may refer to.
func (t trial) find(stdin io.Reader, stored flow.Snapshot, name string) (flow.Set, flow.Flow, error) {
	if f, ok := stored.Flows[name]; ok {
		return stored.Set, f, nil
	}
	if !isFile(name) {
		return stored.Set, flow.Flow{}, misuse{fmt.Errorf("no flow %q is stored, and there is no such file%s", name, flow.DidYouMean(name, stored.Names(flow.KindFlow)))}
	}
	return t.fromFile(stdin, stored, name, t.pick)
}

// fromFile reads a flow from a file; pick names it where there are several.
func (t trial) fromFile(stdin io.Reader, stored flow.Snapshot, name, pick string) (flow.Set, flow.Flow, error) {
	docs, err := readDocuments(stdin, []string{name})
	if err != nil {
		return flow.Set{}, flow.Flow{}, err
	}
	set := stored.With(docs...)
	var names []string
	for _, d := range docs {
		if d.Kind == flow.KindFlow {
			names = append(names, d.Name)
		}
	}
	switch {
	case len(names) == 0:
		return set, flow.Flow{}, misuse{fmt.Errorf("%s holds no flow", name)}
	case pick != "" && !slices.Contains(names, pick):
		return set, flow.Flow{}, misuse{fmt.Errorf("%s holds no flow %q%s", name, pick, flow.DidYouMean(pick, names))}
	case pick == "" && len(names) > 1:
		return set, flow.Flow{}, misuse{fmt.Errorf("%s holds the flows %s: choose one with --flow", name, strings.Join(names, ", "))}
	case pick == "":
		pick = names[0]
	}
	return set, set.Flows[pick], nil
}

// isFile reports whether a name means a file: there is one, or it looks like one.
func isFile(name string) bool {
	_, err := os.Stat(name)
	return err == nil || name == "-" || filepath.Ext(name) != "" || strings.ContainsRune(name, filepath.Separator)
}

// revision compiles a flow and reads the master data that it looks up.
func (t trial) revision(ctx context.Context, errOut io.Writer, js jetstream.JetStream, set flow.Set, f flow.Flow) (dryrun.Revision, error) {
	r, err := dryrun.NewRevision(set, f)
	if err != nil {
		return r, misuse{err}
	}
	r.Personal = t.personal
	r.Lookup, err = dryrun.References(ctx, js, f.Target.Connection, r.Judge, slog.New(slog.NewTextHandler(errOut, nil)))
	return r, err
}

// records reads the records that are tried.
func (t trial) records(ctx context.Context, errOut io.Writer, js jetstream.JetStream, r dryrun.Revision) ([]dryrun.Record, error) {
	if t.sample != "" {
		return t.samples(r)
	}
	since, err := parseSince(t.since)
	if err != nil {
		return nil, misuse{fmt.Errorf("--since: %w", err)}
	}
	source := r.Judge.Source.Name
	records, err := dryrun.Newest(ctx, js, dryrun.Sampling{
		System: r.Judge.Feed.System, Source: source, Last: t.last, Keys: t.keys, Since: since, Progress: progress(errOut),
	})
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("RAW holds no such records of source %s: `erpstream source poll %s` reads some, --sample takes them from a file", source, source)
	}
	return records, nil
}

func (t trial) samples(r dryrun.Revision) ([]dryrun.Record, error) {
	in, err := os.Open(t.sample)
	if err != nil {
		return nil, misuse{err}
	}
	defer func() { _ = in.Close() }()
	records, err := dryrun.Samples(in, r.Judge)
	switch {
	case err != nil:
		return nil, misuse{fmt.Errorf("%s: %w", t.sample, err)}
	case len(records) == 0:
		return nil, misuse{fmt.Errorf("%s holds no records", t.sample)}
	default:
		return records, nil
	}
}

// parseSince reads a length of time before now, or a time.
func parseSince(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return time.Now().Add(-d), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%q is neither a length of time such as 24h nor a time such as 2026-10-01T08:00:00+08:00", text)
	}
	return at, nil
}

// progress returns what tells how far a long reading is, every few seconds.
func progress(errOut io.Writer) func(passed, all uint64) {
	const pause = 3 * time.Second
	next := time.Now().Add(pause)
	return func(passed, all uint64) {
		if now := time.Now(); now.After(next) && passed < all {
			next = now.Add(pause)
			fmt.Fprintf(errOut, "read %d of %d messages of RAW\n", passed, all)
		}
	}
}

// terminalWidth is how wide a terminal is, in columns; what is no terminal is given enough.
func terminalWidth(out io.Writer) int {
	const enough = 140
	return cmp.Or(terminal.Width(out), enough)
}
