package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
)

func newApply() *cobra.Command {
	var at natsServer
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "apply FILE|DIR…",
		Short: "Check connections, sources and flows, and store them together",
		Long: `apply reads YAML documents (connections, sources, flows) from files, from the .yaml files in folders
or, for -, from standard input, checks them together with what is stored already, and stores all of
them or, when one is wrong, none. The services follow within a second. Tests of flows are left out.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			docs, err := readDocuments(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			for _, d := range docs {
				if d.Connection != nil && d.Connection.Sandbox() {
					return misuse{fmt.Errorf("%s:%d: connection %s leads to the sandbox, which only `erpstream up` runs: put the real endpoint there", d.File, d.Line, d.Name)}
				}
			}
			js, closeNATS, err := at.connect()
			if err != nil {
				return err
			}
			defer closeNATS()
			changes, err := flow.Apply(cmd.Context(), js, docs, check.Set)
			if err != nil {
				return err
			}
			warnOfRisks(cmd, docs)
			if asJSON {
				return printJSON(cmd.OutOrStdout(), changes)
			}
			for _, c := range changes {
				fmt.Fprintf(cmd.OutOrStdout(), "%-7s %s %s\n", c.Action, c.Kind, c.Name)
			}
			return nil
		},
	}
	at.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what was done as JSON")
	return cmd
}

// readDocuments reads all documents of files, folders and, for "-", standard input.
func readDocuments(stdin io.Reader, names []string) ([]flow.Document, error) {
	var docs []flow.Document
	for _, name := range names {
		files, err := yamlFiles(name)
		if err != nil {
			return nil, misuse{err}
		}
		for _, file := range files {
			data, err := readFile(stdin, file)
			if err != nil {
				return nil, misuse{err}
			}
			parsed, err := parseFile(file, data)
			if err != nil {
				return nil, misuse{err}
			}
			docs = append(docs, parsed...)
		}
	}
	if len(docs) == 0 {
		return nil, misuse{fmt.Errorf("no documents in %v", names)}
	}
	return docs, noneTwice(docs)
}

// parseFile parses the documents of a file, with the rows of value tables that stand in files beside it.
func parseFile(file string, data []byte) ([]flow.Document, error) {
	parsed, err := flow.Parse(file, data)
	switch {
	case err != nil:
		return nil, err
	case file == "-":
		return flow.ReadTables(parsed, nil)
	}
	folder, err := os.OpenRoot(filepath.Dir(file)) // a table can't be read from outside it
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }()
	return flow.ReadTables(parsed, folder.FS())
}

// noneTwice refuses a document that stands in two files.
func noneTwice(docs []flow.Document) error {
	first := map[string]flow.Document{}
	for _, d := range docs {
		key := d.Kind + " " + d.Name
		if other, ok := first[key]; ok {
			return misuse{fmt.Errorf("%s:%d: %s stands in %s:%d already", d.File, d.Line, key, other.File, other.Line)}
		}
		first[key] = d
	}
	return nil
}

func readFile(stdin io.Reader, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name) //nolint:gosec // the file that the operator names
}

// yamlFiles returns the file itself or, for a folder, the YAML files in and below it, sorted. Folders whose name
// begins with two dots are left out: in a mounted ConfigMap they hold once more what stands beside them.
func yamlFiles(name string) ([]string, error) {
	if name == "-" {
		return []string{name}, nil
	}
	var files []string
	err := filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		ext := filepath.Ext(path)
		if path != name && entry.IsDir() && strings.HasPrefix(entry.Name(), "..") {
			return filepath.SkipDir
		}
		if !entry.IsDir() && (path == name || ext == ".yaml" || ext == ".yml") {
			files = append(files, path)
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}
