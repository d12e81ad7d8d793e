package rig

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Mode is a program within this one: it runs in a process of its own until ctx is done or its work is.
type Mode func(ctx context.Context, args []string) error

// Modes are the programs that Self can start, by name.
type Modes map[string]Mode

// modeArgument comes before the name of a mode on the command line.
const modeArgument = "--mode"

// Run runs the mode that a command line asks for; asked is false when it asks for none.
func (m Modes) Run(ctx context.Context, args []string) (asked bool, err error) {
	if len(args) < 2 || args[0] != modeArgument {
		return false, nil
	}
	mode, ok := m[args[1]]
	if !ok {
		return true, fmt.Errorf("no mode %q: %s", args[1], strings.Join(slices.Sorted(maps.Keys(m)), ", "))
	}
	return true, mode(ctx, args[2:])
}

// TestMain is the main function of a test binary that starts itself in modes: it runs the mode that the command
// line asks for, else the tests. It does not return.
func (m Modes) TestMain(run func() int) {
	asked, err := m.Run(context.Background(), os.Args[1:])
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case asked:
		os.Exit(0)
	default:
		os.Exit(run())
	}
}

// With returns all modes of both.
func (m Modes) With(more Modes) Modes {
	all := maps.Clone(m)
	maps.Copy(all, more)
	return all
}
