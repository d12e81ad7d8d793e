package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/services/erpstream/internal/lint"
)

// linting is what the flags of flow lint say.
type linting struct {
	config string
	level  string
	strict bool
	asJSON bool
	// asked says that the server is asked, too.
	asked bool
}

func newLint(_ string, at *natsServer) *cobra.Command {
	var l linting
	cmd := &cobra.Command{
		Use:   "lint FILE|DIR…",
		Short: "Find likely mistakes in flows and sources, with line and column",
		Long: `lint reads documents as check does, and tells what is allowed and yet likely wrong. It asks no server
unless --nats is given: then the fields that records in RAW have count, beside those of the recorded
samples, and documents may refer to stored ones. Files may refer to what lies beside them, in the
folders connections, sources and flows, or in the folder that --config names.

` + codesHelp() + `
A finding that is right so is ignored by a comment with its code and a reason, behind the value, above
it, or above the document: # lint:ignore personal-field customer service calls the buyer back

It exits with 1 when there is an error, with --strict also for warnings, and with 2 when a document
can't be read.`,
		Example: `  erpstream flow lint deploy/config
  erpstream flow lint deploy/config/flows/wdt-refund-to-mysql.yaml --level info
  erpstream flow lint new.yaml --config deploy/config --strict --json
  erpstream flow lint flows/new.yaml --nats nats://127.0.0.1:4222`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(lint.Severities, lint.Severity(l.level)) {
				return misuse{fmt.Errorf("--level %s%s", l.level, flow.DidYouMean(l.level, []string{"error", "warning", "info"}))}
			}
			l.asked = cmd.Flags().Changed("nats")
			return l.run(cmd, at, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&l.config, "config", "", "folder with the documents that the linted ones refer to")
	f.StringVar(&l.level, "level", string(lint.Warning), "least severity that is shown: error, warning or info")
	f.BoolVar(&l.strict, "strict", false, "exit with 1 for warnings, too")
	f.BoolVar(&l.asJSON, "json", false, "print the findings as JSON")
	return cmd
}

// codesHelp lists the codes for the help text.
func codesHelp() string {
	var b strings.Builder
	for _, c := range lint.Codes {
		fmt.Fprintf(&b, "  %-17s %s\n", c.Name, c.What)
	}
	return b.String()
}

func (l linting) run(cmd *cobra.Command, at *natsServer, args []string) error {
	docs, err := readDocuments(cmd.InOrStdin(), args)
	if err != nil {
		return err
	}
	var beside gathered
	neighbours, err := beside.neighbours(args, l.config)
	if err != nil {
		return misuse{err}
	}
	in := lint.Input{Documents: docs, Set: flow.Set{}.With(neighbours...).With(docs...)}
	if l.asked {
		err := at.withStored(cmd.Context(), func(js jetstream.JetStream, stored flow.Snapshot) error {
			in.Set = stored.With(neighbours...).With(docs...)
			in.Seen, err = seen(cmd.Context(), js, in)
			return err
		})
		if err != nil {
			return err
		}
	}
	if beside.unread != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: %v\n", beside.unread)
	}
	return l.report(cmd.OutOrStdout(), lint.Run(in))
}

// report prints findings and returns an error when there are some that count.
func (l linting) report(out io.Writer, found []lint.Finding) error {
	count := map[lint.Severity]int{}
	shown := []lint.Finding{}
	for _, f := range found {
		count[f.Severity]++
		if f.Severity.AtLeast(lint.Severity(l.level)) {
			shown = append(shown, f)
		}
	}
	if l.asJSON {
		if err := printJSON(out, shown); err != nil {
			return err
		}
	} else {
		for _, f := range shown {
			fmt.Fprintln(out, f)
		}
		hint := ""
		if l.level != string(lint.Info) && count[lint.Info] > 0 {
			hint = " (--level info shows the notes)"
		}
		fmt.Fprintf(out, "%s, %s, %s%s\n", counted(count[lint.Error], "error"), counted(count[lint.Warning], "warning"), counted(count[lint.Info], "note"), hint)
	}
	if count[lint.Error] > 0 || l.strict && count[lint.Warning] > 0 {
		return fmt.Errorf("lint: %s, %s", counted(count[lint.Error], "error"), counted(count[lint.Warning], "warning"))
	}
	return nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// seen returns what the records of the sources had that the linted flows read.
func seen(ctx context.Context, js jetstream.JetStream, in lint.Input) (map[string]lint.Seen, error) {
	found := map[string]lint.Seen{}
	for _, d := range in.Documents {
		if d.Flow == nil {
			continue
		}
		f, err := feed.Get(in.Set.Sources[d.Flow.From].Feed)
		if _, done := found[d.Flow.From]; err != nil || done {
			continue
		}
		if found[d.Flow.From], err = lint.Look(ctx, js, d.Flow.From, f); err != nil {
			return nil, err
		}
	}
	return found, nil
}
