package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/reader/jushuitan"
	"github.com/erpstream/erpstream/pkg/reader/kingdee"
	"github.com/erpstream/erpstream/pkg/reader/wangdiantong"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/table"
	"github.com/erpstream/erpstream/proto/contract"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

// readers open the systems that are read, as their pollers do.
var readers = map[string]poll.Open{
	"jushuitan": jushuitan.Open, "wangdiantong": wangdiantong.Open,
	"kingdee": kingdee.OpenXingchen, "kis": kingdee.OpenKIS,
}

// newProbe returns `connection check`.
func newProbe(_ string, at *natsServer) *cobra.Command {
	var p prober
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check NAME | FILE|DIR…",
		Short: "Try a connection at its system without changing anything there, or check documents in files",
		Long: `check NAME signs in to the system of a connection, reads a page of one of its feeds (one that a source
of the connection polls, else one that any account may read), and finds out what the vendor leaves
undocumented: whether a page larger than the largest is cut, how documents are sorted, whether both
ends of a window are part of it, how far the clocks are apart. Of a database it looks for the tables
that flows write to. Nothing is changed at the other side; about seven calls are made.

The connection is the one that is stored, or that of the files of --config. Its secrets are files in
--secrets, <connection>/<field>.

check FILE|DIR… checks documents against one another, without any server.

It exits with 1 when something does not work, with 2 when a document is wrong.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := os.Stat(args[0]); err == nil || len(args) > 1 || args[0] == "-" {
				return checkFiles(cmd, args)
			}
			findings, err := p.check(cmd.Context(), at, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), findings)
			} else {
				err = printFindings(cmd.OutOrStdout(), findings)
			}
			if err == nil && probe.Failed(findings) {
				err = fmt.Errorf("connection %s does not work", args[0])
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&p.config, "config", "", "folder or file with the documents (default: the stored ones)")
	f.StringVar(&p.secrets, "secrets", cmp.Or(os.Getenv("SECRETS_DIR"), "data/secrets"), "folder with secrets, <connection>/<field> (SECRETS_DIR)")
	f.DurationVar(&p.timeout, "timeout", time.Minute, "how long all of it may take")
	f.BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func printFindings(out io.Writer, findings []probe.Finding) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.State, f.Check, f.Text)
	}
	return table.Flush()
}

// prober tries connections.
type prober struct {
	config, secrets string
	timeout         time.Duration
}

// check finds the connection and tries it.
func (p prober) check(ctx context.Context, at *natsServer, name string) (findings []probe.Finding, err error) {
	if p.config == "" {
		err = at.withStored(ctx, func(js jetstream.JetStream, stored flow.Snapshot) error {
			findings, err = p.try(ctx, js, stored.Set, name)
			return err
		})
		return findings, err
	}
	docs, err := readDocuments(nil, []string{p.config})
	if err != nil {
		return nil, err
	}
	set := flow.Set{}.With(docs...)
	if err := check.Set(set); err != nil {
		return nil, misuse{err}
	}
	return p.try(ctx, nil, set, name)
}

// try tries a connection of a set. With js the tokens of the services are used, and shared.
func (p prober) try(ctx context.Context, js jetstream.JetStream, set flow.Set, name string) ([]probe.Finding, error) {
	c, ok := set.Connections[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("no connection %q%s", name, flow.DidYouMean(name, set.Names(flow.KindConnection)))
	case c.Sandbox():
		return nil, misuse{fmt.Errorf("connection %s leads to the sandbox of `erpstream up`: check the one that is stored while that runs, without --config", name)}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("not done after %s (--timeout)", p.timeout))
	defer cancel()
	secrets := service.Secrets{Dir: p.secrets}
	if c.System == "mysql" {
		return probe.MySQL(ctx, c.Getter(secrets.Read), tablesOf(set, name)), nil
	}
	open, ok := readers[c.System]
	if !ok {
		return nil, fmt.Errorf("connection %s leads to %s, which this release can't try: it can %v", name, c.System, slices.Sorted(maps.Keys(readers)))
	}
	svc := &service.Service{Name: "erpstream", Instance: "erpstream-check", Log: slog.New(slog.DiscardHandler), JS: js, Secrets: secrets}
	reader, err := open(ctx, c, svc)
	if err != nil {
		return []probe.Finding{{Check: "settings", State: probe.Fail, Text: err.Error()}}, nil
	}
	src, err := sourceOf(set, c)
	if err != nil {
		return nil, err
	}
	findings := append([]probe.Finding{probe.Clock(ctx, c.Getter(secrets.Read)("endpoint"))}, probe.Feed(ctx, reader, src, time.Now())...)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		findings = append(findings, probe.Finding{Check: "time", State: probe.Fail, Text: cause.Error()})
	}
	return findings, nil
}

// sourceOf returns a source of a connection: the first by name, else one of the feed that any
// account may read.
func sourceOf(set flow.Set, c flow.Connection) (poll.Source, error) {
	for _, name := range set.Names(flow.KindSource) {
		s := set.Sources[name]
		if f, err := feed.Get(s.Feed); err == nil && s.Connection == c.Name {
			return poll.FromDocument(s, f), nil
		}
	}
	f, err := probe.Usual(c.System, c.Settings["edition"])
	if err != nil {
		return poll.Source{}, err
	}
	return poll.FromDocument(flow.Source{Name: "check", Connection: c.Name, Feed: f.Name}, f), nil
}

// tablesOf returns the tables that flows write to at a connection.
func tablesOf(set flow.Set, connection string) []string {
	tables := map[string]bool{}
	for _, f := range set.Flows {
		mt, err := contract.Message(f.Target.Message)
		if err != nil || f.Target.Connection != connection || contract.Table(mt.Descriptor()) == nil {
			continue
		}
		tables[contract.Table(mt.Descriptor()).GetName()], tables[table.Guard] = true, true
	}
	return slices.Collect(maps.Keys(tables))
}
