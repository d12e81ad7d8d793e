package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/services/erpstream/internal/importing"
)

// flowImport is what the command line of flow import says.
type flowImport struct {
	options     importing.Options
	with        []string
	collections []string
	sample      string
	out         string
	asJSON      bool
}

func newFlowImport(string, *natsServer) *cobra.Command {
	var f flowImport
	cmd := &cobra.Command{
		Use:   "import SOURCE.json TARGET.json",
		Short: "Make a source and a flow of the metadata of 轻易云 (qeasy)",
		Long: `import reads the metadata (元数据) of a scheme (集成方案) of 轻易云, that of its source side (源平台) and that of
its target side (目标平台), as the platform shows them in its source view (源码视图), and writes a source and a
flow. They pass flow check. What could not be carried over stands in a comment at its place, # TODO import:,
with the original text, and in the report on standard error; what erpstream does by itself (paging, windows,
retries, double documents) is named too. Where the contract wants a value that the metadata does not give,
null stands: such a record becomes a dead letter, and nothing wrong is booked. docs/import.md lists what
becomes of each construct.

--with names files and folders with documents that are there already: connections are taken from them, and
the collections of master data (基础资料) that look-ups ask. --collection says which collection a look-up
asks, by the platform's id of the scheme that gathers it or by the field that it fills.

Exit codes: 0 all was carried over; 1 written, but not all was carried over; 2 the metadata can't be read,
names an API or a table that is not known, or wrong usage.`,
		Example: `  erpstream flow import shops.source.json shops.target.json --with deploy/config --out shops.yaml
  erpstream flow import in.json out.json --collection FItemID=kis.material --start 2026-10-01 > in.yaml
  erpstream flow check deploy/config shops.yaml`,
		Args: cobra.ExactArgs(2),
		RunE: f.run,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.options.SourceConnection, "source-connection", "", "connection of the source (default: the only one of its system in --with, else the usual name)")
	flags.StringVar(&f.options.TargetConnection, "target-connection", "", "connection of the target (default likewise)")
	flags.StringVar(&f.options.Source, "source", "", "name of the source document (default: follows from the feed)")
	flags.StringVar(&f.options.Flow, "flow", "", "name of the flow document (default: follows from the source)")
	flags.StringVar(&f.options.Feed, "feed", "", "feed that the source side asks (default: the one with its api)")
	flags.StringVar(&f.options.Message, "message", "", "message that the target side writes (default: the one with its api or table)")
	flags.StringVar(&f.options.Start, "start", "", "where polling begins: up to when the platform has polled")
	flags.DurationVar(&f.options.Every, "every", 0, "time between two polls (default 5m)")
	flags.StringSliceVar(&f.with, "with", nil, "files and folders with documents that are there already")
	flags.StringArrayVar(&f.collections, "collection", nil, "ID=NAME or FIELD=NAME: the collection that a look-up asks; again for each")
	flags.StringVar(&f.sample, "sample", "", "file with a record of the source, as JSON: tells fields of a line from those of the record")
	flags.StringVar(&f.out, "out", "", "file to write; nothing is written over (default: standard output)")
	flags.BoolVar(&f.asJSON, "json", false, "print the documents and the report as one JSON object")
	return cmd
}

func (f *flowImport) run(cmd *cobra.Command, args []string) error {
	if err := f.read(cmd.InOrStdin()); err != nil {
		return misuse{err}
	}
	var files [2]importing.File
	for i, name := range args {
		data, err := readFile(cmd.InOrStdin(), name)
		if err != nil {
			return misuse{err}
		}
		files[i] = importing.File{Name: name, Data: data}
	}
	result, err := importing.Import(files[0], files[1], f.options)
	if err != nil {
		return misuse{err}
	}
	if err := f.write(cmd.OutOrStdout(), result); err != nil {
		return err
	}
	if !f.asJSON {
		printImported(cmd.ErrOrStderr(), result)
	}
	if open := len(result.Open()); open > 0 {
		return fmt.Errorf("flow %s is written, but %d things are left to do: see # TODO import in it", result.Flow, open)
	}
	return nil
}

// read reads what the options name.
func (f *flowImport) read(stdin io.Reader) error {
	f.options.Now = time.Now()
	f.options.Collections = map[string]string{}
	for _, text := range f.collections {
		key, name, ok := strings.Cut(text, "=")
		if !ok || key == "" || name == "" {
			return fmt.Errorf("--collection %q must be ID=NAME or FIELD=NAME, such as FItemID=kis.material", text)
		}
		f.options.Collections[key] = name
	}
	if f.sample != "" {
		data, err := readFile(stdin, f.sample)
		if err != nil {
			return err
		}
		f.options.Sample = importing.File{Name: f.sample, Data: data}
	}
	if len(f.with) == 0 {
		return nil
	}
	docs, err := readDocuments(stdin, f.with)
	f.options.With = flow.Set{}.With(docs...)
	return err
}

// write writes the documents, and with --json the report too. A file that exists stays as it is.
func (f *flowImport) write(out io.Writer, result importing.Result) (err error) {
	if f.out != "" {
		file, err := os.OpenFile(f.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a document, as an editor would write it
		if errors.Is(err, os.ErrExist) {
			return misuse{fmt.Errorf("%s exists already: name another file, or remove it", f.out)}
		}
		if err != nil {
			return err
		}
		if _, err = io.WriteString(file, result.Text); err != nil {
			return errors.Join(err, file.Close())
		}
		if err = file.Close(); err != nil {
			return err
		}
	}
	switch {
	case f.asJSON:
		return printJSON(out, result)
	case f.out == "":
		_, err = io.WriteString(out, result.Text)
	}
	return err
}

// printImported prints the report for people.
func printImported(out io.Writer, result importing.Result) {
	for _, one := range result.Findings {
		text := one.Message
		if one.Text != "" {
			text += ": " + one.Text
		}
		if one.Path != "" {
			text = one.Path + ": " + text
		}
		fmt.Fprintf(out, "%s:%d:%d: %s: %s\n", one.File, one.Line, one.Column, one.Kind, text)
	}
	for _, n := range result.Needs {
		switch n.Kind {
		case "connection":
			fmt.Fprintf(out, "needs connection %s of system %s\n", n.Name, n.System)
		default:
			fmt.Fprintf(out, "needs a flow that keeps %s of %s for connection of %s\n", strings.Join(n.Fields, ", "), n.Name, n.System)
		}
	}
}
