package main

import (
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
)

// newFlow is the command for flows: those that are stored, and those in files.
func newFlow() *cobra.Command {
	cmd := newDocuments(flow.KindFlow, "what is mapped where", newCheck, newFlowTest, newFlowPreview, newFlowDiff, newLint, newNew,
		newStatus, newPause, newResume, newReplay, newHistory, newRollback, newFlowImport)
	cmd.Short = "List, show and check flows; write, test, preview, replay and roll them back"
	return cmd
}
