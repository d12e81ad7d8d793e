package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/hold"
	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/services/erpstream/internal/terminal"
)

// confirmWait is how long pause and resume wait for the transformers to confirm, confirmEvery how often they
// look.
const (
	confirmWait  = 20 * time.Second
	confirmEvery = 200 * time.Millisecond
)

// newPause makes flows stand still.
func newPause(_ string, at *natsServer) *cobra.Command {
	var h hold.Hold
	var length time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "pause FLOW…",
		Short: "Make flows stand still; they keep their place",
		Long: `pause makes the transformers of a flow stop: nothing of it is mapped any more, no record of RAW, none that is
parked, none of a replay, until "flow resume" or the end of --for. What is in hand is finished. The flow
keeps its place, also over restarts, and no alarm is raised because its records wait. Its source is polled
on, for others read it too; target messages that are made already are written.

It returns when all running transformers confirm. A second pause takes the place of the first.`,
		Example: `  erpstream flow pause jst-otherin-to-kis --reason "KIS 升级" --for 2h
  erpstream flow pause wdt-stockgain-to-kingdee`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if length < 0 || cmd.Flags().Changed("for") && length == 0 {
				return misuse{fmt.Errorf("--for %s is not more than 0", length)}
			}
			h.Since = time.Now()
			if length > 0 {
				h.Until = h.Since.Add(length)
			}
			return at.withStored(cmd.Context(), func(js jetstream.JetStream, stored flow.Snapshot) error {
				return pausing{js: js, held: &h, asJSON: asJSON}.run(cmd, stored, args)
			})
		},
	}
	cmd.Flags().DurationVar(&length, "for", 0, "go on by itself after this time, such as 90m or 2h (default: when resumed)")
	cmd.Flags().StringVar(&h.Reason, "reason", "", "why, for those who look at the status")
	cmd.Flags().StringVar(&h.By, "by", userName(), "who does it")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// newResume lets flows go on.
func newResume(_ string, at *natsServer) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "resume FLOW…",
		Short: "Let flows go on that were paused",
		Long: `resume lets flows go on where they stopped. It returns when all running transformers confirm. A flow that is
not paused goes on as it does.`,
		Example: `  erpstream flow resume jst-otherin-to-kis`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return at.withStored(cmd.Context(), func(js jetstream.JetStream, stored flow.Snapshot) error {
				return pausing{js: js, asJSON: asJSON}.run(cmd, stored, args)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// pausing makes flows stand still, or, without a hold, go on.
type pausing struct {
	js     jetstream.JetStream
	held   *hold.Hold
	asJSON bool
}

// paused is what was done with one flow.
type paused struct {
	Flow string `json:"flow"`
	// Hold is what holds the flow now, Before what held it before.
	Hold   *hold.Hold `json:"hold,omitempty"`
	Before *hold.Hold `json:"before,omitempty"`
	// Confirmed are the transformers that confirm, Silent those that don't.
	Confirmed []string `json:"confirmed"`
	Silent    []string `json:"silent"`
}

// run does it for all flows, which must be there, or for none.
func (p pausing) run(cmd *cobra.Command, stored flow.Snapshot, names []string) error {
	for _, name := range names {
		if _, ok := stored.Flows[name]; !ok {
			return fmt.Errorf("no flow %q is stored: there are %v", name, stored.Names(flow.KindFlow))
		}
	}
	before, err := hold.All(cmd.Context(), p.js)
	if err != nil {
		return err
	}
	var all []paused
	for _, name := range names {
		done := paused{Flow: name}
		if h, ok := before[name]; ok {
			done.Before = &h
		}
		if p.held == nil {
			err = hold.Lift(cmd.Context(), p.js, name)
		} else {
			h := *p.held
			h.Flow, done.Hold = name, &h
			err = hold.Put(cmd.Context(), p.js, h)
		}
		if err != nil {
			return err
		}
		all = append(all, done)
	}
	var silent []error
	for i := range all {
		if err := p.confirm(cmd.Context(), &all[i]); err != nil {
			silent = append(silent, err)
		}
	}
	if p.asJSON {
		err = printJSON(cmd.OutOrStdout(), all)
	} else {
		err = p.print(cmd.OutOrStdout(), all)
	}
	return errors.Join(append(silent, err)...)
}

// confirm waits until all transformers that run the flow say that it stands still, or that it doesn't.
func (p pausing) confirm(ctx context.Context, done *paused) error {
	ctx, cancel := context.WithTimeout(ctx, confirmWait)
	defer cancel()
	for {
		entries, err := status.Read(ctx, p.js)
		if err != nil {
			return err
		}
		done.Confirmed, done.Silent = []string{}, []string{}
		for _, e := range entries {
			switch {
			case e.Service != "transformer" || e.Unit != done.Flow:
			case (e.State == status.Paused) == (p.held != nil) || e.State == status.Failed:
				done.Confirmed = append(done.Confirmed, e.Instance)
			default:
				done.Silent = append(done.Silent, e.Instance)
			}
		}
		slices.Sort(done.Confirmed)
		slices.Sort(done.Silent)
		if len(done.Silent) == 0 {
			return nil
		}
		if consume.Pause(ctx, confirmEvery); ctx.Err() != nil {
			return fmt.Errorf("flow %s: it is noted, but %s did not confirm within %s: `erpstream flow status %s` shows when it does",
				done.Flow, strings.Join(done.Silent, ", "), confirmWait, done.Flow)
		}
	}
}

func (p pausing) print(out io.Writer, all []paused) error {
	for _, done := range all {
		var text string
		switch {
		case done.Hold != nil:
			text = "paused " + done.Hold.String(time.Local)
		case done.Before != nil:
			text = "resumed; it was paused " + done.Before.String(time.Local)
		default:
			text = "was not paused"
		}
		if done.Hold != nil && done.Before != nil {
			text += " (before that " + done.Before.String(time.Local) + ")"
		}
		switch n := len(done.Confirmed); {
		case n == 0 && len(done.Silent) == 0:
			text += "; no transformer runs it now"
		case n > 0:
			text += fmt.Sprintf("; confirmed by %s", strings.Join(done.Confirmed, ", "))
		}
		if _, err := fmt.Fprintf(out, "%s: %s\n", done.Flow, terminal.Text(text)); err != nil {
			return err
		}
	}
	return nil
}
