// Command erpstream is the operator's hand: it runs everything on one machine (up), provisions
// NATS, applies and shows the configuration, and asks pollers for more.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // zones of connections, on machines that have none

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/services/erpstream/internal/terminal"
)

// Exit codes, which --help names.
const (
	exitFailed  = 1
	exitMisused = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// execute runs one command and returns its exit code. What it prints is harmless to a terminal.
func execute(ctx context.Context, args []string, out, errOut io.Writer) int {
	out, errOut = terminal.Safe(out), terminal.Safe(errOut)
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case isMisuse(err):
		fmt.Fprintf(errOut, "%v\n", err)
		return exitMisused
	default:
		fmt.Fprintf(errOut, "erpstream: %v\n", err)
		return exitFailed
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "erpstream",
		Short: "Moves business records from e-commerce ERPs to finance systems and databases",
		Long: `erpstream moves business records out of e-commerce ERPs (聚水潭 Jushuitan, 旺店通 Wangdiantong)
into finance systems (金蝶 Kingdee) and databases, as an event stream on NATS JetStream.

Exit codes: 0 done; 1 failed, or does not balance; 2 wrong usage or a wrong document.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return misuse{fmt.Errorf("%w\nSee `%s --help`", err, cmd.CommandPath())}
	})
	root.AddCommand(
		newUp(), newProvision(), newApply(), newDDL(), newSource(), newAudit(), newDead(), newParked(), newTrace(), newDoctor(),
		newDocuments(flow.KindConnection, "accounts on systems", newProbe), newFlow(), newNATSConfig(),
		newFeed(), newMessage(), newSchema(), newBackup(), newRestore(), newScaledObjects(),
	)
	noStrayArguments(root)
	root.SetHelpCommand(newHelp())
	return root
}

// noStrayArguments makes wrong arguments of a command and those below it a misuse.
func noStrayArguments(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		noStrayArguments(below)
	}
	if cmd.HasSubCommands() && cmd.RunE == nil {
		cmd.Args, cmd.RunE = cobra.ArbitraryArgs, unknownCommand
		return
	}
	check := cmd.Args
	if check == nil {
		check = cobra.NoArgs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return misuse{fmt.Errorf("%w\nUsage: %s", err, cmd.UseLine())}
		}
		return nil
	}
}

// unknownCommand is what a command does that only has others below it.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	text := fmt.Sprintf("%s has no command %q", cmd.CommandPath(), args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += fmt.Sprintf(": did you mean %s?", strings.Join(near, ", "))
	}
	return misuse{fmt.Errorf("%s\nSee `%s --help`", text, cmd.CommandPath())}
}

// misuse is an error in what the user gave: arguments, flags or documents.
type misuse struct{ error }

func (m misuse) Unwrap() error { return m.error }

func isMisuse(err error) bool {
	_, wrongUse := errors.AsType[misuse](err)
	_, wrongDocument := errors.AsType[*flow.Error](err)
	return wrongUse || wrongDocument
}
