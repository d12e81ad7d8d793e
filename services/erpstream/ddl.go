package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/table"
	"github.com/erpstream/erpstream/proto/contract"
)

func newDDL() *cobra.Command {
	var withGuard bool
	cmd := &cobra.Command{
		Use:   "ddl MESSAGE",
		Short: "Print the SQL that creates the table of a target message",
		Long: `ddl prints CREATE TABLE statements for the table of a target message and for the guard table, in which
the sink notes the version of each document so that an older one never overwrites a newer one:

  erpstream ddl erpstream.mysql.v1.PurchaseIn | mysql mydatabase`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			mt, err := contract.Message(args[0])
			if err != nil {
				return misuse{err}
			}
			t, err := table.Of(mt.Descriptor())
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), t.DDL())
			if withGuard {
				fmt.Fprintln(cmd.OutOrStdout(), table.GuardDDL())
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&withGuard, "guard", true, "print the guard table too")
	return cmd
}
