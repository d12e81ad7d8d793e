package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/services/erpstream/internal/schema"
)

func newSchema() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of connections, sources, flows and tests, for editors",
		Long: `schema prints a JSON schema (draft 2020-12) with which an editor completes and checks documents while
they are written: feeds, settings, target messages, and in map the fields of the flow's target message
with their types, limits and descriptions. A file names its schema in its first line:

  # yaml-language-server: $schema=../schema.json`,
		Example: `  erpstream schema > schema.json
  erpstream schema --out config/schema.json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" {
				return printJSON(cmd.OutOrStdout(), schema.Document())
			}
			file, err := os.Create(to) //nolint:gosec // the file that the operator names
			if err != nil {
				return misuse{fmt.Errorf("--out: %w", err)}
			}
			if err := printJSON(file, schema.Document()); err != nil {
				_ = file.Close()
				return err
			}
			return file.Close()
		},
	}
	cmd.Flags().StringVar(&to, "out", "", "file to write instead of standard output")
	return cmd
}
