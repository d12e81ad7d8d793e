package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/proto/contract"
	"github.com/erpstream/erpstream/services/erpstream/internal/describe"
)

// newMessage is the command for target messages: the contracts with the sinks.
func newMessage() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "message",
		Short: "List and show target messages: what flows can fill",
	}
	cmd.AddCommand(newMessageList(), newMessageShow())
	return cmd
}

func newMessageList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the target messages",
		Example: `  erpstream message list
  erpstream message list --json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all := []describe.Message{}
			for _, name := range contract.Names() {
				mt, err := contract.Message(name)
				if err != nil {
					return err
				}
				all = append(all, describe.Of(mt.Descriptor()))
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintf(table, "MESSAGE\tKIND\tGOES TO\tFIELDS\tWHAT\n")
			for _, m := range all {
				what, _, _ := strings.Cut(m.Comment, ". ")
				fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", m.Name, m.Kind, m.Stored, countFields(m.Fields), what)
			}
			return table.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the messages with all fields as JSON")
	return cmd
}

func countFields(fields []describe.Field) int {
	n := len(fields)
	for _, f := range fields {
		n += countFields(f.Fields)
	}
	return n
}

func newMessageShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show MESSAGE",
		Short: "Show a target message: its fields with types, limits and names at the target",
		Long: `show prints the fields of a target message as its contract has them: * marks those that are required
(必填). The last part of its name will do where only one message has it.`,
		Example: `  erpstream message show erpstream.kingdee.v1.InventoryGainBill
  erpstream message show PurchaseIn --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := messageName(args[0])
			if err != nil {
				return err
			}
			mt, err := contract.Message(name)
			if err != nil {
				return misuse{err}
			}
			m := describe.Of(mt.Descriptor())
			if asJSON {
				return printJSON(cmd.OutOrStdout(), m)
			}
			return printMessage(cmd.OutOrStdout(), m)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// messageName returns the full name of the message that a user means.
func messageName(given string) (string, error) {
	var found, short []string
	for _, name := range contract.Names() {
		last := name[strings.LastIndexByte(name, '.')+1:]
		short = append(short, last)
		if name == given || strings.EqualFold(last, given) {
			found = append(found, name)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", misuse{fmt.Errorf("message %q is one of %s: write its full name", given, strings.Join(found, ", "))}
	case strings.Contains(given, "."):
		return "", misuse{fmt.Errorf("unknown message %q%s", given, flow.DidYouMean(given, contract.Names()))}
	default:
		return "", misuse{fmt.Errorf("unknown message %q%s", given, flow.DidYouMean(given, short))}
	}
}

func printMessage(out io.Writer, m describe.Message) error {
	fmt.Fprintf(out, "%s\n%s to %s\n%s\n\n", m.Name, m.Kind, m.Stored, m.Comment)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "NO\tFIELD\tTYPE\tAT THE TARGET\tLIMITS\tWHAT\n")
	printFields(table, m.Fields, "")
	return table.Flush()
}

func printFields(table io.Writer, fields []describe.Field, indent string) {
	for _, f := range fields {
		name, kind := indent+f.Name, f.Type
		if f.Required {
			name += " *"
		}
		if f.Repeated {
			kind = "list of " + kind
		}
		limits := strings.Join(f.Limits, ", ")
		if f.Personal {
			limits = strings.TrimPrefix(limits+", personal (个人信息)", ", ")
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", f.Number, name, kind, orDash(f.Target), orDash(limits), f.Comment)
		printFields(table, f.Fields, indent+"  ")
	}
}
