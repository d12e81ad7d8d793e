package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/shape"
)

// newFeedDrift is the command for what records look like, and how that changed.
func newFeedDrift() *cobra.Command {
	var at natsServer
	var asJSON, accept bool
	cmd := &cobra.Command{
		Use:   "drift [SOURCE]",
		Short: "Show what the records of sources look like, and what changed (结构漂移)",
		Long: `drift shows the fields that the records of sources have in RAW, as the watchdog learned them, and what
changed since the shape was accepted last: a field that appeared, one that is gone, a value of another
type. Of a source that is named all fields are shown: their types, in which part of the records (or lines,
or objects) they are, and when they were met last. items[] stands for the elements of a list, * for names
that are data.

Samples show the form of a value, not the value: letters are a, digits 9, Chinese characters 文; what is
known to be personal data is masked.

--accept takes the shape of a source for normal as it is now: its changes are settled, and fields that are
gone are not missed any more.

drift exits with 0 whether something changed or not: the event schema-drift tells of changes.`,
		Example: `  erpstream feed drift
  erpstream feed drift jst-purchasein
  erpstream feed drift jst-purchasein --accept
  erpstream feed drift --json | jq '.[].changes'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if accept && len(args) == 0 {
				return misuse{errors.New("--accept: name the source")}
			}
			return at.withStored(cmd.Context(), func(js jetstream.JetStream, stored flow.Snapshot) error {
				return drift{cmd: cmd, js: js, stored: stored, asJSON: asJSON, accept: accept}.run(args)
			})
		},
	}
	at.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&accept, "accept", false, "take the shape of SOURCE for normal as it is now")
	f.BoolVar(&asJSON, "json", false, "print as JSON: a list of shapes, whole")
	return cmd
}

// drift is one run of the command.
type drift struct {
	cmd            *cobra.Command
	js             jetstream.JetStream
	stored         flow.Snapshot
	asJSON, accept bool
}

func (d drift) run(args []string) error {
	names := args
	if len(args) == 0 {
		names = d.stored.Names(flow.KindSource)
	} else if known := d.stored.Names(flow.KindSource); !slices.Contains(known, args[0]) {
		return misuse{fmt.Errorf("there is no source %q%s", args[0], flow.DidYouMean(args[0], known))}
	}
	load := shape.Load
	if d.accept {
		load = shape.Accept
	}
	shapes := []*shape.Shape{}
	for _, name := range names {
		s, err := load(d.cmd.Context(), d.js, name)
		switch {
		case errors.Is(err, shape.ErrUnknown) && len(args) == 0:
			continue
		case err != nil:
			return err
		}
		shapes = append(shapes, s)
	}
	out := d.cmd.OutOrStdout()
	switch {
	case d.asJSON:
		return printJSON(out, shapes)
	case len(shapes) == 0:
		_, err := fmt.Fprintln(out, "No record was looked at yet: is the watchdog running?")
		return err
	case len(args) == 0:
		return d.table(out, shapes)
	default:
		return errors.Join(d.fields(out, shapes[0]), d.changes(out, shapes[0]))
	}
}

// table writes a line for each source, and all changes below.
func (d drift) table(out io.Writer, shapes []*shape.Shape) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SOURCE\tFEED\tRECORDS\tFIELDS\tKNOWN\tCHANGES\tLAST RECORD")
	for _, s := range shapes {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%d\t%s\n", s.Source, s.Feed, s.Records, len(s.Fields), known(s), len(s.Changes), d.time(s, s.Last))
	}
	errs := []error{table.Flush()}
	for _, s := range shapes {
		if len(s.Changes) > 0 {
			errs = append(errs, d.changes(out, s))
		}
	}
	return errors.Join(errs...)
}

// known says whether changes can be told yet.
func known(s *shape.Shape) string {
	if s.Learned {
		return "yes"
	}
	return "learning"
}

// fields writes all that is known of a source.
func (d drift) fields(out io.Writer, s *shape.Shape) error {
	fmt.Fprintf(out, "source %s, feed %s: %d records from %s to %s, known: %s\n\n", s.Source, s.Feed, s.Records, d.time(s, s.First), d.time(s, s.Last), known(s))
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FIELD\tTYPES\tIN\tLAST\t")
	for _, path := range s.Paths() {
		f := s.Fields[path]
		note := ""
		if f.Gone {
			note = "gone"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", path, kindsText(f), shareText(s, path), d.time(s, f.Last), note)
	}
	if s.Left > 0 {
		fmt.Fprintf(table, "\n%d times a field was left out, for there are too many\n", s.Left)
	}
	return table.Flush()
}

// kindsText writes the types of a field, those that it has most first.
func kindsText(f *shape.Field) string {
	var kinds []string
	for kind := range f.Kinds {
		kinds = append(kinds, string(kind))
	}
	slices.SortFunc(kinds, func(a, b string) int {
		if d := f.Kinds[shape.Kind(b)] - f.Kinds[shape.Kind(a)]; d != 0 {
			return int(d)
		}
		return strings.Compare(a, b)
	})
	return strings.Join(kinds, ", ")
}

// shareText writes in which part of what may have it a field is.
func shareText(s *shape.Shape, path string) string {
	if strings.HasSuffix(path, "[]") || strings.HasSuffix(path, "*") {
		return ""
	}
	switch share := s.Share(path); {
	case share == 1:
		return "all"
	case share > 0.999:
		return "> 99.9 %"
	case share < 0.001:
		return "< 0.1 %"
	default:
		return fmt.Sprintf("%.1f %%", 100*share)
	}
}

// changes writes what changed.
func (d drift) changes(out io.Writer, s *shape.Shape) error {
	if len(s.Changes) == 0 {
		_, err := fmt.Fprintf(out, "\nNothing changed in the records of source %s.\n", s.Source)
		return err
	}
	fmt.Fprintf(out, "\nChanges in the records of source %s:\n", s.Source)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  TIME\tWHAT\tFIELD\tTYPE\tSAMPLE\tDOCUMENT")
	for _, c := range s.Changes {
		kinds := c.From + c.To
		if c.From != "" && c.To != "" {
			kinds = c.From + " -> " + c.To
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\t%s\n", d.time(s, c.Time), c.Kind, c.Path, kinds, c.Sample, c.Key)
	}
	return table.Flush()
}

// time writes a time in the zone of the source's connection.
func (d drift) time(s *shape.Shape, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(d.stored.Connections[d.stored.Sources[s.Source].Connection].Location()).Format("2006-01-02 15:04:05 -07:00")
}
