package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/dead/check"
	"github.com/erpstream/erpstream/services/erpstream/internal/terminal"
)

func newDeadReplay(at *natsServer) *cobra.Command {
	h := hand{at: at}
	var choice letterChoice
	var how dead.How
	var rate float64
	var dryRun, asJSON bool
	cmd := &cobra.Command{
		Use:   "replay [LETTER…]",
		Short: "Give letters back to their own flow",
		Long: `replay gives letters back to their own flow, and to no other: one that died in the transformer is mapped
again, as the flow is now; one that died at the sink is sent to it once more as it is, or, with --remap,
its record is mapped anew. Versions stay as they are, so newer data is never overwritten. A letter is
replayed once, however often the command runs; one that dies again is a new letter.

Letters that were dropped can be replayed by their number.`,
		Example: `  erpstream dead replay 17 18
  erpstream dead replay --flow wdt-refund-to-mysql --class quality --dry-run
  erpstream dead replay --flow wdt-refund-to-mysql --since 24h --rate 200 --yes`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if rate <= 0 {
				return misuse{fmt.Errorf("--rate %v is not more than 0", rate)}
			}
			return h.withDesk(cmd.Context(), func(js jetstream.JetStream, desk *dead.Desk) error {
				letters, named, err := choice.sequences(cmd.Context(), js, args, false)
				if err != nil {
					return err
				}
				how.Dropped = named
				round := settling{cmd: cmd, done: "replayed", every: time.Duration(float64(time.Second) / rate)}
				round.do = func(ctx context.Context, n uint64) error { return desk.Replay(ctx, n, how) }
				if dryRun {
					round.done, round.every = "to be replayed", 0
					round.do = func(ctx context.Context, n uint64) error { return desk.Try(ctx, n, how) }
				} else if err := choice.confirm(cmd, "replay", len(letters), named); err != nil {
					return err
				}
				return round.run(letters, asJSON)
			})
		},
	}
	choice.flags(cmd)
	h.flags(cmd)
	cmd.Flags().Float64Var(&rate, "rate", 50, "letters a second")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say which letters could be replayed, and why others could not")
	cmd.Flags().BoolVar(&how.Remap, "remap", false, "map the records of target messages anew, as the flow is now")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func newDeadDrop(at *natsServer) *cobra.Command {
	h := hand{at: at}
	var choice letterChoice
	var why string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "drop [LETTER…] --reason TEXT",
		Short: "Note that letters are done with, and why",
		Long: `drop notes that letters need nothing any more, and for what reason. They are listed no more but with
--all, and are still counted as dead: the record did not arrive.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(why) == "" {
				return misuse{errors.New("--reason is missing: whoever looks at the letter later wants to know why")}
			}
			return h.withDesk(cmd.Context(), func(js jetstream.JetStream, desk *dead.Desk) error {
				letters, named, err := choice.sequences(cmd.Context(), js, args, false)
				if err != nil {
					return err
				}
				if err := choice.confirm(cmd, "drop", len(letters), named); err != nil {
					return err
				}
				round := settling{cmd: cmd, done: "dropped", do: func(ctx context.Context, n uint64) error { return desk.Drop(ctx, n, why) }}
				return round.run(letters, asJSON)
			})
		},
	}
	choice.flags(cmd)
	h.flags(cmd)
	cmd.Flags().StringVar(&why, "reason", "", "why they are dropped (required)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// confirm asks before letters of a filter are taken; where nobody can be asked --yes must say so.
func (c letterChoice) confirm(cmd *cobra.Command, what string, letters int, named bool) error {
	if named || c.yes || letters == 0 {
		return nil
	}
	if !terminal.Is(cmd.InOrStdin()) {
		return misuse{fmt.Errorf("%d letters would be taken: --yes lets %s do it without asking", letters, what)}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s %d letters? [y/N] ", what, letters)
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil || !strings.EqualFold(strings.TrimSpace(answer), "y") {
		return errors.New("nothing was done")
	}
	return nil
}

// settling does something with one letter after the other.
type settling struct {
	cmd  *cobra.Command
	done string
	do   func(ctx context.Context, letter uint64) error
	// every is the time from one letter to the next.
	every time.Duration
}

// settled is what became of letters.
type settled struct {
	Letters int `json:"letters"`
	Done    int `json:"done"`
	// Before is how many something was done with before.
	Before int            `json:"before"`
	Failed []failedLetter `json:"failed"`
}

type failedLetter struct {
	Letter uint64 `json:"letter"`
	Error  string `json:"error"`
}

// run takes all letters, also when some fail, and reports. It fails when one did.
func (s settling) run(letters []uint64, asJSON bool) error {
	result := settled{Letters: len(letters), Failed: []failedLetter{}}
	err := s.each(letters, func(n uint64, err error) {
		switch _, before := errors.AsType[*dead.SettledError](err); {
		case err == nil:
			result.Done++
			return
		case before:
			result.Before++
		default:
			result.Failed = append(result.Failed, failedLetter{n, err.Error()})
		}
		if !asJSON {
			fmt.Fprintf(s.cmd.ErrOrStderr(), "%s\n", terminal.Text(err.Error()))
		}
	})
	out := s.cmd.OutOrStdout()
	if asJSON {
		if err := printJSON(out, result); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, "%d of %d letters %s", result.Done, result.Letters, s.done)
		if result.Before > 0 {
			fmt.Fprintf(out, ", %d settled before", result.Before)
		}
		fmt.Fprintln(out)
	}
	if err == nil && len(result.Failed) > 0 {
		err = fmt.Errorf("%d letters were not taken", len(result.Failed))
	}
	return err
}

// each takes the letters at the rate, shows how far it is where somebody looks, and ends with ctx.
func (s settling) each(letters []uint64, took func(n uint64, err error)) error {
	ctx, progress := s.cmd.Context(), terminal.Is(s.cmd.ErrOrStderr())
	tick := time.NewTicker(max(s.every, time.Nanosecond))
	defer tick.Stop()
	for i, n := range letters {
		if i > 0 && s.every > 0 {
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("stopped after %d of %d letters", i, len(letters))
		}
		took(n, s.do(ctx, n))
		if progress && (i+1 == len(letters) || i%20 == 0) {
			terminal.Command(s.cmd.ErrOrStderr(), terminal.ClearLine)
			fmt.Fprintf(s.cmd.ErrOrStderr(), "%d of %d letters", i+1, len(letters))
		}
	}
	if progress && len(letters) > 0 {
		fmt.Fprintln(s.cmd.ErrOrStderr())
	}
	return nil
}

func newDeadEdit(at *natsServer) *cobra.Command {
	h := hand{at: at}
	e := letterEditor{}
	cmd := &cobra.Command{
		Use:   "edit LETTER [--body FILE|-]",
		Short: "Replace a letter by an edited form, which is to be replayed",
		Long: `edit buries an edited form of a letter as a letter of its own, and notes on the old one that it was
edited; the old one stays as the proof of what came. The new letter goes on when it is replayed.

The body is JSON: the record as the vendor said it, or the target message as show prints it, which must
be valid by its contract. Key and version may not change. It is read from --body, or edited in $EDITOR,
which shows all of it: where there is personal data in it, --personal says that you may see that. A body
in which personal data is masked is refused.`,
		Example: `  erpstream dead show 17 --json --personal | jq .body > letter.json
  erpstream dead edit 17 --body letter.json --reason "quantity was misread"
  erpstream dead replay 18`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			numbers, err := letterNumbers(args)
			if err != nil {
				return err
			}
			return h.withDesk(cmd.Context(), func(_ jetstream.JetStream, desk *dead.Desk) error {
				body, err := e.read(cmd, desk, numbers[0])
				if err != nil {
					return err
				}
				edited, err := desk.Edit(cmd.Context(), numbers[0], body, e.why, check.Message)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "letter %d is the edited form of letter %d: `erpstream dead replay %d` lets it go on\n", edited, numbers[0], edited)
				return err
			})
		},
	}
	h.flags(cmd)
	cmd.Flags().StringVar(&e.path, "body", "", "file with the edited body, - for stdin; without it $EDITOR is opened")
	cmd.Flags().StringVar(&e.why, "reason", "", "why it is edited, for the note")
	cmd.Flags().BoolVar(&e.personal, "personal", false, "personal data may be shown in the editor")
	return cmd
}

// letterEditor gets an edited body.
type letterEditor struct {
	path, why string
	personal  bool
}

func (e letterEditor) read(cmd *cobra.Command, desk *dead.Desk, letter uint64) ([]byte, error) {
	switch {
	case e.path == "-":
		return io.ReadAll(cmd.InOrStdin())
	case e.path != "":
		return os.ReadFile(e.path)
	case !terminal.Is(cmd.InOrStdin()):
		return nil, misuse{errors.New("--body is missing, and this is no terminal to open an editor on")}
	}
	editor := os.Getenv("EDITOR")
	if editor == "" {
		return nil, misuse{errors.New("EDITOR is not set: set it, or give the body in a file (--body)")}
	}
	b, err := desk.Get(cmd.Context(), letter)
	if err != nil {
		return nil, err
	}
	body, err := e.shown(b)
	if err != nil {
		return nil, err
	}
	return editText(cmd.Context(), editor, body)
}

// shown is a body as an editor shows it.
func (e letterEditor) shown(b dead.Buried) ([]byte, error) {
	masked, errMasked := b.JSON(false)
	if broken := b.Stage == dead.Transform && !json.Valid(b.Body); broken && e.personal {
		return b.Body, nil // which may be what is to be mended
	}
	body, err := b.JSON(true)
	if !e.personal && (errMasked != nil || !sameJSON(body, masked)) {
		return nil, misuse{fmt.Errorf("letter %d may hold personal data, which the editor would show: --personal says that you may see it", b.Sequence)}
	}
	if err != nil {
		return nil, err
	}
	var pretty bytes.Buffer
	err = json.Indent(&pretty, body, "", "  ")
	return pretty.Bytes(), err
}

func sameJSON(a, b []byte) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// editText lets a person edit text in a file of their own, which is gone afterwards.
func editText(ctx context.Context, editor string, text []byte) ([]byte, error) {
	file, err := os.CreateTemp("", "erpstream-letter-*.json")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.Write(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", editor+` "$1"`, "sh", file.Name()) //nolint:gosec // the operator's own editor
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("editor %s: %w", editor, err)
	}
	return os.ReadFile(file.Name())
}
