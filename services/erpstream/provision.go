package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/topology"
)

func newProvision() *cobra.Command {
	var at natsServer
	var planOnly, asJSON bool
	replicas := 1
	cmd := &cobra.Command{
		Use:   "provision",
		Short: "Create or update the streams and buckets on NATS",
		Long: `provision compares the streams and buckets on NATS with what erpstream needs and makes them so. A
change that would destroy data is refused, and then nothing is changed. Services never create streams:
run this before them, once.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			js, closeNATS, err := at.connect()
			if err != nil {
				return err
			}
			defer closeNATS()
			do := topology.Provision
			if planOnly {
				do = topology.Plan
			}
			plan, err := do(cmd.Context(), js, replicas)
			if asJSON {
				rows := make([]map[string]any, len(plan))
				for i, c := range plan {
					rows[i] = map[string]any{"stream": c.Stream, "action": c.Action, "changes": append([]string{}, c.Diffs...)}
				}
				if perr := printJSON(cmd.OutOrStdout(), rows); perr != nil {
					return perr
				}
				return err
			}
			for _, c := range plan {
				fmt.Fprintln(cmd.OutOrStdout(), c)
			}
			return err
		},
	}
	at.flags(cmd)
	cmd.Flags().BoolVar(&planOnly, "plan", false, "only show what would be done")
	cmd.Flags().IntVar(&replicas, "replicas", replicas, "replicas of each stream: 3 in production")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the plan as JSON")
	return cmd
}
