package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/flow"
)

// newDead is the command for dead letters.
func newDead() *cobra.Command {
	var at natsServer
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "List, show, edit, replay, drop and export dead letters",
		Long: `A dead letter is a record or a target message that can't go on, whole, with the reason. It is named by
its number, which list shows. Letters are kept for 180 days, whatever is done with them: what was
done is noted beside them, with who did it. list shows those that nothing was done with yet.

A letter says at which stage it died: transform, where its record could not be mapped, or sink, where
its target message was refused. replay gives it back to its own flow once what was wrong is mended.

Personal data is masked as *** but with --personal, which is for those who may see it. Reasons are
shown as the vendors said them.`,
	}
	at.flags(cmd)
	cmd.AddCommand(newDeadList(&at), newDeadShow(&at), newDeadEdit(&at), newDeadReplay(&at), newDeadDrop(&at), newDeadExport(&at))
	return cmd
}

// letterFilter is the flags that say which letters are meant.
type letterFilter struct {
	flow, stage, class, key, since, until string
}

func (f *letterFilter) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.flow, "flow", "", "letters of this flow")
	flags.StringVar(&f.stage, "stage", "", "letters that died at this stage: transform or sink")
	flags.StringVar(&f.class, "class", "", "letters of this class of reasons, as list shows it")
	flags.StringVar(&f.key, "key", "", "letters of the document with this key")
	flags.StringVar(&f.since, "since", "", "letters buried at this time (2025-01-31, 2025-01-31T08:00:00+08:00) or this long ago (90m, 24h), or later")
	flags.StringVar(&f.until, "until", "", "letters buried before this time, or longer ago than this")
}

// empty reports whether no letter is left out.
func (f letterFilter) empty() bool { return f == letterFilter{} }

// read checks the flags.
func (f letterFilter) read(all bool) (dead.Filter, error) {
	since, err := readMoment("since", f.since)
	until, err2 := readMoment("until", f.until)
	err = errors.Join(err, err2)
	if f.stage != "" && f.stage != dead.Transform && f.stage != dead.Sink {
		err = errors.Join(err, fmt.Errorf("--stage %q is none: there are %s and %s", f.stage, dead.Transform, dead.Sink))
	}
	if strings.ContainsAny(f.flow, ".*> \t") {
		err = errors.Join(err, fmt.Errorf("--flow %q is no name of a flow", f.flow))
	}
	if err != nil {
		return dead.Filter{}, misuse{err}
	}
	return dead.Filter{Flow: f.flow, Stage: f.stage, Class: f.class, Key: f.key, Since: since, Until: until, All: all}, nil
}

// readMoment reads a time, or how long ago it is; nothing is the zero time.
func readMoment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return time.Now().Add(-ago), nil
	}
	return readTime(flag, text)
}

// letterChoice is letters that are named one by one, or those of a filter, or all that are open.
type letterChoice struct {
	letterFilter
	open, yes bool
}

func (c *letterChoice) flags(cmd *cobra.Command) {
	c.letterFilter.flags(cmd)
	cmd.Flags().BoolVar(&c.open, "open", false, "all letters that are open")
	cmd.Flags().BoolVar(&c.yes, "yes", false, "do not ask before letters of a filter are taken")
}

// sequences returns the letters that are meant; those of a filter that are open, or, with all, whatever was
// done with them. named says that they were given one by one.
func (c letterChoice) sequences(ctx context.Context, js jetstream.JetStream, args []string, all bool) (chosen []uint64, named bool, err error) {
	filter, err := c.read(all)
	if err != nil {
		return nil, false, err
	}
	switch filtered := !c.empty() || c.open; {
	case len(args) > 0 && filtered:
		return nil, false, misuse{errors.New("give letters by number or a filter, not both")}
	case len(args) > 0:
		chosen, err = letterNumbers(args)
		return chosen, true, err
	case !filtered:
		return nil, false, misuse{errors.New("which letters? Give their numbers, a filter such as --flow, or --open for all that are open")}
	}
	for b, err := range dead.List(ctx, js, filter) {
		if err != nil {
			return nil, false, err
		}
		chosen = append(chosen, b.Sequence)
	}
	return chosen, false, nil
}

// letterNumbers reads numbers of letters, each once.
func letterNumbers(args []string) ([]uint64, error) {
	var numbers []uint64
	for _, arg := range args {
		n, err := strconv.ParseUint(arg, 10, 64)
		if err != nil || n == 0 {
			return nil, misuse{fmt.Errorf("%q is no number of a letter: `erpstream dead list` shows them", arg)}
		}
		if !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// hand is who does something with letters.
type hand struct {
	at *natsServer
	by string
}

func (h *hand) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&h.by, "by", userName(), "who does it, for the note")
}

// userName is the name of who runs the command.
func userName() string {
	if name := os.Getenv("USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

// withDesk does something with letters.
func (h *hand) withDesk(ctx context.Context, do func(js jetstream.JetStream, desk *dead.Desk) error) error {
	return h.at.withStored(ctx, func(js jetstream.JetStream, stored flow.Snapshot) error {
		return do(js, dead.NewDesk(js, stored.Set, h.by))
	})
}
