package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/feed/catalog/samples"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/proto/contract"
	"github.com/erpstream/erpstream/services/erpstream/internal/describe"
	"github.com/erpstream/erpstream/services/erpstream/internal/skeleton"
)

// newFlowFlags are the flags of flow new.
type newFlowFlags struct {
	feed, message, name, source, connection, sourceConnection, start, out string
}

func newNew(string, *natsServer) *cobra.Command {
	var n newFlowFlags
	cmd := &cobra.Command{
		Use:   "new --feed FEED --message MESSAGE",
		Short: "Write the skeleton of a flow: every target field, with a guess at where it comes from",
		Long: `new writes a flow from a feed to a target message. Each field of the message stands there with its type,
limits and description, the required ones (必填) first; where a field of the feed's recorded sample has a
like name, or its part in the document is known, there is an expression, else a TODO. The guesses are to
be read: names tell little. A source is written before the flow, unless --source names one that there is.`,
		Example: `  erpstream flow new --feed wangdiantong.stockin --message InventoryGainBill \
    --source-connection wdt-main --connection kd-main --out flows/stockgain.yaml
  erpstream flow new --feed jushuitan.otherin --message OtherInbound --source jst-otherin --connection kis-main`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			request, err := n.request(time.Now())
			if err != nil {
				return misuse{err}
			}
			result := skeleton.Write(request)
			if err := n.write(cmd, result.Text); err != nil {
				return err
			}
			text := fmt.Sprintf("%d of %d fields have a guess", result.Guessed, result.Of)
			if len(result.Todo) > 0 {
				text += "; required and still to do: " + strings.Join(result.Todo, ", ")
			}
			fmt.Fprintln(cmd.ErrOrStderr(), text)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&n.feed, "feed", "", "the feed, see erpstream feed list (required)")
	f.StringVar(&n.message, "message", "", "the target message, see erpstream message list (required)")
	f.StringVar(&n.name, "name", "", "name of the flow (default from the source and the target)")
	f.StringVar(&n.source, "source", "", "name of a source that there is; without, one is written too")
	f.StringVar(&n.connection, "connection", "", "connection of the target (default <kind>-main)")
	f.StringVar(&n.sourceConnection, "source-connection", "", "connection of the source (default <system>-main)")
	f.StringVar(&n.start, "start", "", "where the source begins: 2026-01-01 or RFC 3339 (default today)")
	f.StringVar(&n.out, "out", "", "file to write instead of standard output; one that is there is kept")
	return cmd
}

// request reads the flags; the error names all that is wrong.
func (n newFlowFlags) request(now time.Time) (skeleton.Request, error) {
	var r skeleton.Request
	if n.feed == "" || n.message == "" {
		return r, fmt.Errorf("--feed and --message are needed: see `erpstream feed list` and `erpstream message list`")
	}
	f, err := feed.Get(n.feed)
	if err != nil {
		return r, fmt.Errorf("--feed: unknown feed %q%s", n.feed, flow.DidYouMean(n.feed, feed.Names()))
	}
	name, err := messageName(n.message)
	if err != nil {
		return r, fmt.Errorf("--message: %w", err)
	}
	mt, err := contract.Message(name)
	if err != nil {
		return r, fmt.Errorf("--message: %w", err)
	}
	fields, err := samples.Fields(f)
	if err != nil {
		return r, err
	}
	kind := describe.Kind(mt.Descriptor())
	api := strings.ReplaceAll(strings.TrimPrefix(f.Name, f.System+"."), ".", "-")
	r = skeleton.Request{
		Feed: f, Fields: fields, Message: mt.Descriptor(),
		Source: cmp.Or(n.source, f.System+"-"+api), Connection: cmp.Or(n.connection, kind+"-main"),
	}
	if kind == "reference" {
		r.Connection = cmp.Or(n.connection, f.System+"-main")
	}
	r.Flow = cmp.Or(n.name, r.Source+"-to-"+kind)
	if n.source == "" {
		r.SourceConnection = cmp.Or(n.sourceConnection, f.System+"-main")
	}
	for _, name := range []string{r.Flow, r.Source, r.Connection, r.SourceConnection} {
		if err := topology.CheckName(name); err != nil && name != "" {
			return r, err
		}
	}
	r.Start, err = n.begin(f, now)
	return r, err
}

// begin is where the source begins: today in the feed's zone, if nothing else is said.
func (n newFlowFlags) begin(f feed.Feed, now time.Time) (time.Time, error) {
	if n.start == "" {
		year, month, day := now.In(f.Location()).Date()
		return time.Date(year, month, day, 0, 0, 0, 0, f.Location()), nil
	}
	if at, err := time.ParseInLocation(time.DateOnly, n.start, f.Location()); err == nil {
		return at, nil
	}
	at, err := time.Parse(time.RFC3339, n.start)
	if err != nil {
		return at, fmt.Errorf("--start %q is no time: write 2026-01-01 or 2026-01-01T00:00:00+08:00", n.start)
	}
	return at, nil
}

// write writes the documents; it never overwrites a file.
func (n newFlowFlags) write(cmd *cobra.Command, text string) error {
	if n.out == "" {
		_, err := fmt.Fprint(cmd.OutOrStdout(), text)
		return err
	}
	file, err := os.OpenFile(n.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a document, as an editor would write it
	if err != nil {
		return misuse{fmt.Errorf("--out: %w", err)}
	}
	if _, err := file.WriteString(text); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
