package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// newHelp is the help of all commands, and that of the mapping language.
func newHelp() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "help [COMMAND | functions]",
		Short: "Help about a command, or about the functions of the mapping language",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return misuse{fmt.Errorf("there is no command %q\nSee `erpstream --help`", strings.Join(args, " "))}
			}
			return about.Help()
		},
	}
	cmd.AddCommand(newHelpFunctions())
	return cmd
}

func newHelpFunctions() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "functions [NAME]",
		Short: "Print the functions that mappings have, with examples",
		Long: `functions prints what the expressions in where, quality and map of a flow can call: the whole catalog, or
the functions whose name is or holds NAME, with their examples.`,
		Example: `  erpstream help functions
  erpstream help functions round
  erpstream help functions --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return misuse{fmt.Errorf("one name at most\nUsage: %s", cmd.UseLine())}
			}
			name := strings.Join(args, "")
			functions, err := functionsLike(name)
			if err != nil {
				return err
			}
			switch {
			case asJSON:
				return printJSON(cmd.OutOrStdout(), catalog{json.RawMessage(mapping.ExampleRecord), functions})
			case name != "":
				printFunctions(cmd.OutOrStdout(), functions)
				return nil
			default:
				return printCatalog(cmd.OutOrStdout(), functions)
			}
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON, with the record that the examples are computed over")
	return cmd
}

// catalog is what --json prints.
type catalog struct {
	Record    json.RawMessage    `json:"record"`
	Functions []mapping.Function `json:"functions"`
}

// functionsLike returns the function of that name or, when there is none, those whose names hold it.
func functionsLike(name string) ([]mapping.Function, error) {
	var like []mapping.Function
	var names []string
	for _, f := range mapping.Functions() {
		if f.Name == name {
			return []mapping.Function{f}, nil
		}
		if strings.Contains(f.Name, name) {
			like = append(like, f)
		}
		names = append(names, f.Name)
	}
	if len(like) > 0 {
		return like, nil
	}
	hint := "See `erpstream help functions`"
	if near := spec.Suggest(name, names); near != "" {
		hint = "Did you mean " + near + "?"
	}
	return nil, misuse{fmt.Errorf("there is no function %q\n%s", name, hint)}
}

// printCatalog prints a line for each function.
func printCatalog(out io.Writer, functions []mapping.Function) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	group := ""
	for _, f := range functions {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(table, "\n%s\n", group)
		}
		fmt.Fprintf(table, "  %s\t%s\n", f.Name, f.Does)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nOne of them with examples: erpstream help functions %s\n", functions[0].Name)
	return err
}

// printFunctions prints functions with their examples.
func printFunctions(out io.Writer, functions []mapping.Function) {
	for _, f := range functions {
		fmt.Fprintf(out, "%s %s\n", f.Name, f.Signature)
		if f.Chinese != "" {
			fmt.Fprintf(out, "  %s (%s)\n", f.Does, f.Chinese)
		} else {
			fmt.Fprintf(out, "  %s\n", f.Does)
		}
		for _, e := range f.Examples {
			if e.Each != "" {
				fmt.Fprintf(out, "    each: %s\n", e.Each)
			}
			fmt.Fprintf(out, "    %s\n      = %s\n", e.Expression, e.Result)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "The examples are computed over this record:\n%s\n", mapping.ExampleRecord)
}
