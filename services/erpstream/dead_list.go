package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/dead"
)

func newDeadList(at *natsServer) *cobra.Command {
	var filter letterFilter
	var all, summary, asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, the oldest first, and count them by flow, stage and class",
		Long: `list shows the letters that nothing was done with yet; --all those that were replayed, dropped or edited
too. With --json each letter is one line; with --summary --json the counts are one value.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			wanted, err := filter.read(all)
			if err != nil {
				return err
			}
			list := letterList{out: cmd.OutOrStdout(), all: all, limit: limit, silent: summary, counts: map[letterCount]int{}}
			list.add = list.row
			if asJSON {
				list.add = list.line
			}
			js, closeNATS, err := at.connect()
			if err != nil {
				return err
			}
			defer closeNATS()
			for b, err := range dead.List(cmd.Context(), js, wanted) {
				if err != nil {
					return err
				}
				if err := list.take(b); err != nil {
					return err
				}
			}
			return list.finish(asJSON)
		},
	}
	filter.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "letters that something was done with, too")
	cmd.Flags().BoolVar(&summary, "summary", false, "only count them")
	cmd.Flags().IntVar(&limit, "limit", 0, "show so many at most, and count all of them; 0 shows all")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// letterCount is what letters are counted by.
type letterCount struct {
	Flow  string `json:"flow"`
	Stage string `json:"stage"`
	Class string `json:"class"`
	State string `json:"state"`
}

// letterList prints and counts letters.
type letterList struct {
	out         io.Writer
	all, silent bool
	limit       int
	shown       int
	total       int
	counts      map[letterCount]int
	table       *tabwriter.Writer
	add         func(dead.Buried) error
}

func (l *letterList) take(b dead.Buried) error {
	l.total++
	l.counts[letterCount{b.Flow, b.Stage, b.Class, b.State()}]++
	if l.silent || l.limit > 0 && l.shown == l.limit {
		return nil
	}
	l.shown++
	return l.add(b)
}

func (l *letterList) line(b dead.Buried) error { return printLine(l.out, letterView{b, b.State()}) }

// letterView is a letter as JSON.
type letterView struct {
	dead.Buried
	State string `json:"state"`
}

// flushEvery is how many rows are lined up together, so that a long list begins at once.
const flushEvery = 500

func (l *letterList) row(b dead.Buried) error {
	if l.table == nil {
		l.table = tabwriter.NewWriter(l.out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(l.table, "LETTER\tTIME\tFLOW\tSTAGE\tCLASS\tKEY\tSTATE\tREASON\n")
	}
	fmt.Fprintf(l.table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", b.Sequence, b.Time.Local().Format(time.RFC3339),
		cell(b.Flow, 40), b.Stage, cell(b.Class, 24), cell(b.Key, 32), b.State(), cell(cmp.Or(b.Reason, b.Fault), 160))
	if l.shown%flushEvery == 0 {
		return l.table.Flush()
	}
	return nil
}

// cell is text on one line, of so many letters at most; what would move the cursor is a space.
func cell(text string, most int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return text
}

// finish prints the counts.
func (l *letterList) finish(asJSON bool) error {
	type counted struct {
		letterCount
		Letters int `json:"letters"`
	}
	counts := []counted{}
	for c, n := range l.counts {
		counts = append(counts, counted{c, n})
	}
	slices.SortFunc(counts, func(a, b counted) int {
		return cmp.Or(cmp.Compare(a.Flow, b.Flow), cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Class, b.Class), cmp.Compare(a.State, b.State))
	})
	if asJSON {
		if !l.silent {
			return nil
		}
		return printJSON(l.out, counts)
	}
	if l.table != nil {
		if err := l.table.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(l.out)
	}
	if l.total == 0 {
		_, err := fmt.Fprintln(l.out, "no letters")
		return err
	}
	table := tabwriter.NewWriter(l.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "LETTERS\tFLOW\tSTAGE\tCLASS\tSTATE\n")
	for _, c := range counts {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\n", c.Letters, cell(c.Flow, 64), cell(c.Stage, 24), cell(c.Class, 24), c.State)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if l.shown < l.total && !l.silent {
		_, err := fmt.Fprintf(l.out, "%d of %d are shown: --limit 0 shows all\n", l.shown, l.total)
		return err
	}
	return nil
}

func newDeadShow(at *natsServer) *cobra.Command {
	var personalToo, asJSON bool
	cmd := &cobra.Command{
		Use:   "show LETTER…",
		Short: "Show letters whole: where and why they died, their headers, their body",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			numbers, err := letterNumbers(args)
			if err != nil {
				return err
			}
			h := hand{at: at}
			return h.withDesk(cmd.Context(), func(_ jetstream.JetStream, desk *dead.Desk) error {
				for _, n := range numbers {
					b, err := desk.Get(cmd.Context(), n)
					if err != nil {
						return err
					}
					whole := newWholeLetter(b, personalToo)
					if asJSON {
						err = printJSON(cmd.OutOrStdout(), whole)
					} else {
						err = whole.print(cmd.OutOrStdout())
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&personalToo, "personal", false, "show personal data, too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}
