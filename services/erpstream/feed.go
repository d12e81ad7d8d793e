package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/feed/catalog/samples"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/services/erpstream/internal/lint"
)

// newFeed is the command for feeds: the query APIs of all vendors, as assets.
func newFeed() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "feed",
		Short: "List and show feeds: the query APIs (接口资产) that sources can read",
	}
	cmd.AddCommand(newFeedList(), newFeedShow(), newFeedDrift())
	return cmd
}

// feedRow is one feed with what is known of its API.
type feedRow struct {
	Feed    string `json:"feed"`
	System  string `json:"system"`
	Edition string `json:"edition,omitempty"`
	Title   string `json:"title"`
	Path    string `json:"path"`
	// Reads says how it is read: whole, by time, by time or row version.
	Reads string `json:"reads"`
	// Window is the widest slice of time that the vendor takes, Page its largest page.
	Window string `json:"window,omitempty"`
	Page   int    `json:"page"`
	// CallsPerMinute is what the vendor lets an account make, over all its feeds.
	CallsPerMinute int `json:"calls_per_minute,omitempty"`
	Fields         int `json:"fields"`
}

func newFeedRow(f feed.Feed) feedRow {
	fields, _ := samples.Fields(f) // none of a feed without a sample
	row := feedRow{Feed: f.Name, System: f.System, Edition: f.Edition, Title: f.Title, Path: f.Path, Reads: "by time", Page: f.Paging.Max, Fields: len(fields), CallsPerMinute: lint.CallsPerMinute(f.System)}
	switch {
	case f.Snapshot:
		row.Reads = "whole"
	case f.RowVersion.Param != "":
		row.Reads = "by time or row version"
	}
	if !f.Snapshot {
		row.Window = f.Window.Max.String()
	}
	return row
}

func newFeedList() *cobra.Command {
	var asJSON bool
	var system string
	cmd := &cobra.Command{
		Use:   "list [TEXT]",
		Short: "List the feeds, or those with a text in their name, title or path",
		Example: `  erpstream feed list
  erpstream feed list 入库
  erpstream feed list --system jushuitan --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rows := []feedRow{}
			for _, name := range feed.Names() {
				f, err := feed.Get(name)
				if err != nil {
					return err
				}
				text := strings.ToLower(strings.Join([]string{f.Name, f.Title, f.Path}, "\n"))
				if (system == "" || f.System == system) && (len(args) == 0 || strings.Contains(text, strings.ToLower(args[0]))) {
					rows = append(rows, newFeedRow(f))
				}
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), rows)
			}
			return printFeeds(cmd.OutOrStdout(), rows)
		},
	}
	cmd.Flags().StringVar(&system, "system", "", "only those of a system, such as jushuitan")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func printFeeds(out io.Writer, rows []feedRow) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "FEED\tREADS\tWINDOW\tPAGE\tFIELDS\tPATH\tTITLE\n")
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", r.Feed, r.Reads, orDash(r.Window), r.Page, r.Fields, r.Path, r.Title)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%d feeds\n", len(rows))
	return err
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// feedDetail is all that is known of a feed.
type feedDetail struct {
	feedRow
	Key         []string        `json:"key"`
	Version     string          `json:"version,omitempty"`
	Modified    string          `json:"modified,omitempty"`
	Zone        string          `json:"zone"`
	Settle      string          `json:"settle"`
	Overlap     string          `json:"overlap"`
	Request     map[string]any  `json:"request,omitempty"`
	SampleWhole bool            `json:"sample_whole"`
	All         []samples.Field `json:"all_fields"`
	// Sample is the first recorded document, personal data masked.
	Sample any `json:"sample,omitempty"`
}

func newFeedShow() *cobra.Command {
	var asJSON, sample bool
	cmd := &cobra.Command{
		Use:   "show FEED",
		Short: "Show a feed: its API, its limits, and the fields of its records with types and examples",
		Long: `show prints what is known of a feed: where its API is, how it is asked, and the fields of its records
as the recorded sample has them. Values are made up, personal ones masked; personal fields are marked.`,
		Example: `  erpstream feed show jushuitan.purchasein
  erpstream feed show wangdiantong.stockin --sample
  erpstream feed show kis.material --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := feed.Get(args[0])
			if err != nil {
				return misuse{fmt.Errorf("unknown feed %q%s", args[0], flow.DidYouMean(args[0], feed.Names()))}
			}
			documents, err := samples.Masked(f)
			if err != nil {
				return err
			}
			fields, err := samples.Fields(f)
			if err != nil {
				return err
			}
			switch {
			case asJSON:
				return printJSON(cmd.OutOrStdout(), feedDetail{
					newFeedRow(f), f.Key, f.Version, f.Modified, f.Zone, f.Window.Settle.String(), f.Window.Overlap.String(), f.Request,
					f.SampleWhole, fields, documents[0],
				})
			case sample:
				return printJSON(cmd.OutOrStdout(), documents[0])
			default:
				return printFeed(cmd.OutOrStdout(), f, fields)
			}
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print all of it as JSON")
	cmd.Flags().BoolVar(&sample, "sample", false, "print the recorded document alone")
	return cmd
}

func printFeed(out io.Writer, f feed.Feed, fields []samples.Field) error {
	row := newFeedRow(f)
	facts := [][2]string{
		{"feed", f.Name}, {"title", f.Title}, {"path", f.Path}, {"edition", f.Edition}, {"reads", row.Reads},
		{"key", strings.Join(f.Key, " / ")}, {"version", f.Version}, {"modified", f.Modified}, {"zone", f.Zone},
		{"page", fmt.Sprintf("up to %d documents", f.Paging.Max)},
	}
	if !f.Snapshot {
		facts = append(facts, [2]string{"window", fmt.Sprintf("up to %s, settle %s, overlap %s", f.Window.Max, f.Window.Settle, f.Window.Overlap)})
	}
	if n := row.CallsPerMinute; n > 0 {
		facts = append(facts, [2]string{"budget", fmt.Sprintf("%d calls a minute for the account, over all its feeds", n)})
	}
	whole := "all that the vendor documents"
	if !f.SampleWhole {
		whole = "those of the recorded sample; the vendor may have more"
	}
	facts = append(facts, [2]string{"fields", whole})
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, fact := range facts {
		if fact[1] != "" {
			fmt.Fprintf(table, "%s\t%s\n", fact[0], fact[1])
		}
	}
	fmt.Fprintf(table, "\t\nFIELD\tTYPE\tEXAMPLE\tNOTE\n")
	for _, one := range fields {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", one.Path, strings.Join(one.Types, "|"), orDash(one.Example), note(f, one))
	}
	return table.Flush()
}

// note says what a field is for.
func note(f feed.Feed, one samples.Field) string {
	var notes []string
	if slices.Contains(f.Key, one.Path) {
		notes = append(notes, "key (主键)")
	}
	if one.Path == f.Version {
		notes = append(notes, "version")
	}
	if one.Path == f.Modified {
		notes = append(notes, "time of change")
	}
	if one.Personal {
		notes = append(notes, "personal (个人信息)")
	}
	return strings.Join(notes, ", ")
}
