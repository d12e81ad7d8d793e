package main

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/services/erpstream/internal/dryrun"
)

func newFlowDiff(_ string, at *natsServer) *cobra.Command {
	t := trial{at: at}
	cmd := &cobra.Command{
		Use:   "diff FLOW FILE",
		Short: "Show what would change for the last records if a file were applied",
		Long: `diff (对比) maps the newest records of a flow's source with the stored revision and with the one in FILE, and
shows only what differs: the fields that change, the records that become something else (mapped, filtered,
dropped, parked, dead), and how many of each. It only reads. Personal data is masked: that it changes is
shown, not how. - is the stored revision, + the one in FILE.

The records are those of the source that the revision in FILE reads.

It exits as diff does: 0 nothing differs, 1 something does, 2 trouble.`,
		Example: `  erpstream flow diff jst-purchasein-to-mysql flows/jst-purchasein-to-mysql.yaml --last 200
  erpstream flow diff jst-shops-to-kingdee shops.yaml --json || echo differs`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := t.diff(cmd, args[0], args[1])
			switch {
			case isMisuse(err):
				return err
			case err != nil:
				return misuse{fmt.Errorf("erpstream: %w", err)} // 1 says that there is a difference
			}
			if t.asJSON {
				err = printJSON(cmd.OutOrStdout(), d)
			} else {
				err = dryrun.WriteDiff(cmd.OutOrStdout(), d)
			}
			if err == nil && !d.Same() {
				err = fmt.Errorf("flow %s differs: %d of %d records change", args[0], d.Changed, d.Records)
			}
			return err
		},
	}
	t.flags(cmd, 100)
	return cmd
}

func (t trial) diff(cmd *cobra.Command, name, file string) (d dryrun.Diff, err error) {
	errOut := cmd.ErrOrStderr()
	err = t.with(cmd.Context(), func(ctx context.Context, js jetstream.JetStream, stored flow.Snapshot) error {
		old, ok := stored.Flows[name]
		if !ok {
			return fmt.Errorf("no flow %q is stored%s", name, flow.DidYouMean(name, stored.Names(flow.KindFlow)))
		}
		set, f, err := t.fromFile(cmd.InOrStdin(), stored, file, name)
		if err != nil {
			return err
		}
		before, err := t.revision(ctx, errOut, js, stored.Set, old)
		if err != nil {
			return fmt.Errorf("stored revision: %w", err)
		}
		after, err := t.revision(ctx, errOut, js, set, f)
		if err != nil {
			return err
		}
		records, err := t.records(ctx, errOut, js, after)
		if err != nil {
			return err
		}
		d, err = dryrun.Compare(before, after, records)
		return err
	})
	return d, err
}
