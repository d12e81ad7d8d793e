package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/services/erpstream/internal/terminal"
)

// wholeLetter is a letter with its headers and its body, as JSON.
type wholeLetter struct {
	letterView
	Headers map[string][]string `json:"headers"`
	// Body is the record, or the target message in its JSON form.
	Body json.RawMessage `json:"body,omitempty"`
	// BodyFault says why there is no Body; Bytes is then what it is, where personal data is shown.
	BodyFault string `json:"body_fault,omitempty"`
	Bytes     []byte `json:"bytes,omitempty"`
}

func newWholeLetter(b dead.Buried, personalToo bool) wholeLetter {
	whole := wholeLetter{letterView: letterView{b, b.State()}, Headers: b.Header}
	body, err := b.JSON(personalToo)
	if err == nil {
		whole.Body = body
		return whole
	}
	whole.BodyFault = err.Error()
	if personalToo {
		whole.Bytes = b.Body
	}
	return whole
}

// print writes a letter for people to read.
func (w wholeLetter) print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("letter", "%d, %s", w.Sequence, w.State)
	if n := w.Note; n != nil {
		line("", "%s by %s at %s %s", n.Action, terminal.Text(n.By), n.Time.Local().Format(time.RFC3339), terminal.Text(n.Why))
	}
	line("died", "%s, at stage %s of flow %s, delivery %d", w.Time.Local().Format(time.RFC3339), terminal.Text(w.Stage), terminal.Text(w.Flow), w.Attempts)
	line("class", "%s", terminal.Text(w.Class))
	line("reason", "%s", strings.ReplaceAll(terminal.Text(w.Reason), "\n", "\n\t"))
	line("record", "%s, version %d, of source %s (%s)", terminal.Text(w.Key), w.Version, terminal.Text(w.Source), terminal.Text(w.Kind))
	line("was", "sequence %d of stream %s, %s", w.StreamSequence, terminal.Text(w.Stream), terminal.Text(w.Subject))
	line("in RAW", "sequence %d", w.RawSequence)
	if w.ReplayOf > 0 {
		line("replay", "of letter %d, which died again", w.ReplayOf)
	}
	if w.Edits > 0 {
		line("edited", "from letter %d", w.Edits)
	}
	if w.Fault != "" {
		line("fault", "%s", terminal.Text(w.Fault))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nheaders\n")
	for _, name := range slices.Sorted(maps.Keys(w.Headers)) {
		for _, value := range w.Headers[name] {
			fmt.Fprintf(out, "  %s: %s\n", terminal.Text(name), terminal.Text(value))
		}
	}
	return w.printBody(out)
}

func (w wholeLetter) printBody(out io.Writer) error {
	fmt.Fprintln(out)
	if w.Schema != "" {
		fmt.Fprintln(out, w.Schema)
	}
	var err error
	switch {
	case len(w.Bytes) > 0:
		_, err = fmt.Fprintf(out, "%s:\n%q\n", w.BodyFault, w.Bytes)
	case w.BodyFault != "":
		_, err = fmt.Fprintf(out, "no body is shown: %s\n", terminal.Text(w.BodyFault))
	case len(w.Body) == 0:
		_, err = fmt.Fprintln(out, "no body: the document was removed at the source")
	default:
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, w.Body, "", "  "); err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s\n", pretty.Bytes())
	}
	return err
}

func newDeadExport(at *natsServer) *cobra.Command {
	var filter letterFilter
	var all, personalToo bool
	var path string
	cmd := &cobra.Command{
		Use:   "export [LETTER…]",
		Short: "Write letters as JSON Lines, each whole with headers, reason and body",
		Long: `export writes the letters that are named, or those of a filter, or all that are open, each as one line of
JSON. A body that is no JSON and no target message is left out, with the reason, or, with --personal, is
written in base64 as "bytes".`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			choice := letterChoice{letterFilter: filter, open: len(args) == 0 && filter.empty()}
			if all && len(args) > 0 {
				return misuse{fmt.Errorf("--all goes with a filter; letters by number are written whatever was done with them")}
			}
			h := hand{at: at}
			return h.withDesk(cmd.Context(), func(js jetstream.JetStream, desk *dead.Desk) error {
				chosen, _, err := choice.sequences(cmd.Context(), js, args, all)
				if err != nil {
					return err
				}
				e := exporter{desk: desk, personal: personalToo}
				if path == "" || path == "-" {
					return e.write(cmd, cmd.OutOrStdout(), chosen)
				}
				return e.writeFile(cmd, path, chosen)
			})
		},
	}
	filter.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "letters that something was done with, too")
	cmd.Flags().StringVarP(&path, "output", "o", "", "file to write, which must not be there yet; - or none is stdout")
	cmd.Flags().BoolVar(&personalToo, "personal", false, "write personal data, too")
	return cmd
}

// exporter writes letters.
type exporter struct {
	desk     *dead.Desk
	personal bool
}

// writeFile writes a file that only its owner can read, for reasons and bodies are nobody else's business.
func (e exporter) writeFile(cmd *cobra.Command, path string, letters []uint64) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the file that the operator names
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if err := e.write(cmd, file, letters); err != nil {
		_ = file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	_, err = fmt.Fprintf(cmd.ErrOrStderr(), "%d letters are in %s\n", len(letters), path)
	return err
}

func (e exporter) write(cmd *cobra.Command, out io.Writer, letters []uint64) error {
	for _, n := range letters {
		b, err := e.desk.Get(cmd.Context(), n)
		if err != nil {
			return err
		}
		line := json.NewEncoder(out)
		line.SetEscapeHTML(false)
		if err := line.Encode(newWholeLetter(b, e.personal)); err != nil {
			return fmt.Errorf("export letter %d: %w", n, err)
		}
	}
	return nil
}
